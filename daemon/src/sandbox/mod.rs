//! Where everything runs that a model asks for: a process tree of its own that the kernel (Landlock) keeps inside a workspace.
//!
//! ```text
//!   daemon ──stdin──▶ supervisor ──stdin──▶ confined process ──exec──▶ bash, git
//!          ◀─stdout──────────────────────────────┘       └─ or a file tool, in this very program
//!          ◀─stderr── one line: how it ended
//! ```
//!
//! The supervisor and the confined process are this program once more, in hidden modes: what has to be set between `fork` and
//! `exec` is `unsafe` in Rust otherwise. The supervisor is the reaper of all that descends from it (`PR_SET_CHILD_SUBREAPER`), and
//! its standard input is its lifeline: when that ends, because the task was cancelled or the daemon is gone, it ends them all.
//!
//! # Invariants
//!
//! - Nothing that a model asks for runs in the daemon's own process, or unconfined where confinement is required.
//! - Writing is possible below the workspace and the task's own directory alone; no secret's file can be read.
//! - No other program of this machine can be reached over a Unix socket, unless that is allowed.
//! - The environment is what [`Sandbox`] was given; nothing is inherited from the daemon.
//! - When a run is over, nothing of it is left, whatever it started and however it tried to get away.

pub(crate) mod ask;
mod capture;
mod confine;
mod policy;
mod run;
mod sockets;
mod supervise;

use std::ffi::OsStr;
use std::process::ExitCode;

pub use capture::Capture;
pub use policy::{Action, Confinement, Policy};
pub use run::{End, Finished, Sandbox, base_environment};
pub(crate) use supervise::end_tree;

/// The first argument that asks for the supervisor.
const SUPERVISE: &str = "__supervise";
/// The first argument that asks for the confined process.
const CONFINE: &str = "__confine";
/// The exit status of either if it fails by itself.
const FAILED: u8 = 125;

/// Does what this process was started for, if it was started by a sandbox; the exit status then.
///
/// A program that runs a [`Sandbox`] must call this first in its `main`, while there is one thread and before it reads arguments.
#[must_use = "the process must end with this status"]
pub fn enter_if_asked() -> Option<ExitCode> {
    let mode = std::env::args_os().nth(1)?;
    let done = if mode == OsStr::new(SUPERVISE) {
        supervise::supervise()
    } else if mode == OsStr::new(CONFINE) {
        confine::confine()
    } else if mode == OsStr::new(ask::MODE) {
        return Some(ask::ask().unwrap_or_else(|why| said(&why)));
    } else {
        return None;
    };
    Some(done.map_or_else(|why| said(&why), |()| ExitCode::SUCCESS))
}

/// The status of a failure that was told.
fn said(why: &str) -> ExitCode {
    // If nobody reads it, there is nobody to tell.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{why}\n").as_bytes());
    FAILED.into()
}
