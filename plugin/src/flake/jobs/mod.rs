//! Has nix-eval-jobs evaluate the towns of hosts, several at once (<https://github.com/NixOS/nix-eval-jobs>, 2.31 or later,
//! which has both `--select` and `--apply`).
//!
//! nix-eval-jobs walks derivations, so each host is wrapped in one that nobody ever builds, and the town is what `--apply`
//! takes out of it. Derivations are named by number, because a host may be called anything, and one more lists the names.
//!
//! # Invariants
//!
//! - The same bounds hold as for Nix: session, address space (of each process; together at most what Nix alone may have),
//!   deadline, output, environment, settings. It never writes a lock file, looks into no registry, and with
//!   `--no-instantiate` writes no derivation.
//! - A town is the result of all hosts, or there is none: an exit status of 0 says nothing, since a host's failure is a line
//!   like any other; each host must have exactly one.
//! - Other hosts are evaluated although one fails, and all that failed are named, in the order of their names.

use std::ffi::OsString;
use std::path::Path;

use super::error::{BadHosts, EvalError, Phase};
use super::evaluator::Jobs;
use super::failure::Failure;
use super::log::Log;
use super::nix::{Question, SETTINGS};
use super::run::{self, Finished, Job};
use super::watch::Listening;
use super::{Evaluated, Evaluation, Towns, lock, reference, surroundings};
use lines::{Found, Lines};

mod died;
mod lines;
mod message;

/// Maps the configurations to derivations: `all`, and `host-0` and so on in the order of the names. Nothing of a host is
/// evaluated here, so that a bad one is its own job's failure.
const SELECT: &str = r#"hosts:
let
  names = builtins.attrNames hosts;
  job = name: nuketown: derivation { inherit name; system = "none"; builder = "none"; } // { inherit nuketown; };
  town = name:
    let
      host = hosts.${name};
    in
    if host ? config.nuketown.town && host.config.nuketown.town != null then { town = host.config.nuketown.town; } else { };
  number = index: {
    name = "host-${toString index}";
    value = job "host-${toString index}" (town (builtins.elemAt names index));
  };
in
{ all = job "all" { inherit names; }; } // builtins.listToAttrs (builtins.genList number (builtins.length names))
"#;

/// Takes out of a job what is printed as `extraValue`, which has to be an attribute set.
const APPLY: &str = "job: job.nuketown";

/// What `--offline` does, which nix-eval-jobs does not know (Nix, `libmain/common-args` and `src/nix/main`).
const OFFLINE: [(&str, &str); 4] = [
    ("substitute", "false"),
    ("tarball-ttl", "4294967295"),
    ("download-attempts", "1"),
    ("connect-timeout", "1"),
];

impl Evaluation<'_> {
    /// The towns of the hosts.
    pub(super) fn ask_jobs<T>(
        &self,
        jobs: &Jobs,
        make: &mut impl FnMut(Towns<'_>) -> T,
    ) -> Result<Evaluated<T>, EvalError> {
        let flake = &self.request.flake;
        self.progress.phase(|| format!("evaluating the hosts of {flake}"));
        let online = !lock::is_without_inputs(flake);
        let mut listening = Listening { log: Log::default(), progress: self.progress };
        let ran = run::run(&self.jobs_job(jobs, online), &mut listening);
        let mut log = listening.log;
        log.finish();
        let Finished { status, output } = ran.map_err(|why| self.stopped(why, Phase::Hosts, log.doing()))?;
        if !status.success() {
            let failure = self.failure(jobs, online, status, &log);
            return Err(died::explain(&failure, &Lines::read_what_is_there(&output)).unwrap_or_else(|| {
                match message::explain(&failure) {
                    EvalError::NoAttribute { .. } => self.no_town(None),
                    why => why,
                }
            }));
        }
        let unreadable = |said| EvalError::Jobs { flake: flake.to_string(), said };
        let hosts = Lines::read(&output).and_then(Lines::complete).map_err(unreadable)?;
        let towns = self.towns(hosts, &self.failure(jobs, online, status, &log))?;
        self.progress.phase(|| "rendering".to_owned());
        Ok(self.answer(Question::Hosts.attribute(), make(Towns::Hosts(&towns))))
    }

    fn jobs_job(&self, jobs: &Jobs, online: bool) -> Job {
        // Where an old Nix needs another way to the flake than its reference, a nix-eval-jobs that is new enough does not.
        let below_files =
            self.request.flake.directory().is_some_and(super::reference::Directory::is_below_files);
        let reference = if below_files { self.reference.clone() } else { self.request.flake.url() };
        let mut job = self.job(arguments(&reference, jobs, self.surroundings.store.as_deref(), !online));
        job.program.clone_from(&jobs.program);
        job.memory = jobs.memory;
        job.directory = None;
        if !online {
            job.environment.extend(surroundings::without_network());
        }
        job
    }

    fn failure<'a>(
        &'a self,
        jobs: &Jobs,
        online: bool,
        status: std::process::ExitStatus,
        log: &'a Log,
    ) -> Failure<'a> {
        Failure {
            flake: &self.request.flake,
            question: &Question::Hosts,
            store: self.surroundings.store.as_deref(),
            online,
            memory: jobs.memory,
            status,
            log,
        }
    }

    /// The towns as one JSON object; an error if a host failed or none has a town.
    fn towns(&self, hosts: Vec<(String, Found)>, failure: &Failure<'_>) -> Result<Vec<u8>, EvalError> {
        let names: Vec<String> = hosts.iter().map(|(name, _)| name.clone()).collect();
        let mut towns = serde_json::Map::new();
        let mut bad = Vec::new();
        for (name, found) in hosts {
            match found {
                Found::Town(town) => drop(towns.insert(name, town)),
                Found::Nothing => {}
                Found::Failed(said) => bad.push(message::of_host(failure, name, &said)),
            }
        }
        if !bad.is_empty() {
            let flake = self.request.flake.to_string();
            let total = names.len();
            return Err(EvalError::Hosts(BadHosts { flake, total, good: total - bad.len(), bad }));
        }
        if towns.is_empty() {
            return Err(self.no_town(Some(names)));
        }
        serde_json::to_vec(&towns)
            .map_err(|why| EvalError::Jobs { flake: self.request.flake.to_string(), said: why.to_string() })
    }
}

/// The arguments that have nix-eval-jobs print a line for each host. `reference` has no fragment.
///
/// What it does with a lock file needs no option: it neither changes nor writes one, and uses no registry (`lockFlags` in
/// its `src/eval-args.hh`).
fn arguments(reference: &str, jobs: &Jobs, store: Option<&Path>, offline: bool) -> Vec<OsString> {
    let mut all: Vec<OsString> =
        ["--extra-experimental-features", "nix-command flakes", "--log-format", "internal-json"]
            .map(OsString::from)
            .into();
    all.extend(["--workers".into(), jobs.workers.to_string().into()]);
    // Not a limit, but when a worker is replaced by a fresh one: memory is not given back otherwise.
    all.extend(["--max-memory-size".into(), (jobs.memory / 2 / 1024 / 1024).to_string().into()]);
    all.push("--no-instantiate".into());
    let offline = OFFLINE.iter().filter(|_| offline);
    for (name, value) in SETTINGS.iter().chain(offline) {
        all.extend(["--option", name, value].map(OsString::from));
    }
    if let Some(store) = store {
        all.extend(["--option".into(), "store".into(), store.into()]);
    }
    all.extend(["--select", SELECT, "--apply", APPLY, "--flake"].map(OsString::from));
    all.push(format!("{reference}{}", reference::fragment(Question::Hosts.attribute())).into());
    all
}
