//! The files of the log: opened so that nobody else may write them, and what is said where that cannot be.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use nuketown::Problem;

use super::Damage;

/// Opens a file of the log, and makes it if there is none: for its owner alone, and no symbolic link.
pub(super) fn open(path: &Path, append: bool) -> Result<File, Problem> {
    let file = OpenOptions::new()
        .read(true)
        .write(!append)
        .append(append)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|error| cannot("open", path, &error))?;
    let metadata = file.metadata().map_err(|error| cannot("look at", path, &error))?;
    only_ours(path, &metadata)?;
    Ok(file)
}

fn only_ours(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    let wrong = |cause: String, hint: String| {
        Err(Problem::new("the audit log is not safe", format!("{} {cause}", path.display())).hint(hint))
    };
    let own = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return wrong("is no ordinary file".to_owned(), "name another one as `audit`".to_owned());
    }
    if metadata.uid() != own {
        let hint = format!("chown {own} {}", path.display());
        return wrong(format!("belongs to uid {}, and the broker runs as uid {own}", metadata.uid()), hint);
    }
    if metadata.mode() & 0o077 != 0 {
        let hint = format!("chmod 600 {}", path.display());
        return wrong(format!("has mode {:o}, so others may use it", metadata.mode() & 0o7777), hint);
    }
    Ok(())
}

/// Sees that nobody else can put another file in the log's place.
pub(super) fn check_directory(path: &Path) -> Result<(), Problem> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let metadata = directory.metadata().map_err(|error| {
        cannot("use the directory of", path, &error).hint(format!("mkdir -m 700 {}", directory.display()))
    })?;
    let own = rustix::process::geteuid().as_raw();
    let sticky = metadata.mode() & 0o1000 != 0;
    if (metadata.mode() & 0o022 != 0 && !sticky) || (metadata.uid() != own && metadata.uid() != 0) {
        let cause = format!("others may replace files in {}", directory.display());
        return Err(Problem::new("the audit log is not safe", cause)
            .hint(format!("chown {own} {0} && chmod 700 {0}", directory.display())));
    }
    Ok(())
}

/// Makes the file's name last, as fsync(2) says.
pub(super) fn keep_name(path: &Path) -> Result<(), Problem> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| cannot("keep", path, &error))
}

pub(super) fn cannot(verb: &str, path: &Path, error: &io::Error) -> Problem {
    Problem::new(format!("cannot {verb} the audit log"), format!("{}: {error}", path.display()))
}

pub(super) fn damaged(path: &Path, damage: &Damage) -> Problem {
    Problem::new("the audit log is not to be believed", format!("{}: {damage}", path.display())).hint(
        "keep it and the .head file beside it as evidence: move both away; the broker then begins a new log",
    )
}
