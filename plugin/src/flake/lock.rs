//! Whether a flake has inputs, which is when the network is needed.

use std::io;

use super::FlakeRef;
use super::git;
use super::reference::Directory;

/// Whether the flake is on this machine and locks no input, so that nothing has to be downloaded.
///
/// Without the network, a flake cannot even have an address looked at whose content it knows the hash of.
pub(super) fn is_without_inputs(flake: &FlakeRef) -> bool {
    let Some(directory) = flake.directory() else { return false };
    let Ok(lock) = lock_file(directory) else { return false };
    let Some(lock) = lock else { return true };
    let lock: Option<serde_json::Value> = serde_json::from_slice(&lock).ok();
    lock.is_some_and(|lock| lock["nodes"].as_object().is_some_and(|nodes| nodes.len() <= 1))
}

/// The lock file that Nix will read, if there is one.
fn lock_file(directory: &Directory) -> io::Result<Option<Vec<u8>>> {
    if directory.is_as_on_disk() {
        return match std::fs::read(directory.flake.join("flake.lock")) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        };
    }
    // Parameters of the user's may mean another tree, which only Nix knows.
    let commit = directory.revision.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let path = directory.below().join("flake.lock");
    git::file_at(directory.tree(), commit, &path).map_err(io::Error::other)
}
