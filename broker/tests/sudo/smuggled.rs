//! What an agent would like to have unseen: variables, a search path, arguments that are taken for something else.

use std::collections::BTreeMap;

use crate::{
    Case,
    broker::{approves, run_with},
    cases,
    world::{World, finish, stderr, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    environment_of_the_agent_does_not_reach_the_command,
    variable_that_is_approved_is_shown_and_reaches_the_command,
    variable_that_loads_or_runs_something_is_refused,
    search_path_of_the_agent_does_not_choose_the_program,
    arguments_reach_the_command_as_they_were_approved,
    flags_behind_the_command_are_the_commands,
    descriptors_of_the_agent_do_not_reach_the_command,
];

fn environment_of_the_agent_does_not_reach_the_command(world: &World) {
    let library = world.agents_file("x.so", "");
    let mut command = world.sudo(&["env", "-0"]);
    for (name, value) in [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("LD_LIBRARY_PATH", "/tmp"),
        ("PAGER", "sh"),
        ("GIT_PAGER", "sh"),
        ("BASH_ENV", "/tmp/x"),
        ("ENV", "/tmp/x"),
        ("IFS", "/"),
        ("PYTHONPATH", "/tmp"),
        ("PERL5LIB", "/tmp"),
        ("EDITOR", "sh"),
        ("SHELL", "/tmp/x"),
        ("HOME", "/tmp"),
        ("MAIL", "/tmp"),
        ("SUDO_COMMAND", "x"),
        ("SUDO_USER", "root"),
        ("FOO", "bar"),
        ("TERM", "xterm"),
        ("LANG", "C.UTF-8"),
        ("LC_TIME", "../../tmp/x"),
        ("LC_ALL", "%n"),
        ("TZ", "/etc/shadow"),
        ("DISPLAY", ":0"),
        ("XAUTHORITY", "/tmp/x"),
    ] {
        command.env(name, value);
    }
    let (output, sudo) = run_with(world, &mut command, approves);
    assert!(sudo.environment.is_empty());
    let seen: BTreeMap<String, String> = stdout(&output)
        .split_terminator('\0')
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let secure_path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", world.base.join("fixed").display());
    let command = sudo.program.unwrap();
    let command = format!("{} -0", String::from_utf8_lossy(command.as_bytes()));
    let (uid, gid, home) = (world.agent.uid.to_string(), world.agent.gid.to_string(), world.home());
    let expected = BTreeMap::from([
        ("PATH", secure_path.as_str()),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("MAIL", "/var/mail/root"),
        ("SUDO_COMMAND", &command),
        ("SUDO_USER", &world.agent.name),
        ("SUDO_UID", &uid),
        ("SUDO_GID", &gid),
        ("SUDO_HOME", home.to_str().unwrap()),
        ("TERM", "xterm"),
        ("LANG", "C.UTF-8"),
        ("PAGER", "cat"),
        ("GIT_PAGER", "cat"),
        ("MANPAGER", "cat"),
        ("SYSTEMD_PAGER", ""),
        ("SYSTEMD_PAGERSECURE", "1"),
        ("LESSSECURE", "1"),
    ]);
    let seen: BTreeMap<&str, &str> =
        seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(seen, expected);
}

fn variable_that_is_approved_is_shown_and_reaches_the_command(world: &World) {
    let mut command = world.sudo(&[
        "DEBIAN_FRONTEND=non interactive",
        "--preserve-env=KEPT,ABSENT",
        "sh",
        "-c",
        "echo $DEBIAN_FRONTEND $KEPT $LEFT",
    ]);
    command.env("KEPT", "a=b").env("LEFT", "x");
    let (output, sudo) = run_with(world, &mut command, approves);
    assert_eq!(stdout(&output), "non interactive a=b\n", "{}", stderr(&output));
    let shown: Vec<_> =
        sudo.environment.variables().iter().map(|v| String::from_utf8(v.assignment()).unwrap()).collect();
    assert_eq!(shown, ["DEBIAN_FRONTEND=non interactive", "KEPT=a=b"]);
}

fn variable_that_loads_or_runs_something_is_refused(world: &World) {
    let _ = std::fs::remove_file(world.socket());
    let program = world.base.join("bin/nuketown-sudo");
    for variable in [
        "LD_PRELOAD=/tmp/x.so",
        "BASH_ENV=x",
        "IFS=x",
        "PATH=/tmp",
        "PAGER=sh",
        "PYTHONPATH=/tmp",
        "SUDO_UID=0",
    ] {
        let output = finish(&mut world.sudo(&[variable, "id"]));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        assert!(stderr(&output).contains("cannot be added"), "{}", stderr(&output));
        // The privileged half does not rely on the other one.
        let mut direct = world.as_agent(std::path::Path::new("/usr/bin/sudo"));
        let output = finish(direct.arg("-n").arg(&program).args([variable, "id"]));
        assert!(stderr(&output).contains("cannot be added"), "{}", stderr(&output));
    }
}

fn search_path_of_the_agent_does_not_choose_the_program(world: &World) {
    world.agents_file("whoami", "#!/bin/sh\necho smuggled\n");
    let mut command = world.sudo(&["whoami"]);
    command
        .env("PATH", format!("{}:{}:.:/usr/bin", world.base.join("bin").display(), world.home().display()));
    let (output, sudo) = run_with(world, &mut command, approves);
    assert_eq!(stdout(&output), "root\n");
    assert_eq!(sudo.program.unwrap().as_bytes(), b"/usr/bin/whoami");
}

fn arguments_reach_the_command_as_they_were_approved(world: &World) {
    world.fixed_file("arguments", "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done\n");
    let words =
        ["", "--", "a b", "a\nb", "-u", "root", "A=1", "*", "$(id)", "'", "\"", "\\", "\u{202e}", "", ";id"];
    for before in [&[][..], &["--"], &["-n", "--"]] {
        let line = [before, &["arguments"], &words].concat();
        let (output, sudo) = run_with(world, &mut world.sudo(&line), approves);
        let expected = format!("{}\0", words.join("\0"));
        assert_eq!(stdout(&output), expected, "{}", stderr(&output));
        let approved: Vec<&[u8]> = sudo.argv.arguments().iter().map(Vec::as_slice).collect();
        assert_eq!(approved[0], b"arguments");
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        assert_eq!(approved[1..], words);
    }
}

fn flags_behind_the_command_are_the_commands(world: &World) {
    let (output, sudo) = run_with(world, &mut world.sudo(&["echo", "-u", &world.other.name, "-n"]), approves);
    assert_eq!(stdout(&output), format!("-u {} -n\n", world.other.name));
    assert_eq!(sudo.user.as_str(), "root");
}

fn descriptors_of_the_agent_do_not_reach_the_command(world: &World) {
    let line = format!("exec 7</etc/passwd; exec {} ls /proc/self/fd", world.base.join("bin/sudo").display());
    let mut command = world.as_agent(std::path::Path::new("/bin/sh"));
    let (output, _) = run_with(world, command.args(["-c", &line]), approves);
    // 3 is the directory that ls reads.
    assert_eq!(stdout(&output), "0\n1\n2\n3\n", "{}", stderr(&output));
}
