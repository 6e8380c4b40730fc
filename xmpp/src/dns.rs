//! Where a domain's server is: SRV records (RFC 2782) in the order in which they are to be tried.

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;

use crate::config::{Security, Server};

/// A host and port to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NameServers {
    /// Those of the system, as they are configured when they are asked: a laptop moves.
    System,
    /// This one, in a test.
    #[cfg(test)]
    At(std::net::SocketAddr),
}

impl NameServers {
    fn resolver(self) -> Result<TokioResolver, NetError> {
        match self {
            Self::System => TokioResolver::builder_tokio()?.build(),
            #[cfg(test)]
            Self::At(address) => crate::name_server::resolver(address),
        }
    }
}

/// Why there is nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The domain says that it has no such service: one record with the target `.` (RFC 2782).
    #[error("{name} says that there is no XMPP service")]
    NoService {
        /// The record's name.
        name: String,
    },
    /// The system's resolver configuration cannot be used.
    #[error("cannot look up {name}: {why}")]
    Resolver {
        /// The record's name.
        name: String,
        /// What the resolver says.
        why: String,
    },
}

/// The targets for `domain`, the first to be tried first.
///
/// # Errors
///
/// The domain says that it has no such service, or the lookup failed. A domain without a record is no error: its own address
/// and the usual port are the target (RFC 6120 section 3.2.1).
pub(crate) async fn targets(
    name_servers: NameServers,
    server: &Server,
    security: Security,
    domain: &str,
) -> Result<Vec<Target>, DnsError> {
    let (service, port) = match security {
        Security::StartTls => ("_xmpp-client._tcp", 5222),
        Security::Direct => ("_xmpps-client._tcp", 5223),
    };
    match server {
        Server::At { host, port } => Ok(vec![Target { host: host.clone(), port: *port }]),
        // An address has no records.
        Server::Srv if domain.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() => {
            Ok(vec![Target { host: domain.trim_matches(['[', ']']).to_owned(), port }])
        }
        Server::Srv => {
            let name = format!("{service}.{domain}.");
            let records = records(name_servers, &name).await?;
            if records.is_empty() {
                return Ok(vec![Target { host: domain.to_owned(), port }]);
            }
            let ordered = ordered(records, rand::random_range);
            if ordered.is_empty() { Err(DnsError::NoService { name }) } else { Ok(ordered) }
        }
    }
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    priority: u16,
    weight: u16,
    target: Target,
}

/// The records of `name`; none if the name has none.
async fn records(name_servers: NameServers, name: &str) -> Result<Vec<Record>, DnsError> {
    let failed = |why: String| DnsError::Resolver { name: name.to_owned(), why };
    let resolver = name_servers.resolver().map_err(|error| failed(error.to_string()))?;
    let lookup = match resolver.srv_lookup(name).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let records = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(Record {
            priority: srv.priority,
            weight: srv.weight,
            target: Target { host: srv.target.to_ascii().trim_end_matches('.').to_owned(), port: srv.port },
        }),
        _ => None,
    });
    Ok(records.collect())
}

/// The order of RFC 2782: by priority, and among equals at random in proportion to their weights.
///
/// `random` gives a number of the range. Targets that say "no service here" are left out.
fn ordered(
    mut records: Vec<Record>,
    mut random: impl FnMut(std::ops::RangeInclusive<u32>) -> u32,
) -> Vec<Target> {
    records.retain(|record| !record.target.host.is_empty());
    // Records without weight first, so that they have their small chance.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut targets = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|record| record.priority == priority);
        let chosen = random(0..=equals.clone().map(|record| u32::from(record.weight)).sum());
        let mut sum = 0;
        let place = equals
            .map(|record| {
                sum += u32::from(record.weight);
                sum
            })
            .position(|sum| sum >= chosen)
            .unwrap_or(0);
        targets.push(records.remove(place).target);
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name_server::{NameServer, Reply};
    use hickory_resolver::proto::op::ResponseCode;
    use proptest::prelude::*;

    fn record(priority: u16, weight: u16, host: &str) -> Record {
        Record { priority, weight, target: Target { host: host.into(), port: 5222 } }
    }

    fn hosts(targets: &[Target]) -> Vec<&str> {
        targets.iter().map(|target| target.host.as_str()).collect()
    }

    #[test]
    fn lower_priority_comes_first_and_weight_decides_among_equals() {
        let records = vec![record(20, 0, "last"), record(10, 1, "light"), record(10, 9, "heavy")];
        assert_eq!(hosts(&ordered(records.clone(), |range| *range.end())), ["heavy", "light", "last"]);
        assert_eq!(hosts(&ordered(records, |range| *range.start())), ["light", "heavy", "last"]);
    }

    #[test]
    fn target_that_is_the_root_offers_nothing() {
        assert!(ordered(vec![record(0, 0, "")], |range| *range.start()).is_empty());
    }

    #[tokio::test]
    async fn fixed_host_and_address_are_not_looked_up() {
        let fixed = Server::At { host: "chat.example".into(), port: 5 };
        let target = targets(NameServers::System, &fixed, Security::StartTls, "example.org").await.unwrap();
        assert_eq!(target, [Target { host: "chat.example".into(), port: 5 }]);
        let address = targets(NameServers::System, &Server::Srv, Security::Direct, "[::1]").await.unwrap();
        assert_eq!(address, [Target { host: "::1".into(), port: 5223 }]);
    }

    async fn looked_up(security: Security, reply: Reply) -> (Result<Vec<Target>, DnsError>, Vec<String>) {
        let server = NameServer::start(reply).await;
        let targets = targets(server.asked(), &Server::Srv, security, "chat.example").await;
        (targets, server.questions())
    }

    #[tokio::test]
    async fn records_of_a_name_server_are_the_targets_in_their_order() {
        let records = vec![(20, 0, 5222, "last.example."), (10, 5, 443, "first.example.")];
        for (security, name) in [
            (Security::StartTls, "_xmpp-client._tcp.chat.example. SRV"),
            (Security::Direct, "_xmpps-client._tcp.chat.example. SRV"),
        ] {
            let (targets, questions) = looked_up(security, Reply::Records(records.clone())).await;
            let expected = [("first.example", 443), ("last.example", 5222)]
                .map(|(host, port)| Target { host: host.into(), port });
            assert_eq!(targets.unwrap(), expected);
            assert_eq!(questions, [name]);
        }
    }

    #[tokio::test]
    async fn domain_without_records_is_its_own_target() {
        for reply in [Reply::Records(Vec::new()), Reply::Code(ResponseCode::NXDomain)] {
            let (targets, _) = looked_up(Security::Direct, reply).await;
            assert_eq!(targets.unwrap(), [Target { host: "chat.example".into(), port: 5223 }]);
        }
    }

    #[tokio::test]
    async fn domain_that_says_it_has_no_service_is_not_connected_to() {
        let (targets, _) = looked_up(Security::StartTls, Reply::Records(vec![(0, 0, 0, ".")])).await;
        let error = targets.unwrap_err();
        assert_eq!(error.to_string(), "_xmpp-client._tcp.chat.example. says that there is no XMPP service");
    }

    #[tokio::test]
    async fn name_server_that_fails_is_an_error_and_no_missing_record() {
        for code in [ResponseCode::ServFail, ResponseCode::Refused] {
            let (targets, _) = looked_up(Security::StartTls, Reply::Code(code)).await;
            let error = targets.unwrap_err();
            assert!(matches!(error, DnsError::Resolver { .. }), "{code}: {error:?}");
            assert!(
                error.to_string().starts_with("cannot look up _xmpp-client._tcp.chat.example.: "),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_target_is_tried_once_in_the_order_of_priorities(
            records in prop::collection::vec((0u16..4, any::<u16>()), 0..20),
            choice in any::<u32>(),
        ) {
            let records: Vec<_> = records.iter().enumerate()
                .map(|(index, (priority, weight))| record(*priority, *weight, &format!("{priority}-{index}")))
                .collect();
            let order = ordered(records.clone(), |range| choice % (*range.end() + 1));
            let names = hosts(&order);
            let mut sorted = names.clone();
            sorted.sort_by_key(|name| name.split('-').next().map(str::to_owned));
            prop_assert_eq!(&names, &sorted);
            prop_assert_eq!(names.len(), records.len());
        }
    }
}
