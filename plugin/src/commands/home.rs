//! `nuketown-render home AGENT`: the files of an agent's home.

use crate::{cli::HomeArgs, failure::Failure, output, progress::Progress, town};

pub(super) fn run(args: &HomeArgs, progress: &Progress) -> Result<(), Failure> {
    let town = town::town(&args.source, progress)?;
    let files = nuketown::home_files(&town, &args.agent).map_err(Failure::wrong)?;
    progress.clear();
    if let Some(directory) = &args.out {
        return output::create_directory(directory, &files);
    }
    let sections = files.iter().map(|(path, text)| format!("# ~/{path}\n{text}"));
    output::print(&sections.collect::<Vec<_>>().join("\n"))
}
