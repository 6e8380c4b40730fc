//! Requests as dialogs on the human's desktop, by zenity.
//!
//! # Expected flow
//!
//! [`Dialogs::start`], then [`Dialogs::offer`] per request and [`Dialogs::withdraw`] for what was decided elsewhere. What the
//! human decides, and that there is no desktop, comes as [`Event`]s.
//!
//! # Guarantees
//!
//! - Only the two acts of ticking "I have read the whole request" and pressing the Approve that this makes usable approve. One
//!   click, one key or a double click that was meant for another window cannot: the two stand in different places, and no key
//!   presses both. What comes before a window has been there for [`Settings::settle`] approves nothing, so neither do keys that
//!   somebody typed on without looking. Closing the window and Escape deny; Enter alone does nothing.
//! - One window is open at a time, so that no window appears below a click that was meant for the one above it. The agents take
//!   turns, so that one of them cannot keep the others from being seen.
//! - A window closes when its request is withdrawn, and by itself at the deadline, even if this process is gone by then.
//! - What is shown is plain text that zenity reads from its standard input. It is markup nowhere, and stands in no argument
//!   that other users see in the list of processes.
//! - Exit codes are our own, so neither a shell, a failed GTK nor a variable of the environment says "approved" by accident.
//!
//! # Assumptions
//!
//! - The caller is the only one who decides: an answer may come for a request that another channel has decided meanwhile.
//! - The caller bounds how many requests are open.

mod exit;
mod look;
mod queue;
mod stylesheet;
mod text;
mod window;

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};
use nuketown::Problem;
use nuketown_approval::{Digest, Key, Request};
use tokio::{sync::mpsc, task::JoinHandle};

use exit::Exit;
use queue::Queue;
use window::Window;

pub use look::{Edge, Look};

/// A request as a human is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The request, from an agent that was authenticated.
    pub request: Request,
    /// The role that the town gives to this agent, or empty.
    pub role: String,
    /// When silence becomes a refusal.
    pub expires: Timestamp,
}

impl Shown {
    fn key(&self) -> Key {
        Key { agent: self.request.agent.clone(), id: self.request.id.clone() }
    }
}

/// What happened at the desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The human has decided. The window is gone.
    Answer {
        /// Whose request, and which.
        key: Key,
        /// What stood in the window.
        digest: Digest,
        /// Approved, or denied by the button, Escape or closing the window.
        approved: bool,
    },
    /// Dialogs cannot be shown. It is said once, until one could be shown again. The request stays open for other channels.
    Unavailable(Problem),
}

/// How dialogs are shown.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program, by its path or as found on `PATH`.
    pub zenity: PathBuf,
    /// The environment of the human's session. What a window does not need is not handed on.
    pub environment: Vec<(OsString, OsString)>,
    /// The zone in which a deadline is shown.
    pub zone: TimeZone,
    /// An approval that comes sooner than this after its window was started is not taken, and asked for again: nobody has read
    /// a request by then, but keys and clicks that were meant for another window are still on their way.
    pub settle: Duration,
}

/// Long enough for a hand to notice that the window below it has changed. Who reads is slower.
const SETTLE: Duration = Duration::from_secs(2);

impl Settings {
    /// `zenity` of this process's own environment, which is that of the human's session, in the system's time zone.
    #[must_use]
    pub fn of_this_session() -> Self {
        Self {
            zenity: PathBuf::from("zenity"),
            environment: std::env::vars_os().collect(),
            zone: TimeZone::system(),
            settle: SETTLE,
        }
    }
}

/// The desktop as a channel. Dropping it closes the open window and forgets what waits.
#[derive(Debug)]
pub struct Dialogs {
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Offer(Box<Shown>),
    Withdraw(Key),
}

impl Dialogs {
    /// Starts the one task that shows dialogs, in the current tokio runtime. It ends when `events` is closed.
    #[must_use]
    pub fn start(settings: Settings, events: mpsc::Sender<Event>) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let desk = Desk { settings, events, queue: Queue::default(), open: None, was_unavailable: false };
        Self { commands, task: tokio::spawn(desk.run(received)) }
    }

    /// Shows a request once those before it are answered.
    pub fn offer(&self, shown: Shown) {
        // Fails only when the task has ended because nobody listens any more.
        let _ = self.commands.send(Command::Offer(Box::new(shown)));
    }

    /// Takes a request back that was answered elsewhere, has expired or was cancelled.
    pub fn withdraw(&self, key: Key) {
        let _ = self.commands.send(Command::Withdraw(key));
    }
}

impl Drop for Dialogs {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The state of the task: what waits, and the window that is open.
struct Desk {
    settings: Settings,
    events: mpsc::Sender<Event>,
    queue: Queue,
    open: Option<Open>,
    was_unavailable: bool,
}

/// The window, what stands in it and since when.
struct Open {
    shown: Shown,
    window: Window,
    since: Instant,
}

impl Desk {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.open_next().await;
            let alive = match &mut self.open {
                None => match commands.recv().await {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                Some(Open { window, .. }) => tokio::select! {
                    exit = window.exit() => self.closed(exit).await,
                    command = commands.recv() => match command {
                        Some(command) => self.obey(command).await,
                        None => return,
                    },
                },
            };
            if !alive {
                return;
            }
        }
    }

    /// Opens a window for the next request that has time left, if none is open.
    async fn open_next(&mut self) {
        while self.open.is_none() {
            let waiting = self.queue.len();
            let Some(shown) = self.queue.next() else { return };
            let left = time_left(&shown, Timestamp::now());
            if left.is_zero() {
                continue;
            }
            let text = text::body(&shown, waiting, &self.settings.zone);
            match Window::open(&self.settings, &shown, &text, left) {
                Ok(window) => self.open = Some(Open { shown, window, since: Instant::now() }),
                Err(problem) => self.unavailable(problem).await,
            }
        }
    }

    /// Whether there is still somebody to work for.
    async fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Offer(shown) => {
                if let Some(open) = &self.open {
                    open.window.append(text::also_waits(&shown));
                }
                self.queue.push(*shown);
            }
            Command::Withdraw(key) => {
                self.queue.remove(&key);
                if let Some(open) = self.open.take_if(|open| open.shown.key() == key) {
                    open.window.close().await;
                }
            }
        }
        !self.events.is_closed()
    }

    /// The open window is gone. Says whether there is still somebody to work for.
    async fn closed(&mut self, exit: Exit) -> bool {
        let Some(Open { shown, since, .. }) = self.open.take() else { return true };
        match exit {
            Exit::Approved if since.elapsed() < self.settings.settle => {
                self.queue.push_first(shown);
                true
            }
            Exit::Approved | Exit::Denied => {
                self.was_unavailable = false;
                let (key, digest) = (shown.key(), shown.request.digest());
                self.events
                    .send(Event::Answer { key, digest, approved: exit == Exit::Approved })
                    .await
                    .is_ok()
            }
            // The caller watches deadlines by its own clock.
            Exit::Expired => {
                self.was_unavailable = false;
                true
            }
            Exit::Failed(cause) => {
                self.unavailable(no_dialog(cause)).await;
                !self.events.is_closed()
            }
        }
    }

    async fn unavailable(&mut self, problem: Problem) {
        if !self.was_unavailable {
            self.was_unavailable = true;
            let _ = self.events.send(Event::Unavailable(problem)).await;
        }
    }
}

/// How long a request is still open: zero when it is over.
fn time_left(shown: &Shown, now: Timestamp) -> Duration {
    Duration::try_from(shown.expires.duration_since(now)).unwrap_or_default()
}

fn no_dialog(cause: String) -> Problem {
    Problem::new("cannot show a dialog on the desktop", cause).hint(
        "the request is open on the other channels; check that zenity is installed and that DISPLAY or WAYLAND_DISPLAY of the \
         broker name the session",
    )
}
