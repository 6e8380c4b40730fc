//! Finds the user's file behind a path in the Nix store.
//!
//! Nix copies a flake into its store before it reads it, and its messages name the copy. The user knows the original.

use std::fs;
use std::path::{Path, PathBuf};

use super::reference::Directory;

/// The directory that all store paths are in, also in a store elsewhere: `ROOT/nix/store/…`.
const STORE: &str = "/nix/store/";

/// The flake's source as the user knows it.
#[derive(Debug)]
pub(super) struct Source<'a> {
    directory: &'a Directory,
    /// The root of the store, if it is not `/`.
    root: Option<&'a Path>,
}

impl<'a> Source<'a> {
    pub(super) fn new(directory: &'a Directory, root: Option<&'a Path>) -> Self {
        Self { directory, root }
    }

    /// The original of a path in the store, if it is in the copy of this flake (and not in one of an input).
    ///
    /// Returns the path whether or not there is such a file, as long as the copy is ours.
    pub(super) fn original(&self, path: &str) -> Option<PathBuf> {
        let (tree, below) = split(path)?;
        let below = Path::new(below.trim_start_matches('/'));
        let normal = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        (normal && self.is_copy(tree, below)).then(|| self.directory.tree().join(below))
    }

    /// Replaces all paths into the copy by those of the originals, as short as they can be written.
    pub(super) fn restore(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(STORE) {
            let start =
                rest[..at].rfind(is_delimiter).map_or(0, |before| before + delimiter_len(rest, before));
            let end = rest[at..].find(is_delimiter).map_or(rest.len(), |after| at + after);
            out.push_str(&rest[..start]);
            let word = &rest[start..end];
            let (path, position) = split_position(word);
            match self.original(path) {
                Some(original) => {
                    out.push_str(&brief(&original));
                    out.push_str(position);
                }
                None => out.push_str(word),
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    /// Whether the tree in the store holds this very flake. One counts, too, in which `flake.nix` is missing, or
    /// a directory on the way to it, if that is what the message is about.
    fn is_copy(&self, tree: &str, below: &Path) -> bool {
        let name = self.directory.below().join("flake.nix");
        let copy = |root: &Path| root.join(tree.trim_start_matches('/')).join(&name);
        // Messages name the path with the store's root (2.34) or without it (2.8, sometimes).
        let places = [copy(Path::new("/")), copy(self.root.unwrap_or(Path::new("/")))];
        let original = fs::read(self.directory.tree().join(&name)).ok();
        match places.iter().find_map(|place| fs::read(place).ok()) {
            Some(found) => original.as_ref() == Some(&found),
            None => !below.as_os_str().is_empty() && name.starts_with(below),
        }
    }
}

/// Splits a path into the tree in the store (`…/nix/store/HASH-source`) and what is below it.
fn split(path: &str) -> Option<(&str, &str)> {
    let at = path.find(STORE)? + STORE.len();
    let end = path[at..].find('/').map_or(path.len(), |end| at + end);
    let name = &path[at..end];
    let (hash, name) = name.split_once('-')?;
    (hash.len() == 32 && name == "source").then(|| path.split_at(end))
}

/// Splits `:12:5` off the end of a path.
fn split_position(word: &str) -> (&str, &str) {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = word.trim_end_matches(':').rsplitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(column), Some(line), Some(path)) if digits(column) && digits(line) => word.split_at(path.len()),
        _ => (word, ""),
    }
}

/// A path as the user would write it: relative, if it is below the current directory.
pub(super) fn brief(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    let relative = relative.filter(|path| !path.as_os_str().is_empty());
    super::text::one_line(&relative.as_deref().unwrap_or(path).to_string_lossy())
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "'\"`«»‘’“”()<>,;".contains(c)
}

fn delimiter_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of no path that any store holds.
    const HASH: &str = "00000000000000000000000000000000";

    fn directory(path: &Path) -> Directory {
        let flake = crate::flake::FlakeRef::resolve(path.to_str().unwrap()).unwrap();
        flake.directory().unwrap().clone()
    }

    fn flake_and_store() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let (flake, root) = (temp.path().join("town"), temp.path().join("root"));
        let copy = root.join(format!("nix/store/{HASH}-source"));
        for dir in [&flake, &copy] {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("flake.nix"), "{ outputs = _: { }; }").unwrap();
        }
        let flake = flake.canonicalize().unwrap();
        (temp, flake, root)
    }

    #[test]
    fn a_path_into_the_copy_becomes_the_path_of_the_original() {
        let (_temp, flake, root) = flake_and_store();
        let directory = directory(&flake);
        let source = Source::new(&directory, Some(&root));
        let wanted = format!("getting '{0}/x.nix' at {0}/flake.nix:1:2:", flake.display());
        for prefix in [String::new(), root.display().to_string()] {
            let said = format!(
                "getting '{prefix}/nix/store/{HASH}-source/x.nix' at {prefix}/nix/store/{HASH}-source/flake.nix:1:2:"
            );
            assert_eq!(source.restore(&said), wanted);
        }
    }

    #[test]
    fn a_path_into_an_input_stays() {
        let (_temp, flake, root) = flake_and_store();
        let directory = directory(&flake);
        let other = root.join(format!("nix/store/{}-source", HASH.replace('0', "1")));
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("flake.nix"), "{ another = 1; }").unwrap();
        let said = format!("at {}/flake.nix:1:2", other.display());
        assert_eq!(Source::new(&directory, Some(&root)).restore(&said), said);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "([a-z:/'é«» .0-9]{0,10}(/nix/store/[a-z0-9]{32}-source/?)?){0,6}") {
            let (_temp, flake, root) = flake_and_store();
            let directory = directory(&flake);
            prop_assert_eq!(Source::new(&directory, Some(&root)).restore(&text), text);
        }
    }
}
