//! How much a session may take, and what of it is left.

use std::time::Duration;

use nuketown::Problem;

use crate::api::{MicroDollars, Price, Usage, dollars};

/// The least output that a request is sent for: with less, an answer would only be cut off.
const OUTPUT_MIN: u64 = 1024;
/// Bytes of a request that make at least one token.
const BYTES_PER_TOKEN: u64 = 3;

/// The bounds of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a headless session may take.
    pub time: Duration,
    /// How many turns the model may take in a session.
    pub turns: usize,
    /// The most tokens of one answer.
    pub output: u64,
    /// What a task may cost, its preparation included.
    pub task: MicroDollars,
    /// What all tasks of a day may cost, together.
    pub day: MicroDollars,
    /// What the preparation of a workspace may cost.
    pub bootstrap: MicroDollars,
    /// How many turns the model may take in it.
    pub bootstrap_turns: usize,
    /// Above so many tokens, old results of tools are left out of the conversation.
    pub conversation: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(4 * 3600),
            turns: 400,
            output: 16_000,
            task: 10_000_000,
            day: 50_000_000,
            bootstrap: 200_000,
            bootstrap_turns: 16,
            conversation: 150_000,
        }
    }
}

/// What may be spent on the next request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    pub(super) task_spent: MicroDollars,
    pub(super) task: MicroDollars,
    pub(super) day_spent: MicroDollars,
    pub(super) day: MicroDollars,
}

impl Purse {
    /// How many tokens an answer to a request of `size` bytes may have, at most `most`.
    ///
    /// The input is counted as if none of it came from the cache, so that the answer cannot exceed what is left.
    pub(super) fn output(&self, price: &Price, size: usize, most: u64) -> Result<u64, Problem> {
        let input = price.cost(&Usage { cache_write: size as u64 / BYTES_PER_TOKEN, ..Usage::default() });
        for (spent, budget, whose, option) in [
            (
                self.task_spent,
                self.task,
                "the task",
                "give the rest as a new task, or raise the budget of tasks",
            ),
            (self.day_spent, self.day, "the day", "wait for tomorrow (UTC), or raise the budget of days"),
        ] {
            if price.output_for(budget.saturating_sub(spent).saturating_sub(input)) < OUTPUT_MIN.min(most) {
                let cause = format!(
                    "{} of {} are spent, and the next step could cost more than is left",
                    dollars(spent),
                    dollars(budget)
                );
                return Err(Problem::new(format!("the budget of {whose} is used up"), cause).hint(option));
            }
        }
        let left = self.task.saturating_sub(self.task_spent).min(self.day.saturating_sub(self.day_spent));
        Ok(price.output_for(left.saturating_sub(input)).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn budget_that_is_used_up_is_named() {
        let price = Price::of("claude-haiku-4-5");
        let purse = Purse { task_spent: 9_000, task: 10_000, day_spent: 0, day: 1_000_000 };
        assert!(purse.output(&price, 100, 16_000).unwrap_err().what.contains("the task"));
        let purse = Purse { task_spent: 0, task: 1_000_000, day_spent: 999_999, day: 1_000_000 };
        assert!(purse.output(&price, 100, 16_000).unwrap_err().what.contains("the day"));
    }

    proptest! {
        #[test]
        fn answer_never_costs_more_than_is_left(
            task in 0_u64..20_000_000, task_spent in 0_u64..20_000_000, day in 0_u64..20_000_000, day_spent in 0_u64..20_000_000,
            size in 0_usize..2_000_000, most in 1_u64..64_000, model in "claude-(haiku-4-5|opus-5-5|sonnet-5)|x",
        ) {
            let price = Price::of(&model);
            if let Ok(output) = (Purse { task_spent, task, day_spent, day }).output(&price, size, most) {
                let usage = Usage { cache_write: size as u64 / BYTES_PER_TOKEN, output, ..Usage::default() };
                prop_assert!(output <= most);
                // Each of two roundings is up to one millionth.
                prop_assert!(task_spent + price.cost(&usage) <= task + 2);
                prop_assert!(day_spent + price.cost(&usage) <= day + 2);
            }
        }
    }
}
