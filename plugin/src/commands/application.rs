//! `nuketown-render application [FLAKE]`: the Argo CD Application of a town.

use nuketown::{
    Problem,
    application::{ArgoObject, SourcePath, application},
};

use crate::{
    cli::{ApplicationArgs, EvaluatorArg},
    failure::Failure,
    flake::{Evaluator, FlakeRef},
    output,
    progress::Progress,
    town,
};

pub(super) fn run(args: &ApplicationArgs, progress: &Progress) -> Result<(), Failure> {
    let flake = match &args.source.from_json {
        Some(_) => None,
        None => Some(town::resolve(args.source.flake.as_deref().unwrap_or("."))?),
    };
    let path = path(args, flake.as_ref())?;
    let attr = args.source.evaluation.attr.clone().or_else(|| attribute(flake.as_ref()));
    let town = town::town(&args.source, progress)?;
    let objects = application(&town, &args.options(attr, evaluator(args), path)).map_err(Failure::wrong)?;
    let yaml = ArgoObject::to_yaml(&objects).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::wrong(vec![Problem::new("the Application cannot be written down", cause)])
    })?;
    progress.clear();
    output::print(&yaml)
}

/// The evaluator that the Application has to name: Argo CD is to evaluate the town as it was evaluated here.
fn evaluator(args: &ApplicationArgs) -> Option<&'static str> {
    match args.source.evaluation.evaluator {
        EvaluatorArg::Nix => None,
        EvaluatorArg::NixEvalJobs => Some(Evaluator::NixEvalJobs(None).name()),
    }
}

fn attribute(flake: Option<&FlakeRef>) -> Option<String> {
    flake.and_then(FlakeRef::attribute).map(str::to_owned)
}

/// The flake's directory in its repository, as asked for or as the flake has it here.
fn path(args: &ApplicationArgs, flake: Option<&FlakeRef>) -> Result<SourcePath, Failure> {
    if let Some(path) = &args.path {
        return Ok(path.clone());
    }
    let inside = flake.and_then(FlakeRef::inside_repository).unwrap_or_default();
    let text = if inside.as_os_str().is_empty() { ".".into() } else { inside.to_string_lossy() };
    text.parse().map_err(|error: nuketown::values::Malformed| {
        let cause = format!("the flake is in {text:?} of its repository; {error}");
        Failure::usage(
            Problem::new("Argo CD cannot be told where the flake is", cause)
                .hint("move the flake, or name another directory with --path"),
        )
    })
}
