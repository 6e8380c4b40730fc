//! `CiliumNetworkPolicy` (cilium.io/v2): host names are enforced by Cilium's DNS proxy.
//!
//! The policy also bounds what may be asked of DNS: only the names that are open. A free choice of names would be a
//! way out of the cluster by itself.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use super::{Ports, by_ports, metadata_service};
use crate::{
    manifests::labels,
    plan::AgentPlan,
    values::{Destination, Egress, Port, Protocol},
};

/// Ports that one `toPorts` entry takes (`maxItems` of the resource's schema).
const PORTS_MAX: usize = 40;

/// A policy of Cilium, with the fields that this library writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiliumNetworkPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    endpoint_selector: LabelSelector,
    egress: Vec<Rule>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are the resource's own names")]
struct Rule {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_endpoints: Vec<LabelSelector>,
    #[serde(rename = "toFQDNs", skip_serializing_if = "Vec::is_empty")]
    to_fqdns: Vec<Name>,
    #[serde(rename = "toCIDRSet", skip_serializing_if = "Vec::is_empty")]
    to_cidr_set: Vec<Block>,
    to_ports: Vec<PortRule>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Name {
    MatchName(String),
    MatchPattern(String),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Block {
    cidr: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PortRule {
    ports: Vec<PortProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<DnsRules>,
}

/// Cilium writes ports as strings.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct PortProtocol {
    port: String,
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct DnsRules {
    dns: Vec<Name>,
}

/// The policy of one agent.
pub(super) fn policy(metadata: ObjectMeta, agent: &AgentPlan<'_>) -> CiliumNetworkPolicy {
    let is_net = |egress: &&Egress| matches!(egress.destination, Destination::Net(_));
    let mut egress = vec![dns(agent)];
    for (ports, names) in by_ports(agent.egress.iter().filter(|e| !is_net(e))) {
        let to_fqdns = names.into_iter().filter_map(name).collect();
        egress.push(Rule { to_fqdns, to_ports: port_rules(&ports), ..Rule::default() });
    }
    for (ports, nets) in by_ports(agent.egress.iter().filter(is_net)) {
        let to_cidr_set = nets.into_iter().filter_map(block).collect();
        egress.push(Rule { to_cidr_set, to_ports: port_rules(&ports), ..Rule::default() });
    }
    for (address, port) in metadata_service(&agent.identity) {
        let to_cidr_set = vec![Block { cidr: (*address).to_owned(), except: Vec::new() }];
        egress.push(Rule {
            to_cidr_set,
            to_ports: port_rules(&Ports::from([(*port, Protocol::Tcp)])),
            ..Rule::default()
        });
    }
    CiliumNetworkPolicy {
        api_version: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata,
        spec: Spec { endpoint_selector: labels::selector(agent.name), egress },
    }
}

/// The cluster's DNS, for the names that are open.
fn dns(agent: &AgentPlan<'_>) -> Rule {
    let kube_dns =
        labels::map([("k8s:io.kubernetes.pod.namespace", "kube-system"), ("k8s:k8s-app", "kube-dns")]);
    let names: BTreeSet<_> = agent.egress.iter().map(|e| &e.destination).collect();
    let rules = DnsRules { dns: names.into_iter().filter_map(name).collect() };
    let ports = vec![PortProtocol { port: "53".to_owned(), protocol: "ANY" }];
    Rule {
        to_endpoints: vec![LabelSelector { match_labels: Some(kube_dns), ..LabelSelector::default() }],
        to_ports: vec![PortRule { ports, rules: Some(rules) }],
        ..Rule::default()
    }
}

fn name(destination: &Destination) -> Option<Name> {
    match destination {
        Destination::Name(host) => Some(Name::MatchName(host.to_string())),
        Destination::Subdomains(host) => Some(Name::MatchPattern(format!("*.{host}"))),
        Destination::Net(_) => None,
    }
}

fn block(destination: &Destination) -> Option<Block> {
    match destination {
        Destination::Net(net) => Some(Block {
            cidr: net.to_string(),
            except: Egress::closed_within(net).iter().map(ToString::to_string).collect(),
        }),
        Destination::Name(_) | Destination::Subdomains(_) => None,
    }
}

fn port_rules(ports: &Ports) -> Vec<PortRule> {
    let port = |(port, protocol): &(Port, Protocol)| PortProtocol {
        port: port.to_string(),
        protocol: protocol.as_str(),
    };
    let ports: Vec<PortProtocol> = ports.iter().map(port).collect();
    ports.chunks(PORTS_MAX).map(|chunk| PortRule { ports: chunk.to_vec(), rules: None }).collect()
}
