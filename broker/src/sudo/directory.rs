//! The directory that a command runs in: held by a descriptor from the question to the execution.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::{Mode, fstat, stat},
    unistd::fchdir,
};
use nuketown::Problem;
use nuketown_approval::{AbsolutePath, shown};

/// A directory, open.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory; `.` is the one in which this process is.
    ///
    /// # Errors
    ///
    /// If it is none, this process may not go there, or it has no path any more.
    pub fn open(path: &Path) -> Result<Self, Problem> {
        let wrong = |error: io::Error| unusable(path, error.to_string());
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|errno| wrong(errno.into()))?;
        let named = name_of(&fd).map_err(wrong)?;
        Ok(Self { fd, path: named })
    }

    /// Its path without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path, as a request has it.
    ///
    /// # Errors
    ///
    /// If it is longer than a path can be.
    pub fn to_absolute(&self) -> Result<AbsolutePath, Problem> {
        Ok(AbsolutePath::new(self.path.clone().into_os_string().into_vec())?)
    }

    /// Sees that it still is where it was when it was opened.
    ///
    /// # Errors
    ///
    /// If it was moved, removed, or another one stands in its place.
    pub fn check(&self) -> Result<(), Problem> {
        match name_of(&self.fd) {
            Ok(path) if path == self.path => Ok(()),
            _ => {
                let cause = format!(
                    "{} is not the directory any more that was approved",
                    shown(&self.path.to_string_lossy())
                );
                Err(Problem::new("the working directory was moved", cause).hint("ask again"))
            }
        }
    }

    /// Makes it the working directory, if [`Directory::check`] holds.
    ///
    /// # Errors
    ///
    /// If it does not, or the system refuses.
    pub fn enter(&self) -> Result<(), Problem> {
        self.check()?;
        fchdir(&self.fd).map_err(|errno| unusable(&self.path, errno.desc()))
    }
}

fn unusable(path: &Path, cause: impl Into<String>) -> Problem {
    Problem::new(format!("the directory {} cannot be used", shown(&path.to_string_lossy())), cause)
}

/// The path of an open directory, if that path leads to it.
fn name_of(fd: &OwnedFd) -> io::Result<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))?;
    let (there, held) = (stat(path.as_path())?, fstat(fd)?);
    let is_it = (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino);
    if is_it && path.as_os_str().as_bytes().starts_with(b"/") {
        return Ok(path);
    }
    Err(io::Error::other("it was removed, or its path leads elsewhere"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn directory_that_was_moved_removed_or_replaced_is_not_entered() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let [here, away] = ["here", "away"].map(|name| base.join(name));
        fs::create_dir(&here).unwrap();
        let held = Directory::open(&here).unwrap();
        assert_eq!(held.path(), here);
        held.check().unwrap();
        fs::rename(&here, &away).unwrap();
        assert!(held.check().is_err(), "moved");
        fs::create_dir(&here).unwrap();
        assert!(held.check().is_err(), "replaced");
        fs::remove_dir(&here).unwrap();
        std::os::unix::fs::symlink(&away, &here).unwrap();
        assert!(held.check().is_err(), "a link in its place");
        fs::remove_file(&here).unwrap();
        fs::rename(&away, &here).unwrap();
        held.check().unwrap();
        fs::remove_dir(&here).unwrap();
        assert!(held.enter().is_err(), "removed");
    }

    #[test]
    fn directory_is_named_without_links_and_a_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir(base.join("real")).unwrap();
        fs::write(base.join("file"), "").unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        assert_eq!(Directory::open(&base.join("link")).unwrap().path(), base.join("real"));
        assert!(Directory::open(&base.join("file")).is_err());
        assert!(Directory::open(&base.join("none")).is_err());
    }
}
