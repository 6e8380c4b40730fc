//! What several test files use: random towns, foreign readers, and questions to rendered objects.

pub(crate) mod agent;
pub(crate) mod amounts;
pub(crate) mod declared;
pub(crate) mod home;
pub(crate) mod objects;
pub(crate) mod policy;
pub(crate) mod readers;
pub(crate) mod shuffle;
pub(crate) mod text;
pub(crate) mod town;

use proptest::test_runner::Config;

/// Runs `default` cases, or as many as `PROPTEST_CASES` says.
///
/// Seeds are not kept: a failing town is printed as JSON, and belongs into a test with a name.
pub(crate) fn cases(default: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: asked.unwrap_or(default),
        failure_persistence: None,
        // The reader processes are slow to start again, so shrinking is bounded.
        max_shrink_iters: 256,
        ..Config::default()
    }
}
