//! The engine with a clock, channels and clients of the test's own, and a real log.

use std::sync::{Mutex, MutexGuard};

use nuketown_approval::{Argv, Code, Nonce, Payload, Sudo, policy::Minute};
use tempfile::TempDir;
use tokio::sync::{mpsc::Receiver, oneshot};

use super::*;
use crate::{
    audit::{Record, verify},
    channel::{About, Heard},
};

mod answers;
mod recording;
mod requests;

const POLICY: &str = r#"
    approver = "josh@6bit.com"
    timeout = 60
    [limits]
    open_per_agent = 4
    per_minute = 8
    [agents.ada]
    may = ["sudo", "scale"]
    pre_approved = ["id"]
    [agents.vox]
    may = ["delegate", "sudo"]
"#;

/// What all parts of the rig share.
struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

impl Clock for Shared<Now> {
    fn now(&self) -> Now {
        *self.get()
    }

    fn minute(&self) -> Option<Minute> {
        Minute::new(12, 0)
    }
}

#[derive(Default)]
struct Seen {
    offered: Vec<Arc<crate::channel::Offered>>,
    withdrawn: Vec<(Key, Outcome)>,
}

impl Channel for Shared<Seen> {
    fn offer(&mut self, offered: &Arc<crate::channel::Offered>) {
        self.get().offered.push(Arc::clone(offered));
    }

    fn withdraw(&mut self, key: &Key, outcome: &Outcome) {
        self.get().withdrawn.push((key.clone(), outcome.clone()));
    }
}

struct Rig {
    engine: Engine,
    clock: Shared<Now>,
    seen: Shared<Seen>,
    directory: TempDir,
}

/// A client and what it was told.
struct Asker {
    client: Client,
    told: Receiver<(u64, Told)>,
}

impl Rig {
    fn new() -> Self {
        Self::with(true, true)
    }

    fn with(dialog: bool, xmpp: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let wall: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let clock = Shared::new(Now { monotonic: Duration::from_secs(1000), wall });
        let seen = Shared::new(Seen::default());
        let (log, _) = Log::open(&directory.path().join("audit.jsonl"), "test", wall).unwrap();
        let engine = Engine::new(Parts {
            policy: Policy::from_toml(POLICY).unwrap(),
            host: Some("signi".parse().unwrap()),
            clock: Box::new(clock.clone()),
            log,
            channels: vec![Box::new(seen.clone())],
            dialog,
            xmpp,
        });
        Self { engine, clock, seen, directory }
    }

    fn takes(&mut self, input: Input) {
        self.engine.handle(input);
        self.engine.finish();
    }

    /// By both clocks.
    fn passes(&mut self, seconds: u64) {
        let since = Duration::from_secs(seconds);
        {
            let mut now = self.clock.get();
            now.monotonic += since;
            now.wall = now.wall.checked_add(since).unwrap();
        }
        self.engine.finish();
    }

    /// An agent asks and is told that it waits.
    fn waits(&mut self, asker: &mut Asker, program: &str) -> socket::Waiting {
        self.takes(Input::Ask(asker.client.clone(), Box::new(ask(program))));
        match asker.next() {
            Told::Waiting(waiting) => *waiting,
            other => panic!("{other:?}"),
        }
    }

    fn answers(&mut self, about: About, said: Said, from: From) -> Heard {
        let (heard, mut told) = oneshot::channel();
        self.takes(Input::Answer(Answer { about, said: Some(said), from, heard: Some(heard) }));
        told.try_recv().unwrap()
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        verify(&self.directory.path().join("audit.jsonl"), |record| records.push(record.clone())).unwrap();
        records
    }

    /// The kinds of the records, without the start.
    fn recorded(&self) -> Vec<String> {
        let entry = |record: &Record| serde_json::to_value(&record.entry).unwrap();
        let name = |record: &Record| match entry(record).get("outcome") {
            Some(outcome) => outcome.as_str().unwrap().to_owned(),
            None => entry(record)["event"].as_str().unwrap().to_owned(),
        };
        self.records().iter().skip(1).map(name).collect()
    }
}

impl Asker {
    fn new(agent: &str, connection: u64) -> Self {
        let (tell, told) = mpsc::channel(16);
        let by = format!("user {agent}");
        let client = Client { connection, agent: agent.parse().unwrap(), by, tell, remote: false };
        Self { client, told }
    }

    fn remote(agent: &str, connection: u64) -> Self {
        let mut asker = Self::new(agent, connection);
        asker.client.remote = true;
        asker
    }

    fn next(&mut self) -> Told {
        let (connection, told) = self.told.try_recv().expect("something is said");
        assert_eq!(connection, self.client.connection);
        told
    }

    fn decision(&mut self) -> (Said, String) {
        match self.next() {
            Told::Decision(_, decision) => (decision.result, decision.reason.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self) -> Problem {
        match self.next() {
            Told::Refused(_, problem) => problem,
            other => panic!("{other:?}"),
        }
    }

    fn hears_nothing(&mut self) {
        assert!(self.told.try_recv().is_err());
    }
}

fn sudo(program: &str) -> Payload {
    Payload::Sudo(Sudo {
        argv: Argv::new(vec![program.as_bytes().to_vec()]).unwrap(),
        program: Some(
            nuketown_approval::AbsolutePath::new(format!("/usr/bin/{program}").into_bytes()).unwrap(),
        ),
        identity: None,
        environment: nuketown_approval::Environment::default(),
        user: "root".parse().unwrap(),
        group: None,
    })
}

fn ask(program: &str) -> socket::Ask {
    socket::Ask {
        payload: sudo(program),
        cwd: None,
        nonce: Nonce(rand::random()),
        timeout: None,
        non_interactive: false,
    }
}

fn josh() -> From {
    From::Xmpp("josh@6bit.com".parse().unwrap())
}
