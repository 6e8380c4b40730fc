//! Locks between processes, waited for no longer than there is time.
//!
//! # Invariants
//!
//! - The kernel holds them (`flock(2)`), so that none outlives its process, however that ends.
//! - The evaluator does not inherit them: files are closed on exec.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Refused {
    /// The time was up.
    Time,
    /// The lock's file cannot be used.
    Failed(io::Error),
}

/// A lock, held until it is dropped.
#[derive(Debug)]
#[must_use = "a lock that is dropped locks nothing"]
pub(super) struct Held {
    _file: File,
    /// A file that goes with the lock.
    removed: Option<PathBuf>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Before the lock: whoever has opened the file meanwhile sees that it is not the one at its place any more.
        if let Some(path) = &self.removed {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Locks a file that stays.
pub(super) fn exclusive(path: &Path, deadline: Instant) -> Result<Held, Refused> {
    let file = within(vec![open(path)?], deadline, Mode::Exclusive)?;
    Ok(Held { _file: file, removed: None })
}

/// Locks a file that stays together with others who do the same, and against [`if_free`].
pub(super) fn shared(path: &Path, deadline: Instant) -> Result<Held, Refused> {
    let file = within(vec![open(path)?], deadline, Mode::Shared)?;
    Ok(Held { _file: file, removed: None })
}

/// Locks a file that stays, if nobody else has it.
pub(super) fn if_free(path: &Path) -> Option<Held> {
    let file = open(path).ok()?;
    file.try_lock().ok()?;
    Some(Held { _file: file, removed: None })
}

/// Locks any one of some files that stay.
pub(super) fn any_of(paths: &[PathBuf], deadline: Instant) -> Result<Held, Refused> {
    let files = paths.iter().map(|path| open(path)).collect::<Result<Vec<File>, Refused>>()?;
    let file = within(files, deadline, Mode::Exclusive)?;
    Ok(Held { _file: file, removed: None })
}

/// Locks a file that exists only while it is locked or waited for, so that there may be any number of names.
pub(super) fn transient(path: &Path, deadline: Instant) -> Result<Held, Refused> {
    loop {
        let file = within(vec![open(path)?], deadline, Mode::Exclusive)?;
        // The one before us has removed the file that we waited for; then others already wait for another.
        if is_at(&file, path).map_err(Refused::Failed)? {
            return Ok(Held { _file: file, removed: Some(path.to_owned()) });
        }
    }
}

/// Removes the files of transient locks whose processes were killed.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        // Not made anew, if it has just gone.
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path)? {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether the file is still the one at its place.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    Ok(path.symlink_metadata().is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

fn open(path: &Path) -> Result<File, Refused> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(Refused::Failed)
}

#[derive(Clone, Copy)]
enum Mode {
    Exclusive,
    Shared,
}

impl Mode {
    fn try_lock(self, file: &File) -> Result<bool, Refused> {
        let tried = match self {
            Self::Exclusive => file.try_lock(),
            Self::Shared => file.try_lock_shared(),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(why)) => Err(Refused::Failed(why)),
        }
    }

    fn lock(self, file: &File) -> io::Result<()> {
        loop {
            let locked = match self {
                Self::Exclusive => file.lock(),
                Self::Shared => file.lock_shared(),
            };
            match locked {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// The first of the files that can be locked.
///
/// `flock` has no time limit, so a thread waits for each file. One that gets its file too late finds nobody who wants it,
/// and closes it, which unlocks it.
fn within(files: Vec<File>, deadline: Instant, mode: Mode) -> Result<File, Refused> {
    let mut busy = Vec::new();
    for file in files {
        if mode.try_lock(&file)? {
            return Ok(file);
        }
        busy.push(file);
    }
    let (sender, receiver) = mpsc::channel();
    for file in busy {
        let sender = sender.clone();
        let wait = move || drop(sender.send(mode.lock(&file).map(|()| file)));
        thread::Builder::new().spawn(wait).map_err(Refused::Failed)?;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(left) {
        Ok(locked) => locked.map_err(Refused::Failed),
        Err(_) => Err(Refused::Time),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn lock_that_is_held_is_refused_when_the_time_is_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = exclusive(&path, later()).unwrap();
        assert!(matches!(exclusive(&path, Instant::now()), Err(Refused::Time)));
        assert!(if_free(&path).is_none());
        drop(held);
        assert!(exclusive(&path, later()).is_ok());
    }

    #[test]
    fn whoever_gives_up_does_not_get_the_lock_behind_the_others_backs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = exclusive(&path, later()).unwrap();
        for _ in 0..8 {
            assert!(matches!(exclusive(&path, Instant::now()), Err(Refused::Time)));
        }
        drop(held);
        // The threads that waited get the lock one after another and let go of it.
        drop(exclusive(&path, later()).unwrap());
    }

    #[test]
    fn shared_locks_stand_together_and_keep_out_who_wants_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let (one, two) = (shared(&path, later()).unwrap(), shared(&path, later()).unwrap());
        assert!(if_free(&path).is_none());
        drop((one, two));
        assert!(if_free(&path).is_some());
    }

    #[test]
    fn file_of_a_transient_lock_goes_with_it_and_never_two_hold_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (path, inside) = (path.clone(), Arc::clone(&inside));
                thread::spawn(move || {
                    for _ in 0..50 {
                        let held = transient(&path, later()).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold one lock");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(held);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!path.exists(), "the file is left");
    }

    #[test]
    fn file_of_a_killed_process_is_swept_away_and_one_that_is_held_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let held = transient(&directory.path().join("held"), later()).unwrap();
        std::fs::write(directory.path().join("left"), "").unwrap();
        sweep(directory.path()).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["held"]);
        drop(held);
    }

    #[test]
    fn any_free_one_of_several_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..2).map(|slot| directory.path().join(slot.to_string())).collect();
        let (one, two) = (any_of(&paths, later()).unwrap(), any_of(&paths, later()).unwrap());
        assert!(matches!(any_of(&paths, Instant::now()), Err(Refused::Time)));
        drop(two);
        assert!(any_of(&paths, later()).is_ok());
        drop(one);
    }
}
