//! The service: one task that hears, decides and reports, and the tasks that it starts.
//!
//! # Guarantees
//!
//! - A request is answered after it is written down, and started after that.
//! - One task of the agent runs at a time.
//! - What a requester is to hear of a task is written down with what happened, and stays so until the server has it.

mod approval;
mod chat;
mod desk;
mod outbox;
mod rooms;
mod work;

use std::sync::Arc;
use std::time::Duration;

use nuketown_approval::Now;
use nuketown_xmpp::{Event, Events, Fatal, Handle, SendError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::runner::Runner;
use crate::store::{Store, StoreError};
use crate::wire::{Answer, Ask, Probe};
use desk::Desk;
use work::Happened as Work;

/// For a session to end after a stop of the daemon, and for the last words to be said.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a service is made of.
#[derive(Debug)]
pub struct Parts {
    /// What it is told.
    pub settings: Settings,
    /// What it remembers.
    pub store: Store,
    /// What runs tasks.
    pub runner: Arc<dyn Runner>,
    /// Its session on XMPP, if it has an account.
    pub session: Option<(Handle, Events)>,
    /// The requests of programs of this machine.
    pub asked: mpsc::Receiver<Asked>,
    /// Counted up whenever a task's log has grown.
    pub grown: watch::Sender<u64>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: fn() -> Now,
}

/// A request of a program of this machine.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub peer: Peer,
    /// What.
    pub ask: Ask,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// Why the service ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It cannot remember.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be on XMPP.
    #[error(transparent)]
    Xmpp(#[from] Fatal),
    /// The session ended before it was told to.
    #[error("the XMPP session ended")]
    SessionEnded(#[from] SendError),
}

/// Runs until it is told to stop. The task that runs then is taken up again by the next service on the same store.
///
/// # Errors
///
/// See [`ServiceError`]. Nothing that was accepted is lost then either.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), ServiceError> {
    let Parts { settings, store, runner, session, mut asked, grown, metrics, clock } = parts;
    let (handle, mut events) = session.unzip();
    let outbox = outbox::start(handle.clone(), store.clone(), settings.identity.name.clone());
    let mut desk = Desk::new(desk::Ties { settings, store, runner, handle, outbox, grown, metrics, clock });
    let result = serve(&mut desk, &mut events, &mut asked, &stop).await;
    desk.close(FAREWELL).await;
    result
}

async fn serve(
    desk: &mut Desk,
    events: &mut Option<Events>,
    asked: &mut mpsc::Receiver<Asked>,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    desk.start_or_wait();
    desk.announce().await?;
    loop {
        let (due, retry) = (desk.approval_due(), desk.retry);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = until(due) => desk.on_approval_due()?,
            // The next task is tried again below.
            () = until(retry) => {}
            event = next(events) => match event {
                Some(Event::Fatal(fatal)) => return Err(fatal.into()),
                Some(event) => desk.on_event(event)?,
                None => return Err(SendError::Ended.into()),
            },
            Some(asked) = asked.recv() => match asked.ask {
                Ask::ApproveTest {} => desk.approve_test(asked.reply)?,
                ask => {
                    let answer = desk.ask(&asked.peer, ask).unwrap_or_else(|error| desk::failed(&error));
                    // A program that is gone wants no answer.
                    drop(asked.reply.send(answer));
                }
            },
            happened = desk.work() => match happened {
                Work::Step(reported) => desk.on_step(reported)?,
                Work::Ended(outcome) => desk.on_end(outcome)?,
                Work::Overdue => desk.abandon(),
            },
        }
        desk.start_or_wait();
        desk.announce().await?;
    }
}

/// The next event, or never, where there is no session.
async fn next(events: &mut Option<Events>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// When a moment has come, or never.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whether the service's loop turns: it answers within the patience of a probe.
pub async fn is_alive(asked: &mpsc::Sender<Asked>) -> bool {
    let (reply, answer) = oneshot::channel();
    let peer = Peer::Owner(rustix::process::geteuid().as_raw());
    let sent = asked.send(Asked { peer, ask: Ask::Health { probe: Probe::Live }, reply }).await;
    sent.is_ok() && matches!(answer.await, Ok(Answer::Healthy {}))
}

#[cfg(test)]
mod tests;
