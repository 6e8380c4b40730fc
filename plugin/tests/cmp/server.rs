//! What Argo CD's repo-server and argocd-cmp-server do around a plugin (cmpserver/plugin/plugin.go, util/io/files/tar.go).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::{Value, json};

use crate::archive::unpack;
use crate::command::Desk;
use crate::program::copy_program;

/// The user that a sidecar runs as.
const USER: u32 = 999;

/// A sidecar: a directory for all that it writes, and a Nix.
pub(crate) struct Server {
    root: tempfile::TempDir,
    id: String,
    nix: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
}

/// What an Application says.
#[derive(Clone, Default)]
pub(crate) struct App {
    pub(crate) path: &'static str,
    /// The commit that Argo CD has resolved.
    pub(crate) revision: String,
    /// As in `spec.source.plugin.parameters`.
    pub(crate) parameters: Value,
    /// As in `spec.source.plugin.env`.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// How a command came out.
#[derive(Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    work: PathBuf,
    out: thread::JoinHandle<String>,
    err: thread::JoinHandle<String>,
}

impl Server {
    /// Every Nix that is here: the one in PATH, and the newer one that the set-up unpacks.
    pub(crate) fn nixes() -> Vec<PathBuf> {
        Desk::nixes().into_iter().map(|directory| directory.join("nix")).collect()
    }

    pub(crate) fn new() -> Self {
        Self::with(&Self::nixes()[0])
    }

    pub(crate) fn with(nix: &Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let root = tempfile::Builder::new().prefix("nuketown-test-").tempdir().unwrap();
        // Others have to get through it.
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let server = Self { root, id, nix: nix.to_owned(), variables: BTreeMap::new() };
        for directory in ["bin", "tmp/_cmp_server", "cache"] {
            fs::create_dir_all(server.path(directory)).unwrap();
            give(&server.path(directory));
        }
        give(&server.path("tmp"));
        symlink(nix, server.path("bin/nix")).unwrap();
        let program = server.path("bin/nuketown-cmp");
        let built = Path::new(env!("CARGO_BIN_EXE_nuketown-cmp"));
        fs::hard_link(built, &program).unwrap_or_else(|_| copy_program(built, &program));
        server
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    /// Puts a program called `nix` in front, which may use `real` to call the real one.
    pub(crate) fn wrap_nix(&self, script: &str) {
        let path = self.path("bin/nix");
        let real = fs::read_link(&path).unwrap();
        fs::remove_file(&path).unwrap();
        self.put_program("nix", &format!("real() {{ '{}' \"$@\"; }}\n{script}", real.display()));
    }

    /// Puts a program in front of those of that name.
    pub(crate) fn put_program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts the peer that stands in for nix-eval-jobs in PATH; the file says what a plan may hold. It uses the Nix that was
    /// there before anything was put in front of it.
    pub(crate) fn nix_eval_jobs(&self, plan: &Value) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut plan = plan.clone();
        plan["nix"] = self.nix.to_str().unwrap().into();
        fs::write(self.path("bin/nix-eval-jobs.json"), plan.to_string()).unwrap();
        let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/nix-eval-jobs");
        // As a package manager does it: another file, put in the place of the old one.
        let new = self.path(&format!("bin/.new-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::copy(peer, &new).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, self.path("bin/nix-eval-jobs")).unwrap();
    }

    /// Has every start and end of Nix written down.
    pub(crate) fn count_nix(&self, meanwhile: &str) {
        let log = self.path("cache/nix.log");
        let log = log.display();
        self.wrap_nix(&format!(
            "echo s >>'{log}'\n{meanwhile}\nreal \"$@\"\nstatus=$?\necho e >>'{log}'\nexit $status"
        ));
    }

    /// How often Nix was started, and how often at the same time.
    pub(crate) fn starts_and_peak(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.path("cache/nix.log")).unwrap_or_default();
        let (mut starts, mut now, mut peak) = (0, 0_usize, 0);
        for line in log.lines() {
            if line == "s" {
                (starts, now) = (starts + 1, now + 1);
                peak = peak.max(now);
            } else {
                now -= 1;
            }
        }
        (starts, peak)
    }

    /// `nuketown-cmp generate` for an Application in a repository.
    pub(crate) fn generate(&self, repository: &Path, app: &App) -> Outcome {
        self.run("generate", repository, app)
    }

    /// A command for an Application in a repository. Nothing is left of it.
    pub(crate) fn run(&self, command: &str, repository: &Path, app: &App) -> Outcome {
        let outcome = self.start(command, repository, app).wait(Duration::from_secs(120));
        self.assert_nothing_runs();
        let left: Vec<_> =
            fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["_cmp_server"], "temporary files are left");
        outcome
    }

    pub(crate) fn start(&self, command: &str, repository: &Path, app: &App) -> Running {
        let work = self.unpack(repository).unwrap_or_else(|refused| panic!("Argo CD refuses it: {refused}"));
        self.start_in(command, work, app)
    }

    /// Starts a command in a directory that was unpacked before.
    pub(crate) fn start_in(&self, command: &str, work: PathBuf, app: &App) -> Running {
        let mut process = Command::new(self.path("bin/nuketown-cmp"));
        process.arg(command).current_dir(work.join(app.path)).env_clear().envs(self.environment(app));
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if is_root() {
            process.uid(USER).gid(USER);
        }
        let mut child = process.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Running { child, work, out: drain(out), err: drain(err) }
    }

    /// The sidecar's variables, and behind them those of the request.
    fn environment(&self, app: &App) -> Vec<(OsString, OsString)> {
        let search = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(self.path("bin")).chain(std::env::split_paths(&search));
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), std::env::join_paths(path).unwrap()),
            // A sidecar's home is in its read-only image.
            ("HOME".into(), "/home/argocd".into()),
            ("TMPDIR".into(), self.path("tmp").into()),
            ("NUKETOWN_CACHE_DIR".into(), self.path("cache").into()),
            ("NUKETOWN_TEST_CASE".into(), self.id.clone().into()),
        ];
        all.extend(self.variables.iter().map(|(name, value)| (name.into(), value.into())));
        let mut of_request = vec![
            ("ARGOCD_APP_NAME".to_owned(), "town".to_owned()),
            ("ARGOCD_APP_NAMESPACE".to_owned(), "argocd".to_owned()),
            ("ARGOCD_APP_PROJECT_NAME".to_owned(), "default".to_owned()),
            ("ARGOCD_APP_REVISION".to_owned(), app.revision.clone()),
            ("ARGOCD_APP_SOURCE_REPO_URL".to_owned(), "https://git.example.org/town".to_owned()),
            (
                "ARGOCD_APP_SOURCE_PATH".to_owned(),
                if app.path.is_empty() { "." } else { app.path }.to_owned(),
            ),
            ("KUBE_VERSION".to_owned(), "1.33.2".to_owned()),
            ("KUBE_API_VERSIONS".to_owned(), "v1,apps/v1".to_owned()),
            ("ARGOCD_APP_PARAMETERS".to_owned(), app.parameters.to_string()),
        ];
        of_request.extend(app.env.iter().map(|(name, value)| (format!("ARGOCD_ENV_{name}"), value.clone())));
        of_request.extend(flattened(&app.parameters));
        all.extend(of_request.into_iter().map(|(name, value)| (name.into(), value.into())));
        all
    }

    /// Sends a repository: file modes are reset, links are made relative, and one that leads out is refused.
    pub(crate) fn unpack(&self, repository: &Path) -> Result<PathBuf, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("00000000-0000-4000-8000-{:012}", COUNT.fetch_add(1, Ordering::Relaxed));
        let work = self.path("tmp/_cmp_server").join(name);
        unpack(repository, &work, &work)?;
        give(&work);
        Ok(work)
    }

    /// Checks that no process of this server is left. One that was killed still has to die, which takes a moment.
    pub(crate) fn assert_nothing_runs(&self) {
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience && !self.processes().is_empty() {
            thread::yield_now();
        }
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
    }

    fn processes(&self) -> Vec<String> {
        let mark = format!("NUKETOWN_TEST_CASE={}", self.id);
        let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let ours = all.filter(|path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        });
        let name =
            |path: PathBuf| fs::read_to_string(path.join("cmdline")).unwrap_or_default().replace('\0', " ");
        ours.map(name).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A store is write-protected, which keeps an ordinary user from removing it.
        let _ =
            Command::new("chmod").args(["-R", "u+rwX"]).arg(self.root.path()).stderr(Stdio::null()).status();
    }
}

impl Running {
    /// Waits for the end, and at the deadline kills the process group, as argocd-cmp-server does.
    pub(crate) fn wait(mut self, deadline: Duration) -> Outcome {
        let pid = self.pid();
        let limit = Timespec::try_from(deadline).unwrap();
        if !self.has_ended() {
            let ended = pidfd_open(pid, PidfdFlags::empty()).unwrap();
            if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit)).unwrap() == 0 {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        let status = self.child.wait().unwrap().code();
        fs::remove_dir_all(&self.work).unwrap();
        Outcome { status, stdout: self.out.join().unwrap(), stderr: self.err.join().unwrap() }
    }

    /// Kills the process group now. False if the command had ended by itself.
    pub(crate) fn kill(mut self) -> bool {
        if !self.has_ended() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        let killed = self.child.wait().unwrap().code().is_none();
        fs::remove_dir_all(&self.work).unwrap();
        self.out.join().unwrap();
        self.err.join().unwrap();
        killed
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

/// Without all of the manifests, so that the message of a failing test can be read.
impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, stdout, stderr } = self;
        let start: String = stdout.chars().take(200).collect();
        write!(f, "status {status:?}, {} bytes on stdout ({start:?}), stderr:\n{stderr}", stdout.len())
    }
}

impl Outcome {
    /// The objects, split as Argo CD does; it would refuse a stream that is no YAML, and delete everything for an empty one.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        let objects: Vec<Value> = serde_saphyr::from_multiple(&self.stdout).unwrap();
        assert!(!objects.is_empty());
        for object in &objects {
            for field in ["apiVersion", "kind"] {
                assert!(object[field].is_string(), "{object}");
            }
            assert!(object["metadata"]["name"].is_string(), "{object}");
        }
        objects
    }

    /// Checks that it failed as it should, and returns what was said.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32) -> &str {
        assert_eq!((self.status, self.stdout.as_str()), (Some(status), ""), "{self:?}");
        assert!(self.stderr.starts_with("error: ") && self.stderr.contains("\n  cause: "), "{self:?}");
        assert!(self.stderr.lines().count() <= 20 && !self.stderr.contains('\u{1b}'), "{self:?}");
        &self.stderr
    }
}

/// The objects of one kind, by name.
pub(crate) fn named(objects: &[Value], kind: &str) -> Vec<String> {
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// A parameter, as an Application has it.
pub(crate) fn parameter(name: &str, kind: &str, value: impl Into<Value>) -> Value {
    json!({ "name": name, kind: value.into() })
}

/// `PARAM_*`, which Argo CD sets as well, in its lossy way.
fn flattened(parameters: &Value) -> Vec<(String, String)> {
    let upper = |name: &str| name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let mut all = Vec::new();
    for parameter in parameters.as_array().into_iter().flatten() {
        let name = format!("PARAM_{}", upper(parameter["name"].as_str().unwrap_or_default()));
        if let Some(text) = parameter["string"].as_str() {
            all.push((name.clone(), text.to_owned()));
        }
        for (at, item) in parameter["array"].as_array().into_iter().flatten().enumerate() {
            all.push((format!("{name}_{at}"), item.as_str().unwrap_or_default().to_owned()));
        }
        for (key, item) in parameter["map"].as_object().into_iter().flatten() {
            all.push((format!("{name}_{}", upper(key)), item.as_str().unwrap_or_default().to_owned()));
        }
    }
    all
}

/// Everything below belongs to the sidecar's user, as what it unpacks itself does.
fn give(path: &Path) {
    if is_root() {
        let owner = format!("{USER}:{USER}");
        assert!(Command::new("chown").arg("-Rh").arg(owner).arg(path).status().unwrap().success());
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}
