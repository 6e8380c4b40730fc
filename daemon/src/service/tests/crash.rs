//! Killed at every step of the store, and started again: a child process of this very test binary is the daemon.
//!
//! Its session acknowledges what is said, its sender asks again for what was not answered, as people and clients do, and its runner
//! does two turns for each task, each written down before it is done. What happens outside of the store goes into files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::store::crash;
use crate::task::{State, TaskId};

const DIRECTORY: &str = "NUKETOWN_TEST_CRASH_DIRECTORY";
const STEP: &str = "NUKETOWN_TEST_CRASH_STEP";
const REQUESTS: [&str; 3] =
    ["work on nuketown -- plain", "work on moonshot -- asks", "work on mynix -- fails"];

/// Appends a line, which a killed process does not lose.
fn record(file: &Path, line: &str) {
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn records(file: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

#[derive(Debug)]
struct TwoTurns {
    effects: PathBuf,
}

impl Runner for TwoTurns {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let effects = self.effects.clone();
        Box::pin(async move {
            let Job { task, store, steps, .. } = job;
            let questions = store.questions(task.id).unwrap();
            if task.text == "asks" && questions.iter().all(|question| question.answer.is_none()) {
                return Outcome::NeedsAnswer("Where is moonshot?".into());
            }
            steps.send(Step::Working).await.unwrap();
            // The last turn that was written down may or may not have been done.
            let done = store.turns(task.id).unwrap().len();
            for turn in done.max(1)..=2 {
                if turn > done {
                    store.journal_turn(task.id, "{}", Timestamp::now()).unwrap();
                }
                record(&effects, &format!("task {} turn {turn}", task.id));
            }
            steps.send(Step::Progress(Progress::Note("nearly".into()))).await.unwrap();
            if task.text == "fails" {
                return Outcome::Failed { what: "no".into(), cause: "way".into(), hint: None };
            }
            Outcome::Done { summary: "ok".into(), branch: None, commits: Vec::new(), cost: 0 }
        })
    }
}

/// The daemon of the child process, which ends when all is done and said.
#[tokio::test]
#[ignore = "is the child process of the test below"]
async fn daemon_of_the_child_process() {
    let home = PathBuf::from(std::env::var_os(DIRECTORY).expect("started by the test below"));
    crash::at(std::env::var(STEP).unwrap().parse().unwrap());
    let store = Store::open(&home.join("state")).unwrap();
    let (mut script, handle, events) = Script::start();
    let (_asked, asked) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let parts = Parts {
        settings: Settings::read(&home).unwrap(),
        store: store.clone(),
        runner: Arc::new(TwoTurns { effects: home.join("effects") }),
        session: Some((handle, events)),
        asked,
        grown: watch::channel(0).0,
        metrics: Arc::new(Metrics::default()),
        clock: now,
    };
    let service = tokio::spawn(run(parts, stop.clone()));
    let jid = "ada@town.example/nuketown-daemon".parse().unwrap();
    script.happens(Event::Online { jid, fresh: true }).await;
    let answered = fs::read_to_string(home.join("said")).unwrap_or_default();
    for (n, request) in REQUESTS.into_iter().enumerate() {
        if !answered.contains(&format!("reply m{n}")) {
            script.arrives(said_by_josh(&format!("m{n}"), request)).await;
        }
    }
    let mut waiting = answered.contains("Where is moonshot?") && !answered.contains("goes on");
    loop {
        if std::mem::take(&mut waiting) {
            script.arrives(said_by_josh("answer", "answer 2 git@example.org:moonshot.git")).await;
        }
        if is_over(&store) {
            break;
        }
        match script.call().await {
            Call::Announce(availability) => record(&home.join("presence"), &availability.status),
            Call::Message(message, outcome) => {
                let text = message.bodies[""].clone();
                waiting = text.contains("Where is moonshot?");
                note_reply(&home, &message, &text);
                outcome.is(Ok(Delivery::Acknowledged));
            }
            other => panic!("{other:?}"),
        }
    }
    crash::at(0);
    stop.cancel();
    while !service.is_finished() {
        match script.call().await {
            Call::Stop(stopped) => {
                stopped.done();
                break;
            }
            Call::Announce(availability) => record(&home.join("presence"), &availability.status),
            _ => {}
        }
    }
    service.await.unwrap().unwrap();
}

fn said_by_josh(id: &str, text: &str) -> Message {
    let mut message = chat("ada@town.example".parse().unwrap(), text.to_owned());
    message.from = Some(JOSH.parse().unwrap());
    message.id = Some(Id(id.to_owned()));
    message
}

/// What was said, and to which request it is the reply.
fn note_reply(home: &Path, message: &Message, text: &str) {
    let id = message.id.as_ref().map_or("", |id| id.0.as_str());
    record(&home.join("said"), &format!("{id} {}", text.lines().next().unwrap_or_default()));
    for n in 0..3 {
        let task = n + 1;
        if text == format!("Task {task}: on it.")
            || text.ends_with(&format!("(task {task})."))
            || text == format!("I have that already, as task {task}.")
        {
            record(&home.join("said"), &format!("reply m{n}"));
        }
    }
}

fn is_over(store: &Store) -> bool {
    let tasks = store.history(10).unwrap();
    tasks.len() == 3
        && tasks.iter().all(|entry| entry.task.state.is_final())
        && store.next_notice().unwrap().is_none()
}

fn child(home: &Path, step: u32) -> std::process::ExitStatus {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "service::tests::crash::daemon_of_the_child_process"])
        .env(DIRECTORY, home)
        .env(STEP, step.to_string())
        .output()
        .unwrap();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "step {step}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    output.status
}

#[test]
fn daemon_killed_at_any_step_loses_no_task_and_runs_none_twice() {
    for step in 1.. {
        let home = home("cloud");
        let killed = child(home.path(), step).signal() == Some(9);
        if killed {
            assert!(child(home.path(), 0).success());
        }
        check(home.path(), step);
        if !killed {
            // So many steps there are, and each was one at which the daemon was killed.
            assert!(step > 60, "only {step} steps");
            return;
        }
    }
}

/// What holds at the end, whenever the daemon was killed.
fn check(home: &Path, step: u32) {
    let store = Store::open(&home.join("state")).unwrap();
    let states: Vec<State> = (1..=3).map(|id| store.task(TaskId(id)).unwrap().state).collect();
    assert_eq!(states, [State::Done, State::Done, State::Failed], "killed at step {step}");
    let effects = records(&home.join("effects"));
    assert_eq!(effects.len(), 6, "killed at step {step}: {effects:?}");
    let repeated: usize = effects.values().map(|count| count - 1).sum();
    assert!(repeated <= 1, "killed at step {step}: {effects:?}");
    let said = fs::read_to_string(home.join("said")).unwrap();
    for task in 1..=3 {
        let ends = [format!("Task {task} is done"), format!("Task {task} failed")];
        // Said twice, it has the same id twice.
        let ids: std::collections::BTreeSet<_> = said
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, text)| ends.iter().any(|end| text.starts_with(end.as_str())))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(ids.len(), 1, "killed at step {step}: {said}");
    }
    let presence = fs::read_to_string(home.join("presence")).unwrap();
    assert_eq!(presence.lines().last(), Some("Ready"), "killed at step {step}");
}
