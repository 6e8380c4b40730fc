//! How a workspace is found or made.

use std::path::PathBuf;

use nuketown_daemon::session::{Outcome, Progress};
use serde_json::json;

use crate::server::{Server, call, calls, done, next};
use crate::town::{Town, git, problem, repository, task};

/// A remote on disk, with the branches `main` and `side`.
fn remote(town: &Town, name: &str) -> (PathBuf, String) {
    let path = town.dir.path().canonicalize().unwrap().join("remotes").join(name);
    repository(&path);
    git(&path, &["branch", "side"]);
    let url = format!("file://{}", path.display());
    (path, url)
}

/// An agent without a workspace.
fn town(server: &Server) -> Town {
    let town = Town::with(server);
    std::fs::remove_dir_all(town.workspace()).unwrap();
    town
}

fn branch(town: &Town) -> String {
    git(&town.workspace(), &["symbolic-ref", "--short", "HEAD"])
}

#[tokio::test]
async fn workspace_that_is_ready_costs_no_call_of_a_model() {
    // The one request is that of the session itself.
    let server = Server::start(vec![next(done("Well."))]).await;
    let town = Town::with(&server);
    let (outcome, _) = town.run(&task(Some("nuketown"), Some("main"))).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!(server.finish()[0]["model"], "claude-sonnet-5-5");
}

#[tokio::test]
async fn known_remote_is_cloned_on_the_branch_that_was_asked_for() {
    for (asked, is_new) in [(None, false), (Some("side"), false), (Some("feature/x"), true)] {
        let server = Server::start(vec![next(done("Well."))]).await;
        let mut town = town(&server);
        let (path, url) = remote(&town, "nuketown");
        town.context.repos.insert("nuketown".to_owned(), url.clone());
        let (outcome, heard) = town.run(&task(Some("nuketown"), asked)).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
        assert_eq!(branch(&town), asked.unwrap_or("main"));
        assert!(heard.contains(&Progress::Note(format!("cloning {url}"))), "{heard:?}");
        assert_eq!(
            git(&town.workspace(), &["rev-parse", "HEAD"]),
            git(&path, &["rev-parse", "main"]),
            "{is_new}"
        );
        // Nothing but the workspace is there.
        assert_eq!(std::fs::read_dir(town.home.join("projects")).unwrap().count(), 1);
        server.finish();
    }
}

#[tokio::test]
async fn clone_under_another_name_is_found_by_its_remote() {
    let server = Server::start(vec![next(done("Well."))]).await;
    let town = town(&server);
    let (_, url) = remote(&town, "nuketown");
    let other = town.home.join("projects/my-town");
    git(&town.home, &["clone", "--quiet", &url, other.to_str().unwrap()]);
    let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(server.finish()[0]["system"][0]["text"].as_str().unwrap().contains("my-town"));
}

#[tokio::test]
async fn remote_that_cannot_be_cloned_is_told_and_leaves_no_workspace() {
    let server = Server::start(vec![]).await;
    let mut town = town(&server);
    town.context.repos.insert("nuketown".to_owned(), format!("file://{}/nothing", town.home.display()));
    let (what, cause) = problem(town.run(&task(Some("nuketown"), None)).await.0);
    assert!(what.contains("cannot clone") && cause.contains("nothing"), "{what}: {cause}");
    assert!(!town.workspace().exists());
    server.finish();
}

#[tokio::test]
async fn remote_that_would_run_a_program_runs_none() {
    for url in ["ext::sh -c touch% ran", "--upload-pack=touch ran", "fd::17"] {
        let server = Server::start(vec![]).await;
        let mut town = town(&server);
        town.context.repos.insert("nuketown".to_owned(), url.to_owned());
        problem(town.run(&task(Some("nuketown"), None)).await.0);
        assert!(!town.home.join("projects/ran").exists(), "{url}");
        server.finish();
    }
}

#[tokio::test]
async fn changes_in_the_way_of_another_branch_are_told_and_kept() {
    let server = Server::start(vec![]).await;
    let town = Town::with(&server);
    git(&town.workspace(), &["checkout", "--quiet", "-b", "side"]);
    std::fs::write(town.workspace().join("README"), "side\n").unwrap();
    git(&town.workspace(), &["commit", "--quiet", "-a", "-m", "side"]);
    git(&town.workspace(), &["checkout", "--quiet", "main"]);
    std::fs::write(town.workspace().join("README"), "mine\n").unwrap();
    let (what, cause) = problem(town.run(&task(Some("nuketown"), Some("side"))).await.0);
    assert!(what.contains("branch side") && cause.contains("README"), "{what}: {cause}");
    assert_eq!(std::fs::read_to_string(town.workspace().join("README")).unwrap(), "mine\n");
    server.finish();
}

#[tokio::test]
async fn unknown_project_is_a_question_and_its_answer_goes_on() {
    let mut town = Town::new();
    assert_eq!(
        town.run(&task(Some("nuketown"), None)).await.0,
        Outcome::NeedsAnswer("I know no repository called nuketown. What is its git address?".to_owned())
    );
    // Without a model, an address is what is understood.
    town.context.answers = vec!["somewhere".to_owned()];
    assert!(matches!(town.run(&task(Some("nuketown"), None)).await.0, Outcome::NeedsAnswer(_)));
    town.context.answers = vec!["ssh://127.0.0.1:9/nuketown.git".to_owned()];
    assert!(
        problem(town.run(&task(Some("nuketown"), None)).await.0)
            .0
            .contains("cannot clone ssh://127.0.0.1:9/nuketown.git")
    );
    town.context.answers = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).0.contains("no workspace"));
}

#[tokio::test]
async fn small_model_finds_and_clones_in_a_directory_of_its_own() {
    let place = Town::new();
    let (_, url) = remote(&place, "nuketown");
    // Whatever is below the workspaces can be read; so that is where this remote is.
    let server = Server::start(vec![
        next(calls(vec![call(
            "t1",
            "Bash",
            json!({"command": "pwd; git clone --quiet ../mirror/nuketown x; touch ../planted"}),
        )])),
        next(done("It is cloned.\n{\"cloned\": \"x\"}")),
        next(done("Well.")),
    ])
    .await;
    let town = town(&server);
    git(&town.home.join("projects"), &["clone", "--quiet", &url, "mirror/nuketown"]);
    let (outcome, heard) = town.run(&task(Some("nuketown"), None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(town.workspace().join("README").exists() && !town.home.join("projects/planted").exists());
    assert!(
        heard.iter().any(|note| matches!(note, Progress::Note(text) if text.starts_with("cloned "))),
        "{heard:?}"
    );
    let bodies = server.finish();
    assert_eq!(bodies[0]["model"], "claude-haiku-4-5-20251001");
    let names: Vec<_> =
        bodies[0]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Bash", "Read", "Glob", "Grep"]);
    assert_eq!(std::fs::read_dir(town.home.join("projects")).unwrap().count(), 2);
}

#[tokio::test]
async fn model_that_claims_or_links_what_it_did_not_clone_is_not_believed() {
    for (command, claim) in [
        ("true", "x"),
        ("ln -s ../.. x", "x"),
        ("mkdir x; ln -s ../../mirror/.git x/.git", "x"),
        ("true", "../mirror"),
    ] {
        let server = Server::start(vec![
            next(calls(vec![call("t1", "Bash", json!({"command": command}))])),
            next(done(&format!("{{\"cloned\": \"{claim}\"}}"))),
        ])
        .await;
        let town = town(&server);
        repository(&town.home.join("projects/mirror"));
        let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
        assert!(
            matches!(outcome, Outcome::Failed { .. } | Outcome::NeedsAnswer(_)),
            "{command}: {outcome:?}"
        );
        assert!(!town.workspace().exists());
        server.finish();
    }
}

#[tokio::test]
async fn preparation_that_costs_too_much_or_takes_too_long_becomes_a_question() {
    let server = Server::start(
        (0..3).map(|n| next(calls(vec![call(&format!("t{n}"), "Glob", json!({"pattern": "*"}))]))).collect(),
    )
    .await;
    let mut town = town(&server);
    town.context.limits.bootstrap_turns = 3;
    assert!(matches!(town.run(&task(Some("nuketown"), None)).await.0, Outcome::NeedsAnswer(_)));
    server.finish();
}

#[tokio::test]
async fn task_about_the_machine_runs_in_a_directory_of_its_own() {
    let server = Server::start(vec![
        next(calls(vec![call("t1", "Bash", json!({"command": "pwd"}))])),
        next(done("Well.")),
    ])
    .await;
    let town = Town::with(&server);
    let (outcome, _) = town.run(&task(None, None)).await;
    assert!(matches!(outcome, Outcome::Done { branch: None, .. }), "{outcome:?}");
    let told = server.finish()[1].to_string();
    assert!(told.contains(&town.home.join("sessions/7/work").display().to_string()));
}
