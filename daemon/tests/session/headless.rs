//! Headless sessions.

use nuketown_daemon::session::{Outcome, Progress};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::{KEY, Reply, Server, call, calls, done, next, on, result, text};
use crate::town::{Town, git, problem, task};

fn bash(id: &str, command: &str) -> Value {
    call(id, "Bash", json!({"command": command}))
}

fn first() -> Value {
    json!([text("The task:\n\nfix the udev rule\n\nThe branch main is checked out; work on it.")])
}

#[tokio::test]
async fn task_becomes_a_commit_a_summary_and_a_cost() {
    let write = call("t2", "Write", json!({"path": "udev.rules", "content": "KERNEL==\"tty*\"\n"}));
    let commit =
        bash("t3", "git add . && git commit --quiet -m 'udev: a rule' && git log -1 --format='%an <%ae> %s'");
    let server = Server::start(vec![
        on(first(), calls(vec![text("I look first."), bash("t1", "ls")])),
        on(json!([result("t1", "README\n")]), calls(vec![write])),
        on(json!([result("t2", "made udev.rules (15 bytes)")]), calls(vec![commit])),
        on(json!([result("t3", "ada <ada@6bit.com> udev: a rule\n")]), done("The rule is there.")),
    ])
    .await;
    let town = Town::with(&server);
    let (outcome, heard) = town.run(&task(Some("nuketown"), None)).await;
    let hash = git(&town.workspace(), &["log", "-1", "--format=%h"]);
    // Four answers with 100 tokens of input for $2 and 50 of output for $10, each per million.
    let cost = 4 * (200 + 500);
    assert_eq!(
        outcome,
        Outcome::Done {
            summary: "The rule is there.".to_owned(),
            branch: Some("main".to_owned()),
            commits: vec![format!("{hash} udev: a rule")],
            cost
        }
    );
    assert_eq!(heard, [Progress::Note("I look first.".to_owned())]);
    let bodies = server.finish();
    assert_eq!(bodies[0]["tools"].as_array().unwrap().len(), 6);
    assert_eq!(bodies[0]["model"], "claude-sonnet-5-5");
    assert!(bodies[0]["system"][0]["text"].as_str().unwrap().contains("You are ada"));
    // The conversation is kept in the cache up to its end, and found there by the next request.
    for body in &bodies {
        let last = body["messages"].as_array().unwrap().last().unwrap()["content"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        assert_eq!(last["cache_control"]["type"], "ephemeral");
        assert!(body.to_string().matches("ephemeral").count() <= 3);
    }
}

#[tokio::test]
async fn task_that_was_interrupted_anywhere_goes_on_and_runs_no_tool_twice() {
    let script = || {
        vec![
            next(calls(vec![bash("t1", "echo one >> log")])),
            next(calls(vec![bash("t2", "echo two >> log")])),
            next(done("Both are written.")),
        ]
    };
    // The journal takes: where it began, the task, and then answers and results by turns.
    for crash in 2..7 {
        let server = Server::start(script()).await;
        let town = Town::with(&server);
        *town.memory.full_at.lock().unwrap() = Some(crash);
        let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
        assert_eq!(problem(outcome).1, "the disk is full", "{crash}");
        *town.memory.full_at.lock().unwrap() = None;
        drop(server);
        // After the restart, the server goes on by what it is asked.
        let again = Server::start(script().split_off([0, 1, 1, 2, 2][crash - 2])).await;
        let mut town = town;
        town.context.client =
            Some(nuketown_daemon::api::Client::new(&again.url, KEY, crate::town::patience()).unwrap());
        let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
        assert!(
            matches!(&outcome, Outcome::Done { summary, .. } if summary == "Both are written."),
            "{crash}: {outcome:?}"
        );
        let log = std::fs::read_to_string(town.workspace().join("log")).unwrap();
        let bodies = again.finish();
        let told = bodies[0].to_string();
        // A tool whose result was lost is not run again: the model is told.
        let lost = [0, 1, 0, 1, 0][crash - 2];
        assert_eq!(told.matches("was restarted while").count(), lost, "{crash}");
        assert_eq!(log, "one\ntwo\n", "{crash}");
    }
}

#[tokio::test]
async fn task_whose_last_answer_was_journaled_asks_nothing_more() {
    let server = Server::start(vec![next(done("All is well."))]).await;
    let town = Town::with(&server);
    for _ in 0..2 {
        let (outcome, _) = town.run(&task(Some("nuketown"), None)).await;
        assert!(
            matches!(&outcome, Outcome::Done { summary, .. } if summary == "All is well."),
            "{outcome:?}"
        );
    }
    server.finish();
}

#[tokio::test]
async fn nothing_is_run_of_a_turn_that_could_not_be_journaled() {
    let server = Server::start(vec![next(calls(vec![bash("t1", "touch ran")]))]).await;
    let town = Town::with(&server);
    *town.memory.full_at.lock().unwrap() = Some(2);
    problem(town.run(&task(Some("nuketown"), None)).await.0);
    assert!(!town.workspace().join("ran").exists());
    server.finish();
}

#[tokio::test]
async fn budget_of_the_task_and_of_the_day_end_a_session_before_they_are_exceeded() {
    let server = Server::start((0..50).map(|_| next(calls(vec![bash("t1", "true")]))).collect()).await;
    let mut town = Town::with(&server);
    // Each answer costs 700. What pays for the largest that is allowed is gone long before fifty of them.
    town.context.limits.task = 20_000;
    let (what, cause) = problem(town.run(&task(Some("nuketown"), None)).await.0);
    assert!(what.contains("budget of the task"), "{what}: {cause}");
    let bodies = server.finish_early();
    assert!(
        (1..50).contains(&bodies.len())
            && bodies.iter().all(|body| body["max_tokens"].as_u64().unwrap() <= 2000)
    );
    assert!(*town.memory.cost.lock().unwrap() <= 20_000);

    let server = Server::start(vec![]).await;
    let town = Town::with(&server);
    *town.memory.others.lock().unwrap() = town.context.limits.day - 100;
    assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).0.contains("budget of the day"));
    server.finish();
}

#[tokio::test]
async fn session_that_takes_too_long_is_stopped() {
    let server = Server::start(vec![next(calls(vec![bash("t1", "echo $$ > pid; sleep 1000")]))]).await;
    let mut town = Town::with(&server);
    town.context.limits.time = std::time::Duration::from_secs(3);
    assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).0.contains("too long"));
    server.finish();
}

#[tokio::test]
async fn cancelled_session_ends_in_the_middle_of_an_answer_and_pays_for_it() {
    let server = Server::start(vec![next(Reply::Stall(vec![text("hm")], 400))]).await;
    let town = Town::with(&server);
    let cancel = CancellationToken::new();
    let task = task(Some("nuketown"), None);
    let stalling = server.stalling.clone();
    let stop = async {
        stalling.notified().await;
        // What was sent before the silence has arrived when its cost can be seen, which is only after the end; so it is enough
        // that the session ends.
        cancel.cancel();
    };
    let ((outcome, _), ()) = tokio::join!(town.run_until(&task, cancel.clone()), stop);
    assert_eq!(outcome, Outcome::Interrupted);
    server.finish();
}

#[tokio::test]
async fn cancelled_session_ends_its_commands() {
    let server = Server::start(vec![next(calls(vec![bash(
        "t1",
        "trap '' TERM; echo $$ > pid; while :; do sleep 1000; done",
    )]))])
    .await;
    let town = Town::with(&server);
    let cancel = CancellationToken::new();
    let task = task(Some("nuketown"), None);
    let file = town.workspace().join("pid");
    let stop = async {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')) {
            assert!(std::time::Instant::now() < limit, "the command did not begin");
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let ((outcome, _), ()) = tokio::join!(town.run_until(&task, cancel.clone()), stop);
    assert_eq!(outcome, Outcome::Interrupted);
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists());
    server.finish();
}

#[tokio::test]
async fn agent_without_a_key_says_so() {
    let town = Town::new();
    crate::town::repository(&town.workspace());
    assert!(problem(town.run(&task(Some("nuketown"), None)).await.0).1.contains("no key"));
}

#[tokio::test]
async fn long_conversation_is_sent_without_old_results() {
    let mut steps: Vec<_> =
        (0..20).map(|number| next(calls(vec![bash(&format!("t{number}"), "echo much")]))).collect();
    steps.push(next(done("Done.")));
    let server = Server::start(steps).await;
    let mut town = Town::with(&server);
    town.context.limits.conversation = 10;
    assert!(matches!(town.run(&task(Some("nuketown"), None)).await.0, Outcome::Done { .. }));
    let bodies = server.finish();
    let last = bodies.last().unwrap().to_string();
    assert!(last.contains("left out") && last.matches("tool_result").count() == 20);
}

/// A program in the place of the real `sudo`, that writes down what it is given.
fn stand_in(town: &Town) -> std::path::PathBuf {
    let file = town.home.join("sudo");
    let script = "#!/bin/sh\npwd; for argument; do printf '<%s>' \"$argument\"; done; echo; env | grep -c ^CARGO >&2; exit 3\n";
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    file
}

#[tokio::test]
async fn sudo_of_a_session_is_run_by_the_daemon_and_shows_as_waiting() {
    let script = "mkdir sub; cd sub; sudo -n systemctl restart 'a b' '' \"$(printf 'c\\nd')\"; echo $?";
    let server = Server::start(vec![next(calls(vec![bash("t1", script)])), next(done("Restarted."))]).await;
    let mut town = Town::with(&server);
    town.context.sudo = Some(stand_in(&town));
    let (outcome, heard) = town.run(&task(Some("nuketown"), None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!(heard, [Progress::WaitingForApproval("sudo".to_owned()), Progress::Resumed]);
    let told = server.finish()[1]["messages"][2]["content"][0]["content"].as_str().unwrap().to_owned();
    let place = town.workspace().join("sub");
    // Both outputs, in whatever order they came.
    assert!(
        told.contains(&format!("{}\n<-n><systemctl><restart><a b><><c\nd>\n", place.display())),
        "{told}"
    );
    assert!(told.contains("0\n") && told.ends_with("3\n"), "{told}");
}

#[tokio::test]
async fn door_to_sudo_takes_nothing_but_requests_and_writes_nowhere_else() {
    let server_script = "cd $NUKETOWN_SUDO; R='{\"arguments\":[\"x\"],\"directory\":\"/\"}'; \
        ln -s ../../../secret 1.request; mkfifo 1.reply; ln -s ../../../secret 2.reply; echo \"$R\" > 2.request; \
        mkfifo 3.request 3.reply; echo \"$R\" > 4.request; echo x > 4.reply; echo nonsense > 5.request; mkfifo 5.reply; \
        printf '1\\n2\\n3\\n4\\n5\\n6\\n-7\\n../8\\n\\377\\n' > requests; cd ..; sudo last";
    let server =
        Server::start(vec![next(calls(vec![bash("t1", server_script)])), next(done("Tried."))]).await;
    let mut town = Town::with(&server);
    std::fs::write(town.home.join("secret"), "s3cret").unwrap();
    town.context.sudo = Some(stand_in(&town));
    let (outcome, heard) = town.run(&task(Some("nuketown"), None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    // Only the last one was asked as agreed; it ran in the workspace, since it was asked from elsewhere.
    assert_eq!(heard.len(), 2, "{heard:?}");
    let told = server.finish()[1]["messages"][2]["content"][0]["content"].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("{}\n<last>\n", town.workspace().display())), "{told}");
    assert_eq!(std::fs::read_to_string(town.home.join("secret")).unwrap(), "s3cret");
}

#[tokio::test]
async fn agent_that_may_not_ask_for_privileges_has_no_way_to() {
    let server = Server::start(vec![
        next(calls(vec![bash("t1", "echo ${NUKETOWN_SUDO-none}; command -v sudo")])),
        next(done("No.")),
    ])
    .await;
    let town = Town::with(&server);
    town.run(&task(Some("nuketown"), None)).await;
    assert!(!town.home.join("sessions/7/sudo").exists());
    assert!(server.finish()[1].to_string().contains("none"));
}
