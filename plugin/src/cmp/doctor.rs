//! `nuketown-cmp doctor`: whether all that `generate` needs is there.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use nuketown::Problem;

use super::{
    cache::Towns,
    environment::Environment,
    place::{Place, Trust},
    service::Job,
    settings::Settings,
    source::Source,
    values::Wanted,
};
use crate::{
    failure::Failure,
    flake::{self, Evaluator},
    output,
};

/// With less than this, Nix does not even start.
const MEMORY_MIN: u64 = 256 << 20;

/// A town for the whole way through Nix.
const FLAKE: &str = "{ outputs = _: { nuketown = { domain = \"example.org\"; }; }; }\n";

/// The same town, of two hosts.
const HOSTS: &str = "{ outputs = _: { nixosConfigurations = let h.config.nuketown.town.domain = \"example.org\"; in \
    { one = h; two = h; }; }; }\n";

/// What was found out about one thing.
type Finding = (&'static str, Result<String, String>);

pub(super) fn run(environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::read(environment)?;
    let Wanted { evaluator, .. } = Wanted::read(environment)?;
    let mut findings: Vec<Finding> = vec![
        ("nix", version("nix")),
        ("git", version("git")),
        ("user", Ok(user())),
        ("cache", cache(&settings)),
        ("memory", memory(&settings)),
        ("evaluation", evaluation(environment, &settings, settings.bounded(evaluator))),
    ];
    if evaluator != Evaluator::Nix {
        findings.insert(1, (evaluator.name(), jobs(evaluator.name())));
    }
    output::print(&table(&findings))?;
    let failed: Vec<&str> =
        findings.iter().filter(|(_, found)| found.is_err()).map(|(what, _)| *what).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let problem = Problem::new("generate cannot work here", format!("not in order: {}", failed.join(", ")));
    Err(Failure::wrong(vec![problem.hint("the table on standard output says why")]))
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for (what, found) in findings {
        let (word, detail) = match found {
            Ok(detail) => ("ok", detail),
            Err(detail) => ("FAILED", detail),
        };
        let detail = detail.lines().collect::<Vec<_>>().join("; ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{word:<6}  {what:<13}  {detail}");
    }
    text
}

/// The version that a program says it has, and where the program is.
fn version(name: &str) -> Result<String, String> {
    let program = flake::on_path(name).ok_or_else(|| format!("there is no {name} in PATH"))?;
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("{} cannot be started: {why}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} --version failed", program.display()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(format!("{} at {}", said.lines().next().unwrap_or_default(), program.display()))
}

/// Where a nix-eval-jobs is that knows what it is asked for. It does not tell its version.
fn jobs(name: &str) -> Result<String, String> {
    let program = flake::on_path(name).ok_or_else(|| format!("there is no {name} in PATH"))?;
    let output = Command::new(&program).arg("--help").stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("{} cannot be started: {why}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match ["--select", "--apply", "--no-instantiate"].into_iter().find(|flag| !said.contains(flag)) {
        None => Ok(format!("found at {}", program.display())),
        Some(flag) => Err(format!("{} is too old, it knows no {flag}", program.display())),
    }
}

/// Argo CD's sidecars run as user 999; another one works as well, where the files are its own.
fn user() -> String {
    match rustix::process::geteuid().as_raw() {
        999 => "999, Argo CD's".to_owned(),
        other => format!("{other}; Argo CD's sidecars run as 999"),
    }
}

fn cache(settings: &Settings) -> Result<String, String> {
    let path = settings.directory.display();
    for trust in [Trust::Deployed, Trust::Preview] {
        let place =
            super::place::Place::prepare(&settings.directory, trust).map_err(|failure| said(&failure))?;
        tempfile::tempfile_in(place.entries()).map_err(|why| format!("{path} cannot be written: {why}"))?;
    }
    Ok(format!("{path} can be written"))
}

fn memory(settings: &Settings) -> Result<String, String> {
    let text = format!("{} MiB for an evaluation, {} at once", settings.memory >> 20, settings.concurrency);
    if settings.memory < MEMORY_MIN {
        return Err(format!("{text}; Nix needs {} MiB", MEMORY_MIN >> 20));
    }
    Ok(text)
}

/// Evaluates a town, as if an Application had it. A result that is kept would say nothing of Nix.
fn evaluation(
    environment: &Environment,
    settings: &Settings,
    evaluator: Evaluator,
) -> Result<String, String> {
    let flake = if evaluator == Evaluator::Nix { FLAKE } else { HOSTS };
    let directory = tempfile::tempdir().map_err(|why| format!("no temporary directory: {why}"))?;
    let path = directory.path().canonicalize().map_err(|why| why.to_string())?;
    std::fs::write(path.join("flake.nix"), flake).map_err(|why| why.to_string())?;
    let deadline = Instant::now().checked_add(settings.timeout).ok_or("NUKETOWN_TIMEOUT is too long")?;
    let source = Source::find(&environment.without_application(), &path, deadline);
    let source = source.map_err(|failure| said(&failure))?;
    let job = Job { settings, source: &source, attr: None, evaluator, trust: Trust::Deployed, deadline };
    let place = Place::prepare(&settings.directory, job.trust).map_err(|failure| said(&failure))?;
    match (job.evaluate(&place).map_err(|failure| said(&failure))?, evaluator) {
        (Towns::Town(_), Evaluator::Nix) => Ok("a flake can be evaluated".to_owned()),
        (Towns::Hosts(_), Evaluator::NixEvalJobs(_)) => {
            Ok("a flake and its hosts can be evaluated".to_owned())
        }
        _ => Err("a flake was taken for another".to_owned()),
    }
}

fn said(failure: &Failure) -> String {
    failure
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.what, problem.cause))
        .collect::<Vec<_>>()
        .join("; ")
}
