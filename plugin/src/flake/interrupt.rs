//! Passes interrupts on to the evaluation.
//!
//! The evaluation runs in a session of its own, so a Ctrl-C at the terminal does not reach it. While one runs, SIGINT,
//! SIGTERM and SIGHUP are collected here and end it; at other times they end this program as they always do.
//!
//! # Invariants
//!
//! - A signal that the program was told to ignore (`nohup`) stays ignored.
//! - A signal is never lost: it ends either the evaluation or the program.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// What ends a program from outside and can be caught.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How many evaluations are running; in the beginning the handlers are not installed yet.
static RUNNING: LazyLock<Mutex<Running>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Running {
    count: usize,
    /// True while nothing runs: then a signal has its usual effect. Absent before the first evaluation.
    usual: Option<Arc<AtomicBool>>,
    /// The signals that are not ignored.
    heeded: Vec<i32>,
}

/// Holds signals back while it lives, and tells of them.
pub(super) struct Interrupts {
    wake: UnixStream,
    seen: Vec<(i32, Arc<AtomicBool>)>,
    registered: Vec<SigId>,
    /// Whether [`Self::take`] has handed a signal out.
    told: bool,
}

impl Interrupts {
    /// Starts collecting. [`Self::wake`] becomes readable at a signal, and when a child ends.
    pub(super) fn collect() -> io::Result<Self> {
        let heeded = enter()?;
        // From here on the guard's drop undoes `enter`.
        let (wake, bell) = match UnixStream::pair() {
            Ok(pair) => pair,
            Err(why) => {
                leave();
                return Err(why);
            }
        };
        let mut guard = Self { wake, seen: Vec::new(), registered: Vec::new(), told: false };
        guard.wake.set_nonblocking(true)?;
        for signal in heeded {
            let seen = Arc::new(AtomicBool::new(false));
            guard.registered.push(signal_hook::flag::register(signal, Arc::clone(&seen))?);
            guard.seen.push((signal, seen));
            // After the flag, because handlers run in this order and the bell must not ring for nothing.
            guard.registered.push(signal_hook::low_level::pipe::register(signal, bell.try_clone()?)?);
        }
        guard.registered.push(signal_hook::low_level::pipe::register(SIGCHLD, bell)?);
        Ok(guard)
    }

    /// What to poll.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Silences the bell, and returns the signal that wants this program to end.
    pub(super) fn take(&mut self) -> Option<i32> {
        let mut rings = [0; 64];
        while matches!(self.wake.read(&mut rings), Ok(1..)) {}
        let signal = self.seen();
        self.told |= signal.is_some();
        signal
    }

    fn seen(&self) -> Option<i32> {
        self.seen.iter().find(|(_, seen)| seen.load(Ordering::SeqCst)).map(|(signal, _)| *signal)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        leave();
        // One that came too late to end the evaluation, and too early to have its usual effect.
        if let (false, Some(signal)) = (self.told, self.seen()) {
            end_by(signal);
        }
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Ends this program as `signal` would have, so that the shell sees an interrupted program and stops its script.
///
/// Returns only if the signal cannot be raised.
pub fn end_by(signal: i32) {
    // Nothing can be done about a failure that the caller's own exit does not do.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

fn enter() -> io::Result<Vec<i32>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(usual) = &running.usual {
        usual.store(false, Ordering::SeqCst);
    } else {
        let usual = Arc::new(AtomicBool::new(false));
        let ignored = ignored();
        running.heeded = ENDING.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect();
        for signal in &running.heeded {
            signal_hook::flag::register_conditional_default(*signal, Arc::clone(&usual))?;
        }
        running.usual = Some(usual);
    }
    running.count += 1;
    Ok(running.heeded.clone())
}

fn leave() {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.count = running.count.saturating_sub(1);
    if let (0, Some(usual)) = (running.count, &running.usual) {
        usual.store(true, Ordering::SeqCst);
    }
}

/// The set of ignored signals, bit 0 for signal 1 (`SigIgn` in `proc_pid_status(5)`); empty where it cannot be read.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
