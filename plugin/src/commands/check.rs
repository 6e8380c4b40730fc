//! `nuketown-render check DIR`: whether committed manifests are those of the town.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use nuketown::Problem;
use similar::TextDiff;

use super::render;
use crate::{cli::CheckArgs, failure::Failure, output, progress::Progress, report, town};

pub(super) fn run(args: &CheckArgs, progress: &Progress) -> Result<(), Failure> {
    let town = town::town(&args.source, progress)?;
    let manifests = town::render(&town, &args.selection, progress)?;
    let path = &args.committed;
    let (committed, rendered) = if path.is_dir() {
        (read_directory(path)?, render::files(&manifests)?)
    } else {
        let text = fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
        let name = path.display().to_string();
        (BTreeMap::from([(name.clone(), text)]), BTreeMap::from([(name, render::yaml(&manifests)?)]))
    };
    let diff = unified(&committed, &rendered);
    if diff.is_empty() {
        return Ok(());
    }
    output::print(&diff)?;
    let how = if path.is_dir() { "--format dir --out" } else { "--out" };
    let problem = Problem::new(
        format!("{} does not hold what the town renders to", path.display()),
        "the lines above with - are committed, those with + are rendered",
    );
    report::errors(&[problem.hint(format!("write it anew with {how} {}", path.display()))]);
    Err(Failure::different())
}

/// The rendered files of a directory by name. Files of others, such as a kustomization, are left alone.
fn read_directory(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(|error| cannot_read(path, &error))? {
        let entry = entry.map_err(|error| cannot_read(path, &error))?;
        if let (true, Ok(name)) = (output::is_ours(&entry.path()), entry.file_name().into_string()) {
            let text =
                fs::read_to_string(entry.path()).map_err(|error| cannot_read(&entry.path(), &error))?;
            files.insert(name, text);
        }
    }
    Ok(files)
}

/// A unified diff of all files, with `/dev/null` for one that is missing on a side.
fn unified(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut text = String::new();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            continue;
        }
        let side = |prefix: &str, there: bool| {
            if there { format!("{prefix}/{name}") } else { "/dev/null".to_owned() }
        };
        let lines = TextDiff::from_lines(before.map_or("", String::as_str), after.map_or("", String::as_str));
        let header = (side("committed", before.is_some()), side("rendered", after.is_some()));
        text.push_str(&lines.unified_diff().context_radius(3).header(&header.0, &header.1).to_string());
    }
    text
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(Problem::new(format!("cannot read {}", path.display()), error.to_string()))
}
