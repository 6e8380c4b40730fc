//! Runs the real `nuketown-render`.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a finished command left.
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, ready for arguments.
pub(crate) fn nuketown_render() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuketown-render"));
    command.env("COLUMNS", "110");
    command
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Finished {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Renders a town from JSON on standard input.
pub(crate) fn render_json(json: &str, arguments: &[&str]) -> Finished {
    let mut child = nuketown_render()
        .args(["--from-json", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let json = json.to_owned();
    // The command may stop reading early; a broken pipe is then what should happen.
    let writer = std::thread::spawn(move || drop(stdin.write_all(json.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Finished {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory to work in, with a Nix, a home and a cache of its own. It goes when the test ends.
pub(crate) struct Desk {
    root: tempfile::TempDir,
    path: OsString,
}

impl Desk {
    /// Every Nix that is here: the one in PATH, and the newer one that the set-up unpacks.
    pub(crate) fn nixes() -> Vec<PathBuf> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let usual = std::env::split_paths(&search).find(|directory| directory.join("nix").is_file());
        let usual = usual.expect("nix is not installed; install with: make setup");
        let newer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/nix-new/bin");
        std::iter::once(usual).chain(newer.canonicalize()).collect()
    }

    pub(crate) fn new() -> Self {
        Self::with(&Self::nixes()[0])
    }

    /// A desk where the `nix` of this directory comes first.
    pub(crate) fn with(nix: &Path) -> Self {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(nix.to_owned()).chain(std::env::split_paths(&search));
        let path = std::env::join_paths(directories).unwrap();
        let root = tempfile::Builder::new().prefix("nuketown-test-").tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        Self { root, path }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Puts the peer that stands in for nix-eval-jobs in PATH, to use this Nix; the file says what a plan may hold.
    pub(crate) fn nix_eval_jobs(&self, nix: &Path, plan: &str) {
        let mut plan: serde_json::Value = serde_json::from_str(plan).unwrap();
        plan["nix"] = nix.to_str().unwrap().into();
        std::fs::create_dir(self.path("bin")).unwrap();
        std::fs::write(self.path("bin/nix-eval-jobs.json"), plan.to_string()).unwrap();
        let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/nix-eval-jobs");
        std::fs::copy(peer, self.path("bin/nix-eval-jobs")).unwrap();
    }

    /// A flake of this text. Returns its directory.
    pub(crate) fn flake(&self, below: &str, text: &str) -> String {
        let directory = self.path(below);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("flake.nix"), text).unwrap();
        directory.to_str().unwrap().to_owned()
    }

    /// The command, in this desk and with nothing of the caller's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = nuketown_render();
        let mut path = vec![self.path("bin")];
        path.extend(std::env::split_paths(&self.path));
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.path("home"))
            .env("COLUMNS", "110");
        command.env("NUKETOWN_STORE", self.path("store")).current_dir(self.root.path());
        command
    }

    /// Runs git below this desk.
    pub(crate) fn git(&self, below: &str, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(self.path(below)).env("HOME", self.path("home"));
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        assert!(command.status().unwrap().success(), "git {arguments:?}");
    }

    /// Files that a run has left beside its output.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".nuketown-")).collect()
    }
}
