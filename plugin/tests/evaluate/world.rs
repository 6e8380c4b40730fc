//! What a case needs: a Nix, a directory of its own, flakes and repositories in it, and a process that evaluates.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A town that says where it comes from.
pub(crate) const TOWN: &str = r#"{ domain = "6bit.com"; }"#;

/// A Nix to test with.
#[derive(Clone)]
pub(crate) struct Nix {
    program: PathBuf,
    version: String,
}

impl Nix {
    /// The one in PATH, and a newer one: in the directory that `NUKETOWN_TEST_NIX_NEW` names, or where the set-up puts it.
    pub(crate) fn all() -> Vec<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let usual = std::env::split_paths(&path).map(|dir| dir.join("nix")).find(|file| file.is_file());
        let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/nix-new/bin");
        let new = std::env::var_os("NUKETOWN_TEST_NIX_NEW").map_or(set_up, PathBuf::from).join("nix");
        let Some(usual) = usual else { return Vec::new() };
        [Some(usual), new.canonicalize().ok()].into_iter().flatten().map(Self::at).collect()
    }

    fn at(program: PathBuf) -> Self {
        let said = Command::new(&program).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(said).unwrap().trim().replace("nix (Nix) ", "nix-");
        Self { program, version }
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is one that does not decode paths.
    pub(crate) fn is_old(&self) -> bool {
        self.version.starts_with("nix-2.8.")
    }
}

/// One case: a directory, in which everything happens that the case does.
pub(crate) struct World {
    nix: Nix,
    root: TempDir,
    id: String,
}

/// How an evaluation came out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new(nix: &Nix) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = tempfile::Builder::new().prefix("nuketown-test-").tempdir().unwrap();
        let world = Self { nix: nix.clone(), root, id };
        for dir in ["home", "tmp", "bin"] {
            fs::create_dir(world.path(dir)).unwrap();
        }
        std::os::unix::fs::symlink(&nix.program, world.path("bin/nix")).unwrap();
        world
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A flake in this directory whose outputs are `outputs`, with `rest` beside them. Returns the directory.
    pub(crate) fn flake_with(&self, below: &str, rest: &str, outputs: &str) -> String {
        self.write(&format!("{below}/flake.nix"), &format!("{{\n  {rest}\n  outputs = _: {outputs};\n}}\n"));
        self.path(below).to_str().unwrap().to_owned()
    }

    /// A flake in this directory with this town. Returns the directory.
    pub(crate) fn flake(&self, below: &str, town: &str) -> String {
        self.flake_with(below, "", &format!("{{ nuketown = {town}; }}"))
    }

    /// Runs Git in this directory.
    pub(crate) fn git(&self, below: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.path(below)).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home")).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        let output = command.args(["-c", "init.defaultBranch=trunk"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A repository in this directory with all of its files committed. Returns the commit.
    pub(crate) fn commit(&self, below: &str) -> String {
        self.git(below, &["init", "-q"]);
        self.git(below, &["add", "-A"]);
        self.git(below, &["commit", "-q", "-m", "x"]);
        self.git(below, &["rev-parse", "HEAD"])
    }

    /// Puts a program called `nix` in front, that does something and then becomes the real one.
    pub(crate) fn wrap_nix(&self, script: &str) {
        let path = self.path("bin/nix");
        fs::remove_file(&path).unwrap();
        let text = format!("#!/bin/sh\n{script}\nexec '{}' \"$@\"\n", self.nix.program.display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts the peer that stands in for nix-eval-jobs in PATH; the file says what a plan may hold.
    pub(crate) fn nix_eval_jobs(&self, mut plan: Value) {
        plan["nix"] = self.nix.program.to_str().unwrap().into();
        self.write("bin/nix-eval-jobs.json", &plan.to_string());
        let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/nix-eval-jobs");
        fs::copy(peer, self.path("bin/nix-eval-jobs")).unwrap();
    }

    /// The command that evaluates, with nothing of the caller's environment, in a store of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_without_store(arguments);
        command.arg("--store").arg(self.path("store"));
        command
    }

    /// The same, but the store is up to the program.
    pub(crate) fn command_without_store(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut path = vec![self.path("bin")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        command
            .arg("__evaluate")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("USER", "t");
        command.env("NUKETOWN_TEST_CASE", &self.id).current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// Evaluates, and checks that nothing is left of it.
    pub(crate) fn evaluate(&self, arguments: &[&str]) -> Outcome {
        self.run(&mut self.command(arguments))
    }

    /// Runs a command made by [`Self::command`], and checks that nothing is left of it.
    pub(crate) fn run(&self, command: &mut Command) -> Outcome {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        self.assert_nothing_runs();
        let unexpected = fs::read_to_string(self.path("bin/unexpected")).ok();
        assert_eq!(unexpected, None, "nix-eval-jobs was called as it should not be");
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0, "temporary files are left");
        let report = serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("no report, but {stderr}"));
        Outcome { status, report, stderr }
    }

    /// Checks that no process of this case is left. One that was killed still has to die, which takes a moment.
    pub(crate) fn assert_nothing_runs(&self) {
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience && !self.processes().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
    }

    /// The command lines of the processes of this case, wherever they have ended up.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("NUKETOWN_TEST_CASE={}", self.id);
        let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let ours = all.filter(|path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        });
        ours.map(|path| {
            String::from_utf8_lossy(&fs::read(path.join("cmdline")).unwrap_or_default()).replace('\0', " ")
        })
        .collect()
    }

    /// Gives everything in here to another user.
    pub(crate) fn give_to(&self, user: u32) {
        let everything = [self.root.path().as_os_str().to_owned()];
        let chown = |arguments: &[OsString]| {
            let user = format!("{user}:{user}");
            assert!(Command::new("chown").arg("-Rh").arg(user).args(arguments).status().unwrap().success());
        };
        chown(&everything);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A store is write-protected, which keeps an ordinary user from removing it.
        let _ =
            Command::new("chmod").args(["-R", "u+rwX"]).arg(self.root.path()).stderr(Stdio::null()).status();
    }
}

impl Outcome {
    /// The town, which must be there.
    #[track_caller]
    pub(crate) fn town(&self) -> &Value {
        assert!(self.status.success(), "{self:?}");
        assert_eq!(self.stderr, "", "a run that succeeds is silent");
        &self.report["town"]
    }

    /// Checks the kind of the error and the exit status, and returns cause and hint.
    #[track_caller]
    pub(crate) fn fails(&self, kind: &str, status: i32) -> (String, String) {
        assert_eq!(
            (self.report["error"].as_str(), self.status.code()),
            (Some(kind), Some(status)),
            "{self:?}"
        );
        let part = |name: &str| self.report[name].as_str().unwrap_or_default().to_owned();
        let all = format!("{} {} {}", part("what"), part("cause"), part("hint"));
        assert!(!all.contains("-source/"), "a path that the user does not know: {all}");
        assert!(all.lines().count() <= 14 && !all.contains('\u{1b}'), "{all}");
        (part("cause"), part("hint"))
    }
}
