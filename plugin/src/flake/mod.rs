//! Has a real Nix evaluate the town of a flake.
//!
//! Expected flow: [`launch_if_asked`] first in `main`; [`FlakeRef::resolve`] what the user typed; [`evaluate`].
//!
//! # Invariants
//!
//! - Evaluation is only ever evaluation: a hostile flake can fail, and nothing else. Nothing is built, no setting of the
//!   flake is in force, its lock file is not written, and it sees no file but its own and its locked inputs.
//! - Time, memory and output are bounded, and nothing is left running, even if this program is killed.
//! - What is evaluated can be named: the reference is resolved here, not guessed by Nix.
//!
//! The files, from the outside in: `reference` (what is meant), `nix` (the command line), `surroundings` (environment and
//! store), `run` and `launch` (the bounded process), `watch`, `log` and `failure` (what it says). The towns of hosts may be
//! evaluated by nix-eval-jobs instead: `jobs`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::progress::Progress;

mod advice;
mod complete;
mod copy;
mod error;
mod evaluator;
mod failure;
mod git;
mod interrupt;
mod jobs;
mod launch;
mod lock;
mod log;
mod nix;
mod reference;
mod run;
mod scratch;
mod source;
mod surroundings;
mod text;
mod watch;

pub use error::{BadHosts, Class, EvalError, Phase};
pub use evaluator::{Evaluator, WORKERS_MAX};
pub use git::commit;
pub use interrupt::end_by;
pub use launch::launch_if_asked;
pub use reference::FlakeRef;
pub(crate) use scratch::make_writable;
pub use surroundings::{default_memory_limit, on_path};

use evaluator::Jobs;
use failure::Failure;
use log::Log;
use nix::Question;
use run::{Finished, Job, Stopped};
use surroundings::Surroundings;
use watch::{Quiet, Watching};

/// The most bytes of JSON that are read. A hundred agents are about 10 KiB.
const OUTPUT: usize = 32 * 1024 * 1024;

/// What to evaluate, and what it may cost.
#[derive(Clone, Debug)]
pub struct Request {
    /// The flake.
    pub flake: FlakeRef,
    /// The attribute path of the town. Absent, it is the one after `#` in the reference; without that `nuketown`, or else
    /// the towns of `nixosConfigurations`.
    pub attr: Option<String>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How many bytes of address space Nix may use: [`default_memory_limit`]. It needs about 100 MiB to start.
    pub memory_limit: u64,
    /// What evaluates the towns of hosts.
    pub evaluator: Evaluator,
    /// The store to use, where it is not to be chosen.
    pub store: Option<PathBuf>,
    /// A directory of one's own for all that Nix keeps outside of the store: its caches, and its home where the user's
    /// cannot be used.
    pub private: Option<PathBuf>,
    /// The program whose `main` calls [`launch_if_asked`], if it is not this one.
    pub launcher: Option<PathBuf>,
}

impl Request {
    /// A request for the town of `flake`, within 50 seconds and [`default_memory_limit`].
    #[must_use]
    pub fn new(flake: FlakeRef) -> Self {
        Self {
            flake,
            attr: None,
            timeout: Duration::from_secs(50),
            memory_limit: default_memory_limit(),
            evaluator: Evaluator::Nix,
            store: None,
            private: None,
            launcher: None,
        }
    }
}

/// JSON as Nix printed it, not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towns<'j> {
    /// One town.
    Town(&'j [u8]),
    /// An object with a town for each host that has one.
    Hosts(&'j [u8]),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug)]
pub struct Evaluated<T> {
    /// What was made of the town, or of the towns of hosts; of these there is at least one.
    pub made: T,
    /// Where: the reference and attribute that Nix was asked for.
    pub installable: String,
}

/// Evaluates the town of a flake, and has `make` make something of it.
///
/// `make` is called as soon as the JSON is whole, while Nix gives its memory back: that hides most of its time. What it
/// made is thrown away if Nix fails after all, or has more to say; then `make` may be called again, for something else.
/// So it should do nothing that cannot be forgotten.
///
/// # Guarantees
///
/// When it returns, no temporary file is left, and no process that it started but for those that the kernel is about to
/// remove. At a signal that wants this program to
/// end, the evaluation is ended and [`EvalError::Interrupted`] returned, so that the caller can clean up; see [`end_by`].
///
/// # Assumptions
///
/// The thread that calls it lives until it returns (Nix is killed when the thread ends). Calls may run in parallel.
///
/// # Errors
///
/// See [`EvalError`]; [`EvalError::class`] sorts them by exit status.
pub fn evaluate<T>(
    request: &Request,
    progress: &Progress,
    mut make: impl FnMut(Towns<'_>) -> T,
) -> Result<Evaluated<T>, EvalError> {
    let deadline = Instant::now().checked_add(request.timeout);
    let asked = asked(request)?;
    let program = surroundings::on_path("nix").ok_or(EvalError::NixMissing)?;
    let jobs = request.evaluator.jobs(request.memory_limit)?;
    let surroundings = Surroundings::prepare(request.store.as_deref(), request.private.as_deref())
        .map_err(EvalError::Scratch)?;
    let mut evaluation = Evaluation {
        request,
        progress,
        deadline,
        program,
        jobs,
        surroundings,
        reference: String::new(),
        directory: None,
    };
    evaluation.locate()?;
    if let Some(attribute) = asked {
        let town = evaluation
            .ask(&Question::Attribute(attribute.clone()), &mut make)
            .map_err(|why| forgotten(why, request))?;
        return Ok(evaluation.answer(&attribute, town.made));
    }
    match (evaluation.ask(&Question::Attribute("nuketown".to_owned()), &mut make), &evaluation.jobs) {
        (Ok(town), _) => Ok(evaluation.answer("nuketown", town.made)),
        (Err(EvalError::NoAttribute { .. }), None) => evaluation.ask_hosts(&mut make),
        (Err(EvalError::NoAttribute { .. }), Some(jobs)) => evaluation.ask_jobs(jobs, &mut make),
        (Err(why), _) => Err(why),
    }
}

/// Adds to a missing attribute the files that may have been forgotten. Not done where the error is made, because there
/// it is no error yet that there is no `nuketown`.
fn forgotten(mut why: EvalError, request: &Request) -> EvalError {
    if let EvalError::NoAttribute { untracked, .. } = &mut why {
        *untracked = failure::untracked(&request.flake);
    }
    why
}

/// The attribute that the user asked for, by whichever way.
fn asked(request: &Request) -> Result<Option<String>, EvalError> {
    let fragment = request.flake.attribute();
    let attribute = match (fragment, request.attr.as_deref()) {
        (Some(fragment), Some(option)) if fragment != option => {
            return Err(EvalError::TwoAttributes {
                fragment: fragment.to_owned(),
                option: option.to_owned(),
            });
        }
        (fragment, option) => option.or(fragment),
    };
    // Nix 2.19 has a leading dot for what is done here anyway: see the setting `system`.
    match attribute.map(|attribute| attribute.strip_prefix('.').unwrap_or(attribute)) {
        Some(attribute) if attribute.is_empty() || attribute.contains('\0') => {
            Err(EvalError::BadAttribute { attribute: attribute.to_owned() })
        }
        attribute => Ok(attribute.map(str::to_owned)),
    }
}

struct Evaluation<'a> {
    request: &'a Request,
    progress: &'a Progress,
    deadline: Option<Instant>,
    program: PathBuf,
    /// What evaluates hosts, if it is not Nix itself.
    jobs: Option<Jobs>,
    surroundings: Surroundings,
    /// What Nix is asked for, without the attribute.
    reference: String,
    /// Where it is asked.
    directory: Option<PathBuf>,
}

/// One run of Nix that succeeded.
struct Answer<T> {
    output: Vec<u8>,
    made: T,
    hosts: Vec<String>,
}

impl Evaluation<'_> {
    /// Works out what to ask for. It is the reference itself, but for a flake below the top of a tree that is no
    /// repository, and for a path that an old Nix does not understand.
    fn locate(&mut self) -> Result<(), EvalError> {
        self.reference = self.request.flake.url();
        let Some(directory) = self.request.flake.directory() else { return Ok(()) };
        if directory.is_below_files() {
            let tree = self.copy(|tree| copy::all_files(directory.tree(), tree))?;
            self.reference = format!("git+file://{}{}", reference::encoded(&tree), directory.parameters());
            return Ok(());
        }
        if !directory.is_encoded() || nix::decodes_paths(&self.version()?) {
            return Ok(());
        }
        match &directory.repository {
            // A directory that is in no repository is found from inside, where no path is needed.
            None => {
                ".".clone_into(&mut self.reference);
                self.directory = Some(directory.flake.clone());
            }
            Some(top) if !directory.is_as_on_disk() => {
                self.reference = format!("git+file:///proc/self/cwd{}", directory.parameters());
                self.directory = Some(top.clone());
            }
            Some(top) => {
                let tree = self.copy(|tree| copy::tracked_files(top, tree))?;
                self.reference =
                    format!("git+file://{}{}", reference::encoded(&tree), directory.parameters());
            }
        }
        Ok(())
    }

    /// A temporary tree that `fill` fills.
    fn copy(&mut self, fill: impl Fn(&Path) -> Result<(), EvalError>) -> Result<PathBuf, EvalError> {
        let scratch = self.surroundings.scratch().and_then(|scratch| scratch.directory("source"));
        let tree = scratch.and_then(|tree| tree.canonicalize()).map_err(EvalError::Scratch)?;
        fill(&tree)?;
        Ok(tree)
    }

    fn version(&self) -> Result<String, EvalError> {
        let job = self.job(vec!["--version".into()]);
        let finished = run::run(&job, &mut Quiet).map_err(|why| self.stopped(why, Phase::Reference, None))?;
        Ok(String::from_utf8_lossy(&finished.output).into_owned())
    }

    fn ask<T>(
        &self,
        question: &Question,
        make: &mut impl FnMut(Towns<'_>) -> T,
    ) -> Result<Answer<T>, EvalError> {
        let flake = &self.request.flake;
        self.progress.phase(|| format!("evaluating {flake}"));
        let online = !lock::is_without_inputs(flake);
        let store = self.surroundings.store.as_deref();
        let mut job = self.job(nix::arguments(&self.reference, question, store, !online));
        if !online {
            job.environment.extend(surroundings::without_network());
        }
        let mut make = |json: &[u8]| make(question.towns(json));
        let mut watching =
            Watching { log: Log::default(), progress: self.progress, make: &mut make, made: None };
        let ran = run::run(&job, &mut watching);
        let Watching { mut log, made: early, .. } = watching;
        log.finish();
        let phase = if *question == Question::Hosts { Phase::Hosts } else { Phase::Town };
        let Finished { status, output } = ran.map_err(|why| self.stopped(why, phase, log.doing()))?;
        // The status first: Nix 2.8 prints half of the JSON when it fails.
        if !status.success() {
            let memory = job.memory;
            return Err(Failure { flake, question, store, online, memory, status, log: &log }.explain());
        }
        let made_of_all = early.filter(|(_, length)| output[*length..].trim_ascii().is_empty());
        let result = if let Some((result, _)) = made_of_all {
            result
        } else {
            self.progress.phase(|| "rendering".to_owned());
            make(&output)
        };
        Ok(Answer { output, made: result, hosts: log.hosts })
    }

    fn ask_hosts<T>(&self, make: &mut impl FnMut(Towns<'_>) -> T) -> Result<Evaluated<T>, EvalError> {
        match self.ask(&Question::Hosts, make) {
            Ok(answer) if answer.output.trim_ascii() == b"{}" => Err(self.no_town(Some(answer.hosts))),
            Ok(answer) => Ok(self.answer(Question::Hosts.attribute(), answer.made)),
            Err(EvalError::NoAttribute { .. }) => Err(self.no_town(None)),
            Err(why) => Err(why),
        }
    }

    /// Neither the flake has a town nor one of these hosts.
    fn no_town(&self, hosts: Option<Vec<String>>) -> EvalError {
        let flake = &self.request.flake;
        EvalError::NoTown { flake: flake.to_string(), hosts, untracked: failure::untracked(flake) }
    }

    fn answer<T>(&self, attribute: &str, made: T) -> Evaluated<T> {
        Evaluated {
            made,
            installable: format!("{}{}", self.request.flake.url(), reference::fragment(attribute)),
        }
    }

    fn job(&self, arguments: Vec<std::ffi::OsString>) -> Job {
        Job {
            program: self.program.clone(),
            arguments,
            environment: self.surroundings.environment.clone(),
            directory: self.directory.clone(),
            launcher: self.request.launcher.clone(),
            deadline: self.deadline,
            memory: self.request.memory_limit,
            output: OUTPUT,
        }
    }

    fn stopped(&self, why: Stopped, phase: Phase, doing: Option<&str>) -> EvalError {
        let flake = self.request.flake.to_string();
        match why {
            Stopped::Start(source) => EvalError::Start(source),
            Stopped::Watch(source) => EvalError::Watch(source),
            Stopped::Interrupted(signal) => EvalError::Interrupted { signal },
            Stopped::Output => EvalError::TooLarge { flake, limit: OUTPUT },
            Stopped::Deadline => {
                // Nix tells of everything that it waits for, and evaluates without a word.
                let phase = if doing.is_some() { Phase::Reference } else { phase };
                let doing = doing.map(text::one_line);
                EvalError::TimedOut { flake, phase, after: self.request.timeout, doing }
            }
        }
    }
}
