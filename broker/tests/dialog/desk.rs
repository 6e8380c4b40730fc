//! A desktop, the dialogs on it, and requests to show.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use nuketown_approval::{AbsolutePath, Argv, Environment, Key, Payload, Request, Sudo};
use nuketown_broker::dialog::{Dialogs, Event, Settings, Shown};
use tokio::sync::mpsc;

use crate::desktop::{Desktop, PATIENCE};

pub(crate) fn settings(desktop: &Desktop) -> Settings {
    Settings {
        zenity: PathBuf::from("zenity"),
        environment: desktop
            .environment()
            .into_iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect(),
        zone: TimeZone::UTC,
        settle: Duration::ZERO,
    }
}

/// A request of an agent to run a command, with ten minutes to answer.
pub(crate) fn request(id: &str, agent: &str, command: &[&str]) -> Shown {
    let argv = Argv::new(command.iter().map(|argument| argument.as_bytes().to_vec()).collect()).unwrap();
    let request = Request {
        id: id.parse().unwrap(),
        agent: agent.parse().unwrap(),
        payload: Payload::Sudo(Sudo {
            argv,
            program: None,
            identity: None,
            environment: Environment::default(),
            user: "root".parse().unwrap(),
            group: None,
        }),
        cwd: Some(AbsolutePath::new("/home/ada/projects/nuketown".into()).unwrap()),
        host: None,
        nonce: None,
        expires: None,
        timeout: None,
    };
    Shown { request, role: "software".to_owned(), expires: Timestamp::now() + Duration::from_secs(600) }
}

pub(crate) fn key(id: &str, agent: &str) -> Key {
    Key { agent: agent.parse().unwrap(), id: id.parse().unwrap() }
}

/// A desktop and the dialogs on it.
pub(crate) struct Desk {
    pub(crate) desktop: Desktop,
    pub(crate) dialogs: Dialogs,
    pub(crate) events: mpsc::Receiver<Event>,
}

impl Desk {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With a desktop as it comes, not painted for finding things.
    pub(crate) fn start_plain() -> Self {
        Self::on(Desktop::start_plain(), |_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(Desktop::start(), change)
    }

    fn on(desktop: Desktop, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(&desktop);
        change(&mut settings);
        let (sender, events) = mpsc::channel(16);
        Self { desktop, dialogs: Dialogs::start(settings, sender), events }
    }

    pub(crate) async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").unwrap()
    }

    pub(crate) async fn expect_answer(&mut self, id: &str, approved: bool) {
        let Event::Answer { key, digest: _, approved: answer } = self.event().await else {
            panic!("an answer")
        };
        assert_eq!((key.id.to_string().as_str(), answer), (id, approved));
    }
}
