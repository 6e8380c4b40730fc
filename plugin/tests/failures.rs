//! What a user reads when a flake cannot be evaluated, pinned in `snapshots/messages/evaluation.snap`: the same with
//! every Nix that is here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/command.rs"]
mod command;

use std::{fmt::Write as _, fs, process::Command};

use command::{Desk, finish};

/// A case: its title, what it does to the desk, and the arguments of the command.
type Case = (&'static str, fn(&Desk), &'static [&'static str], i32);

const CASES: &[Case] = &[
    ("a directory that does not exist", |_| {}, &["./nowhere"], 2),
    ("a directory without a flake", |desk| fs::create_dir(desk.path("empty")).unwrap(), &["./empty"], 2),
    ("a file", |desk| fs::write(desk.path("file"), "").unwrap(), &["./file"], 2),
    (
        "a flake without a town",
        |desk| drop(desk.flake("town", "{ outputs = _: { lib = { }; }; }")),
        &["./town"],
        1,
    ),
    (
        "an attribute that is missing",
        |desk| drop(desk.flake("town", "{ outputs = _: { nuketown.domain = \"6bit.com\"; }; }")),
        &["./town", "--attr", "nuketowm"],
        1,
    ),
    (
        "an attribute that is missing, and a file that git does not know",
        |desk| {
            desk.flake("town", "{ outputs = _: { }; }");
            desk.git("town", &["init", "-q"]);
            desk.git("town", &["add", "."]);
            desk.git("town", &["commit", "-qm", "x"]);
            fs::write(desk.path("town/town.nix"), "{ }").unwrap();
        },
        &["./town"],
        1,
    ),
    (
        "a flake that git does not know",
        |desk| {
            fs::create_dir(desk.path("town")).unwrap();
            fs::write(desk.path("town/README"), "").unwrap();
            desk.git("town", &["init", "-q"]);
            desk.git("town", &["add", "."]);
            desk.git("town", &["commit", "-qm", "x"]);
            desk.flake("town", "{ outputs = _: { }; }");
        },
        &["./town"],
        1,
    ),
    (
        "an error of the flake",
        |desk| {
            drop(
                desk.flake(
                    "town",
                    "{\n  outputs = _: {\n    nuketown.agents = builtins.frobnicate;\n  };\n}",
                ),
            );
        },
        &["./town"],
        3,
    ),
    (
        "an error that the flake throws",
        |desk| drop(desk.flake("town", "{ outputs = _: { nuketown = throw \"no\\ntown\"; }; }")),
        &["./town"],
        3,
    ),
    (
        "a town that is a function",
        |desk| drop(desk.flake("town", "{ outputs = _: { nuketown = x: x; }; }")),
        &["./town"],
        3,
    ),
    (
        "an evaluation that never ends",
        |desk| {
            // In constant memory, and neither deep nor tail-recursive.
            let step =
                "n: builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)) n";
            let all = format!("builtins.foldl' (a: b: a + ({step}) b) 0 (builtins.genList (x: x) 1000000)");
            desk.flake("town", &format!("{{ outputs = _: {{ nuketown = {all}; }}; }}"));
        },
        &["./town", "--timeout", "1"],
        4,
    ),
    (
        "an evaluation that eats memory",
        |desk| {
            let endless = "builtins.length (builtins.genList (x: x) 2000000000)";
            desk.flake("town", &format!("{{ outputs = _: {{ nuketown = {endless}; }}; }}"));
        },
        &["./town", "--memory", "512"],
        3,
    ),
    (
        "a build in the evaluation",
        |desk| {
            let import =
                "import (derivation { name = \"x\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; })";
            desk.flake("town", &format!("{{ outputs = _: {{ nuketown = {import}; }}; }}"));
        },
        &["./town"],
        3,
    ),
    (
        "an input that is not locked",
        |desk| {
            desk.flake("other", "{ outputs = _: { }; }");
            let other = desk.path("other").display().to_string();
            desk.flake("town", &format!("{{ inputs.other.url = \"path:{other}\"; outputs = _: {{ }}; }}"));
        },
        &["./town"],
        3,
    ),
];

/// Nix 2.8 does not say where these happen; newer ones do.
const PLACE_IS_NEW: [&str; 2] = ["an error that the flake throws", "a build in the evaluation"];

#[test]
fn failures_of_an_evaluation_read_the_same_with_every_nix() {
    for nix in Desk::nixes() {
        let mut text = String::new();
        for (case, prepare, arguments, status) in CASES {
            let desk = Desk::with(&nix);
            prepare(&desk);
            let finished = finish(desk.command().args(*arguments));
            assert_eq!(
                (finished.status, finished.stdout.as_str()),
                (*status, ""),
                "{case}: {}",
                finished.stderr
            );
            let place = desk.path("").display().to_string();
            let mut said = finished.stderr.replace(place.trim_end_matches('/'), "HERE");
            if PLACE_IS_NEW.contains(case) {
                said = said.replace("    at town/flake.nix:1:29\n", "");
            }
            write!(text, "## {case}\nexit {}\n{said}\n", finished.status).unwrap();
        }
        pin("evaluation", &text);
    }
}

#[test]
fn missing_nix_says_how_to_get_it() {
    let desk = Desk::new();
    let flake = desk.flake("town", "{ outputs = _: { }; }");
    let finished = finish(desk.command().env("PATH", desk.path("home")).arg(&flake));
    assert_eq!((finished.status, finished.stdout.as_str()), (3, ""));
    pin("no-nix", &finished.stderr);
}

/// A case with nix-eval-jobs: its title, what the peer in its place is told (or whether there is one at all), the flake's
/// outputs, and the arguments.
type JobsCase = (&'static str, Option<&'static str>, &'static str, &'static [&'static str], i32);

const HOSTS: &str = r#"{ nixosConfigurations = {
  a.config.nuketown.town = { domain = "6bit.com"; agents.ada.cloud.enable = true; };
  bad.config = throw "boom";
  greedy.config.nuketown.town = builtins.frobnicate;
  printer.config = { };
}; }"#;

const JOBS: &[JobsCase] = &[
    ("two bad hosts", Some("{}"), HOSTS, &["--evaluator", "nix-eval-jobs"], 3),
    ("a worker that dies", Some(r#"{ "dies": "host-2" }"#), HOSTS, &["--evaluator", "nix-eval-jobs"], 3),
    ("a line that is missing", Some(r#"{ "lines": "drop" }"#), HOSTS, &["--evaluator", "nix-eval-jobs"], 3),
    (
        "an old nix-eval-jobs",
        Some(r#"{ "unknown": ["--select"] }"#),
        HOSTS,
        &["--evaluator", "nix-eval-jobs"],
        3,
    ),
    ("no nix-eval-jobs", None, HOSTS, &["--evaluator", "nix-eval-jobs"], 3),
    (
        "too many workers",
        Some("{}"),
        HOSTS,
        &["--evaluator", "nix-eval-jobs", "--workers", "9", "--memory", "1024"],
        2,
    ),
    ("workers for Nix", None, HOSTS, &["--workers", "2"], 2),
    ("as many workers as nobody has", None, HOSTS, &["--evaluator", "nix-eval-jobs", "--workers", "17"], 2),
    ("another evaluator", None, HOSTS, &["--evaluator", "hydra"], 2),
    (
        "a town that is one output",
        Some("{}"),
        r#"{ nuketown = { domain = "6bit.com"; approver = "josh@6bit.com"; agents.ada = { }; cloud.enable = true; }; }"#,
        &["--evaluator", "nix-eval-jobs"],
        0,
    ),
];

#[test]
fn failures_of_nix_eval_jobs_read_the_same_with_every_nix() {
    for nix in Desk::nixes() {
        let mut text = String::new();
        for (case, peer, outputs, arguments, status) in JOBS {
            let desk = Desk::with(&nix);
            desk.flake("town", &format!("{{\n  outputs = _: {outputs};\n}}\n"));
            if let Some(plan) = peer {
                desk.nix_eval_jobs(&nix.join("nix"), plan);
            }
            let finished = finish(desk.command().arg("./town").args(*arguments));
            assert_eq!(
                (finished.status, finished.stdout.is_empty()),
                (*status, *status != 0),
                "{case}: {}",
                finished.stderr
            );
            let place = desk.path("").display().to_string();
            let mut said = finished.stderr.replace(place.trim_end_matches('/'), "HERE");
            // Which of the lines comes last is up to the machine.
            if peer.is_some_and(|plan| plan.contains("drop")) {
                let host = said.find("host `").unwrap();
                let end = host + 6 + said[host + 6..].find('`').unwrap();
                said.replace_range(host + 6..end, "HOST");
            }
            write!(text, "## {case}\nexit {}\n{said}\n", finished.status).unwrap();
        }
        pin("nix-eval-jobs", &text);
    }
}

#[test]
fn town_from_json_needs_no_nix() {
    let desk = Desk::new();
    fs::write(
        desk.path("town.json"),
        r#"{"domain": "6bit.com", "cloud": {"enable": true}, "agents": {"ada": {}}}"#,
    )
    .unwrap();
    let mut command: Command = desk.command();
    let finished =
        finish(command.env("PATH", desk.path("home")).arg("--from-json").arg(desk.path("town.json")));
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains("name: nuketown-ada"));
}

fn pin(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.trim_end()));
}
