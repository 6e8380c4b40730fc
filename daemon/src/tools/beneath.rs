//! Files below a workspace, and nothing else, whatever links stand in it.
//!
//! The kernel itself resolves each path below the workspace (`openat2(2)` with `RESOLVE_BENEATH`), so there is no moment between
//! a check and a use. An absolute path is taken only if it begins with the workspace.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;

/// The largest file that a tool reads or writes, in bytes.
pub(super) const FILE_MAX: u64 = 16 * 1024 * 1024;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// A workspace.
pub(super) struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let dir = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|why| format!("cannot open the workspace {}: {why}", path.display()))?;
        Ok(Self { path: path.to_owned(), dir })
    }

    /// Where the workspace is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path that a model wrote, relative to the workspace. Whether it stays inside is for the kernel to say.
    pub(super) fn relative(&self, asked: &str) -> Result<PathBuf, String> {
        let path = Path::new(asked);
        let path = if path.is_absolute() {
            path.strip_prefix(&self.path).map_err(|_| outside(asked))?
        } else {
            path
        };
        if asked.contains('\0') {
            return Err(format!("{asked:?} is no path"));
        }
        Ok(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() })
    }

    /// The content of a regular file.
    pub(super) fn read(&self, asked: &str) -> Result<Vec<u8>, String> {
        self.read_at(&self.relative(asked)?, asked)
    }

    /// The same, of a path that is relative already.
    pub(super) fn read_at(&self, path: &Path, asked: &str) -> Result<Vec<u8>, String> {
        // Not to be kept waiting by a pipe in the place of a file.
        let file = openat2(
            &self.dir,
            path,
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
            RESOLVE,
        )
        .map_err(|why| refused(asked, why))?;
        let (file, size) = regular(file, asked)?;
        if size > FILE_MAX {
            return Err(format!("{asked} has {size} bytes; at most {FILE_MAX} are read"));
        }
        let mut content = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut content).map_err(|why| format!("cannot read {asked}: {why}"))?;
        Ok(content)
    }

    /// Writes a regular file, and makes it and its directories where they are missing. Whether it is new.
    pub(super) fn write(&self, asked: &str, content: &[u8]) -> Result<bool, String> {
        if content.len() as u64 > FILE_MAX {
            return Err(format!(
                "{asked} would have {} bytes; at most {FILE_MAX} are written",
                content.len()
            ));
        }
        let path = self.relative(asked)?;
        let (file, is_new) = match self.open_to_write(&path, OFlags::empty()) {
            Err(Errno::NOENT) => {
                self.make_parents(&path).map_err(|why| refused(asked, why))?;
                (self.open_to_write(&path, OFlags::CREATE), true)
            }
            other => (other, false),
        };
        let (mut file, _) = regular(file.map_err(|why| refused(asked, why))?, asked)?;
        let written = file.set_len(0).and_then(|()| file.write_all(content));
        written.map_err(|why| format!("cannot write {asked}: {why}"))?;
        Ok(is_new)
    }

    fn open_to_write(&self, path: &Path, further: OFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | further;
        let mode = if further.is_empty() { Mode::empty() } else { Mode::from_raw_mode(0o644) };
        openat2(&self.dir, path, flags, mode, RESOLVE)
    }

    fn make_parents(&self, path: &Path) -> Result<(), Errno> {
        let mut so_far = PathBuf::new();
        for component in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = component else { return Err(Errno::XDEV) };
            let inside = if so_far.as_os_str().is_empty() { Path::new(".") } else { &so_far };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let parent = openat2(&self.dir, inside, flags, Mode::empty(), RESOLVE)?;
            match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => so_far.push(name),
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

fn regular(file: OwnedFd, asked: &str) -> Result<(File, u64), String> {
    let stat = fstat(&file).map_err(|why| refused(asked, why))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(u64::MAX))),
        FileType::Directory => Err(format!("{asked} is a directory")),
        _ => Err(format!("{asked} is no regular file")),
    }
}

fn outside(asked: &str) -> String {
    format!("{asked} is outside of the workspace; paths are relative to it")
}

fn refused(asked: &str, why: Errno) -> String {
    match why {
        // What the kernel says of a path that would leave (openat2(2)).
        Errno::XDEV | Errno::LOOP => outside(asked),
        Errno::NOSYS => {
            "the kernel cannot keep a path inside of a directory (openat2, since Linux 5.6)".to_owned()
        }
        why => format!("cannot open {asked}: {why}"),
    }
}
