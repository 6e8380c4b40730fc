//! How often somebody who is turned away gets a record of it: a flood of refusals must not fill the disk.

use std::{collections::BTreeMap, time::Duration};

/// Records of refusals that one requester gets in a minute.
const PER_MINUTE: u64 = 30;

/// The most requesters that are told apart; the rest share one quota.
const REQUESTERS_MAX: usize = 1024;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Quota(BTreeMap<String, Used>);

#[derive(Debug)]
struct Used {
    since: Duration,
    times: u64,
}

impl Quota {
    /// One more refusal of `by`. Says how many were left out since the last record, and whether this one gets a record.
    pub(super) fn take(&mut self, by: &str, now: Duration) -> (u64, bool) {
        if !self.0.contains_key(by) && self.0.len() >= REQUESTERS_MAX {
            self.0.retain(|_, used| now.saturating_sub(used.since) < MINUTE || used.times > PER_MINUTE);
        }
        let by = if self.0.contains_key(by) || self.0.len() < REQUESTERS_MAX { by } else { "" };
        let used = self.0.entry(by.to_owned()).or_insert(Used { since: now, times: 0 });
        let mut left_out = 0;
        if now.saturating_sub(used.since) >= MINUTE {
            left_out = used.times.saturating_sub(PER_MINUTE);
            *used = Used { since: now, times: 0 };
        }
        used.times += 1;
        (left_out, used.times <= PER_MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_counted_and_not_recorded_one_by_one() {
        let mut quota = Quota::default();
        let at = Duration::from_secs;
        let recorded = (0..1000).filter(|_| quota.take("ada", at(1)).1).count();
        assert_eq!(recorded, 30);
        assert_eq!(quota.take("vox", at(2)), (0, true));
        assert_eq!(quota.take("ada", at(62)), (970, true));
        assert_eq!(quota.take("ada", at(63)), (0, true));
    }

    #[test]
    fn number_of_requesters_that_are_remembered_is_bounded() {
        let mut quota = Quota::default();
        for n in 0..5000 {
            let _ = quota.take(&n.to_string(), Duration::from_secs(1));
        }
        assert!(quota.0.len() <= REQUESTERS_MAX + 1);
        assert!(!quota.take("new", Duration::from_secs(2)).1);
        assert!(quota.take("new", Duration::from_secs(90)).1);
    }
}
