//! Repositories of every shape, and parameters of every kind.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::repository::{Repository, TOWN, examples, flake, git};
use crate::server::{App, Outcome, Server, named, parameter};

fn with(parameters: impl Into<Vec<Value>>) -> App {
    App { parameters: Value::Array(parameters.into()), ..App::default() }
}

fn at(path: &'static str, revision: &str) -> App {
    App { path, revision: revision.to_owned(), ..App::default() }
}

/// What `nuketown-render` prints of the same flake: the plugin must not differ from what was reviewed.
fn rendered(server: &Server, flake: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuketown-render"));
    command
        .arg(flake)
        .env("NUKETOWN_STORE", server.path("render-store"))
        .env("PATH", format!("{}:{}", server.path("bin").display(), std::env::var("PATH").unwrap()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_is_generated_as_it_is_rendered() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        for example in examples() {
            let repository =
                Repository::new().with("flake.nix", &fs::read_to_string(example.join("flake.nix")).unwrap());
            let outcome = server.generate(repository.path(), &App::default());
            assert_eq!(outcome.status, Some(0), "{example:?}: {}", outcome.stderr);
            assert!(!serde_saphyr::from_multiple::<Value>(&outcome.stdout).unwrap().is_empty());
            assert_eq!(outcome.stdout, rendered(&server, repository.path()), "{example:?}");
            for of_argo_cd in ["argocd.argoproj.io/tracking-id", "app.kubernetes.io/instance"] {
                assert!(!outcome.stdout.contains(of_argo_cd), "{example:?} says what Argo CD tracks by");
            }
        }
    }
}

#[test]
fn commit_is_evaluated_whatever_file_modes_argo_cd_has_left() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let repository =
            Repository::of_town("import ./town.nix").with("town.nix", TOWN).with("run", "#!/bin/sh\n");
        fs::set_permissions(repository.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        let revision = repository.commit();
        // What is not committed is not deployed.
        fs::write(repository.path().join("town.nix"), "throw \"not committed\"").unwrap();
        let objects = server.generate(repository.path(), &at("", &revision)).objects();
        assert_eq!(named(&objects, "Deployment"), ["nuketown-ada", "nuketown-bob"]);
    }
}

#[test]
fn town_in_a_subdirectory_sees_the_whole_repository() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let town = format!("import ../../shared/town.nix // {TOWN}");
        let repository =
            Repository::new().with("apps/town/flake.nix", &flake(&town)).with("shared/town.nix", "{ }");
        let app = at("apps/town", "");
        assert_eq!(named(&server.generate(repository.path(), &app).objects(), "Namespace"), ["nuketown"]);
        let revision = repository.commit();
        server.generate(repository.path(), &at("apps/town", &revision)).objects();
        // An Application of a directory below the flake means that flake.
        let repository = repository.with("apps/town/below/note", "");
        server.generate(repository.path(), &at("apps/town/below", "")).objects();
    }
}

#[test]
fn repository_without_a_history_or_with_an_empty_one_is_taken_as_it_is() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let repository = Repository::of_town(TOWN);
        let without = server.generate(repository.path(), &at("", "1.2.3"));
        without.objects();
        fs::create_dir(repository.path().join(".git")).unwrap();
        let empty = server.generate(repository.path(), &at("", &"0a".repeat(20)));
        empty.objects();
        assert_eq!(without, empty);
    }
}

#[test]
fn history_without_the_revision_is_not_believed() {
    let server = Server::new();
    let repository = Repository::of_town(TOWN);
    repository.commit();
    fs::write(repository.path().join("flake.nix"), flake(&TOWN.replace("bob", "eve"))).unwrap();
    let objects = server.generate(repository.path(), &at("", &"0a".repeat(20))).objects();
    assert_eq!(named(&objects, "Deployment"), ["nuketown-ada", "nuketown-eve"]);
}

#[test]
fn shallow_clone_is_evaluated() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let origin = Repository::of_town("{ }");
        origin.commit();
        fs::write(origin.path().join("flake.nix"), flake(TOWN)).unwrap();
        let revision = origin.commit();
        let clone = Repository::new();
        let url = format!("file://{}", origin.path().display());
        git(clone.path(), &["clone", "-q", "--depth=1", &url, "x"]);
        assert!(clone.path().join("x/.git/shallow").exists());
        server.generate(&clone.path().join("x"), &at("", &revision)).objects();
    }
}

#[test]
fn long_history_is_neither_read_nor_kept() {
    let (repository, revision) = Repository::with_long_history(TOWN);
    repository.spoil_history();
    let verified = Command::new("git").args(["-C"]).arg(repository.path()).args(["fsck", "--full"]).output();
    assert!(!verified.unwrap().status.success(), "the history is not spoilt");
    for nix in Server::nixes() {
        let mut server = Server::with(&nix);
        // Of address space, in which the history would not have room.
        server.variables.insert("NUKETOWN_MEMORY".into(), "400".into());
        let objects = server.generate(repository.path(), &at("", &revision)).objects();
        assert_eq!(named(&objects, "Deployment"), ["nuketown-ada", "nuketown-bob"]);
        let kept = Command::new("du").arg("-sk").arg(server.path("cache")).output().unwrap();
        let kept = String::from_utf8(kept.stdout).unwrap();
        let kibibytes: u64 = kept.split_whitespace().next().unwrap().parse().unwrap();
        assert!(kibibytes < 20 * 1024, "{kept}");
    }
}

#[test]
fn symbolic_links_lead_where_they_did() {
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        let repository = Repository::of_town("import ./linked/town.nix").with("real/town.nix", TOWN);
        symlink("real", repository.path().join("linked")).unwrap();
        server.generate(repository.path(), &App::default()).objects();
        let revision = repository.commit();
        server.generate(repository.path(), &at("", &revision)).objects();
        // The Application's directory itself.
        server.generate(repository.path(), &at("linked", &revision)).objects();
    }
}

#[test]
fn parameters_of_every_kind_have_their_effect() {
    let server = Server::new();
    let repository =
        Repository::new().with("flake.nix", &format!("{{ outputs = _: {{ towns.x = {TOWN}; }}; }}"));
    let attr = || parameter("attr", "string", "towns.x");
    let all = server.generate(repository.path(), &with([attr()])).objects();
    assert_eq!(named(&all, "Deployment"), ["nuketown-ada", "nuketown-bob"]);
    let some =
        server.generate(repository.path(), &with([attr(), parameter("agents", "array", json!(["bob"]))]));
    assert_eq!(named(&some.objects(), "Deployment"), ["nuketown-bob"]);
    let elsewhere =
        server.generate(repository.path(), &with([attr(), parameter("namespace", "string", "elsewhere")]));
    assert_eq!(named(&elsewhere.objects(), "Namespace"), ["elsewhere"]);
    let preview = server.generate(repository.path(), &with([attr(), parameter("preview", "string", "pr-7")]));
    assert_eq!(named(&preview.objects(), "Namespace"), ["nuketown-pr-7"]);
    assert!(
        preview.stdout.contains("resource = \"pr-7\"") && !preview.stdout.contains("Prune=false"),
        "{}",
        preview.stdout
    );
    let scope = |word: &str| {
        let app = with([attr(), parameter("scope", "string", word)]);
        server.generate(repository.path(), &app).objects()
    };
    let (shared, agents) = (scope("namespace"), scope("agents"));
    assert!(named(&shared, "Deployment").is_empty() && named(&agents, "Namespace").is_empty());
    assert_eq!([shared, agents].concat(), all, "together they are the town");
    let tiers = server
        .generate(repository.path(), &with([attr(), parameter("tiers", "map", json!({ "ada": "small" }))]));
    tiers.objects();
    assert!(tiers.stdout.contains("resources = \"small\""), "{}", tiers.stdout);
}

#[test]
fn parameter_that_does_not_fit_is_an_error_that_says_how() {
    let server = Server::new();
    let repository = Repository::of_town(TOWN);
    let fails = |value: Value, status, said: &str| {
        let outcome = server.generate(repository.path(), &with([value]));
        assert!(outcome.fails(status).contains(said), "{}", outcome.stderr);
    };
    fails(parameter("agent", "array", json!(["ada"])), 2, "did you mean `agents`?");
    fails(parameter("agents", "string", "ada"), 2, "write array: [ada, bob]");
    fails(parameter("agents", "array", json!(["adda"])), 1, "did you mean `ada`?");
    fails(parameter("tiers", "map", json!({ "ada": "gpu" })), 1, "starts above its maximum");
    fails(parameter("preview", "string", "PR 7"), 2, "a preview's slug is a DNS label");
    fails(parameter("scope", "string", "agent"), 2, "expected town, namespace or agents");
    fails(parameter("attr", "string", "town.x"), 1, "town.x");
}

#[test]
fn variables_of_an_application_stand_in_for_parameters() {
    let server = Server::new();
    let repository = Repository::of_town(TOWN);
    let env = |name, value: &str| App { env: vec![(name, value.to_owned())], ..App::default() };
    let preview = server.generate(repository.path(), &env("NUKETOWN_PREVIEW", "pr-8")).objects();
    assert_eq!(named(&preview, "Namespace"), ["nuketown-pr-8"]);
    let namespace = server.generate(repository.path(), &env("NUKETOWN_NAMESPACE", "n")).objects();
    assert_eq!(named(&namespace, "Namespace"), ["n"]);
    let moved = server.generate(repository.path(), &env("NUKETOWN_CACHE_DIR", "/tmp"));
    assert!(
        moved.fails(2).contains("set NUKETOWN_CACHE_DIR in the sidecar's environment"),
        "{}",
        moved.stderr
    );
}

#[test]
fn town_without_cloud_agents_is_an_error_unless_it_is_allowed() {
    let mut server = Server::new();
    let repository = Repository::of_town(r#"{ domain = "6bit.com"; }"#);
    let said = server.generate(repository.path(), &App::default()).fails(1).to_owned();
    assert!(said.contains("nothing to render") && said.contains("NUKETOWN_ALLOW_EMPTY=true"), "{said}");
    server.variables.insert("NUKETOWN_ALLOW_EMPTY".into(), "true".into());
    let empty = server.generate(repository.path(), &App::default());
    assert_eq!(empty, Outcome { status: Some(0), stdout: String::new(), stderr: String::new() });
}

#[test]
fn discovery_prints_something_for_a_town_and_nothing_for_anything_else() {
    let server = Server::new();
    let discover = |repository: &Repository| {
        let outcome = server.run("discover", repository.path(), &App::default());
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
        outcome.stdout
    };
    assert_eq!(discover(&Repository::of_town(TOWN)), "flake.nix\n");
    assert_eq!(discover(&Repository::new().with("flake.nix", "{ outputs = _: { }; }")), "");
    assert_eq!(discover(&Repository::new().with("Chart.yaml", "nuketown")), "");
    assert_eq!(discover(&Repository::new().with("flake.nix/x", "nuketown")), "");
}

#[test]
fn doctor_finds_everything_in_order_or_says_what_is_not() {
    let server = Server::new();
    let repository = Repository::new();
    let well = server.run("doctor", repository.path(), &App::default());
    assert_eq!((well.status, well.stderr.as_str()), (Some(0), ""), "{well:?}");
    assert!(well.stdout.lines().all(|line| line.starts_with("ok ")), "{}", well.stdout);
    for what in ["nix", "git", "user", "cache", "memory", "evaluation"] {
        assert!(well.stdout.contains(&format!("ok      {what}")), "{}", well.stdout);
    }
    server.wrap_nix("exit 1");
    let ill = server.run("doctor", repository.path(), &App::default());
    assert_eq!(ill.status, Some(1));
    assert!(
        ill.stdout.contains("FAILED  nix") && ill.stdout.contains("FAILED  evaluation"),
        "{}",
        ill.stdout
    );
    assert!(ill.stderr.contains("not in order: nix, evaluation"), "{}", ill.stderr);
}

#[test]
fn missing_flake_says_which_directory_has_to_be_named() {
    let server = Server::new();
    let repository = Repository::new().with("apps/town/README.md", "");
    let outcome = server.generate(repository.path(), &at("apps/town", ""));
    let said = outcome.fails(2);
    assert!(said.contains("no flake in `apps/town`") && said.contains("spec.source.path"), "{said}");
}

#[test]
fn secret_of_the_sidecar_is_never_shown() {
    let mut server = Server::new();
    server.variables.insert("GITHUB_TOKEN".into(), "ghp_sesame_open".into());
    // As a repository can have it shown: Git prints what it was told, and Nix passes it on.
    server.wrap_nix("echo \"fatal: https://x:$GITHUB_TOKEN@git.example.org: $GITHUB_TOKEN\" >&2; exit 1");
    let repository = Repository::of_town(TOWN);
    let outcome = server.generate(repository.path(), &App::default());
    let said = outcome.fails(3);
    assert!(!said.contains("sesame") && said.contains("git.example.org"), "{said}");
}
