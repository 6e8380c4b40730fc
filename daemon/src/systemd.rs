//! What systemd is told (`sd_notify(3)`): that the daemon is ready, that it lives, that it stops. Elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often systemd wants to hear that the daemon lives, halved as its manual asks for.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    let mut microseconds = 0;
    let watched = sd_notify::watchdog_enabled(false, &mut microseconds);
    (watched && microseconds > 0).then(|| Duration::from_micros(microseconds) / 2)
}

/// The socket listens and the state is there.
pub fn ready() {
    say(&[NotifyState::Ready]);
}

/// The daemon's loop turns.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// The daemon is about to end.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}
