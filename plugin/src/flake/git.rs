//! The little that has to be known of Git.
//!
//! Where a repository is is read from the file system, because that is on the way of every run. Git itself is started
//! only to resolve a revision, to explain a failure, and to copy for an old Nix.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::error::EvalError;

/// Variables that make Git look at another repository than the one of the directory it runs in, as they are set in
/// a hook (`git rev-parse --local-env-vars`). What is evaluated is what the user named.
pub(super) const LOCAL_VARIABLES: [&str; 12] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The full hash of the commit that `name` stands for in the repository around `directory`, if it stands for one.
///
/// # Errors
///
/// [`EvalError::GitMissing`] if Git is not installed, [`EvalError::Git`] if it cannot be run.
pub fn commit(directory: &Path, name: &str) -> Result<Option<String>, EvalError> {
    // `--end-of-options` keeps a name that starts with a dash from being an option.
    let wanted = format!("{name}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
    let output = git(directory, &arguments)?;
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !hash.is_empty()).then_some(hash))
}

/// The nearest directory, this one or one above it, that has a `.git`: a directory, or in a linked work tree and in
/// a submodule a file (gitrepository-layout(5)).
pub(super) fn top_level(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|above| above.join(".git").exists()).map(Path::to_owned)
}

/// Whether anything was ever added: Git writes the index on the first `git add`, checkout or clone.
pub(super) fn tracks_anything(top: &Path) -> bool {
    let git = top.join(".git");
    let linked = std::fs::read_to_string(&git).ok();
    let real = linked.as_deref().and_then(|text| text.strip_prefix("gitdir:")).map(str::trim);
    real.map_or(git, |real| top.join(real)).join("index").exists()
}

/// The files ending in `.nix` that Git does not track and does not ignore, relative to the top.
///
/// Used for advice only, so it is empty where Git fails.
pub(super) fn untracked_nix_files(top: &Path) -> Vec<PathBuf> {
    paths(top, &["ls-files", "--others", "--exclude-standard", "-z", "--", "*.nix"]).unwrap_or_default()
}

/// All tracked files, relative to the top; those whose deletion is not committed are among them.
pub(super) fn tracked_files(top: &Path) -> Result<Vec<PathBuf>, EvalError> {
    paths(top, &["ls-files", "--cached", "-z"])
}

/// Makes a repository of a directory, with all files in it added.
pub(super) fn make_repository(directory: &Path) -> Result<(), EvalError> {
    checked(git(directory, &["init", "--quiet"])?)?;
    checked(git(directory, &["add", "--all", "--force"])?).map(drop)
}

/// The content of a file in a commit, if there is such a file; `path` is relative to the top.
pub(super) fn file_at(top: &Path, commit: &str, path: &Path) -> Result<Option<Vec<u8>>, EvalError> {
    let path = path.to_string_lossy();
    // A path is a pattern otherwise.
    let listed = checked(git(top, &["--literal-pathspecs", "ls-tree", "-z", commit, "--", &path])?)?;
    if listed.stdout.is_empty() {
        return Ok(None);
    }
    checked(git(top, &["cat-file", "blob", &format!("{commit}:{path}")])?).map(|output| Some(output.stdout))
}

fn paths(top: &Path, arguments: &[&str]) -> Result<Vec<PathBuf>, EvalError> {
    let output = checked(git(top, arguments)?)?;
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

fn checked(output: Output) -> Result<Output, EvalError> {
    if output.status.success() {
        return Ok(output);
    }
    Err(EvalError::Git { said: super::text::tidy(&String::from_utf8_lossy(&output.stderr), 4) })
}

fn git(directory: &Path, arguments: &[&str]) -> Result<Output, EvalError> {
    let mut command = Command::new("git");
    // A repository may name a program as its file system monitor; none is needed to look at it.
    command.args(["-c", "core.fsmonitor=false"]).args(arguments).current_dir(directory).stdin(Stdio::null());
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    for name in LOCAL_VARIABLES {
        command.env_remove(name);
    }
    command.output().map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => EvalError::GitMissing,
        _ => EvalError::Git { said: why.to_string() },
    })
}
