//! What is done with what Nix writes while it runs.

use super::log::Log;
use super::run::Watcher;
use super::text;
use crate::progress::Progress;

/// Reads the log, shows the time, and makes something of the answer when it is there.
pub(super) struct Watching<'a, T> {
    pub(super) log: Log,
    pub(super) progress: &'a Progress,
    pub(super) make: &'a mut dyn FnMut(&[u8]) -> T,
    /// What was made last, and of how many bytes.
    pub(super) made: Option<(T, usize)>,
}

impl<T> Watcher for Watching<'_, T> {
    fn errors(&mut self, bytes: &[u8]) {
        self.log.push(bytes);
    }

    fn whole(&mut self, output: &[u8]) {
        // Once: a program that prints many documents must not keep us from watching it.
        if self.made.is_none() {
            self.made = Some(((self.make)(output), output.len()));
        }
    }

    fn tick(&mut self) -> bool {
        self.progress.tick(self.log.doing().map(text::one_line).as_deref())
    }
}

/// Reads the log and shows the time; what is printed is looked at when it is all there.
pub(super) struct Listening<'a> {
    pub(super) log: Log,
    pub(super) progress: &'a Progress,
}

impl Watcher for Listening<'_> {
    fn errors(&mut self, bytes: &[u8]) {
        self.log.push(bytes);
    }

    fn whole(&mut self, _: &[u8]) {}

    fn tick(&mut self) -> bool {
        self.progress.tick(self.log.doing().map(text::one_line).as_deref())
    }
}

/// For what is over at once.
pub(super) struct Quiet;

impl Watcher for Quiet {
    fn errors(&mut self, _: &[u8]) {}

    fn whole(&mut self, _: &[u8]) {}

    fn tick(&mut self) -> bool {
        false
    }
}
