//! Processes of servers.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// For a server to start; none takes as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that was free a moment ago.
///
/// # Panics
///
/// There is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// A program that runs until this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl Process {
    /// Starts `command`, with the standard input that it is given, and waits until it has printed each of `signs`.
    ///
    /// # Panics
    ///
    /// It does not start, or does not print one of them within a minute.
    #[must_use]
    pub fn start(command: &mut Command, signs: &[String]) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (sender, lines) = channel();
        let output: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stdout| Box::new(stdout) as Box<_>),
            child.stderr.take().map(|stderr| Box::new(stderr) as Box<_>),
        ];
        for stream in output.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // Read to the end in any case: a server whose pipe is full stands still.
                    drop(sender.send(line));
                }
            });
        }
        let mut process = Self { child, lines, log: Vec::new() };
        for sign in signs {
            process.wait_for(sign);
        }
        process
    }

    /// Waits until it has printed `sign`, now or before.
    ///
    /// # Panics
    ///
    /// It does not within a minute.
    pub fn wait_for(&mut self, sign: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            if self.log[seen..].iter().any(|line| line.contains(sign)) {
                return;
            }
            seen = self.log.len();
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(elapsed) => {
                    panic!("the server did not print {sign:?} ({elapsed}), but:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// Its standard input, if it was given a pipe; once.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    /// Kills it without notice, as a crash would.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
