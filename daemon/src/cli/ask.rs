//! `nuketown`: asks the daemon and prints what it says.

use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory as _;
use nuketown::Problem;

use super::{Client, Command, Daemon, state_directory, table};
use crate::task::{Mode, TaskId};
use crate::wire::{Answer, Ask};

/// For an answer of the daemon; it answers at once unless the disk stands still.
const PATIENCE: Duration = Duration::from_secs(30);

/// What went wrong, and the exit status that says so.
#[derive(Debug)]
pub struct Failure {
    /// What.
    pub problem: Problem,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    fn refused(problem: Problem) -> Self {
        Self { problem, status: 1 }
    }

    fn silent(socket: &Path, error: &io::Error) -> Self {
        let problem = Problem::new("the daemon does not answer", format!("{}: {error}", socket.display()))
            .hint("is nuketown-daemon running, and as this user? --socket names another socket");
        Self { problem, status: 3 }
    }
}

/// Does what the command line says, and prints to `out`.
///
/// # Errors
///
/// See [`Failure`].
pub fn run(client: Client, out: &mut impl Write) -> Result<(), Failure> {
    let ask = match client.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Client::command(), "nuketown", out);
            return Ok(());
        }
        Command::Man { daemon } => {
            let command = if daemon { Daemon::command() } else { Client::command() };
            return clap_mangen::Man::new(command).render(out).map_err(|error| printing(&error));
        }
        Command::Attach => return Err(attach(&socket(client.socket)?)),
        command => request(command),
    };
    let socket = socket(client.socket)?;
    let mut connection = Connection::open(&socket)?;
    connection.say(&ask)?;
    let follows = matches!(ask, Ask::Log { follow: true, .. });
    // A human takes their time, and the daemon ends it.
    if follows || matches!(ask, Ask::ApproveTest {}) {
        connection.wait_for_ever()?;
    }
    loop {
        let (line, answer) = match connection.next()? {
            Some(said) => said,
            None if follows => return Ok(()),
            None => return Err(Failure::silent(&socket, &io::ErrorKind::UnexpectedEof.into())),
        };
        show(&line, &answer, client.json, out)?;
        if !follows {
            return Ok(());
        }
    }
}

fn socket(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let default = || Ok(state_directory(None).map_err(Failure::refused)?.join("socket"));
    named.map_or_else(default, Ok)
}

fn request(command: Command) -> Ask {
    match command {
        Command::Task { text, project, branch, interactive, headless } => {
            let mode = match (interactive, headless) {
                (true, _) => Some(Mode::Interactive),
                (_, true) => Some(Mode::Headless),
                _ => None,
            };
            Ask::Task { project, branch, text: text.join(" "), mode }
        }
        Command::Queue => Ask::Queue {},
        Command::Cancel { task } => Ask::Cancel { task },
        Command::Answer { text, task } => Ask::Answer { task, text: text.join(" ") },
        Command::Logs { task, follow } => Ask::Log { task, follow },
        Command::History { limit } => Ask::History { limit: Some(limit) },
        Command::Cost => Ask::Cost {},
        Command::ApproveTest => Ask::ApproveTest {},
        Command::Health { probe } => Ask::Health { probe: probe.into() },
        // The others never come here.
        Command::Status | Command::Attach | Command::Completions { .. } | Command::Man { .. } => {
            Ask::Status {}
        }
    }
}

fn show(line: &str, answer: &Answer, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let refused = match answer {
        Answer::Error { what, cause, hint } => {
            let problem = Problem::new(what, cause);
            Some(hint.as_ref().map_or(problem.clone(), |hint| problem.hint(hint)))
        }
        Answer::Decided { approved: false, outcome } => {
            Some(Problem::new("the approver did not approve", outcome))
        }
        _ => None,
    };
    let printed = if json {
        writeln!(out, "{line}")
    } else if refused.is_none() {
        write!(out, "{}", table::show(answer))
    } else {
        Ok(())
    };
    printed.and_then(|()| out.flush()).map_err(|error| printing(&error))?;
    refused.map_or(Ok(()), |problem| Err(Failure::refused(problem)))
}

fn printing(error: &io::Error) -> Failure {
    Failure::refused(Problem::new("cannot print", error.to_string()))
}

/// Becomes tmux, in the session of the task that runs. Returns only if that cannot be.
fn attach(socket: &Path) -> Failure {
    let status = Connection::open(socket).and_then(|mut connection| {
        connection.say(&Ask::Status {})?;
        Ok(connection.next()?.map(|(_, answer)| answer))
    });
    let status = match status {
        Ok(Some(Answer::Status(status))) => status,
        Ok(_) => return Failure::silent(socket, &io::ErrorKind::InvalidData.into()),
        Err(failure) => return failure,
    };
    let what = "there is no session to join";
    let Some(task) = status.task else {
        return Failure::refused(Problem::new(what, "the agent is not working on anything"));
    };
    if task.mode != Mode::Interactive {
        let TaskId(id) = task.task;
        return Failure::refused(
            Problem::new(what, format!("task {id} works without a terminal"))
                .hint(format!("nuketown logs --follow {id} shows what it does")),
        );
    }
    let mut tmux = std::process::Command::new("tmux");
    tmux.args(["-L", &format!("portal-{}", status.agent), "attach-session"]);
    if let Some(project) = &task.project {
        // As the session is called: in tmux, a dot would end the name.
        let name = project.as_str().replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        tmux.args(["-t", &format!("={name}")]);
    }
    let error = tmux.exec();
    Failure::refused(Problem::new("cannot start tmux", error.to_string()).hint("install tmux"))
}

struct Connection {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    fn open(socket: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let stream = stream.map_err(|error| Failure::silent(socket, &error))?;
        Ok(Self { socket: socket.to_owned(), stream: BufReader::new(stream) })
    }

    fn wait_for_ever(&self) -> Result<(), Failure> {
        self.stream.get_ref().set_read_timeout(None).map_err(|error| self.silent(&error))
    }

    fn say(&mut self, ask: &Ask) -> Result<(), Failure> {
        // Our own types have string keys and no reason to fail.
        let line = serde_json::to_string(ask).unwrap_or_default();
        let said = self.stream.get_mut().write_all(format!("{line}\n").as_bytes());
        match said {
            // A daemon that does not hear this user says so, and closes before it is asked.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            said => said.map_err(|error| self.silent(&error)),
        }
    }

    fn next(&mut self) -> Result<Option<(String, Answer)>, Failure> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|error| self.silent(&error))?;
        if read == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        let answer = serde_json::from_str(&line).map_err(|error| {
            let problem = Problem::new("the daemon's answer cannot be read", error.to_string())
                .hint("are nuketown and nuketown-daemon of one version?");
            Failure { problem, status: 3 }
        })?;
        Ok(Some((line, answer)))
    }

    fn silent(&self, error: &io::Error) -> Failure {
        Failure::silent(&self.socket, error)
    }
}
