//! Follows a path step by step, and sees whether anybody but root could lead it somewhere else.
//!
//! # Invariants
//!
//! - Each step is made from the descriptor of the one before, so what was looked at is what was followed.
//! - A path is [`Found::fixed`] only if root owns every directory, symbolic link and file on it, and nobody else can write to
//!   them. In a sticky directory others can add entries but not replace root's (`/nix/store`, inode(7)), so it counts.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io,
    os::fd::OwnedFd,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, openat, readlinkat},
    libc,
    sys::{
        stat::{FileStat, Mode, SFlag, fstat},
        statfs::{FUSE_SUPER_MAGIC, fstatfs},
    },
};

/// As many symbolic links as the kernel follows (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Found {
    /// The descriptor at its end, opened with `O_PATH`.
    pub(super) fd: OwnedFd,
    /// The path without symbolic links.
    pub(super) path: PathBuf,
    /// What is there.
    pub(super) stat: FileStat,
    /// Whether only root can change what is there and how it is reached.
    pub(super) fixed: bool,
}

impl Found {
    pub(super) fn kind(&self) -> SFlag {
        kind(&self.stat)
    }
}

/// Follows an absolute path, every symbolic link included.
///
/// # Errors
///
/// If it is not absolute, or a step of it cannot be made.
pub(super) fn walk(path: &Path) -> io::Result<Found> {
    if !path.is_absolute() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut way = Way::at_root()?;
    let mut left: VecDeque<OsString> = steps(path.as_os_str());
    let mut links = 0;
    while let Some(step) = left.pop_front() {
        match way.step(&step)? {
            None => {}
            Some(_) if links == LINKS_MAX => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            Some(target) => {
                links += 1;
                if target.as_bytes().starts_with(b"/") {
                    way.back_to_root()?;
                }
                steps(&target).into_iter().rev().for_each(|step| left.push_front(step));
            }
        }
    }
    way.finish()
}

fn steps(path: &OsStr) -> VecDeque<OsString> {
    let parts = path.as_bytes().split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(|part| OsString::from_vec(part.to_vec())).collect()
}

/// The way so far: a descriptor for each directory on it.
struct Way {
    places: Vec<(OsString, OwnedFd, FileStat)>,
    fixed: bool,
}

impl Way {
    fn at_root() -> io::Result<Self> {
        let mut way = Self { places: Vec::new(), fixed: true };
        way.back_to_root()?;
        Ok(way)
    }

    fn back_to_root(&mut self) -> io::Result<()> {
        let fd = nix::fcntl::open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        let stat = fstat(&fd)?;
        self.places = vec![(OsString::new(), fd, stat)];
        Ok(())
    }

    /// Makes one step; gives the target of a symbolic link instead of following it.
    fn step(&mut self, name: &OsStr) -> io::Result<Option<OsString>> {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let (_, here, here_stat) = self.places.last().ok_or_else(not_found)?;
        if kind(here_stat) != SFlag::S_IFDIR {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        if name == ".." {
            if self.places.len() > 1 {
                self.places.pop();
            }
            return Ok(None);
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(here, name, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        self.fixed &=
            stat.st_uid == 0 && holds_still(here_stat) && fstatfs(&fd)?.filesystem_type() != FUSE_SUPER_MAGIC;
        if kind(&stat) == SFlag::S_IFLNK {
            return Ok(Some(readlinkat(&fd, "")?));
        }
        self.places.push((name.to_owned(), fd, stat));
        Ok(None)
    }

    fn finish(mut self) -> io::Result<Found> {
        let mut path = PathBuf::from("/");
        path.extend(self.places.iter().skip(1).map(|(name, ..)| name));
        let (_, fd, stat) = self.places.pop().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        // The sticky bit keeps the entries of a directory; it says nothing about a file.
        let end = stat.st_uid == 0
            && if kind(&stat) == SFlag::S_IFDIR { holds_still(&stat) } else { !is_open(&stat) };
        Ok(Found { fixed: self.fixed && end, fd, path, stat })
    }
}

/// Whether nobody but root can replace root's entries of this directory.
fn holds_still(directory: &FileStat) -> bool {
    let sticky = directory.st_mode & libc::S_ISVTX != 0;
    directory.st_uid == 0 && (sticky || !is_open(directory))
}

/// Whether the group or others may write. An access list that lets others write shows as a group that may (acl(5)).
fn is_open(stat: &FileStat) -> bool {
    stat.st_mode & (libc::S_IWGRP | libc::S_IWOTH) != 0
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn system_program_is_fixed_and_its_path_has_no_link() {
        let found = walk(Path::new("/bin/sh")).unwrap();
        assert!(found.fixed);
        assert_eq!(found.path, Path::new("/bin/sh").canonicalize().unwrap());
        assert_eq!(found.stat.st_ino, std::fs::metadata("/bin/sh").unwrap().ino());
    }

    #[test]
    fn path_leads_where_the_kernel_goes() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("a/b")).unwrap();
        std::fs::write(base.join("a/b/file"), "").unwrap();
        symlink("b/../../a/./b//file", base.join("a/link")).unwrap();
        symlink(base.join("a"), base.join("absolute")).unwrap();
        symlink("loop", base.join("loop")).unwrap();
        for (path, end) in
            [("absolute/link", "a/b/file"), ("a/b/../link", "a/b/file"), ("../../../../../../..", "")]
        {
            let found = walk(&base.join(path)).unwrap();
            assert_eq!(found.path, base.join(path).canonicalize().unwrap());
            assert!(found.path.ends_with(end) || end.is_empty());
        }
        for path in ["loop", "a/b/file/x", "a/none", "a/b/file/.."] {
            let walked = walk(&base.join(path));
            assert_eq!(walked.is_err(), base.join(path).canonicalize().is_err(), "{path}");
        }
        assert!(walk(Path::new("bin/sh")).is_err());
    }

    #[test]
    fn what_others_can_write_to_is_not_fixed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let root = std::fs::metadata(&file).unwrap().uid() == 0;
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for (folder_mode, file_mode, fixed) in [
            (0o755, 0o755, true),
            (0o755, 0o775, false),
            (0o755, 0o757, false),
            (0o775, 0o755, false),
            (0o757, 0o755, false),
            (0o1777, 0o755, true),
            (0o1775, 0o755, true),
            (0o1777, 0o777, false),
            (0o755, 0o1777, false),
        ] {
            set(folder.path(), folder_mode);
            set(&file, file_mode);
            // An ordinary user's files are never fixed.
            assert_eq!(walk(&file).unwrap().fixed, fixed && root, "{folder_mode:o} {file_mode:o}");
        }
    }
}
