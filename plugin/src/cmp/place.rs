//! Where evaluations and the Nix store are kept.
//!
//! ```text
//! DIRECTORY/slots/0 …          who may evaluate
//! DIRECTORY/trusted/           what was evaluated of branches that are deployed
//! DIRECTORY/preview/           what was evaluated of pull requests
//!                  /entries/   the results (`cache`)
//!                  /keys/      who evaluates what, while it is being evaluated
//!                  /nix/       Nix's store, caches and home
//! ```
//!
//! # Invariants
//!
//! - The directory belongs to this user, and no other can write to it: a result in it is believed.
//! - Nothing of a preview is ever read where something is deployed, and the other way round.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nuketown::Problem;

use super::locks::{self, Held, Refused};
use crate::{failure::Failure, flake};

/// How far what is evaluated is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// A branch that is deployed.
    Deployed,
    /// A pull request that nobody may have read yet.
    Preview,
}

impl Trust {
    /// The name of the directory, which is also part of the key of every result.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deployed => "trusted",
            Self::Preview => "preview",
        }
    }
}

/// The directories of one level of trust.
#[derive(Clone, Debug)]
pub(super) struct Place {
    top: PathBuf,
    level: PathBuf,
    trust: Trust,
}

/// The most paths in the store and caches of Nix. Each revision that is evaluated adds one.
const STORE_PATHS: usize = 512;

/// The most bytes in the store and caches of Nix.
const STORE_BYTES: u64 = 4 << 30;

impl Place {
    /// Makes the directories.
    ///
    /// # Errors
    ///
    /// They cannot be made or written to, or belong to somebody else.
    pub(super) fn prepare(top: &Path, trust: Trust) -> Result<Self, Failure> {
        let place = Self { top: top.to_owned(), level: top.join(trust.name()), trust };
        place.make().map_err(|why| unusable(top, &why))?;
        Ok(place)
    }

    fn make(&self) -> io::Result<()> {
        // The directories above are not ours to restrict.
        if let Some(above) = self.top.parent() {
            fs::create_dir_all(above)?;
        }
        for path in [&self.top, &self.top.join("slots"), &self.level, &self.entries(), &self.keys()] {
            private(path)?;
        }
        Ok(())
    }

    /// Where the results are.
    pub(super) fn entries(&self) -> PathBuf {
        self.level.join("entries")
    }

    /// The lock of those who change what is in [`Self::entries`].
    pub(super) fn entries_lock(&self) -> PathBuf {
        self.level.join("entries.lock")
    }

    /// The locks of those who evaluate.
    pub(super) fn keys(&self) -> PathBuf {
        self.level.join("keys")
    }

    /// The lock of those who evaluate what has this key.
    pub(super) fn key_lock(&self, key: &str) -> PathBuf {
        self.keys().join(key)
    }

    /// The locks that allow to evaluate. A preview leaves one to what is deployed, so that a pull request that never ends
    /// cannot keep the town from being deployed.
    pub(super) fn slots(&self, concurrency: usize) -> Vec<PathBuf> {
        let first = usize::from(self.trust == Trust::Preview && concurrency > 1);
        (first..concurrency).map(|slot| self.top.join("slots").join(slot.to_string())).collect()
    }

    /// The directory that Nix has for itself, kept from being removed while the lock is held.
    ///
    /// The first evaluation has it alone: Nix cannot make a store twice at once, and says that the database is busy.
    pub(super) fn nix(&self, deadline: Instant) -> Result<(PathBuf, Held), Refused> {
        let path = self.level.join("nix");
        // What Nix writes when it has made the database of a store.
        let is_made = || path.join("store/nix/var/nix/db/schema").exists();
        loop {
            if !is_made() {
                let held = locks::exclusive(&self.nix_lock(), deadline)?;
                if !is_made() {
                    private(&path).map_err(Refused::Failed)?;
                    return Ok((path, held));
                }
            }
            let held = locks::shared(&self.nix_lock(), deadline)?;
            // Otherwise it was removed just now.
            if is_made() {
                return Ok((path, held));
            }
        }
    }

    fn nix_lock(&self) -> PathBuf {
        self.level.join("nix.lock")
    }

    /// Removes what killed evaluations left, and starts Nix's store and caches anew once they have grown too large; neither
    /// while they are in use.
    ///
    /// All of the store at once: one without the caches that name its paths is consistent, and so is nothing at all.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let (nix, old) = (self.level.join("nix"), self.level.join("nix.old"));
        let too_large = is_too_large(&nix);
        if !too_large && !old.exists() && left(&nix).is_empty() {
            return Ok(());
        }
        let Some(_alone) = locks::if_free(&self.nix_lock()) else { return Ok(()) };
        remove(&old)?;
        for copy in left(&nix) {
            remove(&copy)?;
        }
        if too_large && is_too_large(&nix) {
            fs::rename(&nix, &old)?;
            remove(&old)?;
        }
        Ok(())
    }
}

/// The temporary directories of evaluations, which remove their own unless they are killed.
fn left(nix: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(nix).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_temporary =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nuketown-"));
    paths.filter(is_temporary).collect()
}

/// Makes a directory that only this user can use, or sees that it is one.
fn private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
        _ => {}
    }
    let found = path.symlink_metadata()?;
    let other =
        |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display())));
    if !found.is_dir() {
        return other("is no directory");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return other("belongs to another user");
    }
    if found.mode() & 0o022 != 0 {
        // A volume of Kubernetes starts out like this.
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn unusable(top: &Path, why: &io::Error) -> Failure {
    let problem =
        Problem::new(format!("the cache directory {} cannot be used", top.display()), why.to_string());
    Failure::usage(problem.hint("give the sidecar a volume of its own, and name it in NUKETOWN_CACHE_DIR"))
}

/// Whether there are more paths or bytes below a directory than there may be.
fn is_too_large(nix: &Path) -> bool {
    let paths = fs::read_dir(nix.join("store/nix/store")).map_or(0, Iterator::count);
    paths > STORE_PATHS || bytes(nix, STORE_BYTES) > STORE_BYTES
}

/// The bytes below a directory; it stops to count soon after `enough`.
fn bytes(directory: &Path, enough: u64) -> u64 {
    let mut sum = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(found) = entry.metadata() else { continue };
        sum += if found.is_dir() {
            bytes(&entry.path(), enough.saturating_sub(sum))
        } else {
            found.blocks() * 512
        };
        if sum > enough {
            break;
        }
    }
    sum
}

/// Removes a directory in which Nix has taken the right to write away.
fn remove(directory: &Path) -> io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    flake::make_writable(directory)?;
    fs::remove_dir_all(directory)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn preview_leaves_a_slot_to_what_is_deployed() {
        let top = tempfile::tempdir().unwrap();
        let slots = |trust, count| Place::prepare(top.path(), trust).unwrap().slots(count).len();
        assert_eq!((slots(Trust::Deployed, 3), slots(Trust::Preview, 3)), (3, 2));
        assert_eq!((slots(Trust::Deployed, 1), slots(Trust::Preview, 1)), (1, 1));
    }

    #[test]
    fn directory_that_others_could_write_to_is_closed_and_a_link_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let open = top.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        Place::prepare(&open, Trust::Deployed).unwrap();
        assert_eq!(open.metadata().unwrap().mode() & 0o777, 0o700);
        let link = top.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        let problem = Place::prepare(&link, Trust::Deployed).unwrap_err().problems.remove(0);
        assert!(problem.cause.contains("is no directory"), "{problem}");
    }

    #[test]
    fn store_that_has_grown_too_large_goes_once_nobody_uses_it() {
        let top = tempfile::tempdir().unwrap();
        let place = Place::prepare(top.path(), Trust::Deployed).unwrap();
        let (nix, held) = place.nix(later()).unwrap();
        let store = nix.join("store/nix/store");
        for path in 0..=STORE_PATHS {
            fs::create_dir_all(store.join(path.to_string())).unwrap();
        }
        fs::set_permissions(store.join("0"), Permissions::from_mode(0o555)).unwrap();
        place.tidy().unwrap();
        assert!(store.join("0").exists(), "it is in use");
        drop(held);
        place.tidy().unwrap();
        assert!(!nix.exists() && !top.path().join("trusted/nix.old").exists());
    }

    #[test]
    fn store_that_is_not_too_large_stays_and_what_a_killed_process_left_goes() {
        let top = tempfile::tempdir().unwrap();
        let place = Place::prepare(top.path(), Trust::Deployed).unwrap();
        let (nix, held) = place.nix(later()).unwrap();
        drop(held);
        fs::create_dir_all(top.path().join("trusted/nix.old/x")).unwrap();
        fs::create_dir_all(nix.join("nuketown-abc/source")).unwrap();
        place.tidy().unwrap();
        assert!(nix.exists() && !nix.join("nuketown-abc").exists());
        assert!(!top.path().join("trusted/nix.old").exists());
    }
}
