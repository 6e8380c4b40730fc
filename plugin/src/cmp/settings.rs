//! What the sidecar's operator decides: limits, and where things are kept.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use nuketown::Problem;

use super::environment::Environment;
use crate::{
    failure::Failure,
    flake::{Evaluator, WORKERS_MAX, default_memory_limit},
};

/// Argo CD's repo-server gives up after 60 seconds, without a word to the plugin and none about the reason.
const TIMEOUT: u64 = 50;

/// More evaluations at once than this gain nothing on the machines that sidecars run on, and each may take much memory.
const CONCURRENCY_MAX: usize = 4;

/// The directory that things are kept in, in whichever place.
const NAME: &str = "nuketown-cmp";

/// Limits, and where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// How long all of it may take.
    pub(super) timeout: Duration,
    /// Bytes of address space for an evaluation.
    pub(super) memory: u64,
    /// How many evaluations may run at once, over all processes.
    pub(super) concurrency: usize,
    /// How many hosts nix-eval-jobs evaluates at once, if not as many as is usual.
    pub(super) workers: Option<NonZero<usize>>,
    /// Where evaluations and the Nix store are kept.
    pub(super) directory: PathBuf,
    /// Whether no objects are a result.
    pub(super) allow_empty: bool,
}

impl Settings {
    /// Reads the sidecar's variables, and what an Application may have lowered.
    ///
    /// # Errors
    ///
    /// A value is not what it should be, or set by who may not set it.
    pub(super) fn read(environment: &Environment) -> Result<Self, Failure> {
        environment.check()?;
        let seconds = lowest(environment, "NUKETOWN_TIMEOUT", 1, 86_400, "seconds")?;
        let mebibytes = lowest(environment, "NUKETOWN_MEMORY", 64, 1_048_576, "MiB")?;
        let most = u64::try_from(WORKERS_MAX).unwrap_or(u64::MAX);
        let workers = lowest(environment, "NUKETOWN_WORKERS", 1, most, "hosts at once")?;
        let concurrency =
            number(environment.get("NUKETOWN_CONCURRENCY"), "NUKETOWN_CONCURRENCY", 1, 64, "evaluations")?;
        Ok(Self {
            timeout: Duration::from_secs(seconds.unwrap_or(TIMEOUT)),
            memory: mebibytes.map_or_else(default_memory_limit, |mebibytes| mebibytes << 20),
            concurrency: concurrency
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or_else(processors),
            workers: workers.and_then(|number| usize::try_from(number).ok()).and_then(NonZero::new),
            directory: directory(environment)?,
            allow_empty: flag(environment, "NUKETOWN_ALLOW_EMPTY")?,
        })
    }
}

impl Settings {
    /// This evaluator with as many workers as it may have.
    pub(super) fn bounded(&self, evaluator: Evaluator) -> Evaluator {
        match evaluator {
            Evaluator::Nix => Evaluator::Nix,
            Evaluator::NixEvalJobs(_) => Evaluator::NixEvalJobs(self.workers),
        }
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(CONCURRENCY_MAX)
}

/// The smaller of the sidecar's and the Application's: one Application must not take what the others were promised.
fn lowest(
    environment: &Environment,
    name: &str,
    min: u64,
    max: u64,
    unit: &str,
) -> Result<Option<u64>, Failure> {
    let sidecar = number(environment.get(name), name, min, max, unit)?;
    let application = match environment.of_application(name) {
        Some((whole, value)) => number(Some(value), &whole, min, max, unit)?,
        None => None,
    };
    Ok(sidecar.into_iter().chain(application).min())
}

fn number(value: Option<&str>, name: &str, min: u64, max: u64, unit: &str) -> Result<Option<u64>, Failure> {
    let Some(value) = value else { return Ok(None) };
    match value.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
        _ => Err(refused(name, value, &format!("expected whole {unit} from {min} to {max}"))),
    }
}

fn flag(environment: &Environment, name: &str) -> Result<bool, Failure> {
    match environment.either(name) {
        None | Some((_, "false" | "0")) => Ok(false),
        Some((_, "true" | "1")) => Ok(true),
        Some((whole, value)) => Err(refused(&whole, value, "expected true or false")),
    }
}

/// Where things are kept: below what the operator names (a volume's own directory belongs to root), else `XDG_CACHE_HOME`,
/// else a place of this user's own in the temporary directory, which a sidecar with a read-only root file system has.
fn directory(environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(named) = environment.get("NUKETOWN_CACHE_DIR") {
        let path = PathBuf::from(named);
        return if path.is_absolute() {
            Ok(path.join(NAME))
        } else {
            Err(refused("NUKETOWN_CACHE_DIR", named, "expected an absolute path"))
        };
    }
    if let Some(cache) =
        environment.get("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    {
        return Ok(cache.join(NAME));
    }
    let own = format!("{NAME}-{}", rustix::process::geteuid().as_raw());
    Ok(std::env::temp_dir().join(own))
}

fn refused(name: &str, value: &str, expected: &str) -> Failure {
    Failure::usage(Problem::new(
        format!("the variable {name} has no valid value"),
        format!("{name} is {value:?}; {expected}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(variables: [(&str, &str); N]) -> Result<Settings, String> {
        Settings::read(&Environment::from(variables)).map_err(|failure| failure.problems[0].to_string())
    }

    #[test]
    fn application_may_lower_a_limit_and_never_raise_it() {
        let both = |application| {
            read([("NUKETOWN_TIMEOUT", "30"), ("ARGOCD_ENV_NUKETOWN_TIMEOUT", application)])
                .unwrap()
                .timeout
                .as_secs()
        };
        assert_eq!((both("10"), both("40")), (10, 30));
        assert_eq!(read([]).unwrap().timeout.as_secs(), 50);
        assert_eq!(read([("ARGOCD_ENV_NUKETOWN_MEMORY", "512")]).unwrap().memory, 512 << 20);
    }

    #[test]
    fn value_that_is_none_is_refused_with_what_was_expected() {
        for (name, value, expected) in [
            ("NUKETOWN_TIMEOUT", "0", "seconds from 1 to 86400"),
            ("ARGOCD_ENV_NUKETOWN_MEMORY", "1G", "MiB from 64 to"),
            ("NUKETOWN_CONCURRENCY", "none", "evaluations from 1 to 64"),
            ("NUKETOWN_CACHE_DIR", "cache", "an absolute path"),
            ("NUKETOWN_ALLOW_EMPTY", "maybe", "true or false"),
            ("ARGOCD_ENV_NUKETOWN_WORKERS", "17", "hosts at once from 1 to 16"),
        ] {
            let said = read([(name, value)]).unwrap_err();
            assert!(said.contains(name) && said.contains(value) && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn things_are_kept_where_the_operator_says() {
        let kept = |variables: [(&str, &str); 2]| read(variables).unwrap().directory;
        assert_eq!(
            kept([("NUKETOWN_CACHE_DIR", "/c"), ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/c/nuketown-cmp")
        );
        assert_eq!(
            kept([("NUKETOWN_CACHE_DIR", ""), ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/x/nuketown-cmp")
        );
    }
}
