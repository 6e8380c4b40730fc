//! The time, as the engine asks for it.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use nuketown_approval::{Now, policy::Minute};
use rustix::time::{ClockId, clock_gettime};

/// Where the time comes from: the system, or a test.
pub trait Clock: Send {
    /// By both clocks.
    fn now(&self) -> Now;

    /// The minute of the human's local day, for the quiet hours. None: it cannot be told, and nobody is asked.
    fn minute(&self) -> Option<Minute>;
}

/// The system's clocks and time zone.
#[derive(Debug)]
pub struct SystemClock {
    zone: TimeZone,
}

impl SystemClock {
    /// With the system's time zone as it is now.
    #[must_use]
    pub fn new() -> Self {
        Self { zone: TimeZone::system() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        // It counts suspended time too, so that a laptop that was asleep is not one whose clock was set.
        let since_boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(since_boot.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(since_boot.tv_nsec).unwrap_or_default();
        Now { monotonic: Duration::new(seconds, nanoseconds), wall: Timestamp::now() }
    }

    fn minute(&self) -> Option<Minute> {
        let local = Timestamp::now().to_zoned(self.zone.clone());
        let (hour, minute) = (local.hour().unsigned_abs(), local.minute().unsigned_abs());
        Minute::new(hour, minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_on_together() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.monotonic >= first.monotonic);
        let wall = second.wall.duration_since(first.wall).unsigned_abs();
        assert!(
            wall.abs_diff(second.monotonic.saturating_sub(first.monotonic))
                < nuketown_approval::CLOCK_TOLERANCE
        );
        assert!(first.monotonic > Duration::ZERO);
    }
}
