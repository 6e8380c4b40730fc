//! Starts Nix in a cage: this program runs itself again in a hidden mode that limits itself and then becomes Nix.
//!
//! The limits have to be set between `fork` and `exec`. The standard library's hook for that is `unsafe`, so the
//! program is executed once more instead (about half a millisecond) and does it with safe calls.
//!
//! # Invariants
//!
//! - The launched program leads a session and a process group of its own, so that all of it can be ended at once.
//! - It dies when the thread that started it dies, however that happens.
//! - It cannot use more address space than it was given, and leaves no core dump.
//!
//! The mode gives nobody anything: it runs the program that its caller names, as its caller, with fewer rights than
//! the caller has. It also refuses to work for any other process than its parent, so it is not reached by accident.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getppid, setrlimit, setsid};

/// The first argument that asks for this mode.
const MODE: &str = "__launch";

/// The exit status of a launcher that could not become the program, beside those that Nix and the shells use.
pub(super) const FAILED: i32 = 125;

/// Becomes the launched program, if this process was started as a launcher; otherwise does nothing.
///
/// A program that evaluates flakes must call this first in its `main`, before it reads its arguments.
pub fn launch_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(MODE)) {
        return;
    }
    let why = launch(arguments);
    // There is nobody to tell if even this fails.
    let _ = writeln!(std::io::stderr(), "launcher: {why}");
    std::process::exit(FAILED);
}

/// The command that runs `program` within `memory` bytes of address space, by way of `launcher`.
pub(super) fn caged(launcher: Option<&PathBuf>, memory: u64, program: &OsStr) -> Command {
    // `/proc/self/exe` is this very file even after an upgrade has replaced it, and costs no look-up.
    let mut command = Command::new(launcher.map_or(OsStr::new("/proc/self/exe"), |path| path.as_os_str()));
    command.arg(MODE).arg(memory.to_string()).arg(std::process::id().to_string()).arg(program);
    command
}

/// Returns only with the reason why it did not become the program.
fn launch(mut arguments: impl Iterator<Item = OsString>) -> String {
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let (Some(memory), Some(parent)) = (number(), number()) else {
        return format!("{MODE} is not for use by hand");
    };
    let Some(program) = arguments.next() else {
        return format!("{MODE} is not for use by hand");
    };
    if let Err(why) = enter_cage(memory, parent) {
        return why;
    }
    let why = Command::new(&program).args(arguments).exec();
    format!("cannot start {}: {why}", program.display())
}

fn enter_cage(memory: u64, parent: u64) -> Result<(), String> {
    let failed = |what: &str, why: rustix::io::Errno| format!("cannot {what}: {why}");
    setsid().map_err(|why| failed("start a session", why))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|why| failed("follow the parent's death", why))?;
    // Looked up after the signal was asked for: a parent that died before that would never be noticed otherwise.
    let actual = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if actual.map(u64::from) != Some(parent) {
        return Err("the program that asked for the launch is gone".to_owned());
    }
    setrlimit(Resource::As, at_most(memory, Resource::As)).map_err(|why| failed("limit the memory", why))?;
    setrlimit(Resource::Core, at_most(0, Resource::Core)).map_err(|why| failed("turn off core dumps", why))
}

/// Both limits lowered to `bytes`, or left where they are lower already: an ordinary user cannot raise them.
fn at_most(bytes: u64, resource: Resource) -> Rlimit {
    let hard = rustix::process::getrlimit(resource).maximum;
    let limit = Some(hard.map_or(bytes, |hard| hard.min(bytes)));
    Rlimit { current: limit, maximum: limit }
}
