//! Answers and configurations that are not the approver's. Each would make a file if anything ran.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use nuketown_approval::{
    Answer, Code, Digest,
    socket::{FromBroker, Waiting},
};

use crate::{
    Case,
    broker::{Peer, listen, run_with, run_with_listener},
    cases,
    world::{World, finish, stderr, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    answer_for_another_id_runs_nothing,
    answer_for_another_digest_runs_nothing,
    confirmation_for_another_request_runs_nothing,
    request_that_is_opened_as_something_else_runs_nothing,
    decision_before_the_request_is_open_runs_nothing,
    confirmation_without_a_decision_runs_nothing,
    replayed_decision_runs_nothing,
    old_answers_on_a_new_connection_run_nothing,
    malformed_line_runs_nothing,
    connection_closed_at_any_step_runs_nothing,
    socket_of_another_user_is_not_believed,
    socket_of_the_approver_is_believed,
    approver_does_not_approve_itself,
    configuration_of_another_user_is_refused,
    malformed_configuration_is_refused,
    program_called_without_the_real_sudo_is_refused,
    program_with_the_setuid_bit_is_refused,
    caller_cannot_name_another_agent,
];

/// Runs a command that makes a file with a broker that does this, and sees that it was not made.
fn runs_nothing(world: &World, script: impl FnOnce(Peer) + Send) -> String {
    let marker = world.marker();
    let (output, ()) = run_with(world, &mut world.sudo(&["touch", marker.to_str().unwrap()]), script);
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false), "{}", stderr(&output));
    assert!(stderr(&output).contains("error: "), "{}", stderr(&output));
    stderr(&output)
}

fn other_digest() -> Digest {
    "0".repeat(64).parse().unwrap()
}

fn answer_for_another_id_runs_nothing(world: &World) {
    let said = runs_nothing(world, |mut peer| {
        let (_, waiting) = peer.open();
        let other = Waiting { id: "b1b2c3".parse().unwrap(), ..waiting };
        peer.decide(&other, Answer::Approved, None);
        peer.end();
    });
    assert!(said.contains("another request"), "{said}");
}

fn answer_for_another_digest_runs_nothing(world: &World) {
    let said = runs_nothing(world, |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&Waiting { digest: other_digest(), ..waiting }, Answer::Approved, None);
        peer.end();
    });
    assert!(said.contains("something else than what was asked"), "{said}");
}

fn confirmation_for_another_request_runs_nothing(world: &World) {
    let changes: [fn(Waiting) -> Waiting; 2] = [
        |waiting| Waiting { digest: other_digest(), ..waiting },
        |waiting| Waiting { id: "b1b2c3".parse().unwrap(), ..waiting },
    ];
    for forge in changes {
        runs_nothing(world, |mut peer| {
            let (_, waiting) = peer.open();
            peer.decide(&waiting, Answer::Approved, None);
            peer.spend(&waiting);
            peer.spent(&forge(waiting));
            peer.end();
        });
    }
}

fn request_that_is_opened_as_something_else_runs_nothing(world: &World) {
    let changes: [fn(Waiting) -> Waiting; 5] = [
        |waiting| Waiting { digest: other_digest(), ..waiting },
        |waiting| Waiting { code: Code::of(&other_digest()), ..waiting },
        |waiting| Waiting { agent: "vox".parse().unwrap(), ..waiting },
        |waiting| Waiting { host: None, ..waiting },
        |waiting| Waiting { expires: "2126-11-24T12:00:01Z".parse().unwrap(), ..waiting },
    ];
    for forge in changes {
        let said = runs_nothing(world, |mut peer| {
            let (_, waiting) = peer.request();
            peer.send(&FromBroker::Waiting(Box::new(forge(waiting))));
            peer.end();
        });
        assert!(said.contains("is not that of the request"), "{said}");
    }
}

fn decision_before_the_request_is_open_runs_nothing(world: &World) {
    runs_nothing(world, |mut peer| {
        let (_, waiting) = peer.request();
        peer.decide(&waiting, Answer::Approved, None);
        peer.spent(&waiting);
        peer.end();
    });
}

fn confirmation_without_a_decision_runs_nothing(world: &World) {
    runs_nothing(world, |mut peer| {
        let (_, waiting) = peer.open();
        peer.spent(&waiting);
        peer.end();
    });
}

fn replayed_decision_runs_nothing(world: &World) {
    let said = runs_nothing(world, |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&waiting, Answer::Approved, None);
        peer.spend(&waiting);
        peer.decide(&waiting, Answer::Approved, None);
        peer.end();
    });
    assert!(said.contains("did not confirm that the approval is recorded"), "{said}");
}

fn old_answers_on_a_new_connection_run_nothing(world: &World) {
    let marker = world.marker();
    let (_, old) = run_with(world, &mut world.sudo(&["touch", marker.to_str().unwrap()]), |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&waiting, Answer::Denied, None);
        peer.end();
        waiting
    });
    // The same command by the same agent: only the nonce is another one.
    runs_nothing(world, |mut peer| {
        let _ = peer.request();
        peer.send(&FromBroker::Waiting(Box::new(old.clone())));
        peer.decide(&old, Answer::Approved, None);
        peer.spent(&old);
        peer.end();
    });
}

fn malformed_line_runs_nothing(world: &World) {
    for bad in
        ["approved\n", "{\"type\":\"decision\",\"id\":\"a1b2c3\",\"result\":\"approved\"}\n", "\u{0}\n", "\n"]
    {
        runs_nothing(world, |mut peer| {
            peer.open();
            peer.send_text(bad);
            peer.end();
        });
    }
}

fn connection_closed_at_any_step_runs_nothing(world: &World) {
    for steps in 0..4 {
        let said = runs_nothing(world, |mut peer| {
            if steps == 0 {
                return;
            }
            let (_, waiting) = peer.request();
            if steps == 1 {
                return;
            }
            peer.send(&FromBroker::Waiting(Box::new(waiting.clone())));
            if steps == 2 {
                return;
            }
            peer.decide(&waiting, Answer::Approved, None);
            peer.spend(&waiting);
        });
        assert!(said.contains("the broker is gone"), "after {steps} steps: {said}");
    }
}

fn socket_of_another_user_is_not_believed(world: &World) {
    for uid in [world.agent.uid, world.other.uid] {
        let marker = world.marker();
        let mut command = world.sudo(&["touch", marker.to_str().unwrap()]);
        let (output, ()) = run_with_listener(world, Some(uid), || command.spawn().unwrap(), Peer::end);
        assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
        assert!(stderr(&output).contains(&format!("user {uid} listens there")), "{}", stderr(&output));
    }
}

fn socket_of_the_approver_is_believed(world: &World) {
    let mut command = world.sudo(&["id", "-u"]);
    let (output, _) = run_with_listener(
        world,
        Some(world.approver.uid),
        || command.spawn().unwrap(),
        crate::broker::approves,
    );
    assert_eq!(stdout(&output), "0\n", "{}", stderr(&output));
}

/// Runs a command while nobody should be asked at all.
fn asks_nobody(world: &World, command: &mut Command) -> String {
    let listener = listen(world, None);
    listener.set_nonblocking(true).unwrap();
    let output = finish(command);
    assert!(listener.accept().is_err(), "somebody was asked");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

fn approver_does_not_approve_itself(world: &World) {
    world.configured(&world.approved_by(&world.agent.uid.to_string()), 0o644, || {
        let said = asks_nobody(world, &mut world.sudo(&["id"]));
        assert!(said.contains("nobody approves their own requests"), "{said}");
    });
}

fn configuration_of_another_user_is_refused(world: &World) {
    let config = world.approved_by(&world.approver.uid.to_string());
    for mode in [0o664, 0o646, 0o666] {
        world.configured(&config, mode, || {
            let said = asks_nobody(world, &mut world.sudo(&["id"]));
            assert!(said.contains("somebody else than root can change it"), "{said}");
        });
    }
}

fn malformed_configuration_is_refused(world: &World) {
    for config in [
        "",
        "approver = \"nobody-like-this\"\n",
        "approver = 0\nsecure_path = \".\"\n",
        "approver = 0\nprogram = \"x\"\n",
    ] {
        world.configured(config, 0o644, || {
            let said = asks_nobody(world, &mut world.sudo(&["id"]));
            assert!(said.contains("/etc/nuketown/sudo.toml cannot be used"), "{said}");
        });
    }
}

fn program_called_without_the_real_sudo_is_refused(world: &World) {
    let mut command = Command::new(world.base.join("bin/nuketown-sudo"));
    command.arg("id").env_clear().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    assert!(asks_nobody(world, &mut command).contains("it is not known who asks"));
    // Root by the real sudo is root all the same.
    command.env("SUDO_UID", "0").env("SUDO_GID", "0").env("SUDO_USER", "root");
    assert!(asks_nobody(world, &mut command).contains("SUDO_UID is 0"));
    command.env("SUDO_UID", world.agent.uid.to_string());
    assert!(asks_nobody(world, &mut command).contains("not the name of SUDO_UID"));
}

fn program_with_the_setuid_bit_is_refused(world: &World) {
    let program = world.base.join("bin/nuketown-sudo");
    let set = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
    set(0o4755);
    let said = asks_nobody(world, &mut world.sudo(&["id"]));
    set(0o2755);
    let group = asks_nobody(world, &mut world.sudo(&["id"]));
    set(0o755);
    for said in [said, group] {
        assert!(said.contains("rights that are not its caller's"), "{said}");
    }
}

fn caller_cannot_name_another_agent(world: &World) {
    let other = world.other.uid.to_string();
    let mut command = world.sudo(&["id", "-u"]);
    command
        .env("SUDO_UID", &other)
        .env("SUDO_GID", &other)
        .env("SUDO_USER", &world.other.name)
        .env("USER", &world.other.name);
    let (output, uid) = run_with(world, &mut command, |peer| {
        let uid = peer.uid;
        crate::broker::approves(peer);
        uid
    });
    assert_eq!((stdout(&output).as_str(), uid), ("0\n", world.agent.uid), "{}", stderr(&output));
}
