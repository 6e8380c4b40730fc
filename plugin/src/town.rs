//! From a command's arguments to a town and its manifests.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use nuketown::{
    Manifests, Problem, Selection, Town, decode_hosts, decode_town, to_kube_manifests, town::MAX_INPUT_BYTES,
};

use crate::{
    cli::{EvaluationArgs, EvaluatorArg, SelectionArgs, SourceArgs},
    failure::Failure,
    flake::{self, Evaluator, FlakeRef, Request, Towns},
    progress::Progress,
    report,
};

/// Reads the town that the arguments name.
///
/// # Errors
///
/// The input cannot be read, Nix failed, or what came out is no town.
pub fn town(source: &SourceArgs, progress: &Progress) -> Result<Town, Failure> {
    town_into(source, progress, Ok)
}

/// Reads the town that the arguments name, and has `make` make something of it, before Nix is quite gone. It should do
/// nothing that cannot be forgotten: see [`flake::evaluate`].
///
/// # Errors
///
/// As [`town`], and those of `make`.
pub fn town_into<T>(
    source: &SourceArgs,
    progress: &Progress,
    make: impl Fn(Town) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(path) = &source.from_json {
        return make(decoded(Towns::Town(&read_json(path)?))?);
    }
    evaluate_into(resolve(source.flake.as_deref().unwrap_or("."))?, &source.evaluation, progress, make)
}

/// What the user means by a flake.
///
/// # Errors
///
/// The directory does not exist or holds no flake.
pub fn resolve(flake: &str) -> Result<FlakeRef, Failure> {
    Ok(FlakeRef::resolve(flake)?)
}

/// Evaluates a flake's town.
///
/// # Errors
///
/// As [`town`].
pub fn evaluate(flake: FlakeRef, how: &EvaluationArgs, progress: &Progress) -> Result<Town, Failure> {
    evaluate_into(flake, how, progress, Ok)
}

fn evaluate_into<T>(
    flake: FlakeRef,
    how: &EvaluationArgs,
    progress: &Progress,
    make: impl Fn(Town) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut request = Request::new(flake);
    request.attr.clone_from(&how.attr);
    request.timeout = how.timeout;
    request.store.clone_from(&how.store);
    request.evaluator = evaluator(how)?;
    if let Some(mebibytes) = how.memory {
        request.memory_limit = mebibytes << 20;
    }
    let mut is_one = false;
    let evaluated = flake::evaluate(&request, progress, |towns| {
        is_one = matches!(towns, Towns::Town(_));
        make(decoded(towns)?)
    })?;
    if is_one && request.evaluator != Evaluator::Nix {
        progress.clear();
        report::warnings(&[Problem::new(
            format!("{} was not used", request.evaluator),
            format!("{} is one town, not those of hosts", evaluated.installable),
        )]);
    }
    evaluated.made
}

/// What is to evaluate hosts.
fn evaluator(how: &EvaluationArgs) -> Result<Evaluator, Failure> {
    match (how.evaluator, how.workers) {
        (EvaluatorArg::NixEvalJobs, workers) => Ok(Evaluator::NixEvalJobs(workers)),
        (EvaluatorArg::Nix, None) => Ok(Evaluator::Nix),
        (EvaluatorArg::Nix, Some(_)) => {
            let cause = "nix evaluates one host after the other";
            Err(Failure::usage(
                Problem::new("--workers has no effect", cause).hint("add --evaluator nix-eval-jobs"),
            ))
        }
    }
}

fn decoded(towns: Towns<'_>) -> Result<Town, Failure> {
    match towns {
        Towns::Town(json) => decode_town(json),
        Towns::Hosts(json) => decode_hosts(json),
    }
    .map_err(|problem| Failure::wrong(vec![problem]))
}

/// Renders what is selected of a town, and warns of what has no effect.
///
/// # Errors
///
/// Every problem of the town.
pub fn render(town: &Town, selection: &SelectionArgs, progress: &Progress) -> Result<Manifests, Failure> {
    let manifests = to_kube_manifests(town, &self::selection(selection)).map_err(Failure::wrong)?;
    progress.clear();
    report::warnings(&manifests.warnings);
    Ok(manifests)
}

/// What the arguments select of a town.
#[must_use]
pub fn selection(arguments: &SelectionArgs) -> Selection {
    Selection {
        agents: arguments.agents.iter().cloned().collect(),
        preview: arguments.preview.clone(),
        allow_empty: arguments.allow_empty,
        scope: arguments.scope.into(),
        ..Selection::default()
    }
}

/// Reads a bounded amount of JSON from a file or, for `-`, from standard input.
fn read_json(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| {
        Failure::usage(Problem::new(format!("cannot read {}", path.display()), error.to_string()))
    };
    let mut json = Vec::new();
    let limit = MAX_INPUT_BYTES as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut json).map_err(failed)?;
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut json)).map_err(failed)?;
    }
    Ok(json)
}
