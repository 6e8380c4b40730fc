//! The local socket: who asks, and in which form.

use std::os::unix::process::CommandExt as _;

use nuketown_approval::socket::{FromBroker, FromClient, LINE_BYTES_MAX};

use crate::{
    broker::{Broker, Place, ask},
    phone::POLICY,
};

/// A user that exists on every machine and is no agent.
const NOBODY: u32 = 65534;

#[test]
fn pre_approved_command_of_a_headless_broker_is_approved_used_and_recorded() {
    let place = Place::new("", POLICY);
    let broker = place.start();
    let mut client = place.connect();
    let waiting = client.asks("id");
    assert_eq!(waiting.agent.as_str(), "ada");
    client.is_approved();
    client.spends(&waiting);
    client.send(&FromClient::Request(Box::new(ask("reboot"))));
    client.is_refused("nobody can be asked");
    assert_eq!(broker.terminate(), 0);
    let recorded = place.recorded();
    for event in ["started", "requested", "approved by a rule", "spent", "nobody can be asked", "stopped"] {
        assert!(recorded.contains(event), "{event} in {recorded}");
    }
}

#[test]
fn line_that_is_not_of_the_protocol_is_answered_and_ends_the_connection() {
    let place = Place::new("", POLICY);
    let _broker = place.start();
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let named = FromClient::Request(Box::new(ask("id"))).to_line().replacen('{', "{\"agent\":\"vox\",", 1);
    for (line, why) in [
        ("\n", "the line"),
        ("{}\n", "type"),
        ("[1,2\n", "cannot be read"),
        ("{\"type\":\"decision\"}\n", "decision"),
        ("{\"type\":\"cancel\",\"id\":\"a\\u001b[2J\"}\n", "id"),
        ("{\"type\":\"cancel\",\"id\":\"a\",\"id\":\"b\"}\n", "id"),
        (named.as_str(), "agent"),
        (long.as_str(), "too long"),
        ("\u{1}\n", "the line"),
    ] {
        let mut client = place.connect();
        client.send_text(line);
        client.is_refused(why);
        assert_eq!(client.next(), None, "{line:?}");
    }
}

#[test]
fn half_a_line_asks_for_nothing() {
    let place = Place::new("", POLICY);
    let broker = place.start();
    let line = FromClient::Request(Box::new(ask("id"))).to_line();
    let mut client = place.connect();
    client.send_text(line.trim_end());
    drop(client);
    place.connect().asks("id");
    drop(broker);
    assert_eq!(place.recorded().matches("\"requested\"").count(), 1);
}

#[test]
fn user_who_is_no_agent_is_refused_and_recorded() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test connects as another user: run it as root, as tools/test does in CI"
    );
    let place = Place::new("", POLICY);
    std::fs::set_permissions(place.directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let _broker = place.start();
    let output = std::process::Command::new("python3")
        .args(["-c", "import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.sendall(sys.argv[2].encode());print(s.recv(65536).decode())"])
        .arg(place.socket())
        .arg(FromClient::Request(Box::new(ask("id"))).to_line())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    match FromBroker::from_line(text.trim().as_bytes()) {
        Ok(FromBroker::Error { id: None, problem }) => {
            assert_eq!(problem.what, "the policy does not allow this request");
        }
        // Where nobody's user has a name that no agent can have, or none.
        other => panic!("{other:?} {text} {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn second_broker_does_not_start_and_the_first_goes_on() {
    let place = Place::new("", POLICY);
    let _first = place.start();
    let mut second = Broker::spawn(place.command());
    second.says("another broker writes");
    assert_eq!(second.ends(), 1);
    place.connect().asks("id");
}

#[test]
fn broker_of_systemd_takes_its_socket_and_says_when_it_is_ready_and_stops() {
    let place = Place::new("", POLICY);
    let notify = std::os::unix::net::UnixDatagram::bind(place.path("notify")).unwrap();
    notify.set_read_timeout(Some(crate::broker::PATIENCE)).unwrap();
    let said = || {
        let mut buffer = [0; 100];
        let length = notify.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    // What systemd does: the socket as descriptor 3, and the process's own id in LISTEN_PID.
    let listener = std::os::unix::net::UnixListener::bind(place.path("passed")).unwrap();
    let script = "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ WATCHDOG_USEC=200000 exec \"$0\" \"$@\" 0</dev/null";
    let run = place.command();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(run.get_program()).args(run.get_args());
    command.env("NOTIFY_SOCKET", place.path("notify")).stdin(std::os::fd::OwnedFd::from(listener));
    let mut child = command.spawn().unwrap();
    assert_eq!(said(), "READY=1");
    assert_eq!(said(), "WATCHDOG=1");
    let mut client = crate::broker::Client::connect(&place.path("passed"));
    client.asks("id");
    client.is_approved();
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    while said() != "STOPPING=1" {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.path("passed").exists() && !place.socket().exists());
}
