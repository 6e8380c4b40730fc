//! Has a revision evaluated once, for all Applications and processes that ask.
//!
//! Expected flow: look into the cache; lock the key; look again, because who had the lock may have put it there; wait for
//! one of the slots; evaluate; put it into the cache.
//!
//! # Invariants
//!
//! - At most one process evaluates a key, and at most as many evaluate as there are slots.
//! - Only what succeeded is kept.
//! - A key covers all that the result depends on, so that nothing ever has to be thrown away because of its age.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use nuketown::Problem;
use sha2::{Digest as _, Sha256};

use super::{
    cache::{self, ROOM, Towns},
    locks::{self, Held, Refused},
    place::{Place, Trust},
    settings::Settings,
    source::Source,
    tree::hex,
};
use crate::{
    failure::Failure,
    flake::{self, Class, EvalError, Evaluator, Request},
    progress::Progress,
};

/// What is to be evaluated, and for whom.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) source: &'a Source,
    /// The output that holds the town, if the Application says.
    pub(super) attr: Option<&'a str>,
    /// What evaluates hosts.
    pub(super) evaluator: Evaluator,
    pub(super) trust: Trust,
    /// When all of it has to be over.
    pub(super) deadline: Instant,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) towns: Towns,
    /// What went wrong beside it. The answer is right all the same.
    pub(super) warnings: Vec<Problem>,
}

impl Job<'_> {
    /// The towns, if they are in the cache.
    ///
    /// # Errors
    ///
    /// The cache cannot be used.
    pub(super) fn kept(&self) -> Result<Option<Answer>, Failure> {
        let place = Place::prepare(&self.settings.directory, self.trust)?;
        let towns = cache::get(&place.entries(), &self.key()?);
        Ok(towns.map(|towns| Answer { towns, warnings: Vec::new() }))
    }

    /// The towns, from the cache or from Nix.
    ///
    /// # Errors
    ///
    /// The evaluation failed, or there was no time left for it.
    pub(super) fn answer(&self) -> Result<Answer, Failure> {
        let place = Place::prepare(&self.settings.directory, self.trust)?;
        let key = self.key()?;
        if let Some(towns) = cache::get(&place.entries(), &key) {
            return Ok(Answer { towns, warnings: Vec::new() });
        }
        let waiting = |why| self.refused(why, "another process is evaluating the same revision");
        let _only = locks::transient(&place.key_lock(&key), self.deadline).map_err(waiting)?;
        if let Some(towns) = cache::get(&place.entries(), &key) {
            return Ok(Answer { towns, warnings: Vec::new() });
        }
        let towns = self.evaluate(&place)?;
        let kept = self.keep(&place, &key, &towns).and_then(|()| place.tidy());
        let warnings = kept.err().map(|why| {
            Problem::new("the evaluation was not kept, so that the next one starts anew", why.to_string())
                .hint("see that there is room in the cache directory")
        });
        Ok(Answer { towns, warnings: warnings.into_iter().collect() })
    }

    /// The towns from Nix, once one of the slots is free.
    pub(super) fn evaluate(&self, place: &Place) -> Result<Towns, Failure> {
        let all_taken = |why| {
            let many = self.settings.concurrency;
            self.refused(why, &format!("all of the {many} evaluations that may run at once were running"))
        };
        let _slot =
            locks::any_of(&place.slots(self.settings.concurrency), self.deadline).map_err(all_taken)?;
        let (nix, _used) = self.nix(place)?;
        let mut request = Request::new(self.source.flake.clone());
        request.attr = self.attr.map(str::to_owned);
        request.timeout = self.left();
        request.memory_limit = self.settings.memory;
        request.evaluator = self.evaluator;
        request.store = Some(nix.join("store"));
        request.private = Some(nix);
        match flake::evaluate(&request, &Progress::silent(), |towns| Towns::from(towns)) {
            Ok(evaluated) => Ok(evaluated.made),
            // The time that was waited for others belongs to it.
            Err(EvalError::TimedOut { flake, phase, doing, .. }) => {
                Err(EvalError::TimedOut { flake, phase, doing, after: self.settings.timeout }.into())
            }
            Err(why) => Err(why.into()),
        }
    }

    fn nix(&self, place: &Place) -> Result<(std::path::PathBuf, Held), Failure> {
        place.nix(self.deadline).map_err(|why| self.refused(why, "the Nix store was being emptied"))
    }

    fn keep(&self, place: &Place, key: &str, towns: &Towns) -> io::Result<()> {
        let _alone = locks::exclusive(&place.entries_lock(), self.deadline).map_err(|why| match why {
            Refused::Time => io::ErrorKind::TimedOut.into(),
            Refused::Failed(why) => why,
        })?;
        cache::put(&place.entries(), key, towns, ROOM)?;
        locks::sweep(&place.keys())
    }

    /// The name of the result: a hash over all that it depends on, each part with its length before it.
    fn key(&self) -> Result<String, Failure> {
        let mut parts = vec![nuketown::VERSION.to_owned(), self.trust.name().to_owned()];
        parts.push(self.evaluator.name().to_owned());
        for program in self.evaluator.programs()? {
            let found = program.canonicalize().and_then(|path| Ok((path.metadata()?, path)));
            let (found, path) = found.map_err(EvalError::Start)?;
            parts.extend([path.display().to_string(), identity(&found)]);
        }
        parts.push(self.attr.map_or_else(String::new, |attr| format!("#{attr}")));
        parts.extend(self.source.content.iter().cloned());
        let mut hash = Sha256::new();
        for part in &parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Ok(hex(&hash.finalize()))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn refused(&self, why: Refused, cause: &str) -> Failure {
        let (class, problem) = match why {
            Refused::Time => {
                let waited = self.settings.timeout.as_secs();
                let problem =
                    Problem::new("the town was not evaluated in time", format!("{cause} for {waited} s"));
                (
                    Class::Time,
                    problem.hint(
                        "it is tried again with the next refresh; see NUKETOWN_TIMEOUT, NUKETOWN_CONCURRENCY",
                    ),
                )
            }
            Refused::Failed(why) => {
                let problem = Problem::new("the cache directory cannot be used", why.to_string());
                (Class::Usage, problem.hint("name another one in NUKETOWN_CACHE_DIR"))
            }
        };
        Failure { class, problems: vec![problem] }
    }
}

/// Tells one program from another without running it: a changed program is another file, or has another size or date.
fn identity(program: &Metadata) -> String {
    format!(
        "{} {} {} {}.{}",
        program.dev(),
        program.ino(),
        program.len(),
        program.mtime(),
        program.mtime_nsec()
    )
}
