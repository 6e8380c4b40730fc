//! Runs one caged program to its end, and never longer, bigger or louder than it may.
//!
//! # Invariants
//!
//! - When [`run`] returns, whatever the reason, the program is gone and reaped, and its process group killed.
//! - Both outputs are read as they come, so neither can stall the program; one loop does it all, without threads.
//! - The program is started by the thread that waits for it: its parent-death signal follows that thread.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::complete::Brackets;
use super::interrupt::Interrupts;
use super::launch;

/// What to run, and within which bounds.
#[derive(Debug)]
pub(super) struct Job {
    /// The program, as a path.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Variables that are set (`Some`) or removed (`None`); all others are inherited.
    pub(super) environment: Vec<(OsString, Option<OsString>)>,
    /// Where to run it, if not here.
    pub(super) directory: Option<PathBuf>,
    /// The program that enters the cage, if not this one.
    pub(super) launcher: Option<PathBuf>,
    /// When to end it; never without.
    pub(super) deadline: Option<Instant>,
    /// Bytes of address space.
    pub(super) memory: u64,
    /// Bytes of standard output.
    pub(super) output: usize,
}

/// A program that came to its own end.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) output: Vec<u8>,
}

/// Why a program did not come to its own end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It could not be started.
    Start(io::Error),
    /// It could not be watched, and was ended.
    Watch(io::Error),
    /// Its deadline passed.
    Deadline,
    /// It printed more than it may.
    Output,
    /// This program was asked to end, by this signal.
    Interrupted(i32),
}

/// What is told while the program runs.
pub(super) trait Watcher {
    /// The program wrote this to its standard error.
    fn errors(&mut self, bytes: &[u8]);
    /// The program has not ended, and its standard output so far is one whole JSON object or list of at most [`EARLY`]
    /// bytes: the caller can look at it already. The program may still fail, and may still write more.
    fn whole(&mut self, output: &[u8]);
    /// Called about ten times a second as long as it returns true, for a display of the time.
    fn tick(&mut self) -> bool;
}

/// How often [`Watcher::tick`] is called.
const TICK: Duration = Duration::from_millis(100);

/// The longest output that [`Watcher::whole`] is told of. Nothing is watched meanwhile, so it must be looked at in less
/// than a tick; and what takes longer gains nothing from the few milliseconds.
const EARLY: usize = 128 * 1024;

/// Runs the job to its end.
pub(super) fn run(job: &Job, watcher: &mut dyn Watcher) -> Result<Finished, Stopped> {
    let interrupts = Interrupts::collect().map_err(Stopped::Watch)?;
    let child = start(job).map_err(Stopped::Start)?;
    let mut caged = Caged { child, interrupts, output: Vec::new(), tick: true };
    let told = caged.watch(job, watcher);
    let status = caged.end();
    told?;
    Ok(Finished { status: status.map_err(Stopped::Watch)?, output: std::mem::take(&mut caged.output) })
}

fn start(job: &Job) -> io::Result<Child> {
    let mut command = launch::caged(job.launcher.as_ref(), job.memory, job.program.as_os_str());
    command.args(&job.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in &job.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = &job.directory {
        command.current_dir(directory);
    }
    command.spawn()
}

struct Caged {
    child: Child,
    interrupts: Interrupts,
    output: Vec<u8>,
    tick: bool,
}

impl Caged {
    /// Reads both outputs until the program has ended.
    fn watch(&mut self, job: &Job, watcher: &mut dyn Watcher) -> Result<(), Stopped> {
        let mut pipes = Pipes { out: self.child.stdout.take(), err: self.child.stderr.take() };
        pipes.never_block().map_err(Stopped::Watch)?;
        let mut brackets = Brackets::default();
        loop {
            self.wait(&pipes, job.deadline).map_err(Stopped::Watch)?;
            if let Some(signal) = self.interrupts.take() {
                return Err(Stopped::Interrupted(signal));
            }
            // Before reading: what the program wrote is then all in the pipes. Others may still hold them open.
            let ended = self.has_ended().map_err(Stopped::Watch)?;
            let known = self.output.len();
            if !pipes.read_output(&mut self.output, job.output).map_err(Stopped::Watch)? {
                return Err(Stopped::Output);
            }
            pipes.read_errors(watcher).map_err(Stopped::Watch)?;
            if ended {
                return Ok(());
            }
            if self.output.len() <= EARLY && brackets.read(&self.output[known..]) {
                watcher.whole(&self.output);
            }
            if job.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Stopped::Deadline);
            }
            self.tick = self.tick && watcher.tick();
        }
    }

    /// Sleeps until there is something to read, a signal, the next tick or the deadline.
    fn wait(&self, pipes: &Pipes, deadline: Option<Instant>) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let nap = if self.tick { Some(left.map_or(TICK, |left| left.min(TICK))) } else { left };
        let nap = nap.map(|nap| Timespec::try_from(nap).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        let wake = self.interrupts.wake();
        let mut fds = vec![PollFd::new(&wake, PollFlags::IN)];
        fds.extend(pipes.out.as_ref().map(|out| PollFd::new(out, PollFlags::IN)));
        fds.extend(pipes.err.as_ref().map(|err| PollFd::new(err, PollFlags::IN)));
        match poll(&mut fds, nap.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }

    /// Whether the program has ended. It stays unreaped, so that its number still names its group.
    fn has_ended(&self) -> io::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(pid), options)?.is_some())
    }

    /// Kills what is left of the group, reaps the program, and returns how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.pid() {
            // Either may be gone already: the group before the launcher has made it, the program when it has ended.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
        }
        self.child.wait()
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

/// The ends of the pipes that the program writes to; each is closed once it is at its end.
struct Pipes {
    out: Option<std::process::ChildStdout>,
    err: Option<std::process::ChildStderr>,
}

impl Pipes {
    fn never_block(&self) -> io::Result<()> {
        for fd in
            [self.out.as_ref().map(AsFd::as_fd), self.err.as_ref().map(AsFd::as_fd)].into_iter().flatten()
        {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(())
    }

    /// Reads what is there; false if that makes more than `limit`.
    fn read_output(&mut self, output: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let mut within = true;
        read_all(&mut self.out, |bytes| {
            within = output.len() + bytes.len() <= limit;
            if within {
                output.extend_from_slice(bytes);
            }
            within
        })?;
        Ok(within)
    }

    fn read_errors(&mut self, watcher: &mut dyn Watcher) -> io::Result<()> {
        // One helping at a time: endless warnings must not keep the deadline from being looked at.
        let mut helpings = 0;
        read_all(&mut self.err, |bytes| {
            watcher.errors(bytes);
            helpings += 1;
            helpings < 64
        })
    }
}

/// Reads until there is nothing for now, the end, or `take` has had enough.
fn read_all<R: Read>(pipe: &mut Option<R>, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    while let Some(reader) = pipe {
        match reader.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => {
                if !take(&buffer[..count]) {
                    return Ok(());
                }
            }
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
