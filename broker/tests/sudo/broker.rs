//! A scripted broker on a real socket. It takes one connection, and fails on a line that is missing or too many.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    process::{Child, Command, Output},
    thread,
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::socket::{getsockopt, sockopt},
    unistd::{Uid, seteuid},
};
use nuketown_approval::{
    Answer, Payload, Request, Sudo,
    socket::{Ask, Decision, FromBroker, FromClient, Waiting},
};
use std::os::fd::AsFd as _;

use crate::world::{World, end_of};

/// The broker's side of the connection.
pub(crate) struct Peer {
    lines: BufReader<UnixStream>,
    agent: String,
    /// Who asks, by the socket.
    pub(crate) uid: Uid,
}

impl Peer {
    pub(crate) fn line(&mut self) -> FromClient {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).unwrap();
        FromClient::from_line(&line)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line)))
    }

    pub(crate) fn send(&mut self, line: &FromBroker) {
        self.send_text(&line.to_line());
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        // Whoever is refused may be gone already.
        let _ = self.lines.get_mut().write_all(text.as_bytes());
    }

    /// Takes the request, and gives what is made of it.
    pub(crate) fn request(&mut self) -> (Ask, Waiting) {
        let FromClient::Request(ask) = self.line() else { panic!("a request") };
        let expires = "2126-11-24T12:00:00Z".parse().unwrap();
        let request = Request {
            id: "a1b2c3".parse().unwrap(),
            agent: self.agent.parse().unwrap(),
            payload: ask.payload.clone(),
            cwd: ask.cwd.clone(),
            host: Some("testhost".parse().unwrap()),
            nonce: Some(ask.nonce),
            expires: Some(expires),
            timeout: ask.timeout,
        };
        let waiting = Waiting {
            id: request.id.clone(),
            code: request.code(),
            digest: request.digest(),
            agent: request.agent.clone(),
            host: request.host.clone(),
            expires,
        };
        (*ask, waiting)
    }

    /// Takes the request and says that it waits.
    pub(crate) fn open(&mut self) -> (Sudo, Waiting) {
        let (ask, waiting) = self.request();
        self.send(&FromBroker::Waiting(Box::new(waiting.clone())));
        let Payload::Sudo(sudo) = ask.payload else { panic!("a command") };
        (sudo, waiting)
    }

    pub(crate) fn decide(&mut self, waiting: &Waiting, result: Answer, reason: Option<&str>) {
        self.send(&FromBroker::Decision(Decision {
            id: waiting.id.clone(),
            digest: waiting.digest,
            result,
            reason: reason.map(str::to_owned),
        }));
    }

    /// Takes the spending of an approval.
    pub(crate) fn spend(&mut self, waiting: &Waiting) {
        assert_eq!(self.line(), FromClient::Spend { id: waiting.id.clone(), digest: waiting.digest });
    }

    pub(crate) fn spent(&mut self, waiting: &Waiting) {
        self.send(&FromBroker::Spent { id: waiting.id.clone(), digest: waiting.digest });
    }

    /// Nothing more is said.
    pub(crate) fn end(mut self) {
        let mut rest = String::new();
        // A connection that was reset says nothing more, either.
        let _ = self.lines.read_to_string(&mut rest);
        assert_eq!(rest, "", "and then nothing");
    }
}

/// Approves whatever is asked, and gives what that was.
pub(crate) fn approves(mut peer: Peer) -> Sudo {
    let (sudo, waiting) = peer.open();
    peer.decide(&waiting, Answer::Approved, None);
    peer.spend(&waiting);
    peer.spent(&waiting);
    peer.end();
    sudo
}

/// Runs a command while a broker of root's does this with the one connection that it makes.
pub(crate) fn run_with<T: Send>(
    world: &World,
    command: &mut Command,
    script: impl FnOnce(Peer) -> T + Send,
) -> (Output, T) {
    run_with_listener(world, None, || command.spawn().unwrap(), script)
}

/// The same with a listener of another user's, and a child that the caller starts.
pub(crate) fn run_with_listener<T: Send>(
    world: &World,
    listener: Option<Uid>,
    start: impl FnOnce() -> Child,
    script: impl FnOnce(Peer) -> T + Send,
) -> (Output, T) {
    let listener = listen(world, listener);
    thread::scope(|scope| {
        let agent = world.agent.name.clone();
        let peer = scope.spawn(move || script(accept(&listener, agent)));
        let output = end_of(start());
        let outcome = peer.join().unwrap_or_else(|cause| {
            eprint_output(&output);
            std::panic::resume_unwind(cause)
        });
        (output, outcome)
    })
}

fn eprint_output(output: &Output) {
    let _ = std::io::stderr().write_all(&output.stdout);
    let _ = std::io::stderr().write_all(&output.stderr);
}

/// Listens as this user. The socket itself stays root's, and everybody may connect, as the policy decides by the uid.
pub(crate) fn listen(world: &World, uid: Option<Uid>) -> UnixListener {
    let path = world.socket();
    let _ = fs::remove_file(&path);
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    if let Some(uid) = uid {
        seteuid(uid).unwrap();
    }
    let listener = UnixListener::bind(&path);
    seteuid(Uid::from_raw(0)).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    listener.unwrap()
}

/// Takes the one connection, within a bound.
fn accept(listener: &UnixListener, agent: String) -> Peer {
    let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, 30_000_u16), Ok(1), "nobody connected");
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let uid = Uid::from_raw(getsockopt(&stream, sockopt::PeerCredentials).unwrap().uid());
    Peer { lines: BufReader::new(stream), agent, uid }
}
