//! Towns of hosts that nix-eval-jobs evaluates: a peer in its place that is as strict with its arguments, has a real Nix
//! evaluate each job, and prints and fails as the real one does (`tests/support/nix-eval-jobs`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::world::{Nix, Outcome, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    towns_of_hosts_are_the_same_with_either_evaluator,
    flake_is_found_wherever_it_is,
    every_bad_host_is_named_while_the_good_ones_are_evaluated,
    hosts_without_a_town_are_left_out_and_named_if_there_are_no_others,
    worker_that_dies_takes_no_bad_host_with_it,
    worker_that_has_no_memory_left_says_how_much_it_had,
    host_that_eats_memory_fails_alone,
    host_that_never_ends_is_ended_with_all_that_runs,
    host_can_neither_build_nor_fetch,
    output_that_leaves_out_a_host_is_an_error,
    older_or_missing_program_says_how_to_go_on,
    town_of_the_flake_itself_is_left_to_nix,
    more_workers_than_the_memory_is_for_are_refused,
];

const HOSTS: &str = r#"{ nixosConfigurations = {
    web.config.nuketown.town.domain = "web.org";
    web.config.system.build.toplevel = throw "the system is evaluated";
    "db.example.org".config.nuketown.town = { domain = "db"; n = [ 1 1.5 null true ]; };
    "with \"quotes\" \${x}".config.nuketown.town = { domain = "quoted.org"; };
    plain.config.networking = throw "the network is evaluated";
    unused.config.nuketown.town = null;
    one = 1; two.config = [ ]; three.config.nuketown = "x"; four = _: { };
}; }"#;

/// Two bad hosts among five.
const BAD: &str = r#"{
    nixosConfigurations = {
      a.config.nuketown.town.domain = "a";
      worse.config = throw "boom\nand more";
      bad.config.nuketown.town.agents.ada.uid = (import ./uid.nix) { };
      none.config = { };
      z.config.nuketown.town.domain = "z";
    };
  }"#;

fn evaluate(world: &World, flake: &str, arguments: &[&str]) -> Outcome {
    world.evaluate(&[arguments, &["--evaluator", "nix-eval-jobs", flake]].concat())
}

fn each(outcome: &Outcome) -> Vec<&str> {
    outcome.report["each"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect()
}

fn towns_of_hosts_are_the_same_with_either_evaluator(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let flake = world.flake_with("town", "", HOSTS);
    let by_nix = world.evaluate(&[&flake]);
    assert_eq!(by_nix.report["hosts"].as_object().unwrap().len(), 3, "{by_nix:?}");
    for workers in ["1", "3"] {
        let by_jobs = evaluate(&world, &flake, &["--workers", workers]);
        assert_eq!(by_jobs.report, by_nix.report, "{by_jobs:?}");
        assert_eq!(by_jobs.stderr, "");
    }
}

fn flake_is_found_wherever_it_is(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let hosts = r#"{ nixosConfigurations.web.config.nuketown.town.domain = "web"; }"#;
    let wanted = json!({ "web": { "domain": "web" } });
    for directory in ["plain", "odd #1 é", "repo"] {
        world.flake_with(directory, "", hosts);
        world.write(&format!("{directory}/below/file"), "");
    }
    let commit = world.commit("repo");
    world.commit("odd #1 é");
    // A nix-eval-jobs that is new enough reads encoded paths, which this peer cannot with an old Nix.
    let odd = Some("odd #1 é").filter(|_| !nix.is_old());
    for directory in ["plain", "repo", "repo/below"].into_iter().chain(odd) {
        let flake = world.path(directory);
        let outcome = evaluate(&world, flake.to_str().unwrap(), &[]);
        assert_eq!(outcome.report["hosts"], wanted, "{directory}: {outcome:?}");
    }
    let outcome = evaluate(&world, world.path("repo").to_str().unwrap(), &["--revision", &commit]);
    assert_eq!(outcome.report["hosts"], wanted, "{outcome:?}");
}

fn every_bad_host_is_named_while_the_good_ones_are_evaluated(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let flake = world.flake_with("town", "", BAD);
    world.write("town/uid.nix", "{ }: builtins.noUid\n");
    for workers in ["1", "2", "5"] {
        let outcome = evaluate(&world, &flake, &["--workers", workers]);
        let (cause, hint) = outcome.fails("Hosts", 3);
        assert_eq!(outcome.report["what"], format!("2 of 5 hosts of {flake} cannot be evaluated"));
        assert_eq!(cause, "bad: bad, worse; good: 3");
        assert!(hint.contains("named below"), "{hint}");
        let [bad, worse] = each(&outcome)[..] else { panic!("{outcome:?}") };
        let bad_host = format!(
            "cannot evaluate the town of host `bad` of {flake}\n  cause: attribute 'noUid' missing\n    at town/uid.nix:1:6"
        );
        assert_eq!(bad, bad_host);
        let worse_host =
            format!("cannot evaluate the town of host `worse` of {flake}\n  cause: boom\n    and more");
        assert!(worse.starts_with(&worse_host), "{worse}");
    }
}

fn hosts_without_a_town_are_left_out_and_named_if_there_are_no_others(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let flake =
        world.flake_with("town", "", "{ nixosConfigurations = { b.config = { }; a.config = { }; }; }");
    let (cause, _) = evaluate(&world, &flake, &[]).fails("NoTown", 1);
    assert_eq!(cause, "it has no output `nuketown`, and none of its hosts (a, b) has `config.nuketown.town`");
    let flake = world.flake_with("empty", "", "{ nixosConfigurations = { }; }");
    let (cause, _) = evaluate(&world, &flake, &[]).fails("NoTown", 1);
    assert_eq!(cause, "it has no output `nuketown`, and its `nixosConfigurations` are empty");
    let flake = world.flake_with("none", "", "{ lib = { }; }");
    let (cause, _) = evaluate(&world, &flake, &[]).fails("NoTown", 1);
    assert_eq!(cause, "it has no output `nuketown`, nor `nixosConfigurations`");
    let flake = world.flake_with("function", "", "{ nixosConfigurations = _: { }; }");
    evaluate(&world, &flake, &[]).fails("Evaluation", 3);
}

fn worker_that_dies_takes_no_bad_host_with_it(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", BAD);
    world.write("town/uid.nix", "{ }: builtins.noUid\n");
    for (how, said) in [
        ("exited with exit code 1, (possible infinite recursion)", "it recurses too deeply"),
        ("got killed by SIGKILL, maybe memory limit reached?", "its evaluation worker got killed by SIGKILL"),
    ] {
        // `none`, in the order of the names: a, bad, none, worse, z.
        world.nix_eval_jobs(json!({ "dies": "host-2", "how": how }));
        let outcome = evaluate(&world, &flake, &["--workers", "2"]);
        let (cause, _) = outcome.fails("Hosts", 3);
        assert_eq!(cause, "bad: bad, none, worse; good: 2");
        let named = format!("cannot evaluate the town of host `none` of {flake}\n  cause: {said}");
        assert!(each(&outcome)[1].starts_with(&named), "{outcome:?}");
    }
    // It dies before it has told which hosts there are.
    world.nix_eval_jobs(json!({ "dies": "all" }));
    let (cause, _) = evaluate(&world, &flake, &[]).fails("Evaluation", 3);
    assert!(cause.contains("got killed by SIGKILL"), "{cause}");
}

fn worker_that_has_no_memory_left_says_how_much_it_had(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", BAD);
    world.write("town/uid.nix", "{ }: 1100\n");
    let stderr = "GC Warning: Out of Memory! Heap size: 1 MiB. Returning NULL!\n";
    world.nix_eval_jobs(
        json!({ "dies": "host-4", "how": "got killed by signal 6 (SIGABRT)", "stderr": stderr }),
    );
    let outcome = evaluate(&world, &flake, &["--workers", "2", "--memory", "2147483648"]);
    outcome.fails("Hosts", 3);
    let [_, died] = each(&outcome)[..] else { panic!("{outcome:?}") };
    assert!(died.contains("host `z`") && died.contains("more than the 1 GiB of memory"), "{died}");
}

fn host_that_eats_memory_fails_alone(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let endless = "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; })";
    let hosts =
        format!("{{ good.config.nuketown.town.domain = \"x\"; greedy.config.nuketown.town.n = {endless}; }}");
    let flake = world.flake_with("town", "", &format!("{{ nixosConfigurations = {hosts}; }}"));
    let outcome = evaluate(&world, &flake, &["--workers", "2", "--memory", "1073741824"]);
    assert_eq!(outcome.fails("Hosts", 3).0, "bad: greedy; good: 1");
    let greedy = each(&outcome)[0];
    assert!(greedy.contains("host `greedy`") && greedy.contains("more than the 512 MiB"), "{greedy}");
}

fn host_that_never_ends_is_ended_with_all_that_runs(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let step = "n: builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)) n";
    let all = format!("builtins.foldl' (a: b: a + ({step}) b) 0 (builtins.genList (x: x) 1000000)");
    let flake = world.flake_with(
        "town",
        "",
        &format!("{{ nixosConfigurations.slow.config.nuketown.town.n = {all}; }}"),
    );
    let (cause, _) = evaluate(&world, &flake, &["--timeout-ms", "4000"]).fails("TimedOut", 4);
    assert!(cause.starts_with("evaluating the towns of `nixosConfigurations`"), "{cause}");
}

fn host_can_neither_build_nor_fetch(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let hash = "0000000000000000000000000000000000000000000000000000";
    let fetch = format!(r#"builtins.fetchurl {{ url = "http://127.0.0.1:{port}/x"; sha256 = "{hash}"; }}"#);
    let build = r#"import (derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; })"#;
    let hosts = format!(
        "{{ builds.config.nuketown.town = {build}; fetches.config.nuketown.town.a = builtins.readFile ({fetch}); \
         reads.config.nuketown.town.a = builtins.readFile \"/etc/hostname\"; }}"
    );
    let flake = world.flake_with("town", "", &format!("{{ nixosConfigurations = {hosts}; }}"));
    let outcome = evaluate(&world, &flake, &[]);
    assert_eq!(outcome.fails("Hosts", 3).0, "bad: builds, fetches, reads; good: 0");
    assert!(each(&outcome)[0].starts_with("the town of host `builds`"), "{outcome:?}");
    assert!(each(&outcome)[0].contains("needs a build"), "{outcome:?}");
    let asked = listener.accept().map(drop).map_err(|why| why.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock), "something was asked for");
}

fn output_that_leaves_out_a_host_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", HOSTS);
    for how in ["drop", "double", "cut"] {
        world.nix_eval_jobs(json!({ "lines": how }));
        let (cause, hint) = evaluate(&world, &flake, &[]).fails("Jobs", 3);
        assert!(cause.contains("its output"), "{how}: {cause}");
        assert_eq!(hint, "let Nix evaluate the hosts: --evaluator nix");
    }
}

fn older_or_missing_program_says_how_to_go_on(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", HOSTS);
    for flag in ["--select", "--apply", "--no-instantiate"] {
        world.nix_eval_jobs(json!({ "unknown": [flag] }));
        let (cause, hint) = evaluate(&world, &flake, &[]).fails("OldJobs", 3);
        assert_eq!(cause, format!("unrecognised flag '{flag}'"));
        assert!(hint.contains("2.31 or later"), "{hint}");
    }
    fs::remove_file(world.path("bin/nix-eval-jobs")).unwrap();
    let (cause, hint) = evaluate(&world, &flake, &[]).fails("JobsMissing", 3);
    assert_eq!(cause, "there is no `nix-eval-jobs` in PATH");
    assert!(hint.contains("install it"), "{hint}");
    // Not only where there are hosts: what is missing is missing for every flake.
    let flake = world.flake("plain", TOWN);
    evaluate(&world, &flake, &[]).fails("JobsMissing", 3);
}

fn town_of_the_flake_itself_is_left_to_nix(nix: &Nix) {
    let world = World::new(nix);
    let mark = world.path("bin/unexpected");
    let script = format!("#!/bin/sh\necho called >'{}'\nexit 97\n", mark.display());
    let program = world.write("bin/nix-eval-jobs", &script);
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let flake = world.flake_with(
        "town",
        "",
        r#"{ nuketown.domain = "a"; other.domain = "b"; nixosConfigurations = throw "looked at"; }"#,
    );
    assert_eq!(evaluate(&world, &flake, &[]).town()["domain"], "a");
    assert_eq!(evaluate(&world, &flake, &["--attr", "other"]).town()["domain"], "b");
}

fn more_workers_than_the_memory_is_for_are_refused(nix: &Nix) {
    let world = World::new(nix);
    world.nix_eval_jobs(json!({}));
    let flake = world.flake_with("town", "", HOSTS);
    let outcome = evaluate(&world, &flake, &["--workers", "8", "--memory", "1073741824"]);
    let (cause, _) = outcome.fails("Workers", 2);
    assert_eq!(cause, "they share 1 GiB of memory, which is enough for 2");
    assert_eq!(outcome.report["each"], Value::Array(Vec::new()));
}
