//! `nuketown-render application`: what the command works out by itself, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/command.rs"]
mod command;

use command::{Desk, finish};

const MINIMAL: &str = include_str!("../../examples/minimal/flake.nix");
const REPO: [&str; 2] = ["--repo", "https://github.com/joshperry/town.git"];

#[test]
fn path_is_the_flakes_own_in_its_repository() {
    let desk = Desk::new();
    for (below, path) in [("top", "'.'"), ("mono/deploy/my town", "deploy/my town")] {
        let flake = desk.flake(below, MINIMAL);
        let top = below.split('/').next().unwrap();
        desk.git(top, &["init", "--quiet"]);
        desk.git(top, &["add", "--all"]);
        let finished = finish(desk.command().args(["application", &flake]).args(REPO));
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        assert!(finished.stdout.contains(&format!("\n    path: {path}\n")), "{}", finished.stdout);
    }
    let alone = desk.flake("alone", MINIMAL);
    let finished = finish(desk.command().args(["application", &alone]).args(REPO));
    assert!(finished.stdout.contains("\n    path: '.'\n"), "{}{}", finished.stdout, finished.stderr);
    let chosen = finish(desk.command().args(["application", &alone, "--path", "towns/a"]).args(REPO));
    assert!(chosen.stdout.contains("\n    path: towns/a\n"), "{}{}", chosen.stdout, chosen.stderr);
}

#[test]
fn attribute_of_the_flake_is_a_parameter_however_it_is_given() {
    let desk = Desk::new();
    let flake = desk.flake("towns", &MINIMAL.replace("nuketown = {", "towns.a = {"));
    for arguments in [vec![format!("{flake}#towns.a")], vec![flake.clone(), "--attr=towns.a".to_owned()]] {
        let finished = finish(desk.command().arg("application").args(&arguments).args(REPO));
        assert!(
            finished.stdout.contains("- name: attr\n        string: towns.a\n"),
            "{}{}",
            finished.stdout,
            finished.stderr
        );
    }
}

#[test]
fn evaluator_of_the_town_is_that_of_the_application() {
    let desk = Desk::new();
    let flake = desk
        .flake("town", &MINIMAL.replace("nuketown = {", "nixosConfigurations.a.config.nuketown.town = {"));
    desk.nix_eval_jobs(&Desk::nixes()[0].join("nix"), "{}");
    let command = |evaluator: &str| {
        finish(desk.command().args(["application", &flake, "--evaluator", evaluator]).args(REPO))
    };
    let jobs = command("nix-eval-jobs");
    assert!(
        jobs.stdout.contains("- name: evaluator\n        string: nix-eval-jobs\n"),
        "{}{}",
        jobs.stdout,
        jobs.stderr
    );
    assert!(!command("nix").stdout.contains("evaluator"));
}

#[test]
fn what_cannot_be_deployed_has_no_application() {
    let desk = Desk::new();
    let flake = desk.flake("town", MINIMAL);
    for (arguments, status, said) in [
        (vec!["--repo", "https://user:secret@github.com/a/b.git"], 2, "the address holds credentials"),
        (vec!["--repo", "/srv/git/town"], 2, "expected a git address"),
        (vec!["--repo", "ext::sh -c id"], 2, "no spaces"),
        (vec![], 2, "--repo <URL>"),
        (vec!["--repo", REPO[1], "--path", "../town"], 2, "without \"..\""),
        (vec!["--repo", REPO[1], "--revision=-x"], 2, "expected a branch"),
        (vec!["--repo", REPO[1], "--per-agent", "--preview"], 2, "cannot be used with"),
        (vec!["--repo", REPO[1], "--preview", "--revision", "main"], 2, "cannot be used with"),
        (vec!["--repo", REPO[1], "--label", "x"], 2, "--preview"),
        (vec!["--repo", REPO[1], "--preview", "--github-token", "x"], 2, "SECRET:KEY"),
        (vec!["--repo", REPO[1], "--agent", "adda"], 1, "did you mean `ada`?"),
        (vec!["--repo", "https://git.example.org/a/b.git", "--preview"], 1, "--github-owner"),
    ] {
        let finished = finish(desk.command().args(["application", &flake]).args(&arguments));
        assert_eq!((finished.status, finished.stdout.as_str()), (status, ""), "{arguments:?}");
        assert!(finished.stderr.contains(said), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stdout.contains("secret"));
    }
}

#[test]
fn town_is_rendered_in_parts_by_scope() {
    let desk = Desk::new();
    let flake = desk.flake("town", MINIMAL);
    let render = |scope: &str| {
        let finished = finish(desk.command().args([&flake, "--scope", scope]));
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        finished.stdout
    };
    assert_eq!(render("namespace") + &render("agents"), render("town"));
    assert!(!render("namespace").contains("kind: Deployment"));
    assert!(!render("agents").contains("kind: Namespace"));
}
