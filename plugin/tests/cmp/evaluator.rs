//! Towns of hosts that nix-eval-jobs evaluates, by a peer in its place: see `tests/support/nix-eval-jobs`.

use std::fs;

use serde_json::json;

use crate::repository::{Repository, TOWN};
use crate::server::{App, Server, named, parameter};

const JOBS: &str = "nix-eval-jobs";

/// A town on two hosts, beside one that is none of it.
fn hosts() -> Repository {
    Repository::new().with("town/flake.nix", &flake("{ }"))
}

/// The same with a third host.
fn flake(third: &str) -> String {
    let shared = r#"domain = "6bit.com"; approver = "josh@6bit.com";"#;
    let host =
        |agent: &str| format!("config.nuketown.town = {{ {shared} agents.{agent}.cloud.enable = true; }};");
    let (one, other) = (host("ada"), host("bob"));
    format!(
        "{{ outputs = _: {{ nixosConfigurations = {{ a = {{ {one} }}; b = {{ {other} }}; c = {third}; }}; }}; }}\n"
    )
}

fn app(evaluator: &str) -> App {
    App { path: "town", parameters: json!([parameter("evaluator", "string", evaluator)]), ..App::default() }
}

#[test]
fn hosts_are_rendered_the_same_with_either_evaluator_and_kept_apart() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        server.nix_eval_jobs(&json!({}));
        server.count_nix("");
        let repository = hosts();
        let by_nix = server.generate(repository.path(), &app("nix"));
        assert_eq!(named(&by_nix.objects(), "Deployment"), ["nuketown-ada", "nuketown-bob"]);
        // Nix was asked for `nuketown`, and then for the hosts.
        assert_eq!(server.starts_and_peak().0, 2);
        assert_eq!(server.generate(repository.path(), &app(JOBS)), by_nix);
        assert_eq!(server.starts_and_peak().0, 3);
        let variable =
            App { env: vec![("NUKETOWN_EVALUATOR", JOBS.to_owned())], path: "town", ..App::default() };
        assert_eq!(server.generate(repository.path(), &variable), by_nix);
        assert_eq!(server.starts_and_peak().0, 3, "it was kept");
        // Another program may give another answer.
        server.nix_eval_jobs(&json!({ "upgraded": true }));
        assert_eq!(server.generate(repository.path(), &app(JOBS)), by_nix);
        assert_eq!(server.starts_and_peak().0, 4);
        let commit = repository.commit();
        assert_eq!(server.generate(repository.path(), &App { revision: commit, ..app(JOBS) }), by_nix);
        assert!(!server.path("bin/unexpected").exists());
    }
}

#[test]
fn bad_host_is_named_and_nothing_is_rendered_or_kept() {
    let server = Server::new();
    server.nix_eval_jobs(&json!({}));
    let repository = Repository::new().with("town/flake.nix", &flake(r#"{ config = throw "boom"; }"#));
    let outcome = server.generate(repository.path(), &app(JOBS));
    let said = outcome.fails(3);
    assert!(
        said.starts_with("error: 1 of 3 hosts of town cannot be evaluated\n  cause: bad: c; good: 2\n"),
        "{said}"
    );
    assert!(said.contains("error: cannot evaluate the town of host `c` of town\n  cause: boom\n"), "{said}");
    let entries = server.path("cache/nuketown-cmp/trusted/entries");
    assert_eq!(fs::read_dir(entries).unwrap().count(), 0, "a failure is kept");
    // However many fail, what is said fits.
    let many: Vec<String> = (0..40).map(|n| format!("h{n}.config = throw \"boom\";")).collect();
    let flake = format!("{{ outputs = _: {{ nixosConfigurations = {{ {} }}; }}; }}", many.concat());
    let outcome = server.generate(Repository::new().with("town/flake.nix", &flake).path(), &app(JOBS));
    assert!(outcome.fails(3).contains("h26 and 20 more; good: 0"), "{outcome:?}");
}

#[test]
fn evaluator_that_is_not_there_or_does_not_exist_is_refused() {
    let server = Server::new();
    let outcome = server.generate(hosts().path(), &app(JOBS));
    let said = outcome.fails(3);
    assert!(said.contains("there is no `nix-eval-jobs` in PATH"), "{said}");
    assert!(said.contains("the parameter evaluator") && !said.contains("--evaluator"), "{said}");
    let outcome = server.generate(hosts().path(), &app("hydra"));
    assert!(outcome.fails(2).contains("\"hydra\"; the evaluators are nix and nix-eval-jobs"), "{outcome:?}");
}

#[test]
fn application_asks_for_no_more_workers_than_the_sidecar_has() {
    let mut server = Server::new();
    server.nix_eval_jobs(&json!({}));
    server.variables.insert("NUKETOWN_MEMORY".into(), "1024".into());
    server.variables.insert("NUKETOWN_WORKERS".into(), "2".into());
    let wants = |workers: &str| App { env: vec![("NUKETOWN_WORKERS", workers.to_owned())], ..app(JOBS) };
    server.generate(hosts().path(), &wants("8")).objects();
    server.variables.remove("NUKETOWN_WORKERS");
    let outcome = server.generate(hosts().with("note", "").path(), &wants("8"));
    assert!(outcome.fails(2).contains("8 workers are too many"), "{outcome:?}");
    assert!(outcome.stderr.contains("NUKETOWN_MEMORY"), "{outcome:?}");
}

#[test]
fn town_that_is_one_output_needs_no_hosts() {
    let server = Server::new();
    server.nix_eval_jobs(&json!({}));
    let repository = Repository::of_town(TOWN);
    let outcome = server.generate(repository.path(), &App { path: "", ..app(JOBS) });
    assert_eq!(outcome, server.generate(repository.path(), &App::default()));
    outcome.objects();
}

#[test]
fn doctor_tries_the_evaluator_that_the_sidecar_uses() {
    let mut server = Server::new();
    server.variables.insert("NUKETOWN_EVALUATOR".into(), JOBS.into());
    let doctor = |server: &Server| server.run("doctor", hosts().path(), &App::default());
    let missing = doctor(&server);
    assert_eq!(missing.status, Some(1), "{missing:?}");
    assert!(
        missing.stdout.contains("FAILED  nix-eval-jobs  there is no nix-eval-jobs in PATH"),
        "{}",
        missing.stdout
    );
    server.nix_eval_jobs(&json!({ "unknown": ["--select"] }));
    let old = doctor(&server);
    assert!(old.stdout.contains("is too old, it knows no --select"), "{}", old.stdout);
    server.nix_eval_jobs(&json!({}));
    let well = doctor(&server);
    assert_eq!(well.status, Some(0), "{well:?}");
    assert!(well.stdout.contains("a flake and its hosts can be evaluated"), "{}", well.stdout);
}
