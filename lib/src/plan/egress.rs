//! What an agent may reach: what it needs to run, and what its options name.
//!
//! # Invariants
//!
//! - Nothing is opened that no option or provider asks for.
//! - The same set is written by every network engine, as exactly as the engine can.

use std::collections::BTreeSet;

use super::{Identity, identity::xmpp_server};
use crate::{
    DeploymentModel, Problem, Town,
    text::quoted,
    town::{Agent, defaults},
    values::{AgentName, Egress, HostName, HostPort, Port},
};

/// The public git host that every agent may clone from.
const GIT_HOST: &str = "github.com";
const SSH: Port = Port::constant(22);

/// The connections of an agent, without DNS and the identity provider's metadata address.
pub(super) fn egress(town: &Town, agent: &Agent, identity: &Identity<'_>) -> BTreeSet<Egress> {
    let mut egress: BTreeSet<Egress> = agent.network.egress.iter().cloned().collect();
    let mut open = |host: &str, port| egress.extend(to_host(host, port));
    open(GIT_HOST, SSH);
    open(GIT_HOST, defaults::HTTPS);
    if agent.is_on_xmpp(DeploymentModel::Cloud) {
        open(&xmpp_server(town, agent), agent.xmpp.port);
    }
    for host in provider_hosts(identity) {
        open(&host, defaults::HTTPS);
    }
    egress.extend(agent.daemon.repos.values().map(|repo| repo.url.egress()));
    egress.extend(agent.daemon.api_url.egress());
    egress.extend(town.cloud.nix_caches.iter().map(|cache| cache.egress(defaults::HTTPS)));
    egress
}

/// A server that no policy can name would be out of reach, and nobody told.
pub(super) fn server_can_be_opened(town: &Town, name: &AgentName, agent: &Agent) -> Option<Problem> {
    let server = xmpp_server(town, agent);
    if !agent.is_on_xmpp(DeploymentModel::Cloud) || to_host(&server, agent.xmpp.port).is_some() {
        return None;
    }
    let cause = format!("the server is {}, from the domain of agents.{name}.xmpp.jid", quoted(&server));
    Some(
        Problem::new(format!("agent `{name}` has an XMPP server that no network policy can open"), cause)
            .hint(format!("set agents.{name}.xmpp.server to the server's host name; an international name in its xn-- form")),
    )
}

/// A host is a name, or the address that a JID's domain may be.
fn to_host(host: &str, port: Port) -> Option<Egress> {
    let name = host.parse::<HostName>().map(|name| Egress::tcp(name, port)).ok();
    name.or_else(|| Some(host.parse::<HostPort>().ok()?.egress(port)))
}

/// The services that the init container talks to.
fn provider_hosts(identity: &Identity<'_>) -> Vec<String> {
    match identity {
        // Token exchange, impersonation, secrets: Google Cloud's "Workload Identity Federation for GKE".
        Identity::Gke { .. } => {
            ["sts", "iamcredentials", "secretmanager"].map(|s| format!("{s}.googleapis.com")).into()
        }
        Identity::Eks { role, region } => {
            ["sts", "secretsmanager"].map(|s| format!("{s}.{region}.{}", role.dns_suffix())).into()
        }
        Identity::Kubernetes { .. } => Vec::new(),
    }
}
