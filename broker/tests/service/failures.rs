//! What fails around the broker: the disk, the network, names. Everything is denied, and it is said why.

use std::process::Command;

use nuketown_approval::socket::FromClient;

use crate::{
    broker::{Broker, Place, ask},
    peer::{Peer, prosody},
    phone::{BROKER, POLICY, question},
};

/// A policy with the shortest time to answer.
fn hasty() -> String {
    format!("timeout = 5\n{POLICY}")
}

/// A broker in a mount namespace of its own, where `mount` prepares the directory `log`.
fn with_mount(place: &Place, mount: &str) -> Command {
    let log = place.path("log");
    std::fs::create_dir(&log).unwrap();
    std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let text = std::fs::read_to_string(place.path("broker.toml")).unwrap();
    place.write("broker.toml", &text.replace("audit.jsonl", "log/audit.jsonl"));
    let run = place.command();
    let mut command = Command::new("unshare");
    // It becomes the broker: the process id is the same.
    command.args(["--map-root-user", "--mount", "sh", "-ec"]);
    command.arg(format!("{mount}; log=; exec \"$@\"")).arg(&log);
    command.arg(run.get_program()).args(run.get_args());
    command
}

#[test]
fn full_disk_denies_and_says_so_and_the_broker_goes_on_once_there_is_room() {
    let place = Place::new("", POLICY);
    let mut broker = Broker::start(with_mount(&place, "mount -t tmpfs -o size=32k,mode=0700 tmpfs \"$0\""));
    broker.says("listening");
    let mut client = place.connect();
    let inside = format!("/proc/{}/root{}", broker.id(), place.path("log").display());
    let first = client.asks("id");
    client.is_approved();
    client.spends(&first);
    // All that is left of it, to the last byte.
    let filler = format!("{inside}/filler");
    let status =
        Command::new("sh").args(["-c", "cat /dev/zero >\"$0\" 2>/dev/null", &filler]).status().unwrap();
    assert!(!status.success());
    let mut refused = 0;
    // The log's last block may have room for a few records.
    for _ in 0..100 {
        client.send(&FromClient::Request(Box::new(ask("id"))));
        match client.next() {
            Some(nuketown_approval::socket::FromBroker::Error { problem, .. }) => {
                assert!(problem.to_string().contains("No space left on device"), "{problem}");
                assert_eq!(problem.what, "nothing is approved that cannot be recorded");
                refused += 1;
                break;
            }
            Some(nuketown_approval::socket::FromBroker::Waiting(waiting)) => {
                let decision = client.decision();
                if decision.result == nuketown_approval::Answer::Denied {
                    continue;
                }
                client.send(&FromClient::Spend { id: waiting.id, digest: waiting.digest });
                client.next().unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 1);
    std::fs::remove_file(&filler).unwrap();
    let mut client = place.connect();
    let waiting = client.asks("id");
    client.is_approved();
    client.spends(&waiting);
    let log = std::path::PathBuf::from(format!("{inside}/audit.jsonl"));
    let mut interrupted = 0;
    nuketown_broker::audit::verify(&log, |record| {
        interrupted += usize::from(matches!(record.entry, nuketown_broker::audit::Entry::Interrupted { .. }));
    })
    .unwrap();
    assert_eq!(interrupted, 1);
}

#[test]
fn broker_does_not_start_with_a_log_that_it_cannot_write() {
    let place = Place::new("", POLICY);
    let mount = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    let mut broker = Broker::spawn(with_mount(&place, mount));
    broker.says("error: cannot open the audit log");
    broker.says("Read-only file system");
    assert_eq!(broker.ends(), 1);
    assert!(!place.socket().exists());
}

#[test]
fn log_that_somebody_changed_keeps_the_broker_from_starting() {
    let place = Place::new("", POLICY);
    let broker = place.start();
    place.connect().asks("id");
    drop(broker);
    let text = std::fs::read_to_string(place.audit()).unwrap();
    std::fs::write(place.audit(), text.replace("\"ada\"", "\"eve\"")).unwrap();
    let mut broker = Broker::spawn(place.command());
    broker.says("is not to be believed");
    assert_eq!(broker.ends(), 1);
    let verify = |log: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_nuketown-broker"))
            .args(["audit", "verify", "--log"])
            .arg(log)
            .output()
            .unwrap()
    };
    let output = verify(&place.audit());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("record 2"));
    std::fs::write(place.audit(), text).unwrap();
    assert_eq!(verify(&place.audit()).status.code(), Some(0));
}

#[test]
fn lost_server_denies_once_the_time_is_over_and_the_broker_comes_back() {
    let mut prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let place = Place::at(&prosody, "josh", "", &hasty());
    let mut broker = place.start();
    broker.says("online as");
    let mut client = place.connect();
    let waiting = client.asks("reboot");
    question(&mut phone, &waiting);
    prosody.kill();
    broker.says("offline:");
    client.is_denied("nobody answered in time");
    prosody.restart();
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    // It was open while nobody could be asked, and is asked about as soon as somebody can be.
    let place_again = place;
    let mut later = Peer::start(&prosody, "josh@localhost/later");
    drop(broker);
    let mut broker = place_again.start();
    broker.says("online as");
    later.was_heard_by(BROKER);
    let mut client = place_again.connect();
    let waiting = client.asks("reboot");
    question(&mut phone, &waiting);
    phone.chats(BROKER, &format!("yes {}", waiting.code));
    client.is_approved();
}

#[test]
fn request_that_is_made_while_the_server_is_away_reaches_the_human_when_it_is_back() {
    let mut prosody = prosody("13");
    prosody.kill();
    let place = Place::at(&prosody, "josh", "", POLICY);
    let mut broker = place.start();
    broker.says("offline:");
    let mut client = place.connect();
    let waiting = client.asks("reboot");
    prosody.restart();
    // Before the human is there, a server keeps the message for the human.
    broker.says("online as");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    question(&mut phone, &waiting);
    phone.chats(BROKER, &format!("yes {}", waiting.code));
    client.is_approved();
}

#[test]
fn name_that_cannot_be_resolved_denies_once_the_time_is_over() {
    let prosody = prosody("13");
    let place = Place::at(&prosody, "josh", "", &hasty());
    let text = std::fs::read_to_string(place.path("broker.toml")).unwrap();
    let server = format!("127.0.0.1:{}", prosody.port());
    place.write("broker.toml", &text.replace(&server, "xmpp.invalid:5222"));
    let mut broker = place.start();
    broker.says("offline:");
    let mut client = place.connect();
    client.asks("reboot");
    client.is_denied("nobody answered in time");
}

#[test]
fn refused_login_is_said_and_requests_are_refused_at_once() {
    let prosody = prosody("13");
    let place = Place::at(&prosody, "josh", "", POLICY);
    place.write("password", "hunter2");
    let mut broker = place.start();
    let said = broker.says("XMPP is given up");
    assert!(!said.contains("hunter2"), "{said}");
    let mut client = place.connect();
    // The engine hears of it at the same time as this line is said.
    client.send(&FromClient::Request(Box::new(ask("reboot"))));
    match client.next() {
        Some(nuketown_approval::socket::FromBroker::Error { problem, .. }) => {
            assert_eq!(problem.what, "nobody can be asked");
        }
        other => panic!("{other:?}"),
    }
}
