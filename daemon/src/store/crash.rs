//! What goes wrong in tests: a process that is killed at a chosen step, a full disk. Compiled into tests alone.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// Steps left until the end; 0 for no end.
static LEFT: AtomicU32 = AtomicU32::new(0);

/// Lets this process be killed at the `step`th point from now.
pub(crate) fn at(step: u32) {
    LEFT.store(step, Ordering::SeqCst);
}

/// A point at which a crash is tried: before a change, before it is final, after that.
pub(crate) fn point() {
    let left = LEFT.load(Ordering::SeqCst);
    if left == 0 {
        return;
    }
    LEFT.store(left - 1, Ordering::SeqCst);
    if left == 1 {
        kill_process(getpid(), Signal::KILL).unwrap();
        // The signal is there before this returns, but not to every thread.
        loop {
            std::thread::park();
        }
    }
}

impl super::Store {
    /// Lets the disk be full, or have room again.
    pub(crate) fn fill(&self, full: bool) {
        let connection = self.connection();
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", if full { pages } else { 1_000_000 }).unwrap();
    }
}
