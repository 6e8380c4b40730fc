//! The environment, the caches and the store that Nix is given.
//!
//! # Invariants
//!
//! - Nix always finds a home and a cache that it can use: the user's, or a private one that is removed afterwards.
//! - No variable of the user's weakens a guarantee of the evaluation; all others are left as they are.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::git;
use super::scratch::Scratch;

/// Variables of Nix that are taken away, and why.
const REMOVED: [&str; 8] = [
    // Search path: pure evaluation has none, and an unreadable entry is an error all the same.
    "NIX_PATH",
    // Debugging aids that write to standard error or to a file.
    "NIX_SHOW_STATS",
    "NIX_SHOW_STATS_PATH",
    "NIX_COUNT_CALLS",
    "NIX_SHOW_SYMBOLS",
    // Turns warnings into failures.
    "NIX_ABORT_ON_WARN",
    // Names a program that builds; nothing is built.
    "NIX_BUILD_HOOK",
    // Names the directory with the flake settings that the user once trusted; see `XDG_DATA_HOME` below.
    "NIX_DATA_HOME",
];

/// What Nix is given.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Variables that are set (`Some`) or removed (`None`).
    pub(super) environment: Vec<(OsString, Option<OsString>)>,
    /// The store, if not Nix's own choice.
    pub(super) store: Option<PathBuf>,
    scratch: Option<Scratch>,
    /// Where [`Self::scratch`] is, if not in the temporary directory: what a killed process leaves is then where its owner
    /// looks after it.
    private: Option<PathBuf>,
}

impl Surroundings {
    /// Looks at this process's environment. `store` is the user's choice; with `private`, caches are kept there, and
    /// nothing in the user's.
    pub(super) fn prepare(store: Option<&Path>, private: Option<&Path>) -> io::Result<Self> {
        let mut all =
            Self { environment: fixed(), store: None, scratch: None, private: private.map(Path::to_owned) };
        let home = variable("HOME").filter(|home| is_usable_home(home));
        let cache = match private {
            Some(private) => all.kept(private, "cache", "XDG_CACHE_HOME")?,
            None => all.usual_cache(home.as_deref())?,
        };
        match (home, private) {
            (Some(_), _) => {}
            (None, Some(private)) => drop(all.kept(private, "home", "HOME")?),
            (None, None) => drop(all.private("home", "HOME")?),
        }
        all.store = match store {
            Some(store) => Some(std::path::absolute(store)?),
            None if is_default_store_usable() => None,
            None => Some(cache.join("nuketown/store")),
        };
        Ok(all)
    }

    /// The user's cache directory, or a temporary one where that cannot be used.
    fn usual_cache(&mut self, home: Option<&Path>) -> io::Result<PathBuf> {
        let cache = variable("XDG_CACHE_HOME").or_else(|| home.map(|home| home.join(".cache")));
        match cache.filter(|cache| can_be_written(cache)) {
            Some(cache) => Ok(cache),
            None => self.private("cache", "XDG_CACHE_HOME"),
        }
    }

    /// A directory that stays.
    fn kept(&mut self, above: &Path, name: &str, variable: &str) -> io::Result<PathBuf> {
        let path = std::path::absolute(above)?.join(name);
        std::fs::create_dir_all(&path)?;
        self.environment.push((variable.into(), Some(path.clone().into())));
        Ok(path)
    }

    /// The private directory, made on first use.
    pub(super) fn scratch(&mut self) -> io::Result<&Scratch> {
        match &mut self.scratch {
            Some(scratch) => Ok(scratch),
            none => Ok(none.insert(Scratch::new(self.private.as_deref())?)),
        }
    }

    fn private(&mut self, name: &str, variable: &str) -> io::Result<PathBuf> {
        let path = self.scratch()?.directory(name)?;
        self.environment.push((variable.into(), Some(path.clone().into())));
        Ok(path)
    }
}

/// What is set and removed on every run.
fn fixed() -> Vec<(OsString, Option<OsString>)> {
    let mut all: Vec<(OsString, Option<OsString>)> = vec![
        // Messages are read by this program.
        ("LC_ALL".into(), Some("C".into())),
        // Where Nix notes which settings of flakes the user has trusted: those would be in force without asking. A
        // path below a file does not exist.
        ("XDG_DATA_HOME".into(), Some("/dev/null".into())),
        ("GIT_TERMINAL_PROMPT".into(), Some("0".into())),
    ];
    all.extend(without_monitor());
    if std::env::var_os("USER").is_none() {
        all.push(("USER".into(), Some("nuketown".into())));
    }
    let removed = REMOVED.iter().chain(&git::LOCAL_VARIABLES);
    all.extend(
        removed.filter(|name| std::env::var_os(name).is_some()).map(|name| (OsString::from(name), None)),
    );
    all
}

/// Keeps Git from starting the file system monitor that a repository may name, by one more entry of the configuration
/// that is given in the environment (git-config(1), `GIT_CONFIG_COUNT`).
fn without_monitor() -> [(OsString, Option<OsString>); 3] {
    let count =
        std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let set = |name: String, value: String| (name.into(), Some(value.into()));
    [
        set("GIT_CONFIG_COUNT".to_owned(), count.saturating_add(1).to_string()),
        set(format!("GIT_CONFIG_KEY_{count}"), "core.fsmonitor".to_owned()),
        set(format!("GIT_CONFIG_VALUE_{count}"), "false".to_owned()),
    ]
}

/// Keeps an evaluation from the network that needs nothing from it. Nix's `--offline` gives up sooner, but asks once for
/// what a flake names with its hash, which would have a pull request send requests from inside the cluster.
///
/// Downloads go through a proxy (curl(1), "Environment") at port 0, where nothing can be; Git speaks to no other machine
/// (git(1), `GIT_ALLOW_PROTOCOL`).
pub(super) fn without_network() -> impl Iterator<Item = (OsString, Option<OsString>)> {
    let nowhere =
        ["http_proxy", "https_proxy", "HTTPS_PROXY", "ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY"];
    let nowhere = nowhere.map(|name| (name.into(), Some("http://127.0.0.1:0".into())));
    let direct = ["no_proxy", "NO_PROXY"].map(|name| (name.into(), None));
    nowhere.into_iter().chain(direct).chain([("GIT_ALLOW_PROTOCOL".into(), Some("file".into()))])
}

/// The bytes of address space that an evaluation gets where nothing else is asked for: half of the memory that this
/// machine (or its container, by cgroup-v2's `memory.max`) has, at most 8 GiB, at least 256 MiB.
///
/// Without a bound, an endless list reached 24 GB within a minute.
#[must_use]
pub fn default_memory_limit() -> u64 {
    const MIB: u64 = 1024 * 1024;
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram.saturating_mul(machine.mem_unit.into());
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    (machine.min(container) / 2).clamp(256 * MIB, 8 * 1024 * MIB)
}

/// A variable that holds an absolute path. By the XDG base directory specification, others are to be ignored.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Whether Nix gets along with this home: it must be readable (Nix 2.8 aborts otherwise) and our own (current Nix
/// takes another one otherwise).
fn is_usable_home(home: &Path) -> bool {
    let own = |found: Metadata| found.uid() == rustix::process::geteuid().as_raw();
    let readable = access(home, Access::READ_OK | Access::EXEC_OK).is_ok();
    readable && (rustix::process::geteuid().is_root() || home.metadata().is_ok_and(own))
}

/// Whether the directory, or the nearest one above it that exists, can be written to.
fn can_be_written(directory: &Path) -> bool {
    let existing = directory.ancestors().find(|above| above.exists());
    existing.is_some_and(|above| access(above, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// Whether Nix can use the store that it would choose itself: one that the user has set up (`NIX_REMOTE`), one that we
/// may write to, or one behind a daemon that answers.
fn is_default_store_usable() -> bool {
    if std::env::var_os("NIX_REMOTE").is_some_and(|remote| !remote.is_empty()) {
        return true;
    }
    let place =
        |name: &str, usual: &str| std::env::var_os(name).map_or_else(|| PathBuf::from(usual), PathBuf::from);
    let state = place("NIX_STATE_DIR", "/nix/var/nix");
    let store = place("NIX_STORE_DIR", "/nix/store");
    let writable = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    if writable(&store) && writable(&state) && writable(&state.join("db")) {
        return true;
    }
    let socket = state.join("daemon-socket/socket");
    let socket = std::env::var_os("NIX_DAEMON_SOCKET_PATH").map_or(socket, PathBuf::from);
    UnixStream::connect(socket).is_ok()
}

/// The first executable file of that name on the search path.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(OsStr::new(&path)).filter(|directory| directory.is_absolute());
    candidates
        .map(|directory| directory.join(name))
        .find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}
