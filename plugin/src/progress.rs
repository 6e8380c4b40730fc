//! The line on the terminal that says what is being waited for.
//!
//! # Invariants
//!
//! - Nothing is written unless standard error is a terminal, and nothing in the first fifth of a second.
//! - The line is gone before anything else is printed: [`Progress::clear`], and at the latest when it is dropped.
//! - No thread is started, so there is nothing to wait for at the end.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long nothing is shown. Most runs are over by then, and a line that flashes is worse than none.
const PATIENCE: Duration = Duration::from_millis(200);

/// Shows what is being waited for. Cheap to make and to pass around; without a terminal it does nothing.
#[derive(Debug)]
pub struct Progress(Option<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    since: Instant,
    phase: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A line on standard error, if that is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        let line = || Mutex::new(Line { since: Instant::now(), phase: String::new(), bar: None });
        Self(std::io::stderr().is_terminal().then(line))
    }

    /// No line at all.
    #[must_use]
    pub fn silent() -> Self {
        Self(None)
    }

    /// Starts waiting for something else: "evaluating ./flake", "rendering". The seconds count from here.
    pub fn phase(&self, what: impl FnOnce() -> String) {
        self.update(|line| {
            line.phase = what();
            line.since = Instant::now();
            line.show(None);
        });
    }

    /// Brings the seconds up to date; to be called a few times a second. `doing` is a detail worth showing.
    ///
    /// Returns false if there is nothing to show, now or later, so that the caller need not call again.
    pub fn tick(&self, doing: Option<&str>) -> bool {
        self.update(|line| line.show(doing))
    }

    /// Removes the line. It comes back with the next [`Self::phase`] or [`Self::tick`].
    pub fn clear(&self) {
        self.update(|line| {
            if let Some(bar) = line.bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Line)) -> bool {
        let Some(line) = &self.0 else { return false };
        change(&mut line.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Line {
    fn show(&mut self, doing: Option<&str>) {
        let waited = self.since.elapsed();
        if self.bar.is_none() && waited < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        let detail = doing.map(|doing| format!(" ({doing})")).unwrap_or_default();
        bar.set_message(format!("{}, {} s{detail}", self.phase, waited.as_secs()));
        bar.tick();
    }
}
