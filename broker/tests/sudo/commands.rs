//! Approved commands run as they would under the real sudo, and nothing else runs.

use std::{fs, os::unix::process::ExitStatusExt as _, process::Command};

use nix::sys::signal::Signal;
use nuketown::Problem;
use nuketown_approval::{Answer, socket::FromBroker};

use crate::{
    Case,
    broker::{approves, run_with},
    cases,
    world::{World, finish, stderr, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    approved_command_runs_as_root,
    command_runs_as_the_user_and_the_group_that_were_approved,
    exit_status_is_the_commands,
    signal_that_ends_the_command_is_seen,
    broken_pipe_ends_the_command_as_usual,
    standard_input_is_the_commands,
    denied_command_does_not_run,
    command_that_nobody_may_be_asked_about_does_not_run,
    without_a_broker_nothing_runs,
    command_lines_are_read_as_the_real_sudo_reads_them,
    modes_without_a_command_need_no_broker,
];

fn approved_command_runs_as_root(world: &World) {
    let (output, sudo) = run_with(world, &mut world.sudo(&["id", "-u"]), |peer| {
        assert_eq!(peer.uid, world.agent.uid);
        approves(peer)
    });
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("0\n", Some(0)), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("waits for approval until 2126-11-24 12:00:00 UTC"),
        "{}",
        stderr(&output)
    );
    assert_eq!(sudo.argv.to_text(), "id -u");
    assert_eq!((sudo.user.as_str(), sudo.group, sudo.environment.is_empty()), ("root", None, true));
    assert_eq!(sudo.identity.unwrap().sha256, None, "only root can change id");
}

fn command_runs_as_the_user_and_the_group_that_were_approved(world: &World) {
    let (other, group) = (world.other.name.clone(), world.group.name.clone());
    let show = "id -un; id -ru; id -gn; id -Gn; umask; pwd; echo $HOME $USER $SUDO_USER $SUDO_UID";
    let (output, sudo) =
        run_with(world, &mut world.sudo(&["-u", &other, "-g", &group, "sh", "-c", show]), approves);
    let mut lines = stdout(&output).lines().map(str::to_owned).collect::<Vec<_>>();
    let groups = lines.remove(3);
    // No group of root's or of the agent's is left.
    let mut groups: Vec<&str> = groups.split(' ').collect();
    groups.sort_unstable();
    assert!(groups.iter().all(|name| [other.as_str(), group.as_str()].contains(name)), "{groups:?}");
    let home = world.other.dir.display();
    let expected = [
        other.clone(),
        world.other.uid.to_string(),
        group.clone(),
        "0022".to_owned(),
        world.home().display().to_string(),
        format!("{home} {other} {} {}", world.agent.name, world.agent.uid),
    ];
    assert_eq!(lines, expected, "{}", stderr(&output));
    assert_eq!((sudo.user.as_str(), sudo.group.unwrap().as_str()), (other.as_str(), group.as_str()));
}

fn exit_status_is_the_commands(world: &World) {
    for status in [0, 1, 7, 255] {
        let (output, _) =
            run_with(world, &mut world.sudo(&["sh", "-c", &format!("exit {status}")]), approves);
        assert_eq!(output.status.code(), Some(status));
    }
}

fn signal_that_ends_the_command_is_seen(world: &World) {
    let (output, _) = run_with(world, &mut world.sudo(&["sh", "-c", "kill -TERM $$"]), approves);
    assert_eq!(
        output.status.signal(),
        Some(Signal::SIGTERM as i32),
        "{:?} {}",
        output.status,
        stderr(&output)
    );
}

fn broken_pipe_ends_the_command_as_usual(world: &World) {
    let (output, _) = run_with(world, &mut world.sudo(&["sh", "-c", "kill -PIPE $$; echo deaf"]), approves);
    assert_eq!((output.status.signal(), stdout(&output).as_str()), (Some(Signal::SIGPIPE as i32), ""));
    let (output, _) =
        run_with(world, &mut world.sudo(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]), approves);
    let sets: Vec<u64> = stdout(&output)
        .lines()
        .map(|line| u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap())
        .collect();
    assert_eq!(sets.first(), Some(&0), "no signal is blocked: {}", stdout(&output));
    assert_eq!(sets.get(1).unwrap() & (1 << 12), 0, "SIGPIPE is not ignored: {}", stdout(&output));
}

fn standard_input_is_the_commands(world: &World) {
    let input = fs::File::open(world.agents_file("input", "from the agent\n")).unwrap();
    let (output, _) = run_with(world, world.sudo(&["-S", "cat"]).stdin(input), approves);
    assert_eq!(stdout(&output), "from the agent\n");
}

fn denied_command_does_not_run(world: &World) {
    let marker = world.marker();
    let (output, ()) = run_with(world, &mut world.sudo(&["touch", marker.to_str().unwrap()]), |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&waiting, Answer::Denied, Some("denied by \u{1b}[2Jthe dialog"));
        peer.end();
    });
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("was denied") && said.contains("the dialog") && !said.contains('\u{1b}'), "{said}");
    assert!(!marker.exists());
}

fn command_that_nobody_may_be_asked_about_does_not_run(world: &World) {
    let marker = world.marker();
    let (output, ()) =
        run_with(world, &mut world.sudo(&["-n", "touch", marker.to_str().unwrap()]), |mut peer| {
            let (ask, _) = peer.request();
            assert!(ask.non_interactive);
            let problem = Problem::new("a human would have to be asked", "no rule allows the command");
            peer.send(&FromBroker::Error { id: None, problem });
            peer.end();
        });
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
    assert!(
        stderr(&output).contains("no rule allows") && !stderr(&output).contains("waits"),
        "{}",
        stderr(&output)
    );
    // What a rule allows is answered at once, and nothing is said about waiting.
    let (output, _) = run_with(world, &mut world.sudo(&["-n", "id", "-u"]), approves);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("0\n", ""));
}

fn without_a_broker_nothing_runs(world: &World) {
    let marker = world.marker();
    let _ = fs::remove_file(world.socket());
    let output = finish(&mut world.sudo(&["touch", marker.to_str().unwrap()]));
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
    assert!(stderr(&output).contains("no broker can be asked"), "{}", stderr(&output));
}

/// The same lines, once by the real sudo for root, who may do everything, and once by an agent with everything approved.
fn command_lines_are_read_as_the_real_sudo_reads_them(world: &World) {
    let show = world.fixed_file(
        "show",
        "#!/bin/sh\nid -un\nid -gn\npwd\necho \"$A|$B|$LANG|$HOME|$USER|$LOGNAME|$SHELL|$MAIL\"\nfor word; do echo \"<$word>\"; done\n",
    );
    let show = show.to_str().unwrap();
    let other = world.other.name.as_str();
    let by_uid = format!("#{}", world.other.uid);
    let group = world.group.name.as_str();
    let lines: &[&[&str]] = &[
        &[show, "a b", "", "-u", "--", "A=1", "*", "$HOME", "a\nb"],
        &["--", show, "--"],
        &["-u", other, show],
        &["-nu", other, show],
        &["-nu", &by_uid, show],
        &["--user", other, "--group", group, show],
        &["-g", group, "-u", "root", show],
        &["A=1", "-u", other, "B=x y=z", show],
        &["-HSkn", show],
        &["-Ak", show],
        &["-D", "/tmp", show],
        &["--chdir=/usr/bin", "LANG=C", show],
        &["-i", "-u", other, show, "a b", "$HOME", "*", ";", "'"],
        &["-p", "prompt", "--non-interactive", "-k", show],
        &["-i", show, "a\\b", "\"", "`"],
    ];
    for line in lines {
        let mut real = Command::new("/usr/bin/sudo");
        real.args(*line)
            .current_dir(world.home())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8");
        let expected = finish(
            real.stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped()),
        );
        let (output, _) = run_with(world, world.sudo(line).env("LANG", "C.UTF-8"), approves);
        let said = format!("{line:?}: {} {}", stderr(&expected), stderr(&output));
        assert_eq!(
            (stdout(&output), output.status.code()),
            (stdout(&expected), expected.status.code()),
            "{said}"
        );
        assert!(stdout(&output).contains('|'), "{said}");
    }
}

fn modes_without_a_command_need_no_broker(world: &World) {
    let _ = fs::remove_file(world.socket());
    for (line, word) in [
        (["-h"], "usage: sudo"),
        (["-V"], "nuketown-sudo "),
        (["-l"], "Every command"),
        (["-k"], ""),
        (["-v"], ""),
    ] {
        let output = finish(&mut world.sudo(&line));
        assert!(output.status.success() && stdout(&output).contains(word), "{line:?}: {}", stderr(&output));
    }
    for line in
        [&["-E", "id"][..], &["-e", "file"], &["-b", "id"], &["-R", "/tmp", "id"], &["PATH=/tmp", "id"], &[]]
    {
        let output = finish(&mut world.sudo(line));
        assert_eq!(output.status.code(), Some(1), "{line:?}");
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
}
