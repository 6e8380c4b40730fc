//! Clones that are there already, under another name.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::task::Project;

/// The most that is read of a clone's configuration.
const CONFIG_MAX: u64 = 64 * 1024;

/// The clone below `projects` whose remote is called like `project`, if there is exactly one.
pub(super) fn clone_of(projects: &Path, project: &Project) -> Option<PathBuf> {
    let entries = std::fs::read_dir(projects).ok()?.flatten();
    let dirs =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let mut fitting =
        dirs.filter(|dir| remotes(dir).iter().any(|name| name.eq_ignore_ascii_case(project.as_str())));
    let found = fitting.next()?;
    fitting.next().is_none().then_some(found)
}

/// The names of the repositories that a clone has as remotes.
fn remotes(dir: &Path) -> Vec<String> {
    let is_hidden = dir.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let file = dir.join(".git/config");
    // No link or pipe that somebody has put there is opened.
    let is_file = file.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let mut text = Vec::new();
    if is_hidden || !is_file {
        return Vec::new();
    }
    let read = std::fs::File::open(file).and_then(|file| file.take(CONFIG_MAX).read_to_end(&mut text));
    read.map_or_else(|_| Vec::new(), |_| names(&String::from_utf8_lossy(&text)))
}

/// The base names of the addresses in the sections `[remote …]` of a git configuration (git-config(1)).
fn names(config: &str) -> Vec<String> {
    let mut is_remote = false;
    let mut found = Vec::new();
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            is_remote = line.starts_with("[remote ");
        } else if let Some((key, value)) = line.split_once('=')
            && is_remote
            && key.trim().eq_ignore_ascii_case("url")
        {
            let path = value.trim().trim_matches('"').trim_end_matches('/');
            let name = path.rsplit(['/', ':']).next().unwrap_or(path);
            found.push(name.strip_suffix(".git").unwrap_or(name).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_remotes_are_found_in_every_form_of_address() {
        let config = "[core]\n\turl = no\n[remote \"origin\"]\n\tURL = git@github.com:joshperry/nuketown.git\n[remote \"b\"]\n\
                      url=https://example.org/mynix/\n[branch \"main\"]\n\turl = no\n[remote \"c\"]\n url = \"host:x.git\"\n";
        assert_eq!(names(config), ["nuketown", "mynix", "x"]);
    }

    #[test]
    fn clone_is_found_by_its_remote_unless_two_fit() {
        let dir = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            std::fs::create_dir_all(dir.path().join(name).join(".git")).unwrap();
            std::fs::write(
                dir.path().join(name).join(".git/config"),
                "[remote \"o\"]\nurl = git@h:p/nuketown.git\n",
            )
            .unwrap();
        };
        let project: Project = "Nuketown".parse().unwrap();
        assert_eq!(clone_of(dir.path(), &project), None);
        add("town");
        assert_eq!(clone_of(dir.path(), &project), Some(dir.path().join("town")));
        add(".hidden");
        assert_eq!(clone_of(dir.path(), &project), Some(dir.path().join("town")));
        add("other");
        assert_eq!(clone_of(dir.path(), &project), None);
    }

    proptest! {
        #[test]
        fn any_configuration_has_names_or_none(config in "(\\[remote \"[a-z]\"\\]\n|url ?= ?\\PC{0,20}\n|\\PC{0,20}\n){0,8}") {
            prop_assert!(names(&config).iter().all(|name| !name.contains('/')));
        }
    }
}
