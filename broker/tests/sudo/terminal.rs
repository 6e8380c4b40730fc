//! On a terminal, made by script(1): the message, and Ctrl-C.

use std::{
    io::{Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::Stdio,
};

use nix::sys::signal::Signal;
use nuketown_approval::socket::FromClient;

use crate::{
    Case,
    broker::{approves, run_with, run_with_listener},
    cases,
    world::{World, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    message_says_how_it_is_answered,
    command_has_the_terminal,
    stopped_command_goes_on_in_the_foreground,
    interrupt_withdraws_the_request,
    termination_withdraws_the_request,
];

/// `script` with this command line: what the terminal shows is its output, what is typed its input.
fn on_terminal(world: &World, line: &str) -> std::process::Command {
    let mut command = world.as_agent(Path::new("/usr/bin/script"));
    command.args(["--quiet", "--return", "--command", line, "/dev/null"]).stdin(Stdio::piped());
    command
}

fn message_says_how_it_is_answered(world: &World) {
    let mut command = on_terminal(world, "sudo -B id -u");
    let (output, code) = run_with(world, &mut command, |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&waiting, nuketown_approval::Answer::Approved, None);
        peer.spend(&waiting);
        peer.spent(&waiting);
        peer.end();
        waiting.code
    });
    let message = format!(
        "\u{7}sudo: {code} waits for approval until 2126-11-24 12:00:00 UTC, in the dialog or by \"yes {code}\" in the chat (request a1b2c3; \
         Ctrl-C withdraws it)\r\n0\r\n"
    );
    // script(1) types the end of its input, which shows as ^@ or ^D.
    assert!(stdout(&output).ends_with(&message), "{:?}", stdout(&output));
}

fn command_has_the_terminal(world: &World) {
    let (output, _) = run_with(
        world,
        &mut on_terminal(world, "sudo sh -c 'test -t 0 && test -t 1 && echo terminal; exit 3'"),
        approves,
    );
    assert!(stdout(&output).ends_with("terminal\r\n"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(3));
}

/// Ctrl-Z while the command runs stops it and sudo; `fg` lets both go on.
fn stopped_command_goes_on_in_the_foreground(world: &World) {
    let script = "set -m; sudo sh -c 'echo begun; read line; echo got $line'; echo stopped $?; fg >/dev/null; echo ended $?";
    let mut command = on_terminal(world, script);
    let mut typed = None;
    let (output, _) = run_with_listener(
        world,
        None,
        || {
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let screen = child.stdout.as_mut().unwrap();
            read_until(screen, "begun");
            input.write_all(b"\x1a").unwrap();
            read_until(screen, "stopped 148");
            input.write_all(b"word\n").unwrap();
            typed = Some(input);
            child
        },
        approves,
    );
    let screen = stdout(&output);
    assert!(screen.contains("got word") && screen.contains("ended 0"), "{screen}");
}

/// Reads until it is said that the request can be withdrawn.
fn wait_for_message(screen: &mut impl Read) {
    read_until(screen, "withdraws it)");
}

fn read_until(screen: &mut impl Read, end: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
}

/// With a terminal of the command's own (`use_pty`) the real sudo passes Ctrl-C on; without, it comes from the kernel.
fn interrupt_withdraws_the_request(world: &World) {
    for line in ["Defaults use_pty", "Defaults !use_pty"] {
        world.with_sudoers(line, || interrupt(world));
    }
}

fn interrupt(world: &World) {
    let marker = world.marker();
    let mut command =
        on_terminal(world, &format!("trap : INT; sudo touch {}; echo status $?", marker.display()));
    let mut typed = None;
    let (output, ()) = run_with_listener(
        world,
        None,
        || {
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            wait_for_message(child.stdout.as_mut().unwrap());
            input.write_all(b"\x03").unwrap();
            typed = Some(input);
            child
        },
        |mut peer| {
            let (_, waiting) = peer.open();
            assert_eq!(peer.line(), FromClient::Cancel { id: waiting.id });
            peer.end();
        },
    );
    let screen = stdout(&output);
    assert!(screen.contains("sudo: the request was withdrawn") && screen.contains("status 130"), "{screen}");
    assert!(!marker.exists());
}

fn termination_withdraws_the_request(world: &World) {
    let marker = world.marker();
    let mut command = world.sudo(&["touch", marker.to_str().unwrap()]);
    let (output, ()) = run_with_listener(
        world,
        None,
        || {
            let mut child = command.spawn().unwrap();
            wait_for_message(child.stderr.as_mut().unwrap());
            // The real sudo passes it on.
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
            child
        },
        |mut peer| {
            let (_, waiting) = peer.open();
            assert_eq!(peer.line(), FromClient::Cancel { id: waiting.id });
            peer.end();
        },
    );
    assert_eq!((output.status.signal(), marker.exists()), (Some(Signal::SIGTERM as i32), false));
}
