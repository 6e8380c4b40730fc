//! What a service tells systemd: that the service is ready, alive, stopping (`sd_notify(3)`).

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// The service manager, if there is one that listens.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says. Without `NOTIFY_SOCKET` nobody is told anything.
    ///
    /// # Errors
    ///
    /// The manager's socket is named and cannot be reached.
    pub fn of_environment() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self { socket: None, watchdog: None });
        };
        let socket = UnixDatagram::unbound()?;
        match name.as_bytes().strip_prefix(b"@") {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(&name)?,
        }
        // A manager that does not read must not stop the service.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), watchdog: watchdog() })
    }

    /// It serves.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// It ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// It lives.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1");
        }
    }

    /// How often it has to say that it lives.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.watchdog
    }

    fn say(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // The manager sees by itself what becomes of the service.
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// Half of the time after which the manager would kill it, if it watches this very process.
fn watchdog() -> Option<Duration> {
    let own = env::var("WATCHDOG_PID").map_or(Ok(std::process::id()), |pid| pid.parse()).ok()?;
    let after: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (own == std::process::id() && after > 0).then(|| Duration::from_micros(after / 2))
}
