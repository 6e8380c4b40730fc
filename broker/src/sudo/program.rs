//! Which file a command runs: found, looked at and held before anybody is asked.
//!
//! # Guarantees
//!
//! - A name without `/` is found on `secure_path` alone, in directories that only root can change.
//! - A file that only root can change is executed by its path without links, after a second look that finds the same file.
//! - Any other is copied into sealed memory first (`memfd_create(2)`); its copy is hashed, approved and executed.
//! - The interpreter of a script (`#!`) is a file that only root can change.
//!
//! # Assumptions
//!
//! What a program opens later, its libraries and configuration, is its own affair: only the file itself is held.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, SealFlag, fcntl},
    libc,
    sys::{
        memfd::{MFdFlags, memfd_create},
        stat::{FileStat, SFlag},
        statvfs::{FsFlags, fstatvfs},
    },
};
use nuketown::Problem;
use nuketown_approval::{AbsolutePath, Identity, shown};
use sha2::{Digest as _, Sha256};

use super::walk::{Found, walk};

/// The largest file that is copied, in bytes: it stays in memory while a human thinks.
pub const COPY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How deep scripts may be each other's interpreters (`BINPRM_MAX_RECURSION` of the kernel).
const INTERPRETERS_MAX: usize = 5;

/// How much of a script's first line the kernel reads (`BINPRM_BUF_SIZE`).
const FIRST_LINE_MAX: usize = 256;

/// A program, ready to be executed.
#[derive(Debug)]
pub struct Program {
    /// Where it is, without symbolic links.
    pub path: AbsolutePath,
    /// Which file that is.
    pub identity: Identity,
    image: Image,
}

#[derive(Debug)]
enum Image {
    /// Only root can change it: its path says enough.
    Fixed(Box<FileStat>),
    /// A sealed copy, and whether an interpreter has to read it by its descriptor.
    Copy { fd: OwnedFd, is_script: bool },
}

impl Program {
    /// Finds the program of a command that runs in `cwd`.
    ///
    /// # Errors
    ///
    /// If there is none, it cannot be executed, or it could become another before it is.
    pub fn find(command: &OsStr, cwd: &Path, secure_path: &str) -> Result<Self, Problem> {
        let found = if command.as_bytes().contains(&b'/') {
            let path = cwd.join(command);
            walk(&path).map_err(|error| unusable(command, error.to_string()))?
        } else {
            search(command, secure_path)?
        };
        Self::hold(command, &found)
    }

    fn hold(command: &OsStr, found: &Found) -> Result<Self, Problem> {
        let wrong = |cause: &str| unusable(command, cause);
        executable(found).map_err(wrong)?;
        let path = AbsolutePath::new(found.path.as_os_str().as_bytes().to_vec())?;
        // By descriptor: the very file that was found, which is a regular one.
        let file = reopen(&found.fd).map_err(|error| wrong(&error.to_string()))?;
        let (device, inode) = (found.stat.st_dev, found.stat.st_ino);
        if found.fixed {
            script_is_safe(&first_line(&file).map_err(|error| wrong(&error.to_string()))?, command, 0)?;
            let identity = Identity { device, inode, sha256: None };
            return Ok(Self { path, identity, image: Image::Fixed(Box::new(found.stat)) });
        }
        let (fd, sha256) = sealed_copy(&file).map_err(|error| wrong(&error.to_string()))?;
        let copy = File::from(fd);
        let head = first_line(&copy).map_err(|error| wrong(&error.to_string()))?;
        script_is_safe(&head, command, 0)?;
        let is_script = !head.starts_with(b"\x7fELF");
        let identity = Identity { device, inode, sha256: Some(sha256) };
        Ok(Self { path, identity, image: Image::Copy { fd: copy.into(), is_script } })
    }

    /// Looks again, right before the execution.
    ///
    /// # Errors
    ///
    /// If another file is there now, or this one was changed. A copy cannot have been.
    pub fn check(&self) -> Result<(), Problem> {
        let Image::Fixed(stat) = &self.image else { return Ok(()) };
        let path = self.path();
        let same =
            walk(&path).is_ok_and(|found| found.fixed && found.path == path && same_file(&found.stat, stat));
        if same {
            return Ok(());
        }
        let cause = format!("{} is not the file any more that was approved", shown(&path.to_string_lossy()));
        Err(Problem::new("the program was replaced", cause).hint("ask again"))
    }

    /// What execve(2) is given. From here on, a script's descriptor stays open for its interpreter.
    ///
    /// # Errors
    ///
    /// If [`Program::check`] fails, or the descriptor cannot be passed on.
    pub fn to_execute(&self) -> Result<PathBuf, Problem> {
        self.check()?;
        match &self.image {
            Image::Fixed(_) => Ok(self.path()),
            Image::Copy { fd, is_script } => {
                if *is_script {
                    let flags = FcntlArg::F_SETFD(FdFlag::empty());
                    fcntl(fd, flags)
                        .map_err(|errno| Problem::new("the script cannot be passed on", errno.desc()))?;
                }
                Ok(own_descriptor(fd))
            }
        }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(self.path.as_bytes()))
    }
}

fn unusable(command: &OsStr, cause: impl Into<String>) -> Problem {
    Problem::new(format!("{} cannot be run", shown(&command.to_string_lossy())), cause)
}

/// Looks for a name in the directories of `secure_path`. Its value has no empty parts.
fn search(name: &OsStr, secure_path: &str) -> Result<Found, Problem> {
    for directory in secure_path.split(':').map(Path::new) {
        let Ok(place) = walk(directory) else { continue };
        if !place.fixed {
            let cause =
                format!("others than root can change {}, which is on secure_path", directory.display());
            return Err(unusable(name, cause).hint("mend its owner and mode, or take it off secure_path"));
        }
        if let Ok(found) = walk(&directory.join(name))
            && executable(&found).is_ok()
        {
            return Ok(found);
        }
    }
    Err(unusable(name, format!("it is not in {secure_path}")).hint("give its path, or have it installed"))
}

fn executable(found: &Found) -> Result<(), &'static str> {
    if found.kind() != SFlag::S_IFREG {
        return Err("it is no regular file");
    }
    if found.stat.st_mode & (libc::S_IXUSR | libc::S_IXGRP | libc::S_IXOTH) == 0 {
        return Err("it is not executable");
    }
    match fstatvfs(&found.fd) {
        Ok(system) if system.flags().contains(FsFlags::ST_NOEXEC) => Err("its file system is mounted noexec"),
        Ok(_) => Ok(()),
        Err(_) => Err("its file system cannot be examined"),
    }
}

fn same_file(a: &FileStat, b: &FileStat) -> bool {
    let key = |stat: &FileStat| {
        (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode, stat.st_uid, stat.st_ctime, stat.st_ctime_nsec)
    };
    key(a) == key(b)
}

fn own_descriptor(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

fn reopen(fd: &OwnedFd) -> io::Result<File> {
    File::open(own_descriptor(fd))
}

fn first_line(mut file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(FIRST_LINE_MAX as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

/// Copies a file into memory that nobody can change any more, and hashes what is there then.
fn sealed_copy(file: &File) -> io::Result<(OwnedFd, [u8; 32])> {
    let too_large =
        || io::Error::other(format!("others can change it, and it has more than {COPY_BYTES_MAX} bytes"));
    let mut memory = File::from(executable_memory()?);
    let mut taken = file.take(COPY_BYTES_MAX + 1);
    if io::copy(&mut taken, &mut memory)? > COPY_BYTES_MAX {
        return Err(too_large());
    }
    memory.flush()?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals))?;
    // Nothing that is open for writing can be executed (ETXTBSY), sealed or not.
    let mut sealed = reopen(&memory.into())?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match sealed.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok((sealed.into(), hash.finalize().into()))
}

fn executable_memory() -> nix::Result<OwnedFd> {
    let plain = MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC;
    // Where `vm.memfd_noexec` is set it has to be said; kernels before 6.3 do not know how.
    match memfd_create("nuketown-sudo", plain | MFdFlags::from_bits_retain(libc::MFD_EXEC)) {
        Err(Errno::EINVAL) => memfd_create("nuketown-sudo", plain),
        other => other,
    }
}

/// Sees that a script's interpreter, and the interpreter of that one, is a file that only root can change.
fn script_is_safe(head: &[u8], command: &OsStr, depth: usize) -> Result<(), Problem> {
    let Some(interpreter) = interpreter(head) else { return Ok(()) };
    let name = shown(&interpreter.to_string_lossy());
    let wrong = |cause: String| unusable(command, cause);
    if depth == INTERPRETERS_MAX {
        return Err(wrong(format!("too many interpreters lead to {name}")));
    }
    let found =
        walk(Path::new(&interpreter)).map_err(|error| wrong(format!("its interpreter {name}: {error}")))?;
    executable(&found).map_err(|cause| wrong(format!("its interpreter {name}: {cause}")))?;
    if !found.fixed {
        let cause = format!("others than root can change its interpreter {name}");
        return Err(wrong(cause).hint("use an interpreter of the system"));
    }
    let file = reopen(&found.fd).map_err(|error| wrong(format!("its interpreter {name}: {error}")))?;
    let head = first_line(&file).map_err(|error| wrong(format!("its interpreter {name}: {error}")))?;
    script_is_safe(&head, command, depth + 1)
}

/// The interpreter that a script's first line names, as the kernel reads it (execve(2)).
fn interpreter(head: &[u8]) -> Option<OsString> {
    let line = head.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let ends = |b: &u8| *b == b' ' || *b == b'\t' || *b == 0;
    let start = line.iter().position(|b| *b != b' ' && *b != b'\t').unwrap_or(line.len());
    let name = line.get(start..).unwrap_or_default().split(ends).next().unwrap_or_default();
    Some(OsString::from_vec(name.to_vec()))
}

#[cfg(test)]
mod tests;
