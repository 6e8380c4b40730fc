//! `sudo` from within a session: the sandbox cannot become root, so the daemon runs the real `sudo` for it, which asks a human.
//!
//! The arguments are passed on as they are, never joined or looked into: what is pre-approved, asked or refused is decided there.
//! The session's presence says meanwhile what it waits for.
//!
//! # Invariants
//!
//! - One program is run, the one that [`Context::sudo`] names.
//! - What stands in the directory was put there by the session: no link is followed, and nothing waited for that is no file or pipe.

use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nuketown::Problem;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mknodat, openat};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Context, Place, Progress};
use crate::sandbox::{Capture, ask, base_environment};

/// The largest request, in bytes.
const REQUEST_MAX: u64 = 128 * 1024;
/// How much output goes back.
const OUTPUT_MAX: usize = 32 * 1024;
/// How long a session may take to read an answer.
const READ_MAX: Duration = Duration::from_secs(10);

/// Where a session asks for privileged commands.
#[derive(Debug)]
pub(super) struct Door {
    directory: PathBuf,
    program: PathBuf,
    /// The workspace.
    root: PathBuf,
}

impl Door {
    /// Puts a `sudo` of ours first on the session's `PATH`, if the agent may ask for privileged commands at all.
    pub(super) fn open(context: &Context, place: &mut Place) -> Result<Option<Self>, Problem> {
        let Some(program) = context.sudo.clone() else { return Ok(None) };
        let own = place.own.clone();
        let cannot = |why: String| Problem::new("cannot offer sudo to a session", why);
        let io = |why: std::io::Error| cannot(format!("{}: {why}", own.display()));
        let (bin, directory) = (own.join("bin"), own.join("sudo"));
        for dir in [&bin, &directory] {
            // What an earlier run has left, and what the session has put there.
            match std::fs::remove_dir_all(dir) {
                Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(io(why)),
                _ => DirBuilder::new().mode(0o700).create(dir).map_err(io)?,
            }
        }
        let launcher = context.launcher.canonicalize().map_err(io)?;
        let quoted = launcher.display().to_string().replace('\'', "'\\''");
        std::fs::write(bin.join("sudo"), format!("#!/bin/sh\nexec '{quoted}' {} \"$@\"\n", ask::MODE))
            .map_err(io)?;
        std::fs::set_permissions(bin.join("sudo"), std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        let pipe = directory.join(ask::REQUESTS);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .map_err(|why| cannot(why.to_string()))?;
        let sandbox = &mut place.sandbox;
        sandbox.policy.readable.push(launcher);
        sandbox.environment.insert(ask::DIRECTORY.to_owned(), directory.display().to_string());
        let path = sandbox.environment.get("PATH").cloned().unwrap_or_default();
        sandbox.environment.insert("PATH".to_owned(), format!("{}:{path}", bin.display()));
        Ok(Some(Self { directory, program, root: place.path.clone() }))
    }

    /// Answers requests, one after the other, until it is dropped or its pipe is broken.
    pub(super) async fn serve(&self, events: &mpsc::Sender<Progress>) {
        // Opened for both, so that it does not end with each who asks.
        let pipe =
            pipe::OpenOptions::new().read_write(true).open_receiver(self.directory.join(ask::REQUESTS));
        let Ok(pipe) = pipe else { return };
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let number = std::str::from_utf8(&line).ok().and_then(|line| line.parse::<u32>().ok());
            if let Some(number) = number {
                self.answer(number, events).await;
            }
        }
    }

    async fn answer(&self, number: u32, events: &mpsc::Sender<Progress>) {
        // Nobody is answered who did not ask as agreed.
        let Some((request, reply)) = self.request(number) else { return };
        let _ = events.send(Progress::WaitingForApproval("sudo".to_owned())).await;
        let answer = self.run(&request).await;
        let _ = events.send(Progress::Resumed).await;
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        if let Ok(mut sender) = pipe::Sender::from_owned_fd(reply) {
            // A session that does not read its answer has none.
            let _ = tokio::time::timeout(READ_MAX, sender.write_all(&text)).await;
        }
    }

    /// The request of that number, and where its answer goes.
    fn request(&self, number: u32) -> Option<(ask::Request, OwnedFd)> {
        let file = self.open_inside(&format!("{number}.request"), OFlags::RDONLY, FileType::RegularFile)?;
        let reply = self.open_inside(&format!("{number}.reply"), OFlags::WRONLY, FileType::Fifo)?;
        let mut text = Vec::new();
        File::from(file).take(REQUEST_MAX).read_to_end(&mut text).ok()?;
        Some((serde_json::from_slice(&text).ok()?, reply))
    }

    fn open_inside(&self, name: &str, mode: OFlags, kind: FileType) -> Option<OwnedFd> {
        let flags = mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(CWD, self.directory.join(name), flags, Mode::empty()).ok()?;
        (FileType::from_raw_mode(fstat(&file).ok()?.st_mode) == kind).then_some(file)
    }

    async fn run(&self, request: &ask::Request) -> ask::Reply {
        let failed = |why: String| ask::Reply { output: format!("sudo: {why}\n"), status: 1 };
        // Where it runs is part of what the human sees; anywhere else than in the workspace, it is the workspace.
        let directory =
            Path::new(&request.directory).canonicalize().ok().filter(|path| path.starts_with(&self.root));
        let child = Command::new(&self.program)
            .args(&request.arguments)
            .current_dir(directory.as_deref().unwrap_or(&self.root))
            .env_clear()
            .envs(base_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(why) => return failed(format!("cannot start {}: {why}", self.program.display())),
        };
        let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return failed("it has no output".to_owned());
        };
        let mut output = Capture::new(OUTPUT_MAX);
        let (mut one, mut two) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                read = out.read(&mut one), if out_open => take(&read, &one, &mut output, &mut out_open),
                read = err.read(&mut two), if err_open => take(&read, &two, &mut output, &mut err_open),
            }
        }
        match child.wait().await {
            // Ended by a signal, as a shell would say it.
            Ok(status) => ask::Reply { output: output.text(), status: exit_code(status) },
            Err(why) => failed(format!("cannot wait for it: {why}")),
        }
    }
}

fn take(read: &std::io::Result<usize>, piece: &[u8], output: &mut Capture, is_open: &mut bool) {
    match read {
        Ok(length @ 1..) => output.push(&piece[..*length]),
        _ => *is_open = false,
    }
}

fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
