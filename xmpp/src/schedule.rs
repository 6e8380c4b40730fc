//! When to dial again, and whether to ask for stream management then.
//!
//! Pure: what happened and the jitter come in, the delay comes out.
//!
//! # Invariants
//!
//! - No end of a connection is answered by dialling again at once.
//! - After a connection that died young the next one does without stream management (XEP-0198). One stanza that the stream
//!   cannot carry would otherwise be sent again on each resumption, and end each one; so would a refused resumption that
//!   the library cannot read.
//! - A conflict (somebody else bound the same resource) is not fought: the first wait is a minute.

use std::time::Duration;

/// A connection that ends sooner than this after its login died young.
const YOUNG: Duration = Duration::from_secs(5);
/// The first delay, doubled for each further failure in a row.
const FIRST: Duration = Duration::from_secs(1);
/// No delay after a failure is longer.
const LONGEST: Duration = Duration::from_secs(60);
/// The first delay after a conflict, doubled for each further one.
const FIRST_AFTER_CONFLICT: Duration = Duration::from_secs(60);
/// No delay after a conflict is longer; a session that lived as long has settled the conflict.
const LONGEST_AFTER_CONFLICT: Duration = Duration::from_secs(600);

/// How an attempt or a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There was no session: no address, no connection, no encryption, or a login that may work later.
    Unreachable,
    /// The connection ended after this time.
    Lost(Duration),
    /// The server ended it after this time because the same full JID was bound elsewhere.
    Conflict(Duration),
}

/// The next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// To be waited before.
    pub(crate) delay: Duration,
    /// Whether to use stream management, if the server has it.
    pub(crate) management: bool,
}

/// What is remembered from one attempt to the next.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    failures: u32,
    conflicts: u32,
    management: bool,
}

impl Schedule {
    /// Nothing has happened yet; the first attempt has no delay.
    pub(crate) fn new() -> Self {
        Self { failures: 0, conflicts: 0, management: true }
    }

    /// Whether the attempt at hand uses stream management.
    pub(crate) fn management(&self) -> bool {
        self.management
    }

    /// The attempt after one that `ended` so. `jitter` is uniform in 0 to 1: clients that lost the same server spread over
    /// the second half of the delay.
    pub(crate) fn next(&mut self, ended: Ended, jitter: f64) -> Retry {
        let longest = match ended {
            Ended::Unreachable => {
                self.failures = self.failures.saturating_add(1);
                doubled(FIRST, self.failures, LONGEST)
            }
            Ended::Lost(lifetime) => {
                self.lived(lifetime);
                self.failures = self.failures.saturating_add(1);
                doubled(FIRST, self.failures, LONGEST)
            }
            Ended::Conflict(lifetime) => {
                self.lived(lifetime);
                self.conflicts = self.conflicts.saturating_add(1);
                doubled(FIRST_AFTER_CONFLICT, self.conflicts, LONGEST_AFTER_CONFLICT)
            }
        };
        Retry { delay: longest.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0), management: self.management }
    }

    fn lived(&mut self, lifetime: Duration) {
        self.management = lifetime >= YOUNG;
        if self.management {
            self.failures = 0;
        }
        if lifetime >= LONGEST_AFTER_CONFLICT {
            self.conflicts = 0;
        }
    }
}

/// `first` for the first time, twice as much for each further one, `longest` at most.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times.saturating_sub(1))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn delays(ended: Ended, count: usize) -> Vec<u64> {
        let mut schedule = Schedule::new();
        (0..count).map(|_| schedule.next(ended, 1.0).delay.as_secs()).collect()
    }

    #[test]
    fn delay_doubles_up_to_a_minute() {
        assert_eq!(delays(Ended::Unreachable, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delays(Ended::Lost(Duration::ZERO), 3), [1, 2, 4]);
    }

    #[test]
    fn connection_that_lived_starts_the_delays_anew() {
        assert_eq!(delays(Ended::Lost(LONG), 3), [1, 1, 1]);
    }

    #[test]
    fn conflict_waits_a_minute_and_then_longer() {
        assert_eq!(delays(Ended::Conflict(Duration::from_secs(30)), 5), [60, 120, 240, 480, 600]);
        assert_eq!(delays(Ended::Conflict(LONG), 2), [60, 60]);
    }

    #[test]
    fn stream_management_is_left_out_until_a_connection_has_lived() {
        let mut schedule = Schedule::new();
        assert!(schedule.management());
        assert!(!schedule.next(Ended::Lost(Duration::from_secs(4)), 0.0).management);
        assert!(!schedule.next(Ended::Unreachable, 0.0).management);
        assert!(!schedule.management());
        assert!(schedule.next(Ended::Lost(Duration::from_secs(5)), 0.0).management);
    }

    fn any_end() -> impl Strategy<Value = Ended> {
        let lifetime = (0u64..10_000).prop_map(Duration::from_secs);
        prop_oneof![
            Just(Ended::Unreachable),
            lifetime.clone().prop_map(Ended::Lost),
            lifetime.prop_map(Ended::Conflict)
        ]
    }

    proptest! {
        #[test]
        fn no_history_makes_the_delay_shorter_than_half_a_second_or_longer_than_ten_minutes(
            history in prop::collection::vec((any_end(), any::<f64>()), 1..200),
        ) {
            let mut schedule = Schedule::new();
            for (ended, jitter) in history {
                let delay = schedule.next(ended, jitter).delay;
                let least = if matches!(ended, Ended::Conflict(_)) { 30_000 } else { 500 };
                prop_assert!((least..=600_000).contains(&delay.as_millis()), "{ended:?} {jitter} {delay:?}");
            }
        }
    }
}
