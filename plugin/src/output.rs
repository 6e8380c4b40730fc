//! Where results go: standard output, a file or a directory, all at once or not at all.
//!
//! # Invariants
//!
//! - A file or directory is either as it was or complete: it is written beside its place and renamed at the end.
//! - A directory is replaced only if all that it holds was written by an earlier run.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use nuketown::{HEADER, Problem};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    pipe::{fcntl_getpipe_size, fcntl_setpipe_size},
};

use crate::failure::Failure;

/// Prints a result. A reader that has gone away (`| head`) is no failure.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    widen(&out, text.len());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::usage(Problem::new("cannot write to standard output", error.to_string())))
        }
        _ => Ok(()),
    }
}

/// Gives a pipe room for the whole result, so that writer and reader need not wait for each other once per 64 KiB.
fn widen(out: impl AsFd, length: usize) {
    // The most that an ordinary user may have (pipe(7), `/proc/sys/fs/pipe-max-size`).
    const MOST: usize = 1 << 20;
    let wanted = length.min(MOST);
    // What is no pipe stays as it is, and so does one of a user who has too many large ones.
    if fcntl_getpipe_size(&out).is_ok_and(|size| size < wanted) {
        let _ = fcntl_setpipe_size(&out, wanted);
    }
}

/// Writes one file.
///
/// # Errors
///
/// The place cannot be written; what was there is still there.
pub fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let mut file = tempfile::NamedTempFile::new_in(parent(path)).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    readable(file.as_file()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Writes a directory of manifests in place of one that an earlier run has written.
///
/// # Errors
///
/// The place cannot be written, or holds something that no run of this command wrote; what was there is still there.
pub fn replace_directory(path: &Path, files: &BTreeMap<String, String>) -> Result<(), Failure> {
    let exists = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            only_written_here(path)?;
            true
        }
        Ok(_) => return Err(in_the_way(path, "it is not a directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(cannot_write(path, &error)),
    };
    let staged = stage(path, files)?;
    let failed = |error: io::Error| cannot_write(path, &error);
    if exists {
        exchange(staged.path(), path).map_err(failed)?;
        // What is at the staged place now is the old directory, which goes when `staged` is dropped.
        return Ok(());
    }
    fs::rename(staged.keep(), path).map_err(failed)
}

/// Writes a tree of files to a place where nothing is yet.
///
/// # Errors
///
/// The place is taken or cannot be written.
pub fn create_directory(path: &Path, files: &BTreeMap<String, String>) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(in_the_way(path, "it exists already"));
    }
    let staged = stage(path, files)?;
    fs::rename(staged.keep(), path).map_err(|error| cannot_write(path, &error))
}

/// A new directory beside `path`, on the same file system, with all files in it.
fn stage(path: &Path, files: &BTreeMap<String, String>) -> Result<tempfile::TempDir, Failure> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let staged = tempfile::Builder::new().prefix(".nuketown-").tempdir_in(parent(path)).map_err(failed)?;
    for (name, text) in files {
        let place = staged.path().join(name);
        fs::create_dir_all(parent(&place)).map_err(failed)?;
        let mut file = File::create(&place).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    readable_directory(staged.path()).map_err(failed)?;
    Ok(staged)
}

/// Exchanges two directories in one step; where the file system cannot, in two.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
        other => return other.map_err(io::Error::from),
    }
    let aside = tempfile::Builder::new().prefix(".nuketown-").tempdir_in(parent(old))?;
    let kept = aside.path().join("old");
    fs::rename(old, &kept)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&kept, old)?;
        return Err(error);
    }
    // The caller removes what is at `new`; give it the old directory there, as the one-step way does.
    fs::rename(&kept, new)
}

/// Refuses a directory that holds anything but files with our header: they may be somebody's work.
fn only_written_here(path: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(path).map_err(|error| cannot_write(path, &error))? {
        let entry = entry.map_err(|error| cannot_write(path, &error))?;
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !regular || !is_ours(&entry.path()) {
            let name = entry.file_name();
            return Err(in_the_way(
                path,
                &format!("it holds {}, which nuketown-render did not write", name.display()),
            ));
        }
    }
    Ok(())
}

/// Whether a file starts with the header of rendered files.
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    let mut start = vec![0; HEADER.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == HEADER.as_bytes()
}

/// The directory that a path is in.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Temporary files are private; a result is as readable as any new file would be.
fn readable(file: &File) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666 & !umask()))
}

fn readable_directory(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777 & !umask()))
}

/// The process's file mode creation mask: it can only be read by setting it.
fn umask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let above = parent(path);
    if error.kind() == io::ErrorKind::NotFound && !above.exists() {
        let cause = format!("the directory {} does not exist", above.display());
        let problem = Problem::new(format!("cannot write {}", path.display()), cause);
        return Failure::usage(problem.hint(format!("mkdir -p {}", above.display())));
    }
    Failure::usage(Problem::new(format!("cannot write {}", path.display()), error.to_string()))
}

fn in_the_way(path: &Path, why: &str) -> Failure {
    Failure::usage(
        Problem::new(format!("will not replace {}", path.display()), why)
            .hint("name a directory of its own with --out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipe_has_room_for_the_whole_result() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let usual = fcntl_getpipe_size(&writer).unwrap();
        widen(&writer, 100);
        assert_eq!(fcntl_getpipe_size(&writer).unwrap(), usual);
        widen(&writer, 3 * usual);
        assert!(fcntl_getpipe_size(&writer).unwrap() >= 3 * usual);
        widen(File::open("/dev/null").unwrap(), 3 * usual);
    }
}
