//! What an answer costs.
//!
//! Prices are those that Anthropic publishes (platform.claude.com, "Pricing", November 2026), with cache writes for five minutes.
//! A model that is not in the table costs what the dearest one does: a budget is rather reached too early.

use serde::{Deserialize, Serialize};

/// Millionths of a dollar.
pub type MicroDollars = u64;

/// How many tokens an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input that came from no cache.
    pub input: u64,
    /// Output, thinking included.
    pub output: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// Input that came from the cache.
    pub cache_read: u64,
}

impl Usage {
    /// All input tokens.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_write).saturating_add(self.cache_read)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_read: self.cache_read.saturating_add(other.cache_read),
        }
    }
}

/// The prices of a model, in micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    input: u64,
    cache_write: u64,
    cache_read: u64,
    output: u64,
}

const fn price(input: u64, cache_write: u64, cache_read: u64, output: u64) -> Price {
    Price { input, cache_write, cache_read, output }
}

/// The prices by the beginning of a model's name; the first that fits counts.
const PRICES: &[(&str, Price)] = &[
    ("claude-fable-5-1", price(10_000_000, 12_500_000, 250_000, 50_000_000)),
    ("claude-mythos-5-1", price(10_000_000, 12_500_000, 250_000, 50_000_000)),
    ("claude-fable-5", price(10_000_000, 12_500_000, 1_000_000, 50_000_000)),
    ("claude-mythos-5", price(10_000_000, 12_500_000, 1_000_000, 50_000_000)),
    ("claude-opus-5-5", price(4_000_000, 5_000_000, 200_000, 20_000_000)),
    ("claude-opus-5", price(5_000_000, 6_250_000, 500_000, 25_000_000)),
    ("claude-opus-4-5", price(5_000_000, 6_250_000, 500_000, 25_000_000)),
    ("claude-opus-4-6", price(5_000_000, 6_250_000, 500_000, 25_000_000)),
    ("claude-opus-4-7", price(5_000_000, 6_250_000, 500_000, 25_000_000)),
    ("claude-opus-4-8", price(5_000_000, 6_250_000, 500_000, 25_000_000)),
    ("claude-sonnet-5-5", price(2_000_000, 2_500_000, 100_000, 10_000_000)),
    ("claude-sonnet-5", price(2_000_000, 2_500_000, 200_000, 10_000_000)),
    ("claude-sonnet-4", price(3_000_000, 3_750_000, 300_000, 15_000_000)),
    // The rate for prompts of more than 100,000 tokens; shorter ones cost a fifth.
    ("claude-haiku-5-5", price(500_000, 625_000, 50_000, 2_500_000)),
    ("claude-haiku-4-5", price(1_000_000, 1_250_000, 100_000, 5_000_000)),
];

const DEAREST: Price = price(15_000_000, 18_750_000, 1_500_000, 75_000_000);

impl Price {
    /// The prices of `model`.
    #[must_use]
    pub fn of(model: &str) -> Self {
        // A longer version number is another model: `-5` must not stand for `-50`.
        let fits = |name: &str| {
            model.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        PRICES.iter().find(|(name, _)| fits(name)).map_or(DEAREST, |(_, price)| *price)
    }

    /// What `usage` costs, rounded up.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> MicroDollars {
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = part(usage.input, self.input)
            + part(usage.output, self.output)
            + part(usage.cache_write, self.cache_write)
            + part(usage.cache_read, self.cache_read);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// How many tokens of output `money` buys.
    #[must_use]
    pub fn output_for(&self, money: MicroDollars) -> u64 {
        u64::try_from(u128::from(money) * 1_000_000 / u128::from(self.output)).unwrap_or(u64::MAX)
    }
}

/// Dollars and cents, rounded up: `$0.03`.
#[must_use]
pub fn dollars(money: MicroDollars) -> String {
    let cents = money.div_ceil(10_000);
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_costs_what_its_parts_cost() {
        let usage = Usage { input: 1000, output: 200, cache_write: 4000, cache_read: 100_000 };
        // 1000 * $1 + 200 * $5 + 4000 * $1.25 + 100,000 * $0.10, each per million.
        assert_eq!(Price::of("claude-haiku-4-5-20251001").cost(&usage), 1000 + 1000 + 5000 + 10_000);
    }

    #[test]
    fn newer_model_is_not_taken_for_the_older_one_of_the_same_beginning() {
        assert_ne!(Price::of("claude-opus-5-5"), Price::of("claude-opus-5"));
        assert_eq!(Price::of("claude-opus-5-20260724"), Price::of("claude-opus-5"));
        assert_eq!(Price::of("claude-opus-50"), DEAREST);
    }

    #[test]
    fn model_that_nobody_knows_is_the_dearest() {
        let one =
            Usage { input: 1_000_000, output: 1_000_000, cache_write: 1_000_000, cache_read: 1_000_000 };
        for (name, price) in PRICES {
            assert!(price.cost(&one) <= Price::of("somebody-elses").cost(&one), "{name}");
        }
    }

    #[test]
    fn any_number_of_tokens_has_a_cost_and_none_is_free() {
        let most = Usage { input: u64::MAX, output: u64::MAX, cache_write: u64::MAX, cache_read: u64::MAX };
        assert_eq!(DEAREST.cost(&most), u64::MAX);
        assert_eq!(Price::of("claude-haiku-4-5").cost(&Usage { cache_read: 1, ..Usage::default() }), 1);
    }

    #[test]
    fn money_is_shown_rounded_up() {
        assert_eq!(
            [0, 1, 10_000, 10_001, 12_345_678].map(dollars),
            ["$0.00", "$0.01", "$0.01", "$0.02", "$12.35"]
        );
    }
}
