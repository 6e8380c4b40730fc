//! Many requests of many agents at once, as real users on the real socket.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::{
    broker::Place,
    peer::{Peer, body, corrects, prosody},
    phone::BROKER,
};

const AGENTS: u32 = 100;
const REQUESTS: u32 = 10;
const FIRST_UID: u32 = 40_000;

/// Opens all connections as their users (the effective user counts for `SO_PEERCRED`), asks once on each, and prints what it is
/// told as one line of JSON each, `[uid, line]`, until each request is decided.
const CLIENTS: &str = r#"
import json, os, selectors, socket, sys
path, first, agents, requests = sys.argv[1], *map(int, sys.argv[2:])
ready = selectors.DefaultSelector()
for uid in range(first, first + agents):
    for n in range(requests):
        os.seteuid(uid)
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        os.seteuid(0)
        nonce = "%016x%016x" % (uid, n)
        s.sendall(json.dumps({"type": "request", "kind": "sudo", "argv": ["run", str(uid), str(n)], "nonce": nonce}).encode() + b"\n")
        ready.register(s, selectors.EVENT_READ, [uid, b""])
decided = 0
while decided < agents * requests:
    for key, _ in ready.select():
        uid, rest = key.data
        *lines, key.data[1] = (rest + key.fileobj.recv(65536)).split(b"\n")
        for line in map(json.loads, lines):
            print(json.dumps([uid, line]), flush=True)
            if line["type"] == "decision":
                decided += 1
                ready.unregister(key.fileobj)
"#;

#[test]
fn thousand_requests_of_a_hundred_agents_are_all_answered_correctly_in_bounded_memory() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test is a hundred users: run it as root, as tools/test does in CI"
    );
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let mut policy = "approver = \"josh@localhost\"\ntimeout = 600\n".to_owned();
    let mut agents = String::new();
    for n in 0..AGENTS {
        writeln!(policy, "[agents.a{n}]\nmay = [\"sudo\"]").unwrap();
        writeln!(agents, "[agents.a{n}]\nuid = {}", FIRST_UID + n).unwrap();
    }
    let place = Place::at(&prosody, "josh", &agents, &policy);
    std::fs::set_permissions(place.directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let mut broker = place.start();
    broker.says("online as");
    let mut clients = Command::new("python3")
        .args(["-c", CLIENTS])
        .arg(place.socket())
        .args([FIRST_UID, AGENTS, REQUESTS].map(|number| number.to_string()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = crate::broker::lines_of(clients.stdout.take().unwrap());
    let total = AGENTS * REQUESTS;
    // Every other one, by what was asked: the answer has to reach who asked that.
    let mut asked = 0;
    while asked < total {
        let question = phone.sees();
        if corrects(&question).is_some() {
            continue;
        }
        asked += 1;
        let text = body(&question);
        let code = text.split_whitespace().last().unwrap().to_owned();
        let word = if is_even(text) { "yes" } else { "no" };
        phone.chats(BROKER, &format!("{word} {code}"));
    }
    let mut waiting = std::collections::BTreeMap::new();
    let mut answered = 0;
    while answered < total {
        let line: serde_json::Value =
            serde_json::from_str(&lines.recv_timeout(crate::broker::PATIENCE).unwrap()).unwrap();
        let (uid, said) = (line[0].as_u64().unwrap(), &line[1]);
        match said["type"].as_str().unwrap() {
            "waiting" => {
                assert_eq!(said["agent"], format!("a{}", uid - u64::from(FIRST_UID)));
                waiting.insert(said["id"].as_str().unwrap().to_owned(), uid);
            }
            "decision" => {
                let id = said["id"].as_str().unwrap();
                assert_eq!(waiting.get(id), Some(&uid), "a decision reaches who asked");
                let expected = if uid % 2 == 0 { "approved" } else { "denied" };
                assert_eq!(said["result"], expected, "{said}");
                answered += 1;
            }
            other => panic!("{other}: {said}"),
        }
    }
    assert!(clients.wait().unwrap().success());
    let peak = peak_memory(broker.id());
    assert!(peak < 64 * 1024, "{peak} kB");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "peak memory of the broker: {peak} kB").unwrap();
}

/// Whether the uid in a question is even: it reads `sudo run UID N`.
fn is_even(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| *word != "run");
    words.nth(1).and_then(|uid| uid.parse::<u32>().ok()).unwrap_or_else(|| panic!("{text}")) % 2 == 0
}

/// The most resident memory that the process ever had, in kB (`VmHWM`, proc(5)).
fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
