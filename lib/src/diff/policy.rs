//! What network policies open, read from their rules and not from what they say of themselves.
//!
//! # Invariants
//!
//! - Policies that open something else have other openings: what is not understood is an opening by its own JSON.
//! - What the renderer writes for an annotation is exactly what [`expected`] says of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    object::{Objects, POLICIES, is_policy, items, text},
    rules,
    words::{name, safe},
};
use crate::{
    names::EGRESS_ANNOTATION,
    values::{Destination, Egress},
};
use ipnet::IpNet;

/// What a plain policy opens for a host name: the internet, of each family, without any address of these blocks.
///
/// A policy may cut out more; one that leaves one of these open does not open the public internet only. They are
/// private, shared, loopback and link-local addresses (RFC 1918, RFC 6598, RFC 1122, RFC 3927, RFC 4193, RFC 4291).
const PUBLIC: [(&[&str], &[&str], &str); 2] = [
    (
        &["0.0.0.0/0"],
        &["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
        "the public IPv4 internet",
    ),
    (&["::/0", "2000::/3"], &["::1/128", "fc00::/7", "fe80::/10"], "the public IPv6 internet"),
];

/// The metadata service of Google Cloud, which an agent on GKE needs for its identity.
const GKE_METADATA: [(&str, &str); 2] = [("169.254.169.252/32", "988/TCP"), ("169.254.169.254/32", "80/TCP")];

pub(super) const DNS: &str = "the cluster's DNS";
pub(super) const ANY_ADDRESS: &str = "any address";
pub(super) const ANY_PORT: &str = "any port";

/// One place and port that a policy opens. The texts are compared whole, and cut only where they are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opening {
    place: String,
    /// Empty where the place says it all.
    port: String,
}

/// Private blocks that a summary names.
const PRIVATE_SHOWN: usize = 3;

/// The longest opening that is shown, in characters.
const SHOWN_MAX: usize = 240;

impl Opening {
    pub(super) fn new(place: impl Into<String>, port: impl Into<String>) -> Self {
        Self { place: place.into(), port: port.into() }
    }

    /// In words, safe to print.
    pub(super) fn words(&self) -> String {
        let place = self.place_words();
        if self.port.is_empty() { place } else { format!("{place} on {}", self.port) }
    }

    /// In few words, for a summary.
    pub(super) fn short(&self) -> String {
        let Some((cidr, except)) = self.place.split_once(" except ") else { return self.words() };
        let place = match internet(&self.place) {
            Some((words, private)) if private.len() <= PRIVATE_SHOWN => {
                format!("{words} with {}", private.join(", "))
            }
            _ => format!("{cidr} less {}", super::words::count(except.split(", ").count(), "block")),
        };
        Self::new(place, self.port.clone()).words()
    }

    /// The place in words, cut where it is long.
    pub(super) fn place_words(&self) -> String {
        let place = safe(&self.place);
        match place.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", place.get(..end).unwrap_or_default()),
            None => place,
        }
    }

    /// `443/TCP`.
    pub(super) fn port(&self) -> &str {
        &self.port
    }

    /// Whether it opens the public internet where a name was meant.
    pub(super) fn is_public(&self) -> bool {
        PUBLIC.iter().any(|(_, _, words)| *words == self.place)
    }

    /// Whether it is the identity provider's metadata service.
    pub(super) fn is_metadata(&self) -> bool {
        GKE_METADATA.contains(&(&self.place, &self.port))
    }
}

/// What one rendering of a subject's policies says and does.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The kinds of the policies.
    kinds: BTreeSet<&'static str>,
    /// The lines of the annotations.
    pub(super) entries: BTreeSet<String>,
    /// What the rules open.
    pub(super) openings: BTreeSet<Opening>,
    /// What the rules would open if they followed the annotations.
    pub(super) expected: BTreeSet<Opening>,
    /// The blocks that stand for the public internet, as they are written.
    pub(super) public: BTreeMap<Opening, BTreeSet<String>>,
}

impl Reach {
    pub(super) fn of(objects: &Objects<'_>) -> Self {
        let mut reach = Self::default();
        for (id, policy) in objects.iter().filter(|(id, _)| is_policy(&id.kind)) {
            reach.kinds.extend(POLICIES.into_iter().find(|kind| *kind == id.kind));
            let lines =
                text(policy, &["metadata", "annotations", EGRESS_ANNOTATION]).unwrap_or_default().lines();
            reach.entries.extend(lines.map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned));
            for rule in items(policy, &["spec", "egress"]) {
                let mut openings = BTreeSet::new();
                match id.kind.as_str() {
                    "CiliumNetworkPolicy" => rules::cilium(rule, &mut openings),
                    "FQDNNetworkPolicy" => rules::fqdn(rule, &mut openings),
                    _ => rules::plain(rule, &mut openings),
                }
                for opening in openings {
                    reach.open(opening);
                }
            }
        }
        let entries = reach.entries.iter().filter_map(|entry| entry.parse::<Egress>().ok());
        reach.expected = expected(&entries.collect(), &reach.kinds);
        reach
    }

    /// Takes an opening; a block that is the public internet under that name, whatever else it cuts out.
    fn open(&mut self, opening: Opening) {
        let Some(words) = public(&opening.place) else {
            self.openings.insert(opening);
            return;
        };
        let named = Opening::new(words, opening.port);
        self.public.entry(named.clone()).or_default().insert(opening.place);
        self.openings.insert(named);
    }

    /// What the rules open beyond the annotations.
    pub(super) fn beyond(&self) -> BTreeSet<Opening> {
        self.openings.difference(&self.expected).cloned().collect()
    }

    /// What the annotations say and the rules do not open.
    pub(super) fn missing(&self) -> BTreeSet<Opening> {
        self.expected.iter().filter(|opening| !self.opens(opening)).cloned().collect()
    }

    /// Whether the rules open it, by itself or as a part of something larger.
    pub(super) fn opens(&self, wanted: &Opening) -> bool {
        let family = PUBLIC.iter().find(|(_, _, words)| *words == wanted.place).map(|(cidrs, _, _)| *cidrs);
        let covers = |opening: &Opening| {
            let place = opening.place.split(" except ").next().unwrap_or_default();
            let is_larger = place == ANY_ADDRESS || family.is_some_and(|cidrs| cidrs.contains(&place));
            (is_larger || opening.place == wanted.place)
                && (opening.port == wanted.port || opening.port == ANY_PORT)
        };
        self.openings.contains(wanted) || self.openings.iter().any(covers)
    }

    /// Whether the rules do what one line of an annotation says.
    pub(super) fn opens_entry(&self, entry: &str) -> bool {
        let Ok(entry) = entry.parse::<Egress>() else { return false };
        let expected = expected(&BTreeSet::from([entry]), &self.kinds);
        let own = expected.iter().filter(|opening| opening.place != DNS && !opening.port.is_empty());
        own.into_iter().all(|opening| self.opens(opening))
    }
}

/// The openings that the renderer writes for `entries` into policies of these kinds.
fn expected(entries: &BTreeSet<Egress>, kinds: &BTreeSet<&str>) -> BTreeSet<Opening> {
    let mut openings = BTreeSet::new();
    let [plain, cilium, fqdn] = POLICIES.map(|kind| kinds.contains(kind));
    if entries.is_empty() {
        return openings;
    }
    if plain {
        openings.extend(["53/TCP", "53/UDP"].map(|port| Opening::new(DNS, port)));
    }
    if cilium {
        openings.insert(Opening::new(DNS, "53/ANY"));
    }
    for entry in entries {
        let port = format!("{}/{}", entry.port, entry.protocol.as_str());
        let host = match &entry.destination {
            Destination::Net(net) => {
                if plain || cilium {
                    let block = block(&net.to_string(), closed(net));
                    let place = public(&block).map_or(block.clone(), ToOwned::to_owned);
                    openings.insert(Opening::new(place, port));
                }
                continue;
            }
            Destination::Subdomains(host) => format!("*.{host}"),
            Destination::Name(host) => host.to_string(),
        };
        if cilium {
            openings.insert(Opening::new(answers(&host), ""));
        }
        if cilium || fqdn {
            openings.insert(Opening::new(host, port));
        } else if plain {
            openings.extend(PUBLIC.map(|(_, _, words)| Opening::new(words, port.clone())));
        }
    }
    openings
}

fn closed(net: &IpNet) -> Vec<String> {
    Egress::closed_within(net).iter().map(ToString::to_string).collect()
}

pub(super) fn answers(host: &str) -> String {
    format!("DNS answers for {host}")
}

/// A block without what is cut out of it.
pub(super) fn block(cidr: &str, mut except: Vec<String>) -> String {
    except.sort();
    let except: Vec<String> = except.iter().map(|part| name(part)).collect();
    if except.is_empty() { name(cidr) } else { format!("{} except {}", name(cidr), except.join(", ")) }
}

/// The public internet that a block is, in the words of [`PUBLIC`].
fn public(block: &str) -> Option<&'static str> {
    internet(block).filter(|(_, private)| private.is_empty()).map(|(words, _)| words)
}

/// The internet that a block is, and the private addresses that it leaves open beside.
fn internet(block: &str) -> Option<(&'static str, Vec<&'static str>)> {
    let (cidr, except) = block.split_once(" except ").unwrap_or((block, ""));
    let (_, private, words) = PUBLIC.iter().find(|(cidrs, _, _)| cidrs.contains(&cidr))?;
    let net: IpNet = cidr.parse().ok()?;
    let except: Vec<IpNet> = except.split(", ").filter_map(|part| part.parse().ok()).collect();
    let is_open = |part: &&&str| {
        let closed = |part: &IpNet| !net.contains(part) || except.iter().any(|outer| outer.contains(part));
        !part.parse::<IpNet>().is_ok_and(|part| closed(&part))
    };
    Some((*words, private.iter().filter(is_open).copied().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_that_leaves_a_private_range_open_is_not_the_public_internet() {
        let but = |missing: &str| {
            let (_, private, _) = PUBLIC[0];
            block("0.0.0.0/0", private.iter().filter(|p| **p != missing).map(|p| (*p).to_owned()).collect())
        };
        assert_eq!(public(&but("")), Some("the public IPv4 internet"));
        for private in PUBLIC[0].1 {
            assert_eq!(public(&but(private)), None, "{private}");
        }
        assert_eq!(public("2000::/3"), Some("the public IPv6 internet"));
        assert_eq!(public("::/0"), None);
        assert_eq!(public("0.0.0.0/0"), None);
        assert_eq!(public("\"0.0.0.0/0 except"), None);
    }
}
