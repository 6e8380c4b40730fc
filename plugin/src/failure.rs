//! Why a command failed.

use nuketown::Problem;

use crate::flake::{Class, EvalError};

/// A failed command. Nothing was printed to standard output and no file was changed, but for a comparison, which has
/// printed the difference that it found.
#[derive(Debug)]
pub struct Failure {
    /// Whose fault it is, which decides the exit status.
    pub class: Class,
    /// What is wrong; empty where the status says it all.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// The town is wrong.
    #[must_use]
    pub fn wrong(problems: Vec<Problem>) -> Self {
        Self { class: Class::Town, problems }
    }

    /// A comparison found a difference and printed it.
    #[must_use]
    pub fn different() -> Self {
        Self::wrong(Vec::new())
    }

    /// The command line, an input file or the output place is unusable.
    #[must_use]
    pub fn usage(problem: Problem) -> Self {
        Self { class: Class::Usage, problems: vec![problem] }
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        Self { class: error.class(), problems: error.problems() }
    }
}
