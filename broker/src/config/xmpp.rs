//! The account by which the human is reached and remote agents ask.

use std::path::{Path, PathBuf};

use nuketown::Problem;
use nuketown_xmpp::{
    Authorities, Config as Session, Secret, Security, Server,
    jid::{BareJid, Jid, ResourcePart},
};
use serde::Deserialize;

/// The resource of a broker, unless the JID names another one.
const RESOURCE: &str = "nuketown-broker";

/// The account, checked; the password is read when the session starts.
#[derive(Clone, Debug)]
pub struct Xmpp {
    jid: Jid,
    password_file: PathBuf,
    server: Server,
    security: Security,
    authorities: Authorities,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    jid: String,
    password_file: PathBuf,
    server: Option<String>,
    #[serde(default)]
    security: WrittenSecurity,
    authorities: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenSecurity {
    #[default]
    StartTls,
    Direct,
}

impl Xmpp {
    /// The account.
    #[must_use]
    pub fn account(&self) -> BareJid {
        self.jid.to_bare()
    }

    /// What a session needs.
    ///
    /// # Errors
    ///
    /// The password cannot be read.
    pub fn session(&self) -> Result<Session, Problem> {
        let password = Secret::read(&self.password_file).map_err(|error| {
            let source =
                std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
            Problem::new("cannot log in to XMPP", format!("{error}{source}"))
        })?;
        let mut session = Session::new(self.jid.clone(), password);
        session.server = self.server.clone();
        session.security = self.security;
        session.authorities = self.authorities.clone();
        Ok(session)
    }
}

impl Written {
    pub(super) fn checked(self, beside: &Path) -> Result<Xmpp, Problem> {
        let wrong = |cause: String| Problem::new("the configuration cannot be used", cause);
        let place = format!("xmpp.jid is \"{}\"", nuketown_approval::shown(&self.jid));
        let jid = Jid::new(&self.jid).map_err(|error| wrong(format!("{place}; {error}")))?;
        if jid.node().is_none() {
            return Err(wrong(format!("{place}; the part before the @ is missing")));
        }
        let jid = if jid.resource().is_some() {
            jid
        } else {
            let resource = ResourcePart::new(RESOURCE).map_err(|error| wrong(error.to_string()))?;
            Jid::from(jid.to_bare().with_resource(&resource))
        };
        let server = match self.server {
            None => Server::Srv,
            Some(text) => at(&text).ok_or_else(|| {
                let text = nuketown_approval::shown(&text);
                wrong(format!("xmpp.server is \"{text}\"; expected host:port, like xmpp.6bit.com:5222"))
            })?,
        };
        Ok(Xmpp {
            jid,
            password_file: beside.join(self.password_file),
            server,
            security: match self.security {
                WrittenSecurity::StartTls => Security::StartTls,
                WrittenSecurity::Direct => Security::Direct,
            },
            authorities: match self.authorities {
                None => Authorities::System,
                Some(file) => Authorities::File(beside.join(file)),
            },
        })
    }
}

/// `host:port`, where an IPv6 address stands in brackets.
fn at(text: &str) -> Option<Server> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then(|| Server::At { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_a_host_and_a_port() {
        let host = |text: &str| match at(text) {
            Some(Server::At { host, port }) => Some(format!("{host} {port}")),
            _ => None,
        };
        assert_eq!(host("xmpp.6bit.com:5222").as_deref(), Some("xmpp.6bit.com 5222"));
        assert_eq!(host("[::1]:5223").as_deref(), Some("::1 5223"));
        for bad in ["", "x", ":5222", "x:", "x:0", "x:70000", "::1:5222", "[::1:5222"] {
            assert!(at(bad).is_none(), "{bad}");
        }
    }
}
