//! The progress line, on a real terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::world::{Nix, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    a_slow_evaluation_shows_what_is_waited_for_and_removes_it,
    a_run_that_is_over_at_once_shows_nothing
];

/// What is written to standard error when that is a terminal.
fn on_terminal(world: &World, arguments: &[&str]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = world.command(arguments);
    command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(terminal);
    let mut program: Child = command.spawn().unwrap();
    // Our own end of the terminal is in the command.
    drop(command);
    let mut shown = Vec::new();
    // Reading a terminal that nobody writes to any more is an error, EIO.
    let _ = File::from(master).read_to_end(&mut shown);
    let mut report = String::new();
    program.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    program.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

fn a_slow_evaluation_shows_what_is_waited_for_and_removes_it(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    world.wrap_nix("while [ -e slow ]; do :; done");
    world.write("slow", "");
    let shown = on_terminal(&world, &[&flake, "--timeout-ms", "1300"]);
    assert!(shown.contains(&format!("evaluating {flake}, ")), "{shown:?}");
    assert!(shown.trim_end().ends_with("\u{1b}[2K"), "the line is left on the terminal: {shown:?}");
}

fn a_run_that_is_over_at_once_shows_nothing(nix: &Nix) {
    let world = World::new(nix);
    // An error long before Nix is started, so that this does not depend on how fast the machine is.
    assert_eq!(on_terminal(&world, &["no/such/directory"]), "");
}
