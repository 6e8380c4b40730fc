//! The service's configuration, `broker.toml`: where it listens, where it records, how it reaches the human, who is who.
//!
//! Who may ask for what is the policy's matter, a file of its own ([`nuketown_approval::policy`]).
//!
//! # Invariants
//!
//! - Both files belong to root or to the user of the broker, and nobody else may write them.
//! - A file with a problem is no configuration: the broker does not start.

mod agents;
mod paths;
mod xmpp;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nuketown::{Problem, values::AgentName};
use nuketown_approval::{Policy, policy::POLICY_BYTES_MAX, shown};
use serde::Deserialize;

pub use agents::{Agents, Users};
pub use paths::default_file;
pub use xmpp::Xmpp;

/// The whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Where local clients connect.
    pub socket: PathBuf,
    /// The audit log.
    pub audit: PathBuf,
    /// Whether dialogs are shown.
    pub dialog: DialogMode,
    /// The program that shows them.
    pub zenity: PathBuf,
    /// Who is who.
    pub agents: Agents,
    /// The account, if the human is reached by XMPP.
    pub xmpp: Option<Xmpp>,
    /// Who may ask for what.
    pub policy: Policy,
}

/// Whether dialogs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialogMode {
    /// If the broker was started in a desktop session.
    #[default]
    Auto,
    /// Always: it is a problem if none can be shown.
    Always,
    /// Never.
    Never,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    socket: Option<PathBuf>,
    audit: Option<PathBuf>,
    policy: Option<PathBuf>,
    #[serde(default)]
    dialog: DialogMode,
    zenity: Option<PathBuf>,
    #[serde(default)]
    agents: BTreeMap<AgentName, agents::Written>,
    xmpp: Option<xmpp::Written>,
}

impl Config {
    /// Reads the file at `path`, and the policy that it names (else `policy.toml` beside it).
    ///
    /// # Errors
    ///
    /// The first problem of either file.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let text = read_safe(path, "configuration")?;
        let in_file =
            |problem: Problem| Problem { cause: format!("{}: {}", path.display(), problem.cause), ..problem };
        let written = parsed(&text).map_err(in_file)?;
        let beside = path.parent().unwrap_or(Path::new("/"));
        let policy_path = beside.join(written.policy.as_deref().unwrap_or(Path::new("policy.toml")));
        let policy = Policy::from_toml(&read_safe(&policy_path, "policy")?).map_err(|problem| Problem {
            cause: format!("{}: {}", policy_path.display(), problem.cause),
            ..problem
        })?;
        let config = Self {
            socket: written.socket.unwrap_or_else(|| nuketown_approval::socket::SOCKET.into()),
            audit: written.audit.map_or_else(paths::default_audit, Ok)?,
            dialog: written.dialog,
            zenity: written.zenity.unwrap_or_else(|| "zenity".into()),
            agents: Agents::checked(written.agents).map_err(in_file)?,
            xmpp: written.xmpp.map(|xmpp| xmpp.checked(beside)).transpose().map_err(in_file)?,
            policy,
        };
        config.check().map_err(in_file)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Problem> {
        for (option, path) in [("socket", &self.socket), ("audit", &self.audit)] {
            if !path.is_absolute() {
                let cause =
                    format!("{option} is {}; expected an absolute path", shown(&path.display().to_string()));
                return Err(Problem::new("the configuration cannot be used", cause));
            }
        }
        if self.xmpp.is_some() && self.policy.approver().is_none() {
            let cause = "[xmpp] is there, and the policy names no approver, so nobody could answer";
            return Err(Problem::new("the configuration cannot be used", cause)
                .hint("write `approver = \"josh@6bit.com\"` into the policy"));
        }
        Ok(())
    }
}

/// Reads a file that nobody but root and this user can have written.
fn read_safe(path: &Path, what: &str) -> Result<String, Problem> {
    let cannot = |error: &io::Error| {
        let problem = Problem::new(format!("cannot read the {what}"), format!("{}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => problem.hint("docs/how-to/approvals.md has one to begin with"),
            _ => problem,
        }
    };
    let file = File::open(path).map_err(|error| cannot(&error))?;
    let metadata = file.metadata().map_err(|error| cannot(&error))?;
    let own = rustix::process::geteuid().as_raw();
    let unsafe_because = if metadata.uid() != own && metadata.uid() != 0 {
        Some(format!("belongs to uid {}; expected root or uid {own}", metadata.uid()))
    } else if metadata.mode() & 0o022 != 0 {
        Some(format!("has mode {:o}; nobody but its owner may write it", metadata.mode() & 0o7777))
    } else {
        None
    };
    if let Some(why) = unsafe_because {
        return Err(Problem::new(format!("the {what} is not safe"), format!("{} {why}", path.display()))
            .hint(format!("chmod go-w {}", path.display())));
    }
    let mut text = String::new();
    file.take(POLICY_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| cannot(&error))?;
    if text.len() > POLICY_BYTES_MAX {
        let cause = format!("{} has more than {POLICY_BYTES_MAX} bytes", path.display());
        return Err(Problem::new(format!("the {what} is too large"), cause));
    }
    Ok(text)
}

/// Reads the file's text, and says where it cannot be: the line, the option and what was expected.
fn parsed(text: &str) -> Result<Written, Problem> {
    let unreadable = |path: Option<String>, error: &toml::de::Error| {
        let at = error.span().unwrap_or_default().start;
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        let option =
            path.filter(|path| path != ".").map_or(String::new(), |path| format!(", {}", shown(&path)));
        let cause = format!("line {line}{option}: {}", shown(error.message()));
        Problem::new("the configuration cannot be read", cause)
    };
    let reader = toml::Deserializer::parse(text).map_err(|error| unreadable(None, &error))?;
    serde_path_to_error::deserialize(reader)
        .map_err(|error| unreadable(Some(error.path().to_string()), error.inner()))
}

#[cfg(test)]
mod tests;
