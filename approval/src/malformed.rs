//! What is wrong with a value that came from outside.

use nuketown::Problem;

use crate::visible::quoted;

/// A value that cannot be used: where it stood, what it was, what was expected.
///
/// Whoever meets one refuses the whole request; there is no reading of half of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {found}; {expected}")]
pub struct Malformed {
    /// Where: the element or option.
    pub place: String,
    /// What stood there: `is "…"`, `is missing`. Safe to print.
    pub found: String,
    /// What was expected, which is what to do about it.
    pub expected: String,
}

impl Malformed {
    /// `place` holds `value`, which is not what it should be.
    pub(crate) fn new(place: &str, value: &str, expected: impl Into<String>) -> Self {
        Self { place: place.to_owned(), found: format!("is {}", quoted(value)), expected: expected.into() }
    }

    /// Something is wrong with `place` other than a value.
    pub(crate) fn at(place: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place: place.to_owned(), found: found.into(), expected: expected.into() }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::new(
            format!("{} is not usable", malformed.place),
            format!("{} {}; {}", malformed.place, malformed.found, malformed.expected),
        )
    }
}
