//! What the user calls a flake, and how Nix is told of it.
//!
//! Anything that Nix takes is passed on as it is. A directory is resolved here instead, for three reasons: a mistake in
//! a path gets a message about the path, the reference that was evaluated can be shown, and a path with any character in
//! it works with every version of Nix.
//!
//! # Invariants
//!
//! - A directory inside a Git work tree becomes `git+file:`, as it does with Nix: only tracked files are seen.
//! - Every path is absolute, free of symbolic links, and percent-encoded (RFC 3986, section 2.1).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::error::EvalError;
use super::git;

/// Characters that stand for themselves in the path of a URL, for every version of Nix.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'+')
    .remove(b'@')
    .remove(b'=')
    .remove(b',')
    .remove(b':');

/// Characters that stand for themselves in a fragment. Nix decodes the rest, and then reads `"` and `.` itself.
const FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A flake, as the user named it and as Nix is asked for it.
///
/// Displayed as the user typed it, without the attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakeRef {
    given: String,
    attribute: Option<String>,
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A reference that only Nix understands.
    Nix(String),
    /// A directory of this machine.
    Directory(Directory),
}

/// A flake in a directory of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Where `flake.nix` is.
    pub(super) flake: PathBuf,
    /// The top of the Git work tree, if Nix is to see only what Git tracks.
    pub(super) repository: Option<PathBuf>,
    /// The commit to look at, instead of the files as they are.
    pub(super) revision: Option<String>,
    /// Further parameters, encoded by the user (`ref=main&submodules=1`).
    query: Option<String>,
    /// The tree that the flake is a part of, where there is no work tree.
    whole: Option<PathBuf>,
}

impl FlakeRef {
    /// Understands what the user typed: a directory, or anything that Nix takes, with or without `#ATTRIBUTE`.
    ///
    /// A word that could be both a directory and an entry of the flake registry is the directory, if there is one.
    ///
    /// # Errors
    ///
    /// Usage errors: a path that is missing, that is no directory, or in which there is no flake.
    pub fn resolve(given: &str) -> Result<Self, EvalError> {
        if !given.is_empty() && Path::new(given).is_dir() {
            return Self::of_directory(given, None, Path::new(given), None);
        }
        let (base, attribute) = match given.split_once('#') {
            Some((base, fragment)) => (base, decode(fragment)),
            None => (given, None),
        };
        let shown = if base.is_empty() { "." } else { base };
        if Path::new(shown).is_dir() {
            return Self::of_directory(shown, attribute, Path::new(shown), None);
        }
        if has_scheme(shown) {
            let target = Target::Nix(shown.to_owned());
            return Ok(Self { given: shown.to_owned(), attribute, target });
        }
        if let Some((path, query)) = shown.split_once('?').filter(|(path, _)| Path::new(path).is_dir()) {
            return Self::of_directory(shown, attribute, Path::new(path), Some(query));
        }
        if is_registry_name(shown) {
            let target = Target::Nix(shown.to_owned());
            return Ok(Self { given: shown.to_owned(), attribute, target });
        }
        Self::of_directory(shown, attribute, Path::new(shown), None)
    }

    /// The flake of a directory as it was in the commit `revision`, a full hash as [`super::commit`] gives it.
    ///
    /// # Errors
    ///
    /// Usage errors: a directory that is missing or in no Git repository.
    pub fn at_revision(directory: &Path, revision: &str) -> Result<Self, EvalError> {
        let given = format!("{} at {}", directory.display(), revision.get(..12).unwrap_or(revision));
        let here = canonical(&given, directory)?;
        let Some(repository) = git::top_level(&here) else {
            return Err(EvalError::NoRepository { directory: here });
        };
        // A revision may have the flake where there is none now; then it is looked for where the user is.
        let flake = upwards(&here, &repository).unwrap_or(here);
        let revision = Some(revision.to_owned());
        let target = Target::Directory(Directory {
            flake,
            repository: Some(repository),
            revision,
            query: None,
            whole: None,
        });
        Ok(Self { given, attribute: None, target })
    }

    /// The flake of the directory `below` a tree, at a commit that the tree's `.git` holds; `given` is how it is called.
    ///
    /// A shallow clone is read as one: Nix refuses it otherwise, because it cannot count the commits.
    ///
    /// # Errors
    ///
    /// Usage errors: a directory that is missing.
    pub fn of_commit(given: &str, tree: &Path, below: &Path, revision: &str) -> Result<Self, EvalError> {
        let tree = canonical(given, tree)?;
        let query = tree.join(".git/shallow").exists().then(|| "shallow=1".to_owned());
        let (flake, revision) = (tree.join(below), Some(revision.to_owned()));
        let target =
            Target::Directory(Directory { flake, repository: Some(tree), revision, query, whole: None });
        Ok(Self { given: given.to_owned(), attribute: None, target })
    }

    /// The flake of the directory `below` a tree whose files are taken as they are, all of them, whatever Git has to say
    /// about them; `given` is how it is called.
    ///
    /// # Errors
    ///
    /// Usage errors: a directory that is missing.
    pub fn of_files(given: &str, tree: &Path, below: &Path) -> Result<Self, EvalError> {
        let tree = canonical(given, tree)?;
        let (flake, whole) = (tree.join(below), Some(tree));
        let target =
            Target::Directory(Directory { flake, repository: None, revision: None, query: None, whole });
        Ok(Self { given: given.to_owned(), attribute: None, target })
    }

    fn of_directory(
        given: &str,
        attribute: Option<String>,
        path: &Path,
        query: Option<&str>,
    ) -> Result<Self, EvalError> {
        let mut here = canonical(given, path)?;
        let (inside, query) = query.map_or((None, None), take_directory);
        if let Some(inside) = inside {
            here.push(inside);
        }
        let repository = git::top_level(&here);
        // With `ref=` or `rev=` another tree than the one on disk is meant, so what is on disk says nothing.
        let flake = if query.is_some() { Some(here.clone()) } else { find(&here, repository.as_deref()) };
        let Some(flake) = flake else {
            return Err(EvalError::NoFlake { given: given.to_owned(), directory: here, repository });
        };
        // In a repository in which nothing has been added yet, Nix would see no file at all: neither is there a choice
        // of files to respect, so the directory itself is taken.
        let repository = repository.filter(|top| query.is_some() || git::tracks_anything(top));
        let target = Target::Directory(Directory { flake, repository, revision: None, query, whole: None });
        Ok(Self { given: given.to_owned(), attribute, target })
    }

    /// The attribute after `#`, decoded.
    #[must_use]
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// Where the flake is inside its repository; empty at its top. [`None`] where that is not known: in a directory
    /// outside of any repository, and where only Nix understands the reference.
    #[must_use]
    pub fn inside_repository(&self) -> Option<PathBuf> {
        match &self.target {
            Target::Nix(url) => take_directory(url.split_once('?')?.1).0,
            Target::Directory(directory) => {
                let top = git::top_level(&directory.flake)?;
                directory.flake.strip_prefix(top).ok().map(Path::to_owned)
            }
        }
    }

    /// The reference that Nix is asked for, without an attribute.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.target {
            Target::Nix(url) => url.clone(),
            Target::Directory(directory) => directory.url(),
        }
    }

    /// Whether it is a word that is looked up in the flake registry, because there is no such directory.
    pub(super) fn is_registry_name(&self) -> bool {
        matches!(&self.target, Target::Nix(name) if !has_scheme(name))
    }

    /// The directory of this machine that the flake is in.
    pub(super) fn directory(&self) -> Option<&Directory> {
        match &self.target {
            Target::Nix(_) => None,
            Target::Directory(directory) => Some(directory),
        }
    }
}

impl fmt::Display for FlakeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::one_line(&self.given))
    }
}

impl Directory {
    /// The top of the tree that Nix copies.
    pub(super) fn tree(&self) -> &Path {
        self.repository.as_deref().or(self.whole.as_deref()).unwrap_or(&self.flake)
    }

    /// Where the flake is below [`Self::tree`].
    pub(super) fn below(&self) -> &Path {
        self.flake.strip_prefix(self.tree()).unwrap_or(Path::new(""))
    }

    /// Whether it is a part of a tree that is no repository.
    pub(super) fn is_below_files(&self) -> bool {
        self.whole.is_some() && !self.below().as_os_str().is_empty()
    }

    /// Whether the files are taken as they are, not as they were in some commit.
    pub(super) fn is_as_on_disk(&self) -> bool {
        self.revision.is_none() && self.query.is_none()
    }

    /// Whether the path has a character that has to be encoded, which Nix before 2.19 does not decode.
    pub(super) fn is_encoded(&self) -> bool {
        let tree = self.tree().as_os_str().as_encoded_bytes();
        percent_encode(tree, PATH).any(|part| part.starts_with('%'))
    }

    fn url(&self) -> String {
        let scheme = if self.repository.is_some() { "git+file://" } else { "path:" };
        format!("{scheme}{}{}", encoded(self.tree()), self.parameters())
    }

    /// `?rev=…&dir=…`, or nothing.
    pub(super) fn parameters(&self) -> String {
        let below = self.below();
        let dir = (!below.as_os_str().is_empty()).then(|| format!("dir={}", encoded(below)));
        let rev = self.revision.as_ref().map(|rev| format!("rev={rev}"));
        let all: Vec<String> = [rev, dir, self.query.clone()].into_iter().flatten().collect();
        if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
    }
}

/// A path as the path of a URL.
pub(super) fn encoded(path: &Path) -> String {
    percent_encode(path.as_os_str().as_encoded_bytes(), PATH).to_string()
}

/// An attribute path as a fragment, with the `#`.
pub(super) fn fragment(attribute: &str) -> String {
    format!("#{}", percent_encode(attribute.as_bytes(), FRAGMENT))
}

fn decode(fragment: &str) -> Option<String> {
    (!fragment.is_empty()).then(|| percent_decode_str(fragment).decode_utf8_lossy().into_owned())
}

/// Splits `dir=` off the parameters of a directory: it says where the flake is, which is worked out here.
fn take_directory(query: &str) -> (Option<PathBuf>, Option<String>) {
    let (mine, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|part| part.starts_with("dir="));
    let inside = mine.last().map(|part| percent_decode_str(&part[4..]).decode_utf8_lossy().into_owned());
    (inside.map(PathBuf::from), (!rest.is_empty()).then(|| rest.join("&")))
}

/// Whether the reference starts like a URL (RFC 3986, section 3.1): `github:`, `git+https:`, `path:`.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Whether Nix would look the reference up in its registry: `ID`, `ID/REF` or `ID/REF/REV`.
///
/// Where the first part is a directory, the user mistyped a path below it.
fn is_registry_name(reference: &str) -> bool {
    let mut parts = reference.split('/');
    let id = parts.next().unwrap_or_default();
    id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && parts.clone().count() <= 2
        && parts.all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
        && !Path::new(id).exists()
}

fn canonical(given: &str, path: &Path) -> Result<PathBuf, EvalError> {
    let given = given.to_owned();
    match path.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(path) => Err(EvalError::NotADirectory { given, path }),
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let exists =
                absolute.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned();
            Err(EvalError::NoSuchDirectory { given, missing: absolute, exists })
        }
        Err(source) => Err(EvalError::Unreadable { given, source }),
    }
}

/// The directory with `flake.nix` in it: this one, or, as with Nix, the nearest one above it in its repository.
fn find(directory: &Path, repository: Option<&Path>) -> Option<PathBuf> {
    upwards(directory, repository.unwrap_or(directory))
}

fn upwards(directory: &Path, top: &Path) -> Option<PathBuf> {
    let within = directory.ancestors().take_while(|above| above.starts_with(top));
    within.into_iter().find(|above| above.join("flake.nix").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(given: &str) -> String {
        FlakeRef::resolve(given).unwrap().url()
    }

    #[test]
    fn what_only_nix_understands_is_passed_on() {
        for given in [
            "github:a/b",
            "git+file:///x?rev=0123&dir=y",
            "path:/x",
            "path:./x",
            "https://x.org/y.tar.gz",
            "a-b",
            "a/b/c",
        ] {
            assert_eq!(url(given), given);
        }
    }

    #[test]
    fn a_fragment_is_an_attribute() {
        let flake = FlakeRef::resolve("github:a/b#x.%22y.z%22").unwrap();
        assert_eq!((flake.url().as_str(), flake.attribute()), ("github:a/b", Some("x.\"y.z\"")));
        assert_eq!(fragment("x.\"y z\""), "#x.%22y%20z%22");
    }

    #[test]
    fn a_directory_wins_over_the_registry_and_over_punctuation() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a#b?c d%é'");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("flake.nix"), "{}").unwrap();
        let flake = FlakeRef::resolve(odd.to_str().unwrap()).unwrap();
        assert!(flake.url().ends_with("/a%23b%3Fc%20d%25%C3%A9%27"), "{}", flake.url());
        assert!(flake.directory().unwrap().is_encoded());
        assert_eq!(flake.attribute(), None);
    }

    #[test]
    fn a_missing_path_says_what_exists() {
        let dir = tempfile::tempdir().unwrap().keep().canonicalize().unwrap();
        let given = dir.join("no/such");
        let Err(EvalError::NoSuchDirectory { exists, .. }) = FlakeRef::resolve(given.to_str().unwrap())
        else {
            panic!("resolved a path that does not exist");
        };
        assert_eq!(exists, dir);
        std::fs::remove_dir(dir).unwrap();
    }

    #[test]
    fn parameters_of_a_directory_are_kept() {
        assert_eq!(take_directory("ref=main&dir=a%20b"), (Some("a b".into()), Some("ref=main".into())));
    }

    proptest! {
        #[test]
        fn an_encoded_path_decodes_to_itself(path in "(/[^/\0]{1,20}){1,4}") {
            let url = encoded(Path::new(&path));
            let safe = url.bytes().all(|b| b.is_ascii_graphic() && !br#"#?"'<>^`{}|\"#.contains(&b));
            prop_assert!(safe, "{}", url);
            prop_assert_eq!(percent_decode_str(&url).decode_utf8().unwrap(), path);
        }

        #[test]
        fn an_encoded_attribute_decodes_to_itself(attribute in any::<String>()) {
            let fragment = fragment(&attribute);
            prop_assert_eq!(percent_decode_str(&fragment[1..]).decode_utf8().unwrap(), attribute);
        }

        #[test]
        fn no_reference_crashes(given in "[ -~é\n]{0,40}") {
            let _ = FlakeRef::resolve(&given);
        }
    }
}
