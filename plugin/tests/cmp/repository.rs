//! Repositories, as the repo-server has them checked out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }
}

/// A flake with this town.
pub(crate) fn flake(town: &str) -> String {
    format!("{{ outputs = _: {{ nuketown = {town}; }}; }}\n")
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(directory).env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=trunk"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
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
