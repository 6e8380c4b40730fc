//! One revision is evaluated once, however many Applications ask, and never for one that must not have the answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::repository::{Repository, TOWN};
use crate::server::{App, Outcome, Running, Server, parameter};

/// Long enough for the slowest machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);

fn at(revision: &str) -> App {
    App { revision: revision.to_owned(), ..App::default() }
}

/// A pipe that holds every Nix back until it is opened.
struct Gate {
    path: PathBuf,
}

impl Gate {
    fn before_nix(server: &Server) -> Self {
        let path = server.path("cache/gate");
        assert!(Command::new("mkfifo").arg("-m").arg("666").arg(&path).status().unwrap().success());
        server.count_nix(&format!("read line <'{}'", path.display()));
        Self { path }
    }

    /// Lets every Nix through, from now on.
    fn open(&self) -> fs::File {
        // For reading as well, so that opening it waits for nobody and the lines stay there.
        let mut pipe = fs::OpenOptions::new().read(true).write(true).open(&self.path).unwrap();
        std::io::Write::write_all(&mut pipe, "go\n".repeat(200).as_bytes()).unwrap();
        pipe
    }
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "in vain: {what}");
        thread::yield_now();
    }
}

/// How many processes have this file open.
fn openers(path: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("fd"));
    let has = |fds: PathBuf| {
        let mut fds = fs::read_dir(fds).into_iter().flatten().flatten();
        fds.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
    };
    processes.filter(|fds| has(fds.clone())).count()
}

fn outcomes(running: Vec<Running>) -> Vec<Outcome> {
    running.into_iter().map(|running| running.wait(PATIENCE)).collect()
}

#[test]
fn fifty_applications_of_a_revision_share_one_evaluation() {
    let server = Server::new();
    let gate = Gate::before_nix(&server);
    let repository = Repository::of_town(TOWN);
    let revision = repository.commit();
    let running: Vec<Running> =
        (0..50).map(|_| server.start("generate", repository.path(), &at(&revision))).collect();
    // All of them have come as far as the lock of the key, and none may go on: the one that has it waits at the gate.
    let keys = server.path("cache/nuketown-cmp/trusted/keys");
    until("one key is locked", || fs::read_dir(&keys).is_ok_and(|mut keys| keys.next().is_some()));
    let key = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    until("all wait for it", || openers(&key) == 50);
    let _open = gate.open();
    let all = outcomes(running);
    assert_eq!(server.starts_and_peak(), (1, 1));
    all[0].objects();
    assert!(all.iter().all(|outcome| *outcome == all[0]), "{all:?}");
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 0, "locks are left");
    server.assert_nothing_runs();
}

#[test]
fn no_more_evaluations_run_at_once_than_may() {
    let mut server = Server::new();
    server.variables.insert("NUKETOWN_CONCURRENCY".into(), "2".into());
    // The first evaluation makes the store, and is alone with it.
    server.generate(Repository::of_town(TOWN).path(), &App::default()).objects();
    let gate = Gate::before_nix(&server);
    let repositories: Vec<Repository> =
        (0..8).map(|n| Repository::of_town(&TOWN.replace("bob", &format!("bob{n}")))).collect();
    let running: Vec<Running> =
        repositories.iter().map(|it| server.start("generate", it.path(), &App::default())).collect();
    // Two are at the gate, one of them with the second slot, for which the other six wait.
    until("all want a slot", || openers(&server.path("cache/nuketown-cmp/slots/1")) == 7);
    until("both slots are used", || server.starts_and_peak().0 == 2);
    let _open = gate.open();
    for outcome in outcomes(running) {
        outcome.objects();
    }
    assert_eq!(server.starts_and_peak(), (8, 2));
}

#[test]
fn evaluations_that_all_want_to_make_the_store_succeed() {
    for nix in Server::nixes() {
        let mut server = Server::with(&nix);
        server.variables.insert("NUKETOWN_CONCURRENCY".into(), "8".into());
        let repositories: Vec<Repository> =
            (0..8).map(|n| Repository::of_town(&TOWN.replace("bob", &format!("bob{n}")))).collect();
        let running: Vec<Running> =
            repositories.iter().map(|it| server.start("generate", it.path(), &App::default())).collect();
        for outcome in outcomes(running) {
            outcome.objects();
        }
    }
}

#[test]
fn same_files_are_evaluated_once_whatever_is_rendered_of_them() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        server.count_nix("");
        let repository = Repository::of_town(TOWN);
        let whole = server.generate(repository.path(), &App::default());
        let one = App { parameters: json!([parameter("agents", "array", json!(["ada"]))]), ..App::default() };
        assert_ne!(server.generate(repository.path(), &one).stdout, whole.stdout);
        assert_eq!(server.generate(repository.path(), &App::default()), whole);
        assert_eq!(server.starts_and_peak().0, 1);
        // Another file is another content, and so is another attribute.
        server.generate(repository.with("note", "").path(), &App::default());
        assert_eq!(server.starts_and_peak().0, 2);
    }
}

#[test]
fn kept_evaluation_of_a_commit_is_found_without_asking_git() {
    let server = Server::new();
    server.count_nix("");
    let repository = Repository::of_town(TOWN);
    let app = at(&repository.commit());
    let first = server.generate(repository.path(), &app);
    first.objects();
    let asked = server.path("cache/git-was-asked");
    server.put_program("git", &format!("touch '{}'; exit 1", asked.display()));
    assert_eq!(server.generate(repository.path(), &app), first);
    assert!(!asked.exists());
    // What is not kept is looked for, with Git.
    server.generate(repository.path(), &at(&"0".repeat(40))).objects();
    assert!(asked.exists());
    assert_eq!(server.starts_and_peak().0, 2);
}

#[test]
fn preview_is_never_answered_by_what_is_deployed_and_the_other_way_round() {
    let server = Server::new();
    server.count_nix("");
    let repository = Repository::of_town(TOWN);
    let preview =
        |slug: &str| App { parameters: json!([parameter("preview", "string", slug)]), ..App::default() };
    server.generate(repository.path(), &preview("pr-7")).objects();
    server.generate(repository.path(), &App::default()).objects();
    assert_eq!(server.starts_and_peak().0, 2);
    server.generate(repository.path(), &preview("pr-8")).objects();
    assert_eq!(server.starts_and_peak().0, 2);
    let entry = |level: &str| {
        let entries = server.path(&format!("cache/nuketown-cmp/{level}/entries"));
        let paths: Vec<_> = fs::read_dir(entries).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(paths.len(), 1);
        paths[0].clone()
    };
    // Even an entry of a preview that got to the other side, under the name that is asked for there, is no answer.
    let forged = fs::read_to_string(entry("preview")).unwrap().replace("bob", "eve");
    fs::write(entry("trusted"), forged).unwrap();
    let answer = server.generate(repository.path(), &App::default());
    answer.objects();
    assert!(!answer.stdout.contains("eve"));
    assert_eq!(server.starts_and_peak().0, 3);
}

#[test]
fn entry_that_is_torn_is_evaluated_anew() {
    let server = Server::new();
    server.count_nix("");
    let repository = Repository::of_town(TOWN);
    let good = server.generate(repository.path(), &App::default());
    let entries = server.path("cache/nuketown-cmp/trusted/entries");
    let entry = fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&entry).unwrap();
    for (again, torn) in [&whole[..whole.len() - 1], &whole[..80], b"", b"{}"].into_iter().enumerate() {
        fs::write(&entry, torn).unwrap();
        assert_eq!(server.generate(repository.path(), &App::default()), good);
        assert_eq!(server.starts_and_peak().0, again + 2);
    }
}

#[test]
fn failure_is_not_remembered() {
    let server = Server::new();
    let repository = Repository::of_town(TOWN);
    let nix = fs::read_link(server.path("bin/nix")).unwrap();
    server.wrap_nix("echo 'error: unable to open database file' >&2; exit 1");
    server.generate(repository.path(), &App::default()).fails(3);
    fs::remove_file(server.path("bin/nix")).unwrap();
    std::os::unix::fs::symlink(nix, server.path("bin/nix")).unwrap();
    server.generate(repository.path(), &App::default()).objects();
}

#[test]
fn who_waits_for_others_too_long_says_so() {
    let mut server = Server::new();
    let gate = Gate::before_nix(&server);
    let repository = Repository::of_town(TOWN);
    let first = server.start("generate", repository.path(), &App::default());
    until("it is being evaluated", || server.starts_and_peak().0 == 1);
    server.variables.insert("NUKETOWN_TIMEOUT".into(), "1".into());
    let second = server.start("generate", repository.path(), &App::default()).wait(PATIENCE);
    let said = second.fails(4);
    assert!(said.contains("another process is evaluating the same revision for 1 s"), "{said}");
    let _open = gate.open();
    first.wait(PATIENCE).objects();
}

#[test]
fn cache_that_cannot_be_written_is_an_error_that_names_the_variable() {
    let mut server = Server::new();
    server.variables.insert("NUKETOWN_CACHE_DIR".into(), "/proc/none".into());
    let outcome = server.generate(Repository::of_town(TOWN).path(), &App::default());
    assert!(outcome.fails(2).contains("NUKETOWN_CACHE_DIR"), "{outcome:?}");
}
