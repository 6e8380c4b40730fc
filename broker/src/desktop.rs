//! The dialog as a channel to the human.

use std::sync::Arc;

use nuketown::Problem;
use nuketown_approval::{Answer as Said, Channel as From, Key};
use tokio::sync::mpsc;

use crate::{
    channel::{About, Answer, Channel, Offered, Outcome},
    config::Agents,
    dialog::{Dialogs, Event, Settings, Shown},
    engine::Input,
    report,
};

/// Events that wait for the engine at most; then the dialogs wait.
const WAITING: usize = 16;

/// Dialogs on the desktop of this session.
#[derive(Debug)]
pub struct Desktop {
    dialogs: Dialogs,
    agents: Agents,
}

impl Desktop {
    /// Starts to show dialogs, in the current tokio runtime. What the human says goes to `inputs`.
    #[must_use]
    pub fn start(settings: Settings, agents: Agents, inputs: mpsc::Sender<Input>) -> Self {
        let (events, received) = mpsc::channel(WAITING);
        tokio::spawn(listen(received, inputs));
        Self { dialogs: Dialogs::start(settings, events), agents }
    }
}

impl Channel for Desktop {
    fn offer(&mut self, offered: &Arc<Offered>) {
        self.dialogs.offer(Shown {
            request: offered.request.clone(),
            role: self.agents.role(&offered.key.agent).to_owned(),
            expires: offered.until,
        });
    }

    fn withdraw(&mut self, key: &Key, _outcome: &Outcome) {
        self.dialogs.withdraw(key.clone());
    }
}

/// Whether this process was started in a desktop session.
#[must_use]
pub fn is_there(settings: &Settings) -> bool {
    let set = |name: &str| settings.environment.iter().any(|(key, value)| key == name && !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// That a dialog was wanted and none can be shown.
#[must_use]
pub fn missing() -> Problem {
    Problem::new(
        "cannot show dialogs",
        "dialog is \"always\", and neither DISPLAY nor WAYLAND_DISPLAY is set",
    )
    .hint("start the broker in the desktop session, as systemctl --user does, or set dialog = \"auto\"")
}

async fn listen(mut events: mpsc::Receiver<Event>, inputs: mpsc::Sender<Input>) {
    while let Some(event) = events.recv().await {
        let input = match event {
            Event::Answer { key, digest, approved } => Input::Answer(Answer {
                about: About::Offered(key, digest),
                said: Some(if approved { Said::Approved } else { Said::Denied }),
                from: From::Dialog,
                heard: None,
            }),
            // Requests still go to the desktop: it may come back. One that nobody can be shown waits for another channel's
            // answer, or for its deadline.
            Event::Unavailable(problem) => {
                report::warn(&problem.to_string());
                continue;
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}
