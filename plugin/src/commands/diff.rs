//! `nuketown-render diff OLD NEW`: what a change means.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use nuketown::{MAX_RENDERED_BYTES, Problem, Rendered};

use crate::{
    cli::{DiffArgs, DiffFormat, EvaluationArgs},
    failure::Failure,
    flake::{self, FlakeRef},
    output,
    progress::Progress,
    town,
};

pub(super) fn run(args: &DiffArgs, progress: &Progress) -> Result<(), Failure> {
    let old = side(&args.old, &args.evaluation, progress)?;
    let new = side(&args.new, &args.evaluation, progress)?;
    progress.clear();
    let diff = nuketown::diff(&old, &new);
    output::print(&match args.format {
        DiffFormat::Text => diff.to_text(),
        DiffFormat::Markdown => diff.to_markdown(),
        DiffFormat::Json => diff.to_json_text(),
    })?;
    if args.exit_code && !diff.is_empty() {
        return Err(Failure::different());
    }
    Ok(())
}

/// One side: what an earlier run has written, a revision of this repository, or a flake.
fn side(given: &str, how: &EvaluationArgs, progress: &Progress) -> Result<Rendered, Failure> {
    let path = Path::new(given);
    if path.is_file() {
        let text = read(path, MAX_RENDERED_BYTES)?;
        return Rendered::from_files([(given, text.as_str())]).map_err(Failure::usage);
    }
    if path.is_dir() && !path.join("flake.nix").exists() {
        return directory(path);
    }
    let commit = if path.is_dir() { None } else { revision(given)? };
    let flake = match commit {
        Some(flake) => flake,
        // A bare word could only be a name in Nix's registry, and is a mistyped revision or directory.
        None if !path.is_dir() && !given.contains([':', '/', '#']) => return Err(nothing_to_compare(given)),
        None => town::resolve(given)?,
    };
    let town = town::evaluate(flake, how, progress)?;
    let selection = nuketown::Selection { allow_empty: true, ..nuketown::Selection::default() };
    let manifests = nuketown::to_kube_manifests(&town, &selection).map_err(Failure::wrong)?;
    Rendered::from_manifests(&manifests).map_err(|problem| Failure::wrong(vec![problem]))
}

/// All manifests below a directory's top level.
fn directory(path: &Path) -> Result<Rendered, Failure> {
    let mut names: Vec<_> = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>())
        .map_err(|error| cannot_read(path, &error))?;
    names.retain(|file| file.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    names.sort();
    if names.is_empty() {
        return Err(Failure::usage(
            Problem::new(
                format!("{} is neither a flake nor a directory of manifests", path.display()),
                "it holds no flake.nix and no .yaml file",
            )
            .hint("name a flake, a revision, or a directory written with --format dir"),
        ));
    }
    let mut left = MAX_RENDERED_BYTES;
    let mut files = Vec::new();
    for file in names {
        let text = read(&file, left)?;
        left = left.saturating_sub(text.len());
        files.push((file.display().to_string(), text));
    }
    Rendered::from_files(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        .map_err(Failure::usage)
}

/// The flake of the current directory at a revision, if the text names one.
fn revision(name: &str) -> Result<Option<FlakeRef>, Failure> {
    let here = Path::new(".");
    let commit = flake::commit(here, name)?;
    Ok(commit.map(|commit| FlakeRef::at_revision(here, &commit)).transpose()?)
}

fn nothing_to_compare(given: &str) -> Failure {
    let cause =
        "there is no such file or directory, and no such revision in the repository of the current directory";
    Failure::usage(
        Problem::new(format!("{given} is nothing that can be compared"), cause)
            .hint(format!("a name of Nix's flake registry is written flake:{given}")),
    )
}

/// Reads at most one byte more than `limit`, which is then too large for the reader of manifests.
fn read(path: &Path, limit: usize) -> Result<String, Failure> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    file.take(limit as u64 + 1).read_to_string(&mut text).map_err(|error| cannot_read(path, &error))?;
    Ok(text)
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(Problem::new(format!("cannot read {}", path.display()), error.to_string()))
}
