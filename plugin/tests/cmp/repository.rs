//! Repositories, as the repo-server has them checked out.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The commits of a long history.
const COMMITS: usize = 200;

const MEGABYTE: usize = 1 << 20;

/// A town of two cloud agents, of which ada may grow.
pub(crate) const TOWN: &str = r#"{
    domain = "6bit.com";
    approver = "josh@6bit.com";
    cloud.enable = true;
    agents.ada = { persist = [ "projects" ]; cloud.scaling.maxResources = "large"; };
    agents.bob = { };
}"#;

/// A directory, with or without a history.
pub(crate) struct Repository(tempfile::TempDir);

impl Repository {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("nuketown-test-").tempdir().unwrap())
    }

    /// One whose flake has this town.
    pub(crate) fn of_town(town: &str) -> Self {
        Self::new().with("flake.nix", &flake(town))
    }

    /// One with a file more.
    pub(crate) fn with(self, below: &str, text: &str) -> Self {
        let path = self.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Commits all that is there. Returns the commit.
    pub(crate) fn commit(&self) -> String {
        self.git(&["init", "-q"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A flake with this town at the end of a long history: 200 commits, each with a megabyte that the next one replaces.
    /// Returns it and the last commit.
    pub(crate) fn with_long_history(town: &str) -> (Self, String) {
        let repository = Self::new();
        repository.git(&["init", "-q"]);
        let importing = ["fast-import", "--quiet", "--depth=0"];
        let mut import = command(repository.path(), &["-c", "pack.compression=0"]);
        let mut import = import.args(importing).stdin(Stdio::piped()).spawn().unwrap();
        let mut stream = BufWriter::new(import.stdin.take().unwrap());
        let large = "x".repeat(MEGABYTE - 3);
        for mark in 1..=COMMITS {
            write!(stream, "blob\nmark :{mark}\ndata {MEGABYTE}\n{mark:03}{large}\n").unwrap();
        }
        for n in 1..=COMMITS {
            write!(stream, "commit refs/heads/trunk\ncommitter t <t@example.org> {n} +0000\ndata 1\nx\nM 644 :{n} large\n").unwrap();
        }
        let flake = flake(town);
        let end = "commit refs/heads/trunk\ncommitter t <t@example.org> 999 +0000\ndata 1\nx\ndeleteall\nM 644 inline flake.nix\n";
        write!(stream, "{end}data {}\n{flake}\n", flake.len()).unwrap();
        drop(stream.into_inner().unwrap());
        assert!(import.wait().unwrap().success());
        repository.git(&["reset", "-q", "--hard", "trunk"]);
        let commit = repository.git(&["rev-parse", "HEAD"]);
        (repository, commit)
    }

    /// Spoils all that is large in a long history: whoever reads it sees that it is not what its name says.
    pub(crate) fn spoil_history(&self) {
        let packs = fs::read_dir(self.path().join(".git/objects/pack")).unwrap();
        let mut packs = packs.map(|entry| entry.unwrap().path());
        let pack = packs.find(|path| path.extension().is_some_and(|it| it == "pack")).unwrap();
        let length = fs::metadata(&pack).unwrap().len();
        assert!(length > (COMMITS * MEGABYTE) as u64, "it is compressed: {length}");
        fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
        let file = fs::File::options().write(true).open(pack).unwrap();
        // The blobs come first, so that each of them is hit.
        for at in (MEGABYTE as u64 / 2..length - MEGABYTE as u64).step_by(MEGABYTE / 2) {
            file.write_all_at(b"spoilt", at).unwrap();
        }
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }
}

/// A flake with this town.
pub(crate) fn flake(town: &str) -> String {
    format!("{{ outputs = _: {{ nuketown = {town}; }}; }}\n")
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=trunk"]);
    command.args(arguments);
    command
}

/// The examples of this project.
pub(crate) fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut all: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.join("flake.nix").is_file());
    all.sort();
    assert!(all.len() >= 3, "{all:?}");
    all
}
