//! Copies files to a repository of their own, where Nix has no name for them as they are.
//!
//! Without a repository, a flake below the top cannot be named: in Nix 2.8, `path:` takes no `dir=`.
//!
//! Nix before 2.19 does not decode a percent-encoded path (it then takes the last commit, or fails) and takes no other
//! form for a path with a space or an umlaut in it. What it does with a work tree is to copy the files that Git tracks
//! as they are on disk; that is done here instead, to a repository whose path needs no encoding.

use std::fs;
use std::io;
use std::path::Path;

use super::error::EvalError;
use super::git;

/// Copies the tracked files below `from` to the empty directory `to`, and makes a repository of it that tracks them.
pub(super) fn tracked_files(from: &Path, to: &Path) -> Result<(), EvalError> {
    for name in git::tracked_files(from)? {
        copy(&from.join(&name), &to.join(&name)).map_err(EvalError::Scratch)?;
    }
    git::make_repository(to)
}

/// Copies all files below `from` to the empty directory `to`, and makes a repository of it that tracks them. What is in a
/// `.git` cannot be tracked, and is left out.
pub(super) fn all_files(from: &Path, to: &Path) -> Result<(), EvalError> {
    copy_all(from, to).map_err(EvalError::Scratch)?;
    git::make_repository(to)
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".git" {
            continue;
        }
        copy(&source, &target)?;
        if entry.file_type()?.is_dir() {
            copy_all(&source, &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(from) {
        Ok(found) => found.file_type(),
        // Deleted, but not yet from the index.
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
    };
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)
    } else if kind.is_dir() {
        // A submodule, which Nix leaves empty unless it is asked for it.
        fs::create_dir_all(to)
    } else if kind.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}
