//! The content of a directory as one hash.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// Hashes what Nix sees of a directory: names, contents, executable bits, and where links point, which is not followed.
///
/// Everything that is said has its length before it, so that no two trees say the same.
///
/// # Errors
///
/// Something cannot be read, is neither file, directory nor link, or the time is up.
pub(super) fn hash(directory: &Path, deadline: Instant) -> io::Result<String> {
    let mut hash = Sha256::new();
    add_directory(&mut hash, directory, deadline)?;
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn add_directory(hash: &mut Sha256, directory: &Path, deadline: Instant) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    hash.update(b"d");
    hash.update((entries.len() as u64).to_le_bytes());
    for entry in entries {
        in_time(deadline)?;
        add_bytes(hash, entry.file_name().as_bytes());
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            add_directory(hash, &path, deadline)?;
        } else if kind.is_symlink() {
            hash.update(b"l");
            add_bytes(hash, fs::read_link(&path)?.as_os_str().as_bytes());
        } else if kind.is_file() {
            add_file(hash, &path, deadline)?;
        } else {
            let why = format!("{} is neither a file nor a directory nor a link", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(())
}

fn add_file(hash: &mut Sha256, path: &Path, deadline: Instant) -> io::Result<()> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    hash.update(if found.permissions().mode() & 0o100 == 0 { b"f" } else { b"x" });
    hash.update(found.len().to_le_bytes());
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        in_time(deadline)?;
        size += count as u64;
        hash.update(&buffer[..count]);
    }
    if size == found.len() { Ok(()) } else { Err(io::Error::other(format!("{} changes", path.display()))) }
}

fn add_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn in_time(deadline: Instant) -> io::Result<()> {
    if Instant::now() < deadline { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    fn of(make: impl Fn(&Path)) -> String {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        hash(dir.path(), Instant::now() + Duration::from_secs(60)).unwrap()
    }

    fn file(dir: &Path, name: &str, text: &str) {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), text).unwrap();
    }

    #[test]
    fn equal_trees_hash_alike_and_any_difference_shows() {
        let base = of(|dir| file(dir, "a", "1"));
        assert_eq!(base, of(|dir| file(dir, "a", "1")));
        let others: Vec<String> = vec![
            base,
            of(|_| ()),
            of(|dir| file(dir, "a", "2")),
            of(|dir| file(dir, "b", "1")),
            of(|dir| file(dir, "a/a", "1")),
            of(|dir| fs::create_dir(dir.join("a")).unwrap()),
            of(|dir| symlink("1", dir.join("a")).unwrap()),
            of(|dir| symlink("2", dir.join("a")).unwrap()),
            of(|dir| {
                file(dir, "a", "1");
                fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
            }),
            of(|dir| {
                file(dir, "a", "");
                file(dir, "1", "");
            }),
            of(|dir| {
                file(dir, "a/b", "");
                file(dir, "1", "");
            }),
        ];
        assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len());
    }

    #[test]
    fn link_is_not_followed_and_a_pipe_is_refused() {
        of(|dir| symlink("/", dir.join("everything")).unwrap());
        let dir = tempfile::tempdir().unwrap();
        assert!(std::process::Command::new("mkfifo").arg(dir.path().join("p")).status().unwrap().success());
        let why = hash(dir.path(), Instant::now() + Duration::from_secs(60)).unwrap_err();
        assert!(why.to_string().contains("neither a file nor"), "{why}");
    }

    #[test]
    fn tree_that_takes_too_long_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        file(dir.path(), "a", "1");
        assert_eq!(hash(dir.path(), Instant::now()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
