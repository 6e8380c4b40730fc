//! The life of a task: accepted, begun, followed, ended.

use super::*;
use crate::store::Ending;
use crate::task::{Mode, State, TaskId};

fn note(text: &str) -> Progress {
    Progress::Note(text.to_owned())
}

#[tokio::test]
async fn request_of_the_architecture_shows_as_presence_and_ends_with_a_summary() {
    let mut agent = Agent::start("workstation").await;
    assert_eq!(agent.shows().await, "chat Ready");
    let answer = agent.answers(JOSH, "ada, work on nuketown -- fix udev block device handling").await;
    assert_eq!(answer, "Task 1: on it.");
    let hand = agent.job().await;
    assert_eq!((hand.job.attempt, hand.job.task.mode), (1, Mode::Headless));
    assert_eq!(agent.shows().await, "dnd Working: nuketown: fix udev block device handling");
    hand.step(Step::Working).await;
    hand.progress(note("found the rule")).await;
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1: found the rule");
    hand.progress(Progress::WaitingForApproval("sudo".into())).await;
    assert_eq!(agent.shows().await, "away Waiting for sudo approval");
    assert_eq!(agent.store.task(TaskId(1)).unwrap().state, State::Blocked);
    hand.progress(Progress::Resumed).await;
    assert_eq!(agent.shows().await, "dnd Working: nuketown: fix udev block device handling");
    let commits = vec!["1a2b3c udev: block devices".to_owned()];
    hand.ends(Outcome::Done { summary: "Fixed.".into(), branch: Some("fix/udev".into()), commits, cost: 0 });
    assert_eq!(
        agent.says_to("josh@town.example").await,
        "Task 1 is done ($0.00). Fixed.\nBranch: fix/udev\nCommit: 1a2b3c udev: block devices"
    );
    assert_eq!(agent.shows().await, "chat Ready");
    agent.stop().await;
}

#[tokio::test]
async fn second_task_is_queued_with_notice_and_runs_after_the_first() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    let first = agent.job().await;
    assert_eq!(
        agent.answers(JOSH, "work on mynix -- two").await,
        "Currently working on nuketown: one. Yours is number 1 in the queue (task 2)."
    );
    let queue = agent.answers(JOSH, "queue").await;
    assert_eq!(queue, "1 bootstrapping: nuketown: one\n2 accepted: mynix: two");
    assert!(agent.jobs.try_recv().is_err());
    first.done();
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1 is done ($0.00). It works.");
    let second = agent.job().await;
    assert_eq!(second.job.task.id, TaskId(2));
    second.ends(Outcome::Failed {
        what: "no way".into(),
        cause: "it rains".into(),
        hint: Some("Wait.".into()),
    });
    assert_eq!(agent.says_to("josh@town.example").await, "Task 2 failed: no way: it rains.\nWait.");
    agent.stop().await;
}

#[tokio::test]
async fn notes_are_not_chatty_and_all_of_them_are_in_the_log() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    let hand = agent.job().await;
    for step in ["a", "b", "c"] {
        hand.progress(note(step)).await;
    }
    hand.done();
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1: a");
    assert!(agent.says_to("josh@town.example").await.starts_with("Task 1 is done"));
    let lines = agent.store.lines(Some(TaskId(1)), 0, 10).unwrap();
    assert_eq!(lines.iter().map(|line| &line.text[..1]).collect::<String>(), "abcT");
    agent.stop().await;
}

#[tokio::test]
async fn cancel_ends_the_running_task_and_one_that_waits() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    agent.answers(JOSH, "work on nuketown -- two").await;
    let hand = agent.job().await;
    for (task, said) in [(2, "cancel 2"), (1, "cancel")] {
        agent.hears(JOSH, said).await;
        // The answer and what the requester hears of it, in whichever order.
        let mut heard = [agent.message().await.bodies[""].clone(), agent.message().await.bodies[""].clone()];
        heard.sort();
        let expected = [
            format!("Task {task} is cancelled."),
            format!("Task {task} was cancelled by josh@town.example."),
        ];
        assert_eq!(heard, expected);
    }
    hand.dropped().await;
    let answer = agent.answers(JOSH, "cancel 1").await;
    assert_eq!(answer, "that is not possible: task 1 is cancelled already.");
    let answer = agent.answers(JOSH, "cancel").await;
    assert_eq!(answer, "that is not possible: no task is running; name one by its number.");
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn session_that_does_not_end_when_it_is_cancelled_is_dropped_within_a_second() {
    let mut agent = Agent::deaf().await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    let hand = agent.job().await;
    let start = tokio::time::Instant::now();
    agent.answers(JOSH, "cancel").await;
    hand.dropped().await;
    assert!(start.elapsed() <= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1 was cancelled by josh@town.example.");
    agent.stop().await;
}

#[tokio::test]
async fn session_that_breaks_off_fails_its_task_and_not_the_daemon() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    let Hand { job, outcome } = agent.job().await;
    drop((job, outcome));
    assert!(agent.says_to("josh@town.example").await.starts_with("Task 1 failed: the session broke off"));
    assert_eq!(agent.answers(JOSH, "work on nuketown -- two").await, "Task 2: on it.");
    agent.job().await.done();
    agent.stop().await;
}

#[tokio::test]
async fn question_of_a_running_session_is_answered_in_plain_words() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    assert_eq!(agent.shows().await, "chat Ready");
    assert_eq!(agent.shows().await, "dnd Working: nuketown: one");
    let mut hand = agent.job().await;
    hand.step(Step::Working).await;
    hand.progress(Progress::Question { id: "q".into(), text: "Which board?".into() }).await;
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1 asks: Which board?");
    assert_eq!(agent.shows().await, "away Waiting for an answer");
    assert_eq!(agent.answers(JOSH, "the STM32 one").await, "Thank you. Task 1 goes on.");
    let reply = hand.job.replies.recv().await.unwrap();
    assert_eq!((reply.question.as_str(), reply.text.as_str()), ("q", "the STM32 one"));
    assert_eq!(agent.shows().await, "dnd Working: nuketown: one");
    assert_eq!(agent.store.task(TaskId(1)).unwrap().state, State::Working);
    hand.done();
    agent.stop().await;
}

#[tokio::test]
async fn unknown_project_is_asked_for_and_the_answer_begins_the_task_anew_also_after_a_restart() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on moonshot -- land").await;
    agent.job().await.ends(Outcome::NeedsAnswer("Where is moonshot?".into()));
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1 asks: Where is moonshot?");
    // A command is a command, and no answer.
    assert!(agent.answers(JOSH, "status").await.starts_with("Waiting for an answer\nTask 1 (blocked)"));
    let home = agent.stop().await;

    let mut agent = Agent::start_at(home, false).await;
    assert_eq!(agent.shows().await, "away Waiting for an answer");
    assert!(agent.jobs.try_recv().is_err());
    let answer = agent.answers(JOSH, "answer 1: git@example.org:moonshot.git").await;
    assert_eq!(answer, "Thank you. Task 1 goes on.");
    let hand = agent.job().await;
    let asked = hand.job.store.questions(TaskId(1)).unwrap();
    assert_eq!(asked[0].answer.as_deref(), Some("git@example.org:moonshot.git"));
    assert_eq!(hand.job.attempt, 2);
    hand.done();
    assert!(agent.says_to("josh@town.example").await.starts_with("Task 1 is done"));
    agent.stop().await;
}

#[tokio::test]
async fn task_of_a_daemon_that_was_stopped_is_taken_up_by_the_next_one() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    let hand = agent.job().await;
    hand.step(Step::Working).await;
    let home = agent.stop().await;
    drop(hand);
    let mut agent = Agent::start_at(home, false).await;
    assert_eq!(agent.shows().await, "dnd Working: nuketown: one");
    let hand = agent.job().await;
    assert_eq!((hand.job.task.id, hand.job.attempt), (TaskId(1), 2));
    hand.ends(Outcome::Interrupted);
    let said = agent.says_to("josh@town.example").await;
    assert!(said.starts_with("Task 1 was interrupted and not taken up again"), "{said}");
    agent.stop().await;
}

#[tokio::test]
async fn task_that_brings_the_daemon_down_again_and_again_is_given_up_and_reported() {
    let home = home("cloud");
    let store = Store::open(&home.path().join("state")).unwrap();
    let task = crate::store::tests::task("crash");
    store.accept(&task, Timestamp::now()).unwrap();
    for _ in 0..3 {
        store.begin(TaskId(1), Timestamp::now()).unwrap();
    }
    drop(store);
    let mut agent = Agent::start_at(home, false).await;
    assert!(agent.says_to("josh@town.example").await.starts_with("Task 1 was interrupted"));
    assert_eq!(agent.store.entry(TaskId(1)).unwrap().ending, Some(Ending::Interrupted));
    assert!(agent.jobs.try_recv().is_err());
    agent.stop().await;
}

#[tokio::test]
async fn message_of_a_finished_task_waits_until_the_server_has_it() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    agent.fate.push_back(Err(SendError::Offline));
    agent.job().await.done();
    // The session is gone while the message is sent, and comes back.
    while !agent.fate.is_empty() {
        agent.take().await;
    }
    agent.online(true).await;
    let message = agent.message().await;
    assert_eq!(message.bodies[""], "Task 1 is done ($0.00). It works.");
    assert_eq!(message.id.unwrap().0, "ada-notice-1");
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn message_that_was_not_confirmed_is_sent_again_under_the_same_id() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, "work on nuketown -- one").await;
    agent.fate.push_back(Err(SendError::Unconfirmed));
    agent.job().await.done();
    assert_eq!(agent.message().await.id.unwrap().0, "ada-notice-1");
    agent.stop().await;
}

#[tokio::test]
async fn thousand_tasks_are_queued_and_run_in_order() {
    let mut agent = Agent::start("workstation").await;
    for n in 0..1000 {
        let ask =
            Ask::Task { project: None, branch: None, text: format!("task {n}"), mode: Some(Mode::Headless) };
        assert!(matches!(agent.ask(ask).await, Answer::Accepted { position, .. } if position == n));
    }
    match agent.ask(Ask::Queue {}).await {
        Answer::Queue { tasks } => assert_eq!(tasks.len(), 1000),
        other => panic!("{other:?}"),
    }
    for n in 0..1000 {
        let hand = agent.job().await;
        assert_eq!(hand.job.task.text, format!("task {n}"));
        hand.done();
        while let Some(call) = agent.seen.pop_front() {
            drop(call);
        }
        // Presence is announced for each; the script has to take it.
        agent.shows().await;
    }
    agent.stop().await;
}

#[tokio::test]
async fn person_at_the_machine_gets_a_terminal_and_the_log() {
    let mut agent = Agent::start("workstation").await;
    let ask =
        Ask::Task { project: Some("nuketown".parse().unwrap()), branch: None, text: "x".into(), mode: None };
    assert!(matches!(agent.ask(ask).await, Answer::Accepted { position: 0, .. }));
    let hand = agent.job().await;
    assert_eq!(hand.job.task.mode, Mode::Interactive);
    hand.progress(note("hello")).await;
    hand.done();
    assert_eq!(agent.shows().await, "chat Ready");
    assert_eq!(agent.shows().await, "dnd Working: nuketown: x");
    assert_eq!(agent.shows().await, "chat Ready");
    match agent.ask(Ask::Log { task: None, follow: false }).await {
        Answer::Log { lines } => assert_eq!(lines[0].text, "hello"),
        other => panic!("{other:?}"),
    }
    match agent.ask(Ask::Task { project: None, branch: None, text: " \n".into(), mode: None }).await {
        Answer::Error { cause, .. } => assert_eq!(cause, "it does not say what is to be done"),
        other => panic!("{other:?}"),
    }
    agent.stop().await;
}

#[tokio::test]
async fn full_disk_is_said_and_the_daemon_goes_on() {
    let mut agent = Agent::start("cloud").await;
    agent.store.fill(true);
    let long = format!("work on nuketown -- {}", "x".repeat(10_000));
    let mut answer = String::new();
    // The last pages may still have room for some.
    while !answer.contains("nothing was done") {
        answer = agent.answers(JOSH, &long).await;
    }
    assert!(answer.contains("state file failed") && answer.contains("full"), "{answer}");
    agent.store.fill(false);
    assert!(!agent.answers(JOSH, &long).await.contains("nothing was done"));
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reply_that_could_not_be_sent_is_sent_again_under_the_same_id() {
    let mut agent = Agent::start("cloud").await;
    agent.fate.extend([Err(SendError::Offline), Err(SendError::Unconfirmed)]);
    assert_eq!(agent.answers(JOSH, "queue").await, "There is no task.");
    assert!(agent.fate.is_empty());
    agent.stop().await;
}
