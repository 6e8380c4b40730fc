//! Any user, with or without a home, with or without a daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::copy_program;
use crate::world::{Nix, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    an_ordinary_user_without_a_daemon_gets_a_private_store,
    an_ordinary_user_can_have_no_home,
    an_ordinary_user_can_have_a_home_that_is_not_usable,
    a_repository_of_somebody_else_is_explained,
    the_cache_of_the_user_is_used,
    a_daemon_is_used_where_there_is_one,
    a_socket_that_nobody_answers_is_no_daemon,
    a_store_that_cannot_be_written_is_explained,
    a_missing_git_is_explained_where_it_is_needed,
    the_language_of_the_user_does_not_matter,
];

/// The user `nobody`, by convention.
const NOBODY: u32 = 65534;

/// A world of an ordinary user: of `nobody`, if we are root, and otherwise ours.
fn ordinary(nix: &Nix) -> World {
    let world = World::new(nix);
    // The directory that this program was built in need not be open to others.
    copy_program(&std::env::current_exe().unwrap(), &world.path("evaluate"));
    world
}

/// The evaluation as that user, who must own all that is there by now.
fn as_ordinary(world: &World, arguments: &[&str]) -> Command {
    let like = world.command_without_store(arguments);
    let mut command = Command::new(world.path("evaluate"));
    command.args(like.get_args()).env_clear().current_dir(world.path("")).stdin(Stdio::null());
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Not the daemon of this machine.
    command.env("NIX_DAEMON_SOCKET_PATH", world.path("no-socket"));
    if rustix::process::geteuid().is_root() {
        world.give_to(NOBODY);
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Whether this user may not write to the store of this machine, so that a private one is chosen.
fn is_barred() -> bool {
    rustix::process::geteuid().is_root()
        || rustix::fs::access("/nix/store", rustix::fs::Access::WRITE_OK).is_err()
}

fn an_ordinary_user_without_a_daemon_gets_a_private_store(nix: &Nix) {
    let world = ordinary(nix);
    let flake = world.flake("repo/town", TOWN);
    world.commit("repo");
    assert_eq!(world.run(&mut as_ordinary(&world, &[&flake])).town()["domain"], "6bit.com");
    if is_barred() {
        assert!(world.path("home/.cache/nuketown/store/nix/store").is_dir());
    }
}

fn an_ordinary_user_can_have_no_home(nix: &Nix) {
    let world = ordinary(nix);
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    let mut command = as_ordinary(&world, &[&flake]);
    command.env_remove("HOME").env_remove("USER");
    assert_eq!(world.run(&mut command).town()["domain"], "6bit.com");
    command.env("XDG_CACHE_HOME", world.path("cache"));
    assert_eq!(world.run(&mut command).town()["domain"], "6bit.com");
    if is_barred() {
        assert!(world.path("cache/nuketown/store/nix/store").is_dir());
    }
}

fn an_ordinary_user_can_have_a_home_that_is_not_usable(nix: &Nix) {
    let world = ordinary(nix);
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    world.write("closed/file", "");
    let mut command = as_ordinary(&world, &[&flake]);
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    for home in [
        PathBuf::from("/nonexistent"),
        PathBuf::from("/"),
        PathBuf::from("relative"),
        world.path("closed"),
        PathBuf::from("/root"),
    ] {
        command.env("HOME", &home);
        assert_eq!(world.run(&mut command).town()["domain"], "6bit.com", "{}", home.display());
    }
}

fn a_repository_of_somebody_else_is_explained(nix: &Nix) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = ordinary(nix);
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    let mut command = as_ordinary(&world, &[&flake]);
    assert!(Command::new("chown").args(["-R", "0:0"]).arg(&flake).status().unwrap().success());
    let (_, hint) = world.run(&mut command).fails("ForeignRepository", 3);
    assert_eq!(hint, format!("if you trust it: git config --global --add safe.directory {flake}"));
}

fn the_cache_of_the_user_is_used(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    let outcome = world.run(world.command(&[&flake]).env("XDG_CACHE_HOME", world.path("cache")));
    outcome.town();
    assert!(!world.path("home/.cache").exists());
}

/// A Nix daemon with a store of its own, ended when dropped.
struct Daemon(Child);

impl Daemon {
    fn start(world: &World) -> Self {
        let mut command = Command::new(world.path("bin/nix-daemon"));
        std::os::unix::fs::symlink(
            world.path("bin/nix").canonicalize().unwrap(),
            world.path("bin/nix-daemon"),
        )
        .unwrap();
        command.envs(daemon_variables(world)).env("HOME", world.path("home"));
        // Its own store is the local one; it would ask itself otherwise.
        command.env("NIX_REMOTE", "local");
        command.env("NIX_CONFIG", "build-users-group =").stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Returns once it listens. It tells nobody, so it is asked until it answers or is gone.
    fn await_socket(&mut self, world: &World) {
        let patience = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(world.path("daemon/socket")).is_err() {
            assert!(self.0.try_wait().unwrap().is_none(), "the daemon has ended");
            assert!(Instant::now() < patience, "the daemon does not listen");
            std::thread::yield_now();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn daemon_variables(world: &World) -> [(&'static str, PathBuf); 4] {
    [
        ("NIX_STORE_DIR", world.path("daemon/store")),
        ("NIX_STATE_DIR", world.path("daemon/state")),
        ("NIX_LOG_DIR", world.path("daemon/log")),
        ("NIX_DAEMON_SOCKET_PATH", world.path("daemon/socket")),
    ]
}

fn a_daemon_is_used_where_there_is_one(nix: &Nix) {
    // Only root can keep an ordinary user away from the store that the daemon serves.
    if !rustix::process::geteuid().is_root() || !nix.is_old() {
        return;
    }
    let world = ordinary(nix);
    let flake = world.flake("town", TOWN);
    fs::create_dir(world.path("daemon")).unwrap();
    let mut command = as_ordinary(&world, &[&flake]);
    let mut daemon = Daemon::start(&world);
    daemon.await_socket(&world);
    command.envs(daemon_variables(&world));
    assert_eq!(world.run(&mut command).town()["domain"], "6bit.com");
    assert!(!world.path("home/.cache/nuketown").exists(), "a private store was made beside the daemon's");
    assert!(fs::read_dir(world.path("daemon/store")).unwrap().count() > 0);
}

fn a_socket_that_nobody_answers_is_no_daemon(nix: &Nix) {
    let world = ordinary(nix);
    let flake = world.flake("town", TOWN);
    let socket = world.path("no-socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    assert_eq!(world.run(&mut as_ordinary(&world, &[&flake])).town()["domain"], "6bit.com");
}

fn a_store_that_cannot_be_written_is_explained(nix: &Nix) {
    let world = ordinary(nix);
    let flake = world.flake("town", TOWN);
    let mut command = as_ordinary(&world, &[&flake, "--store", "/proc/no-store"]);
    let outcome = world.run(&mut command);
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    let mut command = as_ordinary(&world, &[&flake, "--store", "/usr/no-store"]);
    let (_, hint) = world.run(&mut command).fails("Store", 3);
    assert!(hint.contains("--store"), "{hint}");
}

fn a_missing_git_is_explained_where_it_is_needed(nix: &Nix) {
    if !nix.is_old() {
        return;
    }
    let world = World::new(nix);
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    world.run(world.command(&[&flake]).env("PATH", world.path("bin"))).fails("GitMissing", 3);
}

fn the_language_of_the_user_does_not_matter(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", r#"{ domain = "ünï"; }"#);
    for language in ["de_DE.UTF-8", "C", "tr_TR.UTF-8", "nonsense"] {
        let mut command = world.command(&[&flake]);
        command.env("LC_ALL", language).env("LANG", language).env("LANGUAGE", language);
        assert_eq!(world.run(&mut command).town()["domain"], "ünï", "{language}");
    }
}
