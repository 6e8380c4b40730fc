//! What systemd is told (`sd_notify(3)`): that the daemon is ready, that it lives, that it stops. Elsewhere nothing happens.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How often systemd wants to hear that the daemon lives, halved as its manual asks for.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    let mut microseconds = 0;
    let watched = sd_notify::watchdog_enabled(false, &mut microseconds);
    (watched && microseconds > 0).then(|| Duration::from_micros(microseconds) / 2)
}

/// The socket listens and the state is there.
pub fn ready() {
    say("READY=1");
}

/// The daemon's loop turns.
pub fn alive() {
    say("WATCHDOG=1");
}

/// The daemon is about to end.
pub fn stopping() {
    say("STOPPING=1");
}

fn say(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    match send(&name, state) {
        // A manager that does not read must not stop the daemon.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => tracing::warn!(%error, "cannot tell systemd"),
        Ok(()) => {}
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    socket.send(state.as_bytes()).map(drop)
}
