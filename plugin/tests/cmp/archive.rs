//! How a repository gets to the sidecar: as Argo CD packs and unpacks it (util/io/files/tar.go).

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// Copies a tree as it arrives: file modes are reset, links are made relative, and one that leads out of `root` is refused.
pub(crate) fn unpack(from: &Path, to: &Path, root: &Path) -> Result<(), String> {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type().unwrap());
        if kind.is_dir() {
            unpack(&source, &target, root)?;
        } else if kind.is_symlink() {
            let leads = normal(&to.join(fs::read_link(&source).unwrap()));
            if !leads.starts_with(root) {
                return Err(format!("illegal filepath in symlink: {}", leads.display()));
            }
            symlink(relative(to, &leads), &target).unwrap();
        } else if kind.is_file() {
            fs::write(&target, fs::read(&source).unwrap()).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        }
    }
    Ok(())
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}
