//! Addresses: of people and agents on XMPP, of git repositories, of HTTP services.

use std::str::FromStr;

use super::{HostPort, Malformed, Port, text_traits, text_type};

/// A bare JID with a local part, `ada@6bit.com` (RFC 7622). Compared in its normalised form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BareJid(jid::BareJid);

impl BareJid {
    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The part behind the `@`: the server's domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain().as_str()
    }
}

impl FromStr for BareJid {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed =
            |why: String| Malformed::new(format!("expected a bare JID such as \"ada@6bit.com\" ({why})"));
        let jid = jid::BareJid::new(text).map_err(|error| malformed(error.to_string()))?;
        if jid.node().is_none() {
            return Err(malformed("the part before the @ is missing".to_owned()));
        }
        Ok(Self(jid))
    }
}

impl serde::Serialize for BareJid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

text_traits!(BareJid, "^[^@/]+@[^@/]+$", "ada@6bit.com");

/// The address of a git repository: `git@github.com:joshperry/nuketown.git`, `https://…`, `ssh://…` (gitglossary,
/// git-clone(1) "GIT URLS"). Local paths and transports that run commands (`ext::`) are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitUrl {
    text: String,
    host: HostPort,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Transport {
    Ssh,
    Https,
    Http,
    Git,
}

impl Transport {
    const fn port(self) -> Port {
        Port::constant(match self {
            Self::Ssh => 22,
            Self::Https => 443,
            Self::Http => 80,
            Self::Git => 9418,
        })
    }
}

impl GitUrl {
    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The connection that a clone needs.
    #[must_use]
    pub fn egress(&self) -> super::Egress {
        self.host.egress(self.transport.port())
    }
}

impl FromStr for GitUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Malformed::new(
                "a repository's address has no spaces and does not start with a hyphen",
            ));
        }
        let (transport, authority, path) = split_git_url(text)?;
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        if user
            .is_some_and(|user| user.contains(':') || matches!(transport, Transport::Https | Transport::Http))
        {
            return Err(Malformed::new(
                "the address holds credentials, which would end up in manifests and logs",
            ));
        }
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host =
            host.parse().map_err(|e: Malformed| Malformed::new(format!("{e} as the repository's host")))?;
        if path.trim_matches('/').is_empty() || authority.starts_with('-') {
            return Err(Malformed::new("the repository's path is missing behind the host"));
        }
        Ok(Self { text: text.to_owned(), host, transport })
    }
}

/// Transport, `user@host:port` and path of an address.
fn split_git_url(text: &str) -> Result<(Transport, &str, &str), Malformed> {
    let malformed = || {
        Malformed::new(
            "expected a git address such as \"git@github.com:owner/name.git\", \"ssh://…\" or \"https://…\"",
        )
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        // The scp form: user@host:path, the colon before any slash; `host::path` names a remote helper.
        let (authority, path) = text.split_once(':').ok_or_else(malformed)?;
        if authority.contains('/') || path.starts_with(':') || authority.is_empty() {
            return Err(malformed());
        }
        return Ok((Transport::Ssh, authority, path));
    };
    let transport = match scheme {
        "ssh" => Transport::Ssh,
        "https" => Transport::Https,
        "http" => Transport::Http,
        "git" => Transport::Git,
        _ => return Err(malformed()),
    };
    let (authority, path) = rest.split_once('/').ok_or_else(malformed)?;
    Ok((transport, authority, path))
}

impl serde::Serialize for GitUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

text_traits!(GitUrl, "^[^ -][^ ]*:[^ ]+$", "git@github.com:joshperry/nuketown.git");

fn http_url(text: &str) -> Result<(), Malformed> {
    let malformed =
        || Malformed::new("expected an address such as \"https://api.example.org\", without credentials");
    let (_, authority) = split_http_url(text).ok_or_else(malformed)?;
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '#' || c == '?');
    if !clean || authority.contains('@') {
        return Err(malformed());
    }
    authority.parse::<HostPort>().map(drop)
}

/// The default port and `host:port` of an address.
fn split_http_url(text: &str) -> Option<(Port, &str)> {
    let (port, rest) = match text.strip_prefix("https://") {
        Some(rest) => (Port::constant(443), rest),
        None => (Port::constant(80), text.strip_prefix("http://")?),
    };
    Some((port, rest.split('/').next().unwrap_or(rest)))
}

text_type! {
    /// The base address of an HTTP service, without credentials, query or fragment.
    HttpUrl, check = http_url, pattern = "^https?://[^ @#?/]+(/[^ #?]*)?$", example = "https://api.anthropic.com"
}

impl HttpUrl {
    /// The connection that it needs. [`None`] never happens for a parsed address.
    #[must_use]
    pub fn egress(&self) -> Option<super::Egress> {
        let (port, authority) = split_http_url(self.as_str())?;
        Some(authority.parse::<HostPort>().ok()?.egress(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_jid_has_a_local_part_and_no_resource() {
        assert_eq!("Ada@6bit.com".parse::<BareJid>().unwrap().as_str(), "ada@6bit.com");
        for bad in ["6bit.com", "ada@6bit.com/phone", "@6bit.com", "ada@", "a b@6bit.com", "", "a@b@c"] {
            assert!(bad.parse::<BareJid>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn git_address_says_which_connection_it_needs() {
        for (text, egress) in [
            ("git@github.com:joshperry/nuketown.git", "github.com:22"),
            ("https://github.com/joshperry/nuketown", "github.com:443"),
            ("ssh://git@git.example.org:2222/x.git", "git.example.org:2222"),
            ("http://10.0.0.5/x.git", "10.0.0.5/32:80"),
            ("git://git.example.org/x", "git.example.org:9418"),
            ("github.com:x", "github.com:22"),
        ] {
            assert_eq!(text.parse::<GitUrl>().unwrap().egress().to_string(), egress);
        }
    }

    #[test]
    fn address_that_is_no_remote_repository_is_refused() {
        for bad in [
            "",
            "nuketown",
            "/srv/git/x",
            "./x",
            "file:///srv/x",
            "ext::sh -c id",
            "ext::id",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "https://user:secret@github.com/x",
            "https://token@github.com/x",
            "ssh://git:secret@github.com/x",
            "https://github.com",
            "https://github.com/",
            "git@github.com:",
            "ssh://git@ho st/x",
            "git@github.com:x\ny",
            "-oProxyCommand=id:x",
            "ftp://a.org/x",
        ] {
            assert!(bad.parse::<GitUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn base_address_has_no_credentials_and_no_query() {
        let url: HttpUrl = "http://127.0.0.1:8080/v1".parse().unwrap();
        assert_eq!(url.egress().unwrap().to_string(), "127.0.0.1/32:8080");
        for bad in [
            "api.anthropic.com",
            "ftp://x.org",
            "https://",
            "https://u:p@x.org",
            "https://x.org?k=v",
            "https://x.org#f",
            "https://x y",
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[a-z0-9@:/.-]{0,30}|\\PC{0,30}") {
            let _ = text.parse::<GitUrl>();
            let _ = text.parse::<HttpUrl>().map(|url| url.egress());
            let _ = text.parse::<BareJid>();
        }
    }
}
