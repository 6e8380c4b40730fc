//! A command that is killed at any moment leaves nothing that matters to the next one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::hostile::LOOP;
use crate::repository::{Repository, TOWN, flake};
use crate::server::{App, Server};

const KILLS: usize = 100;

/// How often a command is looked at until it has ended by itself: a measure of its moments that needs no clock.
fn moments(server: &Server, repository: &Path) -> usize {
    let mut running = server.start("generate", repository, &App::default());
    let mut moments = 0;
    while !running.has_ended() {
        moments += 1;
        thread::yield_now();
    }
    running.wait(Duration::from_secs(60)).objects();
    moments
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Checks the entries without the program's help. Returns how many there are.
fn whole_entries(cache: &Path) -> usize {
    let mut count = 0;
    for path in files(&cache.join("trusted/entries")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(".new-") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = bytes.splitn(4, |byte| *byte == b'\n').collect();
        let mut hash = Sha256::new();
        hash.update(format!("{name}\ntown\n"));
        hash.update(lines[3]);
        let sum = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!((lines[1], lines[2]), (sum.as_bytes(), &b"town"[..]), "{name} is torn");
        count += 1;
    }
    count
}

/// Checks that nobody holds a lock. A child that was about to be started has them until it is, which takes a moment.
fn all_locks_are_free(cache: &Path) {
    let mut locks = files(&cache.join("slots"));
    locks.extend(files(&cache.join("trusted/keys")));
    locks.extend(
        files(&cache.join("trusted"))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|it| it == "lock")),
    );
    for lock in locks {
        let file = File::open(&lock).unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while file.try_lock().is_err() {
            assert!(Instant::now() < patience, "{} is locked", lock.display());
            thread::yield_now();
        }
    }
}

#[test]
fn command_killed_at_any_of_a_hundred_moments_leaves_no_trace() {
    let server = Server::new();
    let cache = server.path("cache/nuketown-cmp");
    let town = |n: usize| TOWN.replace("bob", &format!("bob{n}"));
    // The first one makes the store.
    moments(&server, Repository::of_town(&town(0)).path());
    let mut whole = moments(&server, Repository::of_town(&town(1)).path());
    let (mut killed, mut evaluated) = (0, whole_entries(&cache));
    for n in 2.. {
        if killed == KILLS {
            break;
        }
        assert!(n < 10 * KILLS, "only {killed} were killed before their end");
        let repository = Repository::of_town(&town(n));
        let mut running = server.start("generate", repository.path(), &App::default());
        // Spread evenly, and never twice the same.
        let moment = whole * (n * 618 % 1000) / 1000;
        let mut seen = 0;
        while seen < moment && !running.has_ended() {
            seen += 1;
            thread::yield_now();
        }
        // The machine has other things to do now and then, so the measure follows it.
        if running.kill() {
            killed += 1;
            whole += whole.div_ceil(50);
        } else {
            whole = seen.max(1);
        }
        server.assert_nothing_runs();
        if cache.exists() {
            all_locks_are_free(&cache);
            whole_entries(&cache);
        }
        let next = server.start("generate", repository.path(), &App::default()).wait(Duration::from_secs(60));
        next.objects();
        assert!(next.stdout.contains(&format!("nuketown-bob{n}\n")));
        evaluated += 1;
        assert_eq!(whole_entries(&cache), evaluated, "each revision has one entry");
    }
    // The next evaluation removes what is left of those that came too far to be evaluated again.
    moments(&server, Repository::of_town(&town(10 * KILLS)).path());
    assert!(files(&cache.join("trusted/keys")).is_empty(), "files of locks are left");
    let unfinished = files(&cache.join("trusted/entries"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".new-"));
    assert_eq!(unfinished.count(), 0, "unfinished entries are left");
}

/// Argo CD's deadline, where an operator has set it below the plugin's own.
#[test]
fn deadline_of_argo_cd_ends_everything_and_prints_nothing() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let repository = Repository::of_town(LOOP);
        let outcome =
            server.start("generate", repository.path(), &App::default()).wait(Duration::from_secs(2));
        assert_eq!((outcome.status, outcome.stdout.as_str()), (None, ""), "{outcome:?}");
        server.assert_nothing_runs();
        all_locks_are_free(&server.path("cache/nuketown-cmp"));
        server.generate(Repository::of_town(TOWN).path(), &App::default()).objects();
    }
}

#[test]
fn evaluation_dies_with_the_command_and_the_next_in_line_takes_over() {
    let server = Server::new();
    let fifo = server.path("cache/started");
    assert!(std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status().unwrap().success());
    let nix = fs::read_link(server.path("bin/nix")).unwrap();
    // Tells that it runs, and would never end.
    server.wrap_nix(&format!(
        "echo >'{}'; while :; do read forever <'{}'; done",
        fifo.display(),
        fifo.display()
    ));
    // A flake below the top of plain files is copied for Nix.
    let repository = Repository::new().with("apps/town/flake.nix", &flake(TOWN));
    let app = App { path: "apps/town", ..App::default() };
    let first = server.start("generate", repository.path(), &app);
    // Whoever opens a pipe waits for the other side.
    fs::read(&fifo).unwrap();
    fs::remove_file(server.path("bin/nix")).unwrap();
    std::os::unix::fs::symlink(nix, server.path("bin/nix")).unwrap();
    let second = server.start("generate", repository.path(), &app);
    assert!(first.kill());
    second.wait(Duration::from_secs(60)).objects();
    server.assert_nothing_runs();
    let names =
        |below: &str| files(&server.path(below)).into_iter().map(|path| path.file_name().unwrap().to_owned());
    assert_eq!(names("tmp").collect::<Vec<_>>(), ["_cmp_server"], "temporary files are left");
    let left = names("cache/nuketown-cmp/trusted/nix")
        .filter(|name| name.to_string_lossy().starts_with("nuketown-"));
    assert_eq!(left.count(), 0, "the copy of the killed one is left");
}
