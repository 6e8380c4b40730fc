//! How long an answer is waited for, and how often it is asked for again.

use std::time::Duration;

/// How patient the client is.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long the API may take until it begins to answer.
    pub first_byte: Duration,
    /// How long a stream may be silent. The API sends `ping` events while a model thinks.
    pub stall: Duration,
    /// How often one request is sent at most.
    pub attempts: u32,
    /// How long the first pause is; each further one is twice as long.
    pub pause: Duration,
    /// How long no pause is exceeded, except where the API asks for a longer one.
    pub pause_max: Duration,
    /// The longest pause that the API may ask for. A longer one is a failure that says so.
    pub retry_after_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            first_byte: Duration::from_secs(300),
            stall: Duration::from_secs(120),
            attempts: 10,
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(15 * 60),
        }
    }
}

impl Patience {
    /// The pause after the failed attempt number `attempt` (from 1), or none if there is to be no other.
    ///
    /// `jitter` is random, from 0 to 1: half of a pause is left to chance, so that agents that failed together do not come
    /// back together. What the API asks for (`retry-after`, RFC 9110 section 10.2.3) is the least, never cut short.
    #[must_use]
    pub fn pause_after(&self, attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Option<Duration> {
        if attempt >= self.attempts || retry_after.is_some_and(|asked| asked > self.retry_after_max) {
            return None;
        }
        let doubled =
            self.pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(self.pause_max);
        let own = doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        Some(match retry_after {
            Some(asked) => asked + self.pause.mul_f64(jitter.clamp(0.0, 1.0)),
            None => own,
        })
    }
}

/// What a `retry-after` header asks for: seconds, a fraction too. A date is not understood, and then our own pause counts.
#[must_use]
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let seconds: f64 = value.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_grow_to_their_bound_and_end_with_the_attempts() {
        let patience = Patience::default();
        let pauses: Vec<_> =
            (1..=10).map(|attempt| patience.pause_after(attempt, None, 1.0).map(|p| p.as_secs())).collect();
        let expected =
            [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Some).into_iter().chain([None]).collect::<Vec<_>>();
        assert_eq!(pauses, expected);
    }

    #[test]
    fn pause_that_the_api_asks_for_is_never_cut_short_and_never_endless() {
        let patience = Patience::default();
        let asked = Duration::from_secs(600);
        assert!(patience.pause_after(1, Some(asked), 0.0).unwrap() >= asked);
        assert_eq!(patience.pause_after(1, Some(Duration::from_secs(3600)), 0.0), None);
    }

    #[test]
    fn header_is_read_as_seconds_or_not_at_all() {
        assert_eq!(retry_after("30"), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(" 0.5 "), Some(Duration::from_millis(500)));
        for text in ["", "-1", "inf", "NaN", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_and_attempt_give_a_pause_within_bounds(text in "\\PC{0,20}", attempt in any::<u32>(), jitter in any::<f64>()) {
            let patience = Patience::default();
            if let Some(pause) = patience.pause_after(attempt, retry_after(&text), jitter) {
                prop_assert!(pause <= patience.retry_after_max + patience.pause);
            }
        }
    }
}
