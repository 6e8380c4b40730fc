//! A model whose answers are hostile.

use nuketown_daemon::session::Outcome;
use serde_json::{Value, json};

use crate::server::{KEY, Reply, Server, call, calls, done, events, next, text};
use crate::town::{Town, problem, task};

/// Runs one answer, then lets the model be done: what the model was told.
async fn told(answer: Vec<Value>) -> (Town, Vec<Value>) {
    let server = Server::start(vec![next(calls(answer)), next(done("Well."))]).await;
    let town = Town::with(&server);
    std::fs::write(town.home.join("secret"), "s3cret").unwrap();
    let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let bodies = server.finish();
    let last =
        bodies[1]["messages"].as_array().unwrap().last().unwrap()["content"].as_array().unwrap().clone();
    (town, last)
}

#[tokio::test]
async fn unknown_tool_of_a_model_is_answered_and_not_run() {
    let (_town, told) =
        told(vec![call("t1", "Delete", json!({"path": "/"})), call("t2", "computer", json!({}))]).await;
    for (result, name) in told.iter().zip(["Delete", "computer"]) {
        assert_eq!(result["is_error"], true);
        assert!(result["content"].as_str().unwrap().contains(&format!("there is no tool \"{name}\"")));
    }
}

#[tokio::test]
async fn malformed_arguments_of_a_model_are_answered_and_not_run() {
    let inputs = [
        json!("{\"command\": \"touch ran"),
        json!("[\"touch ran\"]"),
        json!({"cmd": "touch ran"}),
        json!({"command": 7}),
        json!({"command": "touch ran", "as": "root"}),
    ];
    let answer = inputs
        .iter()
        .enumerate()
        .map(|(number, input)| call(&format!("t{number}"), "Bash", input.clone()))
        .collect();
    let (town, told) = told(answer).await;
    assert_eq!(told.len(), inputs.len());
    assert!(
        told.iter()
            .all(|result| result["is_error"] == true
                && result["content"].as_str().unwrap().contains("not run")),
        "{told:?}"
    );
    assert!(!town.workspace().join("ran").exists());
}

#[tokio::test]
async fn path_of_a_model_out_of_the_workspace_is_refused_by_tools_and_by_the_kernel() {
    let home = "../..";
    let (town, told) = told(vec![
        call("t1", "Read", json!({"path": format!("{home}/secret")})),
        call("t2", "Bash", json!({"command": format!("cat {home}/secret {home}/api-key")})),
        call("t3", "Bash", json!({"command": format!("ln -s {home} up && cat up/secret")})),
        call("t4", "Read", json!({"path": "up/secret"})),
        call("t5", "Write", json!({"path": "up/planted", "content": "x"})),
        call("t6", "Bash", json!({"command": format!("echo x > {home}/planted; mkdir ../other")})),
        call("t7", "Edit", json!({"path": "/etc/passwd", "old": "root", "new": "toor"})),
        call("t8", "Grep", json!({"path": "up", "pattern": "s3cret"})),
    ])
    .await;
    for result in &told {
        assert_eq!(result["is_error"], true, "{result}");
    }
    let all = Value::Array(told).to_string();
    assert!(!all.contains("s3cret\"") && !all.contains(KEY), "{all}");
    assert!(!town.home.join("planted").exists() && !town.home.join("projects/other").exists());
}

#[tokio::test]
async fn key_of_the_daemon_is_in_no_environment_argument_or_file_of_a_command() {
    let script = "env; cat /proc/$PPID/environ /proc/*/cmdline; cat ../../api-key; ls -la $HOME $TMPDIR";
    let (_town, told) = told(vec![call("t1", "Bash", json!({"command": script}))]).await;
    assert!(!Value::Array(told).to_string().contains(KEY));
}

#[tokio::test]
async fn endless_calls_of_a_model_end_with_the_turns_and_many_at_once_are_bounded() {
    let server = Server::start(
        (0..5).map(|n| next(calls(vec![call(&format!("t{n}"), "Glob", json!({"pattern": "*"}))]))).collect(),
    )
    .await;
    let mut town = Town::with(&server);
    town.context.limits.turns = 5;
    let (what, cause) = problem(town.run(&task(Some("nuketown"), None)).await.0);
    assert!(what.contains("too long") && cause.contains("5 turns"));
    server.finish();

    let many =
        (0..100).map(|n| call(&format!("t{n}"), "Bash", json!({"command": "echo x >> count"}))).collect();
    let (town, told) = told(many).await;
    assert_eq!(told.len(), 100);
    assert_eq!(told.iter().filter(|result| result["is_error"] == true).count(), 68);
    assert_eq!(std::fs::read_to_string(town.workspace().join("count")).unwrap().lines().count(), 32);
}

#[tokio::test]
async fn hundred_megabytes_that_a_model_asks_for_are_cut() {
    let (_town, told) =
        told(vec![call("t1", "Bash", json!({"command": "head -c 100000000 /dev/zero | tr '\\0' x"}))]).await;
    let text = told[0]["content"].as_str().unwrap();
    assert!(text.len() < 40_000 && text.contains("of 100000000 bytes left out"));
}

#[tokio::test]
async fn stream_of_a_model_that_stops_in_a_call_runs_nothing() {
    let content = vec![call("t1", "Bash", json!({"command": "touch ran"}))];
    let whole = events(&content, "tool_use");
    let within = whole.find("content_block_stop").unwrap();
    let server = Server::start((0..4).map(|_| next(Reply::Cut(content.clone(), within))).collect()).await;
    let town = Town::with(&server);
    assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).1.contains("cannot be used"));
    assert!(!town.workspace().join("ran").exists());
    server.finish();
}

#[tokio::test]
async fn refusal_and_unknown_end_of_an_answer_are_told_and_nothing_is_run() {
    for (stop, said) in
        [("refusal", "refuses"), ("model_context_window_exceeded", "too long"), ("world_end", "stopped")]
    {
        let answer =
            Reply::Answer(vec![text("No."), call("t1", "Bash", json!({"command": "touch ran"}))], stop);
        let server = Server::start(vec![next(answer)]).await;
        let town = Town::with(&server);
        assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).0.contains(said));
        assert!(!town.workspace().join("ran").exists());
        server.finish();
    }
}

#[tokio::test]
async fn git_configuration_that_a_model_has_left_runs_in_the_sandbox_only() {
    let script = "git config core.fsmonitor 'touch ../../escaped; touch ran'; git config core.pager 'touch ../../escaped'; \
                  printf '#!/bin/sh\\ntouch ../../escaped' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout; \
                  git config alias.log '!touch ../../escaped'";
    let (town, _) = told(vec![call("t1", "Bash", json!({"command": script}))]).await;
    assert!(!town.home.join("escaped").exists());
}

#[tokio::test]
async fn workspace_that_leads_elsewhere_is_refused() {
    let server = Server::start(vec![]).await;
    let town = Town::with(&server);
    std::os::unix::fs::symlink(&town.home, town.home.join("projects/home")).unwrap();
    let (what, _) = problem(town.run(&task(Some("home"), None)).await.0);
    assert!(what.contains("could read a secret") || what.contains("workspace is none"), "{what}");
    let dir = town.dir.path().join("elsewhere");
    std::fs::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink(&dir, town.home.join("projects/other")).unwrap();
    assert!(problem(town.run(&task(Some("other"), None)).await.0).0.contains("workspace is none"));
    server.finish();
}

#[tokio::test]
async fn directory_of_a_task_that_became_a_link_is_refused() {
    let server = Server::start(vec![]).await;
    let town = Town::with(&server);
    std::fs::create_dir_all(town.home.join("sessions/7")).unwrap();
    let elsewhere = town.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, town.home.join("sessions/7/work")).unwrap();
    assert!(problem(town.run(&task(None, None)).await.0).1.contains("leads to"));
    server.finish();
}
