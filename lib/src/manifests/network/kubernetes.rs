//! Plain `NetworkPolicy` (networking.k8s.io/v1): addresses and ports.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort,
        NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{Ports, by_ports, metadata_service};
use crate::{
    manifests::labels,
    plan::AgentPlan,
    values::{Destination, Egress, Port, Protocol},
};

/// What becomes of host names, which a plain policy cannot express.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// They open the public internet on their ports.
    AsPublicInternet,
    /// Another policy of the same pod opens them.
    ElseWhere,
}

/// Blocks of 0.0.0.0/0 that are not the public internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890;
/// multicast, RFC 5771), and the address at which Azure serves its virtual machines ("What is IP address
/// 168.63.129.16?").
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Global unicast (RFC 4291) leaves out unique local, link-local and translated addresses by itself.
const PUBLIC_V6: &str = "2000::/3";
/// Blocks of it that are not the public internet: protocol assignments with Teredo, documentation, and 6to4, which can
/// name private IPv4 addresses (IANA IPv6 Special-Purpose Address Registry, RFC 6890, RFC 9637).
const NOT_PUBLIC_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// The policy of one agent.
pub(super) fn policy(metadata: ObjectMeta, agent: &AgentPlan<'_>, names: Names) -> NetworkPolicy {
    let is_net = |egress: &&Egress| matches!(egress.destination, Destination::Net(_));
    let mut rules = vec![dns()];
    if names == Names::AsPublicInternet {
        let ports = agent.egress.iter().filter(|e| !is_net(e)).map(|e| (e.port, e.protocol)).collect();
        rules.push(rule(public_internet(), &ports));
    }
    for (ports, nets) in by_ports(agent.egress.iter().filter(is_net)) {
        let peers = nets.into_iter().filter_map(|destination| match destination {
            Destination::Net(net) => Some(block(net)),
            Destination::Name(_) | Destination::Subdomains(_) => None,
        });
        rules.push(rule(peers.collect(), &ports));
    }
    for (address, port) in metadata_service(&agent.identity) {
        rules.push(rule(vec![ip_block(address, &[])], &Ports::from([(*port, Protocol::Tcp)])));
    }
    NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            egress: Some(rules),
            ingress: None,
            pod_selector: Some(labels::selector(agent.name)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
        }),
    }
}

/// The cluster's DNS, whichever program it is: the label is the same for all.
fn dns() -> NetworkPolicyEgressRule {
    let select = |labels: BTreeMap<String, String>| {
        Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() })
    };
    let peer = NetworkPolicyPeer {
        namespace_selector: select(labels::map([("kubernetes.io/metadata.name", "kube-system")])),
        pod_selector: select(labels::map([("k8s-app", "kube-dns")])),
        ..NetworkPolicyPeer::default()
    };
    let port = Port::constant(53);
    rule(vec![peer], &Ports::from([(port, Protocol::Tcp), (port, Protocol::Udp)]))
}

fn public_internet() -> Vec<NetworkPolicyPeer> {
    vec![ip_block("0.0.0.0/0", &NOT_PUBLIC_V4), ip_block(PUBLIC_V6, &NOT_PUBLIC_V6)]
}

/// A declared block, without metadata and link-local addresses inside it.
fn block(net: &IpNet) -> NetworkPolicyPeer {
    let closed: Vec<String> = Egress::closed_within(net).iter().map(ToString::to_string).collect();
    ip_block(&net.to_string(), &closed.iter().map(String::as_str).collect::<Vec<_>>())
}

fn ip_block(cidr: &str, except: &[&str]) -> NetworkPolicyPeer {
    let except = (!except.is_empty()).then(|| except.iter().map(|&e| e.to_owned()).collect());
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.to_owned(), except }),
        ..NetworkPolicyPeer::default()
    }
}

fn rule(to: Vec<NetworkPolicyPeer>, ports: &Ports) -> NetworkPolicyEgressRule {
    let port = |(port, protocol): &(Port, Protocol)| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(port.get()))),
        protocol: Some(protocol.as_str().to_owned()),
        end_port: None,
    };
    NetworkPolicyEgressRule { ports: Some(ports.iter().map(port).collect()), to: Some(to) }
}
