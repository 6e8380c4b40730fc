//! `nuketown-render [FLAKE]`: the manifests of a town.

use std::{num::NonZero, path::Path, thread};

use nuketown::{Manifests, Problem, to_kube_yaml};

use crate::{
    cli::{Format, RenderArgs},
    failure::Failure,
    output,
    progress::Progress,
    report, town,
};

pub(super) fn run(args: &RenderArgs, progress: &Progress) -> Result<(), Failure> {
    let out = args.out.as_deref();
    let manifests = || {
        let town = town::town(&args.source, progress)?;
        town::render(&town, &args.selection, progress)
    };
    match (args.format, out) {
        (Format::Dir, Some(directory)) => output::replace_directory(directory, &files(&manifests()?)?),
        (Format::Json, _) => write(out, &json(&manifests()?)?),
        (Format::Yaml | Format::Dir, _) => {
            let selection = town::selection(&args.selection);
            let stream = town::town_into(&args.source, progress, |town| {
                let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
                to_kube_yaml(&town, &selection, threads).map_err(Failure::wrong)
            })?;
            progress.clear();
            report::warnings(&stream.warnings);
            write(out, &stream.yaml)
        }
    }
}

fn write(out: Option<&Path>, text: &str) -> Result<(), Failure> {
    match out {
        Some(file) => output::write_file(file, text),
        None => output::print(text),
    }
}

/// The manifests as one YAML stream.
pub(super) fn yaml(manifests: &Manifests) -> Result<String, Failure> {
    manifests.to_yaml().map_err(|error| unwritable(&error))
}

/// The manifests as files by name.
pub(super) fn files(manifests: &Manifests) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    manifests.to_files().map_err(|error| unwritable(&error))
}

fn json(manifests: &Manifests) -> Result<String, Failure> {
    manifests.to_json().map_err(|error| unwritable(&error))
}

fn unwritable(error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Failure::wrong(vec![Problem::new("the manifests cannot be written down", cause)])
}
