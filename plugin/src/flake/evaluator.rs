//! What evaluates the towns of hosts: Nix, one host after the other, or nix-eval-jobs, several at once.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::EvalError;
use super::surroundings;

/// More workers gain nothing on the machines that this runs on, and each loads the whole flake for itself.
const WORKERS_DEFAULT: usize = 4;

/// The most workers that may be asked for.
pub const WORKERS_MAX: usize = 16;

const MIB: u64 = 1024 * 1024;

/// What a worker should have at least. A NixOS host takes about a gigabyte, and nothing is collected: nix-eval-jobs turns
/// Nix's garbage collector off.
const GOOD: u64 = 2048 * MIB;

/// What evaluates the towns of hosts. A town that is one attribute is always evaluated by Nix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evaluator {
    /// Nix, one host after the other.
    #[default]
    Nix,
    /// nix-eval-jobs, with this many hosts at once: 1 to [`WORKERS_MAX`]. Absent, as many as there are processors, at most
    /// four, and fewer where the memory is not enough for so many.
    NixEvalJobs(Option<NonZero<usize>>),
}

/// nix-eval-jobs, found and measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jobs {
    pub(super) program: PathBuf,
    pub(super) workers: usize,
    /// Bytes of address space for each of its processes.
    pub(super) memory: u64,
}

impl Evaluator {
    /// The program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nix => "nix",
            Self::NixEvalJobs(_) => "nix-eval-jobs",
        }
    }

    /// All programs that it needs beside git, in PATH: Nix looks whether there are hosts to evaluate at all.
    ///
    /// # Errors
    ///
    /// One of them is not installed.
    pub fn programs(self) -> Result<Vec<PathBuf>, EvalError> {
        let mut all = vec![surroundings::on_path("nix").ok_or(EvalError::NixMissing)?];
        if let Self::NixEvalJobs(_) = self {
            all.push(surroundings::on_path(self.name()).ok_or(EvalError::JobsMissing)?);
        }
        Ok(all)
    }

    /// nix-eval-jobs, if that is it. `memory` is what all workers have together: the limit of the operating system holds
    /// for each process by itself.
    pub(super) fn jobs(self, memory: u64) -> Result<Option<Jobs>, EvalError> {
        let Self::NixEvalJobs(workers) = self else { return Ok(None) };
        let program = surroundings::on_path(self.name()).ok_or(EvalError::JobsMissing)?;
        let workers = match workers.map(NonZero::get) {
            None => most(memory, processors().min(WORKERS_DEFAULT), |_| GOOD),
            Some(asked) if asked == most(memory, asked, least) => asked,
            Some(asked) => {
                return Err(EvalError::Workers { asked, most: most(memory, asked, least), memory });
            }
        };
        Ok(Some(Jobs { program, workers, memory: share(memory, workers) }))
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// How many workers, up to `wanted`, have as much as they need of this memory; one at least.
fn most(memory: u64, wanted: usize, need: impl Fn(usize) -> u64) -> usize {
    (1..=wanted).rev().find(|workers| share(memory, *workers) >= need(*workers)).unwrap_or(1)
}

fn share(memory: u64, workers: usize) -> u64 {
    memory / u64::try_from(workers.max(1)).unwrap_or(u64::MAX)
}

/// Below this a worker does not even start: what Nix takes, and for every worker the stack of the thread that looks after
/// it (64 MiB) and as much again for that thread's heap, of which each worker has a copy.
fn least(workers: usize) -> u64 {
    (256 + 128 * u64::try_from(workers).unwrap_or(u64::MAX / MIB / 256)) * MIB
}

impl fmt::Display for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evaluators are nix and nix-eval-jobs")]
pub struct NoEvaluator;

impl FromStr for Evaluator {
    type Err = NoEvaluator;

    fn from_str(text: &str) -> Result<Self, NoEvaluator> {
        [Self::Nix, Self::NixEvalJobs(None)].into_iter().find(|it| it.name() == text).ok_or(NoEvaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluator_is_read_as_it_is_written() {
        for name in ["nix", "nix-eval-jobs"] {
            assert_eq!(name.parse::<Evaluator>().unwrap().to_string(), name);
        }
        assert_eq!("Nix".parse::<Evaluator>(), Err(NoEvaluator));
    }

    #[test]
    fn workers_share_the_memory_and_there_are_fewer_where_it_is_small() {
        assert_eq!(most(8192 * MIB, 4, |_| GOOD), 4);
        assert_eq!(most(4096 * MIB, 4, |_| GOOD), 2);
        assert_eq!(most(256 * MIB, 4, |_| GOOD), 1);
        assert_eq!((share(8192 * MIB, 4), share(MIB, 0)), (2048 * MIB, MIB));
    }

    #[test]
    fn more_workers_than_can_start_are_too_many() {
        assert_eq!(most(8192 * MIB, 4, least), 4);
        assert_eq!(most(1024 * MIB, 16, least), 2);
    }
}
