//! What was asked for is changed while a human thinks about it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use nuketown_approval::{Answer, Sudo, socket::Waiting};

use crate::{
    Case,
    broker::{Peer, approves, run_with},
    cases,
    world::{World, stderr, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    program_replaced_before_the_answer_does_not_run,
    program_replaced_after_the_answer_does_not_run,
    agents_script_runs_as_it_was_approved,
    agents_binary_runs_as_it_was_approved,
    symbolic_link_is_followed_once_before_the_question,
    renamed_directory_is_not_entered,
    directory_replaced_by_a_link_is_not_entered,
    script_with_an_interpreter_of_the_agents_is_not_asked_about,
    secure_path_that_others_can_write_to_is_not_searched,
];

/// Approves, and changes something before the answer.
fn after_change(mut peer: Peer, change: impl FnOnce()) -> (Sudo, Waiting, Peer) {
    let (sudo, waiting) = peer.open();
    change();
    peer.decide(&waiting, Answer::Approved, None);
    (sudo, waiting, peer)
}

/// Approves to the end, with the change before the answer.
fn approves_after(peer: Peer, change: impl FnOnce()) -> Sudo {
    let (sudo, waiting, mut peer) = after_change(peer, change);
    peer.spend(&waiting);
    peer.spent(&waiting);
    peer.end();
    sudo
}

fn refused(output: &Output, why: &str) {
    assert_eq!((output.status.code(), stdout(output).as_str()), (Some(1), ""), "{}", stderr(output));
    assert!(stderr(output).contains(why), "{}", stderr(output));
}

fn program_replaced_before_the_answer_does_not_run(world: &World) {
    world.fixed_file("tool", "#!/bin/sh\necho approved\n");
    let (output, ()) = run_with(world, &mut world.sudo(&["tool"]), |peer| {
        let change = || drop(world.fixed_file("tool", "#!/bin/sh\necho replaced\n"));
        // Nothing is spent.
        after_change(peer, change).2.end();
    });
    refused(&output, "the program was replaced");
}

fn program_replaced_after_the_answer_does_not_run(world: &World) {
    world.fixed_file("tool", "#!/bin/sh\necho approved\n");
    let (output, ()) = run_with(world, &mut world.sudo(&["tool"]), |mut peer| {
        let (_, waiting) = peer.open();
        peer.decide(&waiting, Answer::Approved, None);
        peer.spend(&waiting);
        world.fixed_file("tool", "#!/bin/sh\necho replaced\n");
        peer.spent(&waiting);
        peer.end();
    });
    refused(&output, "the program was replaced");
}

fn agents_script_runs_as_it_was_approved(world: &World) {
    let script = world.agents_file("script", "#!/bin/sh\necho approved $1; id -u\n");
    for user in ["root", &world.other.name] {
        world.agents_file("script", "#!/bin/sh\necho approved $1; id -u\n");
        let line = ["-u", user, "./script", "word"];
        let (output, sudo) = run_with(world, &mut world.sudo(&line), |peer| {
            approves_after(peer, || drop(world.agents_file("script", "#!/bin/sh\necho replaced\n")))
        });
        let uid = if user == "root" { 0 } else { world.other.uid.as_raw() };
        assert_eq!(stdout(&output), format!("approved word\n{uid}\n"), "{}", stderr(&output));
        assert!(sudo.identity.unwrap().sha256.is_some());
        assert_eq!(sudo.program.unwrap().as_bytes(), script.as_os_str().as_encoded_bytes());
        assert_eq!(sudo.argv.to_text(), "./script word");
    }
}

fn agents_binary_runs_as_it_was_approved(world: &World) {
    let binary = world.agents_file("binary", "");
    let copy = || {
        fs::copy("/usr/bin/id", binary.with_extension("new")).unwrap();
        fs::rename(binary.with_extension("new"), &binary).unwrap();
    };
    copy();
    let (output, sudo) = run_with(world, &mut world.sudo(&[binary.to_str().unwrap(), "-u"]), |peer| {
        approves_after(peer, || drop(world.agents_file("binary", "#!/bin/sh\necho replaced\n")))
    });
    assert_eq!(stdout(&output), "0\n", "{}", stderr(&output));
    let sum = Command::new("sha256sum").arg("/usr/bin/id").output().unwrap();
    let identity = sudo.identity.unwrap().to_string();
    assert!(identity.ends_with(stdout(&sum).split(' ').next().unwrap()), "{identity}");
}

fn symbolic_link_is_followed_once_before_the_question(world: &World) {
    let link = world.home().join("link");
    let _ = fs::remove_file(&link);
    symlink("/usr/bin/id", &link).unwrap();
    let other = world.agents_file("other", "#!/bin/sh\necho smuggled\n");
    let (output, sudo) = run_with(world, &mut world.sudo(&["./link", "-u"]), |peer| {
        approves_after(peer, || {
            fs::remove_file(&link).unwrap();
            symlink(&other, &link).unwrap();
        })
    });
    assert_eq!(sudo.program.unwrap().as_bytes(), b"/usr/bin/id");
    assert_eq!(stdout(&output), "0\n", "{}", stderr(&output));
}

fn in_folder(world: &World, name: &str, change: impl Fn(&Path, &Path) + Sync) -> Output {
    let (folder, away) = (world.home().join(name), world.home().join(format!("{name}-away")));
    fs::create_dir(&folder).unwrap();
    let mut command = world.sudo(&["pwd"]);
    command.current_dir(&folder);
    let (output, ()) = run_with(world, &mut command, |peer| {
        after_change(peer, || change(&folder, &away)).2.end();
    });
    output
}

fn renamed_directory_is_not_entered(world: &World) {
    let output = in_folder(world, "renamed", |folder, away| fs::rename(folder, away).unwrap());
    refused(&output, "the working directory was moved");
}

fn directory_replaced_by_a_link_is_not_entered(world: &World) {
    let output = in_folder(world, "linked", |folder, away| {
        fs::rename(folder, away).unwrap();
        symlink("/etc", folder).unwrap();
    });
    refused(&output, "the working directory was moved");
}

fn script_with_an_interpreter_of_the_agents_is_not_asked_about(world: &World) {
    let interpreter = world.agents_file("interpreter", "");
    fs::copy("/bin/sh", &interpreter).unwrap();
    world.agents_file("script", &format!("#!{}\necho smuggled\n", interpreter.display()));
    let _ = fs::remove_file(world.socket());
    let output = crate::world::finish(&mut world.sudo(&["./script"]));
    refused(&output, "others than root can change its interpreter");
}

fn secure_path_that_others_can_write_to_is_not_searched(world: &World) {
    world.agents_file("id", "#!/bin/sh\necho smuggled\n");
    let own = world.approved_by(&world.approver.uid.to_string());
    let config = own.replace(world.base.join("fixed").to_str().unwrap(), world.home().to_str().unwrap());
    world.configured(&config, 0o644, || {
        let output = crate::world::finish(&mut world.sudo(&["id"]));
        refused(&output, "which is on secure_path");
    });
    // By its path it can be asked for, and is shown as what it is.
    let (output, sudo) = run_with(world, &mut world.sudo(&["./id"]), approves);
    assert_eq!((stdout(&output).as_str(), sudo.argv.to_text().as_str()), ("smuggled\n", "./id"));
}
