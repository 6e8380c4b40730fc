//! Which flake an Application means, and what its content is called.
//!
//! Argo CD unpacks the repository with all file modes reset, and starts the plugin in the Application's directory. With the
//! revision in `.git`, that is what is evaluated: exact, and the same for every Application. Without it (a chart, an
//! archive, a repository-server that leaves `.git` out), the files are, as they are.
//!
//! # Invariants
//!
//! - What a content is called covers all that an evaluation can see of the repository.
//! - Nothing above the directory that Argo CD has unpacked the repository into is looked at.
//! - A repository has no say in what the Application wants: a pull request would not be a preview if it chose so.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use nuketown::Problem;

use super::{environment::Environment, tree};
use crate::{
    failure::Failure,
    flake::{self, Class, FlakeRef},
};

/// The directory that argocd-cmp-server makes a directory per request in.
const WORK: &str = "_cmp_server";

/// What the names of files start with that Argo CD merges into the Application: `.argocd-source.yaml`, and with the
/// Application's name in it (reposerver/repository, `mergeSourceParameters`). Parameters and variables are among what they
/// replace.
const OVERRIDE: &str = ".argocd-source";

/// The flake of an Application.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What Nix is asked for.
    pub(super) flake: FlakeRef,
    /// What makes its content: the commit or the hash of all files, and where in it the flake is.
    pub(super) content: Vec<String>,
}

impl Source {
    /// The flake at the revision that Argo CD says it has resolved, where it can be in the repository. Git is not asked
    /// whether it is: that takes as long as all the rest of what is done where the result is known. A revision that is the
    /// hash of a commit names one content in whatever repository, so a result that is kept under it is right.
    ///
    /// # Errors
    ///
    /// There is no flake, or the repository changes the Application.
    pub(super) fn said(environment: &Environment, directory: &Path) -> Result<Option<Self>, Failure> {
        let found = Found::of(environment, directory)?;
        said(environment, &found.root).map(|commit| found.commit(commit)).transpose()
    }

    /// Finds the flake of the Application in `directory`.
    ///
    /// # Errors
    ///
    /// There is no flake, the repository changes the Application, or the files cannot be read before the deadline.
    pub(super) fn find(
        environment: &Environment,
        directory: &Path,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let found = Found::of(environment, directory)?;
        match revision(environment, &found.root)? {
            Some(commit) => found.commit(&commit),
            None => found.files(deadline),
        }
    }
}

/// Where a flake is.
struct Found {
    /// What the repository was unpacked into.
    root: PathBuf,
    /// The flake's directory in it.
    below: PathBuf,
    /// The same, as it is said.
    place: String,
}

impl Found {
    fn of(environment: &Environment, directory: &Path) -> Result<Self, Failure> {
        refuse_overrides(directory)?;
        let path = environment.get("ARGOCD_APP_SOURCE_PATH").unwrap_or(".");
        let root = root(directory, Path::new(path));
        let flake = directory
            .ancestors()
            .take_while(|above| above.starts_with(&root))
            .find(|above| above.join("flake.nix").symlink_metadata().is_ok())
            .ok_or_else(|| no_flake(path))?;
        let below = flake.strip_prefix(&root).unwrap_or(Path::new("")).to_owned();
        let place = below.display().to_string();
        Ok(Self { root, below, place })
    }

    fn commit(self, commit: &str) -> Result<Source, Failure> {
        let Self { root, below, place } = self;
        let given = format!("{} at {}", shown(&place), commit.get(..12).unwrap_or(commit));
        let flake = FlakeRef::of_commit(&given, &root, &below, commit)?;
        // A shallow clone is another content: the commits in it cannot be counted.
        let depth = if root.join(".git/shallow").exists() { "shallow" } else { "whole" };
        Ok(Source { flake, content: vec!["commit".to_owned(), commit.to_owned(), depth.to_owned(), place] })
    }

    fn files(self, deadline: Instant) -> Result<Source, Failure> {
        let Self { root, below, place } = self;
        let hash = tree::hash(&root, deadline).map_err(|why| unreadable(&why))?;
        let flake = FlakeRef::of_files(shown(&place), &root, &below)?;
        Ok(Source { flake, content: vec!["files".to_owned(), hash, place] })
    }
}

/// Refuses a repository that changes the Application. By the time the plugin is asked, the change is made, and what the
/// Application itself says is not to be seen any more.
fn refuse_overrides(directory: &Path) -> Result<(), Failure> {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|why| unreadable(&why))?;
    let mut names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let Some(name) = names.find(|name| name.starts_with(OVERRIDE)) else { return Ok(()) };
    let name = name.escape_debug();
    let cause =
        format!("Argo CD replaces its parameters by those of `{name}`, so that they are not known here");
    Err(Failure::usage(
        Problem::new("the repository changes the Application that deploys it", cause)
            .hint("remove that file, and set the parameters in the Application"),
    ))
}

/// The directory that the repository was unpacked into: the one that argocd-cmp-server has made for this request. Elsewhere,
/// as at a terminal, it is what `path` is relative to, or else the repository around it.
///
/// `path` does not decide, because it may lead through a link, and because Argo CD sends only a part of the repository
/// where an Application says which paths it depends on.
fn root(directory: &Path, path: &Path) -> PathBuf {
    let request =
        directory.ancestors().find(|above| above.parent().is_some_and(|parent| parent.ends_with(WORK)));
    let repository = || directory.ancestors().find(|above| above.join(".git").is_dir());
    request.or_else(|| without_end(directory, path)).or_else(repository).unwrap_or(directory).to_owned()
}

fn without_end<'d>(directory: &'d Path, end: &Path) -> Option<&'d Path> {
    let end: PathBuf = end.components().filter(|part| *part != Component::CurDir).collect();
    let plain =
        !end.as_os_str().is_empty() && end.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && directory.ends_with(&end)).then(|| directory.ancestors().nth(end.components().count()))?
}

/// The commit that the Application is at, if it is in the repository.
fn revision(environment: &Environment, root: &Path) -> Result<Option<String>, Failure> {
    let Some(revision) = said(environment, root) else { return Ok(None) };
    let found = flake::commit(root, revision)?;
    Ok(found.filter(|commit| commit == revision))
}

/// The commit that Argo CD says the Application is at, where it can be in the repository.
fn said<'e>(environment: &'e Environment, root: &Path) -> Option<&'e str> {
    let revision = environment.get("ARGOCD_APP_REVISION").filter(|revision| is_hash(revision))?;
    // A directory, and one with something in it: git would go on looking further up otherwise.
    root.join(".git/HEAD").is_file().then_some(revision)
}

/// Whether it is the full hash of a commit, SHA-1 or SHA-256.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn shown(place: &str) -> &str {
    if place.is_empty() { "." } else { place }
}

fn no_flake(path: &str) -> Failure {
    let shown: String = path.chars().take(200).collect();
    let problem = Problem::new(
        format!("there is no flake in `{}`", shown.escape_debug()),
        "neither that directory nor one above it in the repository has a flake.nix",
    );
    Failure::usage(
        problem.hint("set spec.source.path of the Application to the directory that holds flake.nix"),
    )
}

fn unreadable(why: &io::Error) -> Failure {
    let problem = Problem::new("the files of the repository cannot be read", why.to_string());
    let class = if why.kind() == io::ErrorKind::TimedOut { Class::Time } else { Class::Usage };
    Failure { class, problems: vec![problem] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_what_the_path_of_the_application_is_relative_to() {
        let of =
            |directory: &str, path: &str| root(Path::new(directory), Path::new(path)).display().to_string();
        assert_eq!(of("/tmp/_cmp_server/u/apps/town", "apps/town"), "/tmp/_cmp_server/u");
        assert_eq!(of("/tmp/_cmp_server/u/apps/town", "./apps/town/"), "/tmp/_cmp_server/u");
        assert_eq!(of("/tmp/_cmp_server/u", "."), "/tmp/_cmp_server/u");
        assert_eq!(of("/srv/u/apps/town", "apps/town"), "/srv/u");
        assert_eq!(of("/srv/u", "."), "/srv/u");
    }

    #[test]
    fn nothing_above_the_unpacked_repository_is_taken_for_it() {
        let of =
            |directory: &str, path: &str| root(Path::new(directory), Path::new(path)).display().to_string();
        // Only a part was sent, or the path leads through a link.
        assert_eq!(of("/tmp/_cmp_server/u/town", "apps/town"), "/tmp/_cmp_server/u");
        assert_eq!(of("/tmp/_cmp_server/u/x", "../_cmp_server/u/x"), "/tmp/_cmp_server/u");
        assert_eq!(of("/tmp/_cmp_server/u", "u"), "/tmp/_cmp_server/u");
        assert_eq!(of("/tmp/_cmp_server/u", "_cmp_server/u"), "/tmp/_cmp_server/u");
    }

    #[test]
    fn only_a_full_hash_names_a_commit() {
        assert!(is_hash(&"0a".repeat(20)) && is_hash(&"0a".repeat(32)));
        for text in ["", "main", "1.2.3", &"0A".repeat(20), &"0a".repeat(19), "sha256:00"] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
