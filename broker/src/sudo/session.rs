//! The connection to the broker: as whoever asks, to nobody but the configured approver, and never longer than it may take.

use std::{
    io::{self, Read as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        socket::{
            AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
    unistd::{Gid, Uid, setegid, seteuid},
};
use nuketown::Problem;
use nuketown_approval::socket::{FromBroker, FromClient, LINE_BYTES_MAX, Waiting};

use super::{
    caller::Caller,
    conversation::{Conversation, Step, unexpected},
};

/// How long the broker may take for what needs no human, and how long after a deadline its word is still waited for.
const PROMPT: Duration = Duration::from_secs(10);

/// The signals that withdraw a request: those that ask a program on a terminal to end.
const WITHDRAWS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Why nothing runs.
#[derive(Debug)]
pub enum Ended {
    /// For this reason.
    Refused(Problem),
    /// Whoever asked withdrew it, by this signal.
    Withdrawn(Signal),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// Connects to the broker with the effective user of whoever asks, so that it sees who that is (`SO_PEERCRED`).
///
/// # Errors
///
/// If nobody listens, or somebody else than `approver` or root does.
pub fn connect_as(caller: &Caller, path: &Path, approver: Uid) -> Result<UnixStream, Problem> {
    if caller.uid == approver {
        let cause = format!("{} is the configured approver", caller.name);
        return Err(Problem::new("nobody approves their own requests", cause));
    }
    let stream =
        acting_as(caller.uid, caller.gid, || open(path))?.map_err(|errno| unreachable(path, errno.desc()))?;
    listener_is(&stream, approver).map_err(|cause| unreachable(path, &cause))?;
    Ok(stream)
}

fn unreachable(path: &Path, cause: &str) -> Problem {
    Problem::new(format!("no broker can be asked at {}", path.display()), cause)
        .hint("nothing was run; the approver has to start nuketown-broker")
}

fn open(path: &Path) -> nix::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // A listener that takes nobody in would keep connect(2) waiting for ever.
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::new(10, 0))?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(fd))
}

/// Sees by the socket itself who called listen(2) on it.
fn listener_is(stream: &UnixStream, approver: Uid) -> Result<(), String> {
    let peer = getsockopt(stream, sockopt::PeerCredentials).map_err(|errno| errno.desc().to_owned())?;
    let uid = Uid::from_raw(peer.uid());
    if uid == approver || uid.is_root() {
        return Ok(());
    }
    Err(format!("user {uid} listens there, and only the approver, user {approver}, is believed"))
}

/// Does something with another effective user and group.
///
/// # Errors
///
/// If this process cannot become that user, or not itself again.
pub(super) fn acting_as<T>(uid: Uid, gid: Gid, act: impl FnOnce() -> T) -> Result<T, Problem> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let wrong = |errno: Errno| Problem::new("this process cannot act as another user", errno.desc());
    setegid(gid).map_err(wrong)?;
    let outcome = seteuid(uid).map(|()| act());
    seteuid(user).and_then(|()| setegid(group)).map_err(wrong)?;
    outcome.map_err(wrong)
}

/// A conversation over a connection.
pub struct Session {
    stream: UnixStream,
    received: Vec<u8>,
    signals: SignalFd,
    mask: SigSet,
    prompt: Duration,
}

impl Session {
    /// Takes a connection. From here on, the signals that withdraw are taken here; [`Session::close`] lets them go.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn new(stream: UnixStream) -> Result<Self, Problem> {
        let wrong = |cause: String| Problem::new("the broker cannot be asked", cause);
        stream.set_nonblocking(true).map_err(|error| wrong(error.to_string()))?;
        let mask = WITHDRAWS.into_iter().collect::<SigSet>();
        mask.thread_block().map_err(|errno| wrong(errno.desc().to_owned()))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&mask, flags).map_err(|errno| wrong(errno.desc().to_owned()))?;
        Ok(Self { stream, received: Vec::new(), signals, mask, prompt: PROMPT })
    }

    /// Has the whole conversation. Ok: it may run, now and once.
    ///
    /// `patience` is how long a human may think at most; None: nobody is asked, so the answer comes at once.
    /// `tell` hears that a human is asked; `ready` sees that what is about to run is still what was asked for.
    ///
    /// # Errors
    ///
    /// In every other case: nothing may run.
    pub fn converse(
        &mut self,
        mut conversation: Conversation,
        mut tell: impl FnMut(&Waiting),
        ready: impl Fn() -> Result<(), Problem>,
        patience: Option<Duration>,
    ) -> Result<(), Ended> {
        self.send(&conversation.first())?;
        let mut until = Instant::now() + self.prompt;
        loop {
            let line = match self.line(until) {
                Err(Ended::Withdrawn(signal)) => {
                    if let Some(cancel) = conversation.cancel() {
                        // The connection is closed next, which says the same.
                        let _ = self.send(&cancel);
                    }
                    return Err(Ended::Withdrawn(signal));
                }
                other => other?,
            };
            match conversation.on(line)? {
                Step::Wait(waiting) => {
                    until = Instant::now()
                        + patience.map_or(Duration::ZERO, |most| left(&waiting).min(most))
                        + self.prompt;
                    tell(&waiting);
                }
                Step::Spend(spend) => {
                    ready()?;
                    self.send(&spend)?;
                    until = Instant::now() + self.prompt;
                }
                Step::Run if self.received.is_empty() => return Ok(()),
                Step::Run => return Err(unexpected("it went on after the end").into()),
            }
        }
    }

    /// Ends the connection, and lets the signals go again.
    pub fn close(self) {
        let Self { stream, signals, mask, .. } = self;
        drop((stream, signals));
        // The standard library empties the mask before it executes anything, so this is for what is said in between.
        let _ = mask.thread_unblock();
    }

    fn send(&mut self, line: &FromClient) -> Result<(), Problem> {
        let text = line.to_line();
        if text.len() > LINE_BYTES_MAX {
            let cause = format!("its line has {} bytes, and {LINE_BYTES_MAX} is the most", text.len());
            return Err(Problem::new("the request is too large to be asked", cause));
        }
        let until = Instant::now() + self.prompt;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
                    wait(&mut fds, until)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error.to_string())),
            }
        }
        Ok(())
    }

    /// The next line, before `until`.
    fn line(&mut self, until: Instant) -> Result<FromBroker, Ended> {
        loop {
            if let Some(end) = self.received.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line =
                    FromBroker::from_line(&line).map_err(|malformed| unexpected(&malformed.to_string()))?;
                return Ok(line);
            }
            if self.received.len() >= LINE_BYTES_MAX {
                return Err(unexpected("its line does not end").into());
            }
            let mut fds = [
                PollFd::new(self.stream.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            wait(&mut fds, until)?;
            self.look_for_signal()?;
            self.receive()?;
        }
    }

    fn look_for_signal(&mut self) -> Result<(), Ended> {
        match self.signals.read_signal() {
            Ok(Some(info)) => {
                let signal =
                    i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
                Err(Ended::Withdrawn(signal.unwrap_or(Signal::SIGTERM)))
            }
            Ok(None) => Ok(()),
            Err(errno) => Err(Problem::new("signals cannot be read", errno.desc()).into()),
        }
    }

    fn receive(&mut self) -> Result<(), Problem> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(lost("it closed the connection")),
            Ok(read) => {
                self.received.extend_from_slice(buffer.get(..read).unwrap_or_default());
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(lost(&error.to_string())),
        }
    }
}

fn lost(cause: &str) -> Problem {
    Problem::new("the broker is gone", cause).hint("nothing was run; ask again")
}

fn wait(fds: &mut [PollFd<'_>], until: Instant) -> Result<(), Problem> {
    let left = until.saturating_duration_since(Instant::now());
    // Rounded up, or it would spin through the last millisecond.
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(fds, timeout) {
        Ok(0) if Instant::now() >= until => {
            Err(Problem::new("nobody has answered in time", "the broker says nothing any more")
                .hint("ask again"))
        }
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(lost(errno.desc())),
    }
}

/// How long until a request expires.
fn left(waiting: &Waiting) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires = u64::try_from(waiting.expires.as_millisecond()).unwrap_or_default();
    Duration::from_millis(expires).saturating_sub(now)
}

#[cfg(test)]
mod tests;
