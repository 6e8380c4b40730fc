//! What is wrong with an input, said so that its author can mend it.

use std::fmt;

/// One thing that is wrong, in three parts: what failed, why, and what to do.
///
/// On a terminal it reads
///
/// ```text
/// error: agent `ada` asks for a tier that does not exist
///   cause: agents.ada.cloud.resources is "huge"; the town defines gpu, large, small, standard
///   hint: use one of these, or define cloud.tiers.huge
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What failed, in one line without a full stop.
    pub what: String,
    /// Why: the place, the value found there and what was expected.
    pub cause: String,
    /// What to do about it, where there is something to say beyond the cause.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(what: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { what: what.into(), cause: cause.into(), hint: None }
    }

    /// The same problem with advice on how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The three parts on lines of their own, without the leading `error:`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  cause: {}", self.what, self.cause)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
