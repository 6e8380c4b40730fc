//! Where an agent may connect to: names, patterns and address blocks, with a port.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Malformed, Port, text_traits, text_type};

fn host_name(text: &str) -> Result<(), Malformed> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let numeric = |l: &str| l.bytes().all(|b| b.is_ascii_digit());
    // A last label of digits is an IPv4 address or a mistyped one (RFC 3696, section 2).
    if text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(numeric) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a host name such as \"git.example.org\" in lower case, without scheme or path",
    ))
}

text_type! {
    /// A DNS host name in lower case, ASCII (RFC 1123); an international name in its `xn--` form.
    HostName, check = host_name,
    pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
    example = "6bit.com"
}

/// What an egress rule opens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// One host by its DNS name.
    Name(HostName),
    /// Every direct subdomain of a host: `*.example.org`.
    Subdomains(HostName),
    /// A block of addresses.
    Net(IpNet),
}

/// The transport of an egress rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As the Kubernetes API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// One thing that an agent may connect to: `pypi.org:443`, `*.example.org:443`, `10.1.0.0/16:5432`,
/// `[2001:db8::/32]:443`, `ntp.example.org:123/udp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Egress {
    /// To where.
    pub destination: Destination,
    /// On which port.
    pub port: Port,
    /// By which transport.
    pub protocol: Protocol,
}

/// Addresses of instance metadata and other services of the node itself, which no agent's egress may name
/// (RFC 3927, RFC 4291; cloud metadata at 169.254.169.254 and `fd00:ec2::254`).
const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);
const LINK_LOCAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
const METADATA_V6: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
];

impl Egress {
    /// TCP to a host name.
    #[must_use]
    pub fn tcp(host: HostName, port: Port) -> Self {
        Self { destination: Destination::Name(host), port, protocol: Protocol::Tcp }
    }

    /// The parts of a declared block that stay closed: metadata and link-local addresses inside it.
    #[must_use]
    pub fn closed_within(net: &IpNet) -> Vec<IpNet> {
        let mut closed = vec![IpNet::V4(LINK_LOCAL), IpNet::V6(LINK_LOCAL_V6)];
        closed.extend(METADATA_V6.map(IpNet::V6));
        closed.retain(|inner| net.contains(inner));
        closed
    }
}

fn net(text: &str) -> Result<IpNet, Malformed> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let net = text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Malformed::new(format!(
            "expected an address or a block such as 10.1.0.0/16 before the port, not {text:?}"
        ))
    })?;
    if net.trunc() != net {
        return Err(Malformed::new(format!(
            "the block has bits set behind its prefix; write {}",
            net.trunc()
        )));
    }
    if matches!(net, IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some()) {
        return Err(Malformed::new("an IPv4 address is written as such, not as a part of IPv6 (::ffff:…)"));
    }
    let closed = [
        IpNet::V4(LINK_LOCAL),
        IpNet::V6(LINK_LOCAL_V6),
        IpNet::V6(METADATA_V6[0]),
        IpNet::V6(METADATA_V6[1]),
    ];
    if closed.iter().any(|outer| outer.contains(&net)) {
        return Err(Malformed::new(
            "metadata and link-local addresses stay closed: they hand out the node's own credentials",
        ));
    }
    Ok(net)
}

impl FromStr for Egress {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, "udp")) => (rest, Protocol::Udp),
            Some((rest, "tcp")) => (rest, Protocol::Tcp),
            _ => (text, Protocol::Tcp),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| {
            Malformed::new("expected HOST:PORT, such as \"pypi.org:443\" or \"10.1.0.0/16:5432\"")
        })?;
        let port = port_number(port)?;
        let destination = destination(host)?;
        Ok(Self { destination, port, protocol })
    }
}

fn port_number(text: &str) -> Result<Port, Malformed> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = if digits { text.parse().unwrap_or(0) } else { 0 };
    Port::try_from(number).map_err(|_| {
        Malformed::new(format!("expected a port from 1 to 65535 behind the last colon, not {text:?}"))
    })
}

fn destination(host: &str) -> Result<Destination, Malformed> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match net(inner)? {
            v6 @ IpNet::V6(_) => Ok(Destination::Net(v6)),
            IpNet::V4(_) => Err(Malformed::new("brackets are for IPv6 addresses")),
        };
    }
    if host.contains("//") {
        return Err(Malformed::new("leave the scheme and path out: \"pypi.org:443\""));
    }
    if host.contains(':') {
        return Err(Malformed::new("an IPv6 address stands in brackets: [2001:db8::/32]:443"));
    }
    if host.contains('/') || host.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
        return net(host).map(Destination::Net);
    }
    match host.strip_prefix("*.") {
        Some(parent) if parent.contains('.') => Ok(Destination::Subdomains(parent.parse()?)),
        Some(_) => Err(Malformed::new("a pattern names at least a domain and its zone: *.example.org")),
        None => Ok(Destination::Name(host.parse()?)),
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.destination {
            Destination::Name(host) => write!(f, "{host}:{}", self.port)?,
            Destination::Subdomains(host) => write!(f, "*.{host}:{}", self.port)?,
            Destination::Net(net @ IpNet::V4(_)) => write!(f, "{net}:{}", self.port)?,
            Destination::Net(net @ IpNet::V6(_)) => write!(f, "[{net}]:{}", self.port)?,
        }
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp => f.write_str("/udp"),
        }
    }
}

impl serde::Serialize for Egress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Egress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Egress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Egress".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[^ ]+:[0-9]+(/(tcp|udp))?$",
            "examples": ["pypi.org:443", "*.example.org:443", "10.1.0.0/16:5432", "ntp.example.org:123/udp"],
        })
    }
}

/// A host with an optional port: `cache.nixos.org`, `cache.internal:8443`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    text: String,
    host: Destination,
    port: Option<Port>,
}

impl HostPort {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The connection that reaches it over TCP, on `default` where no port is given.
    #[must_use]
    pub fn egress(&self, default: Port) -> Egress {
        Egress { destination: self.host.clone(), port: self.port.unwrap_or(default), protocol: Protocol::Tcp }
    }
}

impl FromStr for HostPort {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bracketed = text.starts_with('[');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !bracketed || host.ends_with(']') => (host, Some(port_number(port)?)),
            _ => (text, None),
        };
        let host = destination(host)?;
        let single = match &host {
            Destination::Name(_) => true,
            Destination::Subdomains(_) => false,
            Destination::Net(_) => !text.contains('/'),
        };
        if !single {
            return Err(Malformed::new("expected one host, not a pattern or a block"));
        }
        Ok(Self { text: text.to_owned(), host, port })
    }
}

impl serde::Serialize for HostPort {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

text_traits!(HostPort, "^[^ /]+$", "cache.nixos.org");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_entry_reads_back_as_it_was_written() {
        for text in [
            "pypi.org:443",
            "*.example.org:443",
            "10.1.0.0/16:5432",
            "[2001:db8::/32]:443",
            "ntp.example.org:123/udp",
            "localhost:80",
        ] {
            assert_eq!(text.parse::<Egress>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3:22/tcp".parse::<Egress>().unwrap().to_string(), "10.1.2.3/32:22");
    }

    #[test]
    fn malformed_egress_entry_is_refused() {
        for bad in [
            "",
            ":",
            "pypi.org",
            "pypi.org:",
            "pypi.org:0",
            "pypi.org:65536",
            "pypi.org:+443",
            "https://pypi.org:443",
            "pypi.org:443/sctp",
            "*:443",
            "*.org:443",
            "a.*.org:443",
            "PyPI.org:443",
            "10.1.0.1/16:5432",
            "10.1.0.0/33:1",
            "1.2.3:443",
            "2001:db8::1:443",
            "[10.0.0.1]:443",
            "a b:443",
            "a_b.org:443",
            "-a.org:443",
            "a..org:443",
        ] {
            assert!(bad.parse::<Egress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metadata_address_cannot_be_opened() {
        for bad in [
            "169.254.169.254:80",
            "169.254.0.0/16:80",
            "[fd00:ec2::254]:80",
            "[fe80::1]:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(bad.parse::<Egress>().is_err(), "{bad:?}");
        }
        let all: IpNet = "0.0.0.0/0".parse().unwrap();
        assert_eq!(Egress::closed_within(&all), vec![IpNet::V4(LINK_LOCAL)]);
    }

    #[test]
    fn host_with_optional_port_names_one_host() {
        let default = Port::constant(443);
        let egress = |text: &str| text.parse::<HostPort>().map(|h| h.egress(default).to_string());
        assert_eq!(egress("cache.nixos.org").as_deref(), Ok("cache.nixos.org:443"));
        assert_eq!(egress("cache.internal:8443").as_deref(), Ok("cache.internal:8443"));
        assert_eq!(egress("[2001:db8::1]:80").as_deref(), Ok("[2001:db8::1/128]:80"));
        assert_eq!(egress("[2001:db8::1]").as_deref(), Ok("[2001:db8::1/128]:443"));
        for bad in ["*.example.org", "10.0.0.0/8", "10.0.0.1/32", "https://cache.nixos.org", "a/b", ""] {
            assert!(egress(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[\\[\\]a-z0-9.:/*-]{0,30}|\\PC{0,30}") {
            if let Ok(egress) = text.parse::<Egress>() {
                proptest::prop_assert_eq!(egress.to_string().parse::<Egress>(), Ok(egress));
            }
            let _ = text.parse::<HostPort>();
        }
    }
}
