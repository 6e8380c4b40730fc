//! A private temporary directory that is gone afterwards, even if Nix has put a store into it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that only this user can enter, removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(TempDir);

impl Scratch {
    /// In `above`, or else in the temporary directory.
    pub(super) fn new(above: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("nuketown-");
        above.map_or_else(|| builder.tempdir(), |above| builder.tempdir_in(above)).map(Self)
    }

    /// A new, empty directory in it.
    pub(super) fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nix takes the right to write away from what it stores, and a directory without it cannot be emptied. What
        // fails here fails again, and is then left to whoever cleans the temporary directory.
        let _ = make_writable(self.0.path());
    }
}

/// Gives back the right to write in every directory below, so that all of it can be removed.
pub(crate) fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_write_permission_is_removed_too() {
        let scratch = Scratch::new(None).unwrap();
        let deep = scratch.directory("nix/store/x/y").unwrap();
        fs::write(deep.join("file"), "").unwrap();
        for above in deep.ancestors().take(3) {
            fs::set_permissions(above, Permissions::from_mode(0o555)).unwrap();
        }
        let path = scratch.0.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
