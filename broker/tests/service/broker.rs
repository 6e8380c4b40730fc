//! A broker of the test's own, and a local client of it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use nuketown_approval::{
    AbsolutePath, Answer, Argv, Environment, Nonce, Payload, Sudo,
    socket::{Ask, Decision, FromBroker, FromClient, Waiting},
};
use nuketown_broker::audit::{Record, verify};
use nuketown_xmpp_testing::Prosody;
use tempfile::TempDir;

/// For anything that is expected; no test waits as long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a configuration, which brokers are started in one after the other.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

/// A running broker. It is killed without notice when it is dropped.
pub(crate) struct Broker {
    child: std::process::Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Place {
    /// For agent `ada`, who is whoever runs the test, with `more` in `broker.toml`.
    pub(crate) fn new(more: &str, policy: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("nuketown-broker-").tempdir().unwrap();
        let place = Self { directory };
        let (socket, audit) = (place.socket(), place.audit());
        let own = fs::metadata(place.directory.path()).map(|metadata| uid(&metadata)).unwrap();
        let text = format!(
            "socket = \"{}\"\naudit = \"{}\"\ndialog = \"never\"\n{more}\n[agents.ada]\nrole = \"software\"\nuid = {own}\n",
            socket.display(),
            audit.display(),
        );
        place.write("broker.toml", &text);
        place.write("policy.toml", policy);
        place
    }

    /// One whose broker is `account` at this server.
    pub(crate) fn at(prosody: &Prosody, account: &str, more: &str, policy: &str) -> Self {
        let place = Self::new("", policy);
        place.write("password", Prosody::PASSWORD);
        let text = fs::read_to_string(place.path("broker.toml")).unwrap();
        let port = prosody.port();
        let authority = prosody.authority().display();
        let xmpp = format!(
            "{more}\n[xmpp]\njid = \"{account}@localhost\"\npassword_file = \"password\"\nserver = \"127.0.0.1:{port}\"\nauthorities = \"{authority}\"\n"
        );
        place.write("broker.toml", &format!("{text}{xmpp}"));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.path("audit.jsonl")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The command that runs a broker here.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nuketown-broker"));
        command.arg("run").arg("--config").arg(self.path("broker.toml"));
        command
    }

    pub(crate) fn start(&self) -> Broker {
        Broker::start(self.command())
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        verify(&self.audit(), |record| records.push(record.clone())).unwrap();
        records
    }

    /// The records as JSON, one a line, as a test can search them.
    pub(crate) fn recorded(&self) -> String {
        self.records().iter().map(|record| serde_json::to_string(&record.entry).unwrap() + "\n").collect()
    }

    /// Waits until the log has this text so often. What comes by XMPP is recorded by another task than the one that answers a
    /// ping, so a pong does not say that it has been.
    #[track_caller]
    pub(crate) fn comes_to_record(&self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        // As it is in the file: a record that is just being written is no fault here.
        while fs::read_to_string(self.audit()).unwrap().matches(text).count() < times {
            assert!(Instant::now() < deadline, "not recorded {times} times: {text}\n{}", self.recorded());
            std::thread::yield_now();
        }
        assert_eq!(self.recorded().matches(text).count(), times);
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }
}

fn uid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

impl Broker {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(command: Command) -> Self {
        let mut broker = Self::spawn(command);
        broker.says("listening at");
        broker
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        Self { child, lines, said: Vec::new() }
    }

    /// Waits until it has said this on standard error, and gives the line.
    pub(crate) fn says(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("the broker did not say {text:?} ({error}), but {:#?}", self.said),
            }
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn terminate(mut self) -> i32 {
        let id = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and gives the exit status.
    pub(crate) fn ends(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of a stream, read to the end by a thread of its own.
pub(crate) fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    lines
}

/// A local client.
pub(crate) struct Client {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let write = UnixStream::connect(socket).unwrap();
        write.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { read: BufReader::new(write.try_clone().unwrap()), write }
    }

    pub(crate) fn send(&mut self, line: &FromClient) {
        self.write.write_all(line.to_line().as_bytes()).unwrap();
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).unwrap();
    }

    /// The next line; None at the end.
    pub(crate) fn next(&mut self) -> Option<FromBroker> {
        let mut line = Vec::new();
        match self.read.read_until(b'\n', &mut line) {
            // A peer that was killed with something unread resets the connection: an end, too.
            Ok(0) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Ok(_) => Some(FromBroker::from_line(&line).unwrap()),
            Err(error) => panic!("the broker says nothing: {error}"),
        }
    }

    /// The next line, if it comes that soon.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<FromBroker> {
        self.write.set_read_timeout(Some(time)).unwrap();
        let line = match self.read.fill_buf() {
            Ok(_) => self.next(),
            Err(_) => None,
        };
        self.write.set_read_timeout(Some(PATIENCE)).unwrap();
        line
    }

    pub(crate) fn asks(&mut self, program: &str) -> Waiting {
        self.send(&FromClient::Request(Box::new(ask(program))));
        match self.next() {
            Some(FromBroker::Waiting(waiting)) => *waiting,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn decision(&mut self) -> Decision {
        match self.next() {
            Some(FromBroker::Decision(decision)) => decision,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_denied(&mut self, why: &str) {
        let decision = self.decision();
        let reason = decision.reason.unwrap_or_default();
        assert!(decision.result == Answer::Denied && reason.contains(why), "{:?} {reason}", decision.result);
    }

    pub(crate) fn is_approved(&mut self) {
        let decision = self.decision();
        assert_eq!(decision.result, Answer::Approved, "{:?}", decision.reason);
    }

    pub(crate) fn spends(&mut self, waiting: &Waiting) {
        self.send(&FromClient::Spend { id: waiting.id.clone(), digest: waiting.digest });
        match self.next() {
            Some(FromBroker::Spent { id, digest }) => {
                assert_eq!((id, digest), (waiting.id.clone(), waiting.digest));
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_refused(&mut self, why: &str) {
        match self.next() {
            Some(FromBroker::Error { problem, .. }) => {
                assert!(problem.to_string().contains(why), "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn ask(program: &str) -> Ask {
    let program = program.as_bytes();
    Ask {
        payload: Payload::Sudo(Sudo {
            argv: Argv::new(vec![program.to_vec()]).unwrap(),
            program: Some(AbsolutePath::new([b"/usr/bin/", program].concat()).unwrap()),
            identity: None,
            environment: Environment::default(),
            user: "root".parse().unwrap(),
            group: None,
        }),
        cwd: None,
        nonce: Nonce(rand::random()),
        timeout: None,
        non_interactive: false,
    }
}
