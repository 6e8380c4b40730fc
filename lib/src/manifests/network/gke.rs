//! `FQDNNetworkPolicy` (networking.gke.io/v1alpha1) of GKE Dataplane V2: host names beside a plain policy.
//!
//! Google Cloud, "Control Pod egress traffic using FQDN network policies": the two kinds add up; a pattern's `*` stands
//! for one label.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use super::by_ports;
use crate::{
    manifests::labels,
    plan::AgentPlan,
    values::{Destination, Port, Protocol},
};

/// A policy of GKE, with the fields that this library writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FqdnNetworkPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    pod_selector: LabelSelector,
    egress: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Rule {
    matches: Vec<Match>,
    ports: Vec<PortProtocol>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Match {
    Name(String),
    Pattern(String),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PortProtocol {
    port: u16,
    protocol: &'static str,
}

/// The policy of one agent.
pub(super) fn policy(metadata: ObjectMeta, agent: &AgentPlan<'_>) -> FqdnNetworkPolicy {
    let rule = |(ports, destinations): (super::Ports, Vec<&Destination>)| Rule {
        matches: destinations.into_iter().filter_map(matching).collect(),
        ports: ports.into_iter().map(port).collect(),
    };
    let names = agent.egress.iter().filter(|egress| !matches!(egress.destination, Destination::Net(_)));
    FqdnNetworkPolicy {
        api_version: "networking.gke.io/v1alpha1",
        kind: "FQDNNetworkPolicy",
        metadata,
        spec: Spec {
            pod_selector: labels::selector(agent.name),
            egress: by_ports(names).into_iter().map(rule).collect(),
        },
    }
}

fn matching(destination: &Destination) -> Option<Match> {
    match destination {
        Destination::Name(host) => Some(Match::Name(host.to_string())),
        Destination::Subdomains(host) => Some(Match::Pattern(format!("*.{host}"))),
        Destination::Net(_) => None,
    }
}

fn port((port, protocol): (Port, Protocol)) -> PortProtocol {
    PortProtocol { port: port.get(), protocol: protocol.as_str() }
}
