//! Where files are unless the configuration says otherwise (XDG Base Directory Specification, systemd.exec(5)).

use std::{env, path::PathBuf};

use nuketown::Problem;

/// The configuration that is read: the user's own, else the system's.
#[must_use]
pub fn default_file() -> PathBuf {
    let system = PathBuf::from("/etc/nuketown/broker.toml");
    if rustix::process::geteuid().is_root() {
        return system;
    }
    directory("XDG_CONFIG_HOME", ".config")
        .map(|directory| directory.join("nuketown/broker.toml"))
        .filter(|own| own.exists())
        .unwrap_or(system)
}

/// The log in the directory that systemd gives the service, else in root's or the user's own.
pub(super) fn default_audit() -> Result<PathBuf, Problem> {
    let systemd = env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = match systemd {
        Some(directory) => Some(directory),
        None if rustix::process::geteuid().is_root() => Some("/var/lib/nuketown-broker".into()),
        None => directory("XDG_STATE_HOME", ".local/state").map(|state| state.join("nuketown-broker")),
    };
    let nowhere = || {
        Problem::new("there is no place for the audit log", "neither HOME nor STATE_DIRECTORY is set")
            .hint("write `audit = \"/path/audit.jsonl\"` into broker.toml")
    };
    directory.map(|directory| directory.join("audit.jsonl")).ok_or_else(nowhere)
}

fn directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let own = env::var_os(variable).map(PathBuf::from).and_then(absolute);
    own.or_else(|| {
        env::var_os("HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(below_home))
    })
}
