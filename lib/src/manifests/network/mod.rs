//! What an agent may reach, in the words of the network engine that enforces it.
//!
//! # Invariants
//!
//! - Policies add up: what any policy of a pod opens is open. So what is opened for an agent stands in the policies of
//!   that agent alone, and no rule pairs a destination with a port that was not declared for it.
//! - Nothing comes in: agents serve no traffic.

mod cilium;
mod gke;
mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};

pub use cilium::CiliumNetworkPolicy;
pub use gke::FqdnNetworkPolicy;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    Object,
    labels::{self, agent_object},
};
use crate::{
    Problem,
    names::EGRESS_ANNOTATION,
    plan::{AgentPlan, Identity, Plan},
    town::NetworkEngine,
    values::{Destination, Egress, Port, Protocol},
};

/// The API server's limit on all annotations of an object, in bytes, less room for others.
const ANNOTATION_MAX: usize = 240 << 10;

/// The network policies of an agent.
pub(super) fn policies(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Result<Vec<Object>, Problem> {
    let metadata = metadata(plan, agent)?;
    Ok(match plan.town.cloud.network_policy {
        NetworkEngine::Kubernetes => {
            vec![kubernetes::policy(metadata, agent, kubernetes::Names::AsPublicInternet).into()]
        }
        NetworkEngine::Cilium => vec![cilium::policy(metadata, agent).into()],
        NetworkEngine::GkeFqdn => vec![
            kubernetes::policy(metadata.clone(), agent, kubernetes::Names::ElseWhere).into(),
            gke::policy(metadata, agent).into(),
        ],
    })
}

fn metadata(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Result<ObjectMeta, Problem> {
    let mut metadata = labels::of_agent(plan, agent.name, &agent_object(agent.name));
    let declared = agent.egress.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    if declared.len() > ANNOTATION_MAX {
        let cause = format!("agents.{}.network.egress has {} entries", agent.name, agent.egress.len());
        return Err(Problem::new(format!("agent `{}` reaches too many places", agent.name), cause)
            .hint("use address blocks or patterns such as \"*.example.org:443\""));
    }
    metadata.annotations = Some(labels::map([(EGRESS_ANNOTATION, &declared)]));
    Ok(metadata)
}

type Ports = BTreeSet<(Port, Protocol)>;

/// Destinations that have the same ports, so that one rule can name them all.
fn by_ports<'e>(egress: impl Iterator<Item = &'e Egress>) -> BTreeMap<Ports, Vec<&'e Destination>> {
    let mut ports: BTreeMap<&Destination, Ports> = BTreeMap::new();
    for entry in egress {
        ports.entry(&entry.destination).or_default().insert((entry.port, entry.protocol));
    }
    let mut groups: BTreeMap<Ports, Vec<&Destination>> = BTreeMap::new();
    for (destination, ports) in ports {
        groups.entry(ports).or_default().push(destination);
    }
    groups
}

/// The addresses of the identity provider's metadata service, with their ports. Google Cloud, "Workload Identity
/// Federation for GKE": 169.254.169.252:988, and 169.254.169.254:80 with Dataplane V2. AWS and Kubernetes need none.
fn metadata_service(identity: &Identity<'_>) -> &'static [(&'static str, Port)] {
    const GKE: [(&str, Port); 2] =
        [("169.254.169.252/32", Port::constant(988)), ("169.254.169.254/32", Port::constant(80))];
    match identity {
        Identity::Gke { .. } => &GKE,
        Identity::Eks { .. } | Identity::Kubernetes { .. } => &[],
    }
}
