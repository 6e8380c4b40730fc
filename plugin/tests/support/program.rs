//! Copies a program, to be started from another place.

use std::path::Path;
use std::process::Command;

/// Copies a program by another process. One that a test has open for writing cannot be started (ETXTBSY, execve(2)), and whatever
/// a test beside it starts has its open files too, for a moment.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(
        Command::new("cp").arg(from).arg(to).status().unwrap().success(),
        "cannot copy {}",
        from.display()
    );
}
