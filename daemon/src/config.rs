//! What the daemon is told: `identity.toml` and `daemon.toml`, as `nuketown` writes them.
//!
//! # Invariants
//!
//! - Strict: an unknown field, an address that is none, a secret that others can read: each is said, and the daemon does not start.
//! - Secrets are read from their files, and are in no [`Settings`].

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nuketown::{
    DaemonFile, IdentityFile, Problem,
    values::{AgentName, ApprovalTimeout, BareJid as TownJid},
};
use nuketown_xmpp::jid::{BareJid, FullJid, ResourcePart};
use nuketown_xmpp::{Config, Disco, Room, Secret, Server};
use serde::de::DeserializeOwned;

use crate::presence;

/// The resource that is bound where none is declared. One daemon has it: a second one is seen, by a conflict.
const RESOURCE: &str = "nuketown-daemon";

/// What the daemon is told, parsed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the agent is.
    pub identity: IdentityFile,
    /// The rest of its files, for those who prepare and run sessions.
    pub daemon: DaemonFile,
    /// The human whose word counts.
    pub approver: Option<BareJid>,
    /// Its account on XMPP.
    pub account: Option<Account>,
}

/// An account on XMPP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The address, with the resource.
    pub jid: FullJid,
    /// The server's host.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The rooms to be in.
    pub rooms: Vec<BareJid>,
    /// The name in them.
    pub nick: ResourcePart,
    /// The file with the password.
    pub password_file: PathBuf,
}

impl Settings {
    /// Reads the two files in `directory`.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub fn read(directory: &Path) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let identity: Option<IdentityFile> = read_file(&directory.join("identity.toml"), &mut problems);
        let file = directory.join("daemon.toml");
        let daemon: Option<DaemonFile> = read_file(&file, &mut problems);
        let (Some(identity), Some(daemon)) = (identity, daemon) else { return Err(problems) };
        let mut place = Place { file: &file, problems: &mut problems };
        let approver = daemon.approver.as_deref().and_then(|jid| place.parse("approver", jid));
        let account = daemon.xmpp.as_ref().and_then(|_| account(&identity, &daemon, &mut place));
        check_agreement(&identity, &daemon, &mut place);
        if problems.is_empty() { Ok(Self { identity, daemon, approver, account }) } else { Err(problems) }
    }

    /// Reads the secrets too, as the daemon will need them, and forgets them.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub fn check_secrets(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        if let Some(account) = &self.account
            && let Err(problem) = password(&account.password_file)
        {
            problems.push(problem);
        }
        if let Some(file) = &self.daemon.api.key_file
            && let Err(problem) = password(Path::new(file))
        {
            problems.push(problem);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Whether words that are no command are a task: whoever chats with a device chats about it.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.identity.model == "device"
    }
}

impl Account {
    /// The session of this account.
    ///
    /// # Errors
    ///
    /// The password cannot be used.
    pub fn session(&self) -> Result<Config, Problem> {
        let rooms = self.rooms.iter().map(|jid| Room { jid: jid.clone(), nick: self.nick.clone() });
        Ok(Config {
            server: Server::At { host: self.host.clone(), port: self.port },
            availability: presence::availability(&presence::Doing::Idle),
            rooms: rooms.collect(),
            disco: Disco::default(),
            ..Config::new(self.jid.clone().into(), password(&self.password_file)?)
        })
    }
}

/// A secret on one line of a file that nobody but its owner, or its group, can read.
///
/// # Errors
///
/// Says what is wrong with the file, never what is in it.
pub fn password(file: &Path) -> Result<Secret, Problem> {
    let what = || format!("cannot use the secret in {}", file.display());
    let metadata = fs::metadata(file).map_err(|error| Problem::new(what(), error.to_string()))?;
    if metadata.mode() & 0o007 != 0 {
        let cause = format!("its mode is {:o}, so that every user can get at it", metadata.mode() & 0o777);
        return Err(Problem::new(what(), cause).hint(format!("chmod o-rwx {}", file.display())));
    }
    Secret::read(file).map_err(|error| Problem::new(what(), error.to_string()))
}

fn read_file<T: DeserializeOwned>(file: &Path, problems: &mut Vec<Problem>) -> Option<T> {
    let what = || format!("cannot read {}", file.display());
    let read = fs::read_to_string(file).map_err(|error| {
        Problem::new(what(), error.to_string())
            .hint("nuketown-render home AGENT prints the files of an agent; --config names their directory")
    });
    let parsed = read.and_then(|text| {
        toml::from_str(&text).map_err(|error| Problem::new(what(), error.to_string().trim_end().to_owned()))
    });
    parsed.map_err(|problem| problems.push(problem)).ok()
}

/// Where a value stood.
struct Place<'a> {
    file: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Place<'_> {
    fn parse<T: FromStr<Err: std::fmt::Display>>(&mut self, option: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error| self.wrong(option, text, &format!("{error}"))).ok()
    }

    fn wrong(&mut self, option: &str, value: &str, why: &str) {
        let what = format!("{} has a value that cannot be used", self.file.display());
        self.problems.push(Problem::new(what, format!("{option} is {value:?}: {why}")));
    }

    fn bare_jid(&mut self, option: &str, text: &str) -> Option<BareJid> {
        // The town's own type also wants a local part.
        self.parse::<TownJid>(option, text)?;
        self.parse(option, text)
    }
}

fn account(identity: &IdentityFile, daemon: &DaemonFile, place: &mut Place<'_>) -> Option<Account> {
    let section = daemon.xmpp.as_ref()?;
    let jid = place.bare_jid("xmpp.jid", &section.jid);
    let resource = section.resource.as_deref().unwrap_or(RESOURCE);
    let resource = place.parse::<OwnedResource>("xmpp.resource", resource);
    let nick = place.parse::<OwnedResource>("xmpp.jid", &identity.name);
    if section.server.is_empty() {
        place.wrong("xmpp.server", "", "expected a host name");
    }
    let rooms: Vec<_> = section.rooms.iter().map(|room| place.bare_jid("xmpp.rooms", room)).collect();
    Some(Account {
        jid: jid?.with_resource(&resource?.0),
        host: section.server.clone(),
        port: section.port,
        rooms: rooms.into_iter().collect::<Option<_>>()?,
        nick: nick?.0,
        password_file: section.password_file.clone().into(),
    })
}

/// A resource by itself, which the library reads from borrowed text.
struct OwnedResource(ResourcePart);

impl FromStr for OwnedResource {
    type Err = nuketown_xmpp::jid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ResourcePart::new(text).map(|part| Self(part.into_owned()))
    }
}

/// The two files say the same of who the agent is.
fn check_agreement(identity: &IdentityFile, daemon: &DaemonFile, place: &mut Place<'_>) {
    if let (Some(own), Some(section)) = (&identity.jid, &daemon.xmpp)
        && *own != section.jid
    {
        place.wrong("xmpp.jid", &section.jid, &format!("identity.toml says {own:?}; both are of one town"));
    }
    if let Err(error) = ApprovalTimeout::try_from(i64::from(daemon.approval_timeout)) {
        place.wrong("approval_timeout", &daemon.approval_timeout.to_string(), &error.to_string());
    }
    if identity.name.parse::<AgentName>().is_err() {
        place.wrong("name of identity.toml", &identity.name, "expected an agent's name, as the town has it");
    }
    if !matches!(identity.model.as_str(), "workstation" | "device" | "cloud") {
        place.wrong("model of identity.toml", &identity.model, "expected workstation, device or cloud");
    }
}

#[cfg(test)]
pub(crate) mod tests;
