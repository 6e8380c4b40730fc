//! What an agent may reach is what its options say, and no more: computed from the rendered policies by an evaluator of
//! their semantics, and compared with what the town's JSON declares, over every address, port and transport.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;

use nuketown::{Selection, decode_town, to_kube_manifests};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    cases,
    declared::{Declared, declared},
    objects::{every_kind_of_town, items, objects, of_kind, pods, text, the},
    policy::{Address, Block, Open, PROTOCOLS, Reach, selects},
    town::{set, town},
};

/// Blocks that are not globally reachable by the IANA special-purpose address registries, and multicast.
const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // Azure serves its virtual machines there.
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
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// IPv6 addresses are handed out of this block alone (IANA IPv6 Global Unicast Address Assignments).
const GLOBAL_UNICAST: &str = "2000::/3";

/// Addresses of the node's own services, which no declared block opens.
const NODE_SERVICES: &[&str] = &["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"];

/// Where a GKE node hands out the credentials of a pod's own service account.
const GOOGLE_METADATA: &[(&str, Open)] =
    &[("169.254.169.252/32", Open::tcp(988)), ("169.254.169.254/32", Open::tcp(80))];

fn block(text: &str) -> Block {
    Block::parse(text).unwrap()
}

fn among(blocks: &[&str], address: Address) -> bool {
    blocks.iter().any(|text| block(text).contains(address))
}

fn is_public(address: Address) -> bool {
    (!address.v6 || block(GLOBAL_UNICAST).contains(address)) && !among(NOT_PUBLIC, address)
}

/// Whether the options open an address, on an engine that sees addresses only or on one that knows names.
fn is_declared(declared: &Declared, names_are_addresses: bool, address: Address, open: Open) -> bool {
    let by_name =
        names_are_addresses && is_public(address) && declared.names.iter().any(|(_, named)| *named == open);
    let by_block = !among(NODE_SERVICES, address)
        && declared.blocks.iter().any(|(block, blocked)| *blocked == open && block.contains(address));
    let metadata = declared.google_metadata
        && GOOGLE_METADATA.iter().any(|(at, served)| *served == open && block(at).contains(address));
    by_name || by_block || metadata
}

/// One address of each stretch in which neither the policies nor the options change.
fn addresses(reach: &Reach, declared: &Declared) -> BTreeSet<Address> {
    let constants = NOT_PUBLIC.iter().chain(NODE_SERVICES).chain([&GLOBAL_UNICAST, &"0.0.0.0/0", &"::/0"]);
    let constants = constants.chain(GOOGLE_METADATA.iter().map(|(at, _)| at)).map(|text| block(text));
    let blocks = constants.chain(declared.blocks.iter().map(|(block, _)| *block));
    blocks.flat_map(Block::edges).chain(reach.edges()).collect()
}

/// Every port that either side names, and those beside them.
fn ports(reach: &Reach, declared: &Declared) -> BTreeSet<u16> {
    let declared =
        declared.names.iter().map(|(_, open)| open).chain(declared.blocks.iter().map(|(_, open)| open));
    let named: BTreeSet<u16> =
        declared.map(|open| open.port).chain(reach.ports()).chain([53, 80, 988, 1, 65535]).collect();
    named.iter().flat_map(|port| [port.saturating_sub(1).max(1), *port, port.saturating_add(1)]).collect()
}

struct Agent {
    name: String,
    labels: Value,
    reach: Reach,
    declared: Declared,
}

fn agents(town: &Value, objects: &[Value]) -> Vec<Agent> {
    let namespace = text(&the(objects, "Namespace")["metadata"]["name"]);
    let agent = |(name, pod): (String, Value)| {
        let labels = pod["metadata"]["labels"].clone();
        let reach = Reach::of(objects, namespace, &labels);
        Agent { declared: declared(town, &name), name, labels, reach }
    };
    pods(objects).into_iter().map(agent).collect()
}

fn engine(town: &Value) -> &str {
    town["cloud"]["networkPolicy"].as_str().unwrap_or("kubernetes")
}

/// Compares everything that can be reached with everything that is declared.
fn check(town: &Value) -> Result<(), TestCaseError> {
    let objects = objects(town);
    for Agent { name, reach, declared, .. } in agents(town, &objects) {
        prop_assert!(reach.isolated, "{} is not closed by default", name);
        let plain = engine(town) == "kubernetes";
        let (addresses, ports) = (addresses(&reach, &declared), ports(&reach, &declared));
        for &address in &addresses {
            for open in ports.iter().flat_map(|&port| PROTOCOLS.map(|protocol| Open { port, protocol })) {
                prop_assert_eq!(
                    reach.allows(address, open),
                    is_declared(&declared, plain, address, open),
                    "{} to {:x?} on {:?}; left: policies, right: options\n{}",
                    name,
                    address,
                    open,
                    town
                );
            }
        }
        let names = if plain { BTreeSet::new() } else { declared.names.clone() };
        prop_assert_eq!(&reach.names, &names, "names of {}; left: policies, right: options\n{}", name, town);
        let dns_names = declared.names.iter().map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(
            &reach.dns_names,
            &(engine(town) == "cilium").then_some(dns_names),
            "DNS of {}\n{}",
            name,
            town
        );
        check_pods(&objects, &reach)?;
    }
    Ok(())
}

/// Of all pods, only the cluster's DNS is open, on its port.
fn check_pods(objects: &[Value], reach: &Reach) -> Result<(), TestCaseError> {
    let namespace = &the(objects, "Namespace")["metadata"];
    let own = json!({ "kubernetes.io/metadata.name": namespace["name"] });
    let system = json!({ "kubernetes.io/metadata.name": "kube-system" });
    let dns = json!({ "k8s-app": "kube-dns", "pod-template-hash": "x" });
    let mut others = vec![
        (system.clone(), json!({ "k8s-app": "metrics-server" })),
        (json!({}), dns.clone()),
        (json!({}), json!({})),
    ];
    if namespace["name"] != "kube-system" {
        others.push((own.clone(), dns.clone()));
    }
    others.extend(pods(objects).into_values().map(|pod| (own.clone(), pod["metadata"]["labels"].clone())));
    for port in reach.ports().into_iter().chain([52, 53, 54]) {
        for protocol in ["TCP", "UDP"] {
            let open = Open { port, protocol };
            prop_assert_eq!(reach.allows_pod(&system, &dns, open), port == 53, "DNS on {:?}", open);
            for (namespace, pod) in &others {
                prop_assert!(!reach.allows_pod(namespace, pod, open), "{} {} on {:?}", namespace, pod, open);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn agent_reaches_exactly_what_its_options_declare(town in town()) {
        check(&town)?;
    }

    #[test]
    fn agent_reaches_exactly_what_its_options_declare_on_every_engine(town in town()) {
        for engine in ["kubernetes", "cilium", "gke-fqdn"] {
            let mut town = town.0.clone();
            set(&mut town, &["cloud", "networkPolicy"], engine.into());
            check(&town)?;
        }
    }

    #[test]
    fn policy_of_an_agent_selects_that_agent_alone_and_default_deny_selects_all(town in town()) {
        let objects = objects(&town);
        let agents = agents(&town, &objects);
        let kinds = ["NetworkPolicy", "CiliumNetworkPolicy", "FQDNNetworkPolicy"];
        for policy in kinds.iter().flat_map(|kind| of_kind(&objects, kind)) {
            let spec = &policy["spec"];
            let selector = if spec["podSelector"].is_object() { &spec["podSelector"] } else { &spec["endpointSelector"] };
            if policy["metadata"]["name"] == "default-deny" {
                prop_assert_eq!(selector, &json!({}), "default-deny leaves pods out");
                prop_assert_eq!(items(&spec["egress"]).count(), 0);
                continue;
            }
            let owner = &policy["metadata"]["labels"]["nuketown.io/agent"];
            let selected: Vec<&str> =
                agents.iter().filter(|agent| selects(selector, &agent.labels)).map(|agent| agent.name.as_str()).collect();
            prop_assert_eq!(selected, vec![text(owner)]);
        }
        prop_assert_eq!(of_kind(&objects, "NetworkPolicy").filter(|p| p["metadata"]["name"] == "default-deny").count(), 1);
    }

    #[test]
    fn nothing_may_connect_to_an_agent(town in town()) {
        let objects = objects(&town);
        for policy in objects.iter().filter(|object| text(&object["kind"]).ends_with("NetworkPolicy")) {
            prop_assert!(policy["spec"]["ingress"].is_null() && policy["spec"]["ingressDeny"].is_null(), "{}", policy);
        }
        let services = objects.iter().filter(|o| ["Service", "Ingress", "Gateway", "HTTPRoute"].contains(&text(&o["kind"])));
        prop_assert_eq!(services.count(), 0);
    }

    #[test]
    fn agent_with_wide_egress_widens_nobody_elses(town in town(), engine in 0..3_usize) {
        let mut narrow = town.0;
        set(&mut narrow, &["cloud", "networkPolicy"], ["kubernetes", "cilium", "gke-fqdn"][engine].into());
        let mut wide = narrow.clone();
        let everything = json!({
            "cloud": { "enable": true, "image": "registry.internal/wide:1" },
            "network": { "egress": ["0.0.0.0/0:443", "[::/0]:443", "0.0.0.0/0:53/udp", "*.example.org:8443", "evil.example.org:22"] },
        });
        set(&mut wide, &["agents", "the-wide-one"], everything);
        let (before, after) = (agents(&narrow, &objects(&narrow)), agents(&wide, &objects(&wide)));
        for agent in before {
            let same = after.iter().find(|other| other.name == agent.name).unwrap();
            prop_assert_eq!(format!("{:?}", same.reach), format!("{:?}", agent.reach));
        }
    }
}

#[test]
fn every_engine_and_provider_opens_exactly_what_is_declared() {
    for (_, town) in every_kind_of_town() {
        check(&town).unwrap();
    }
}

/// The same as the property, said with addresses that a reader knows.
#[test]
fn plain_policy_opens_the_internet_on_declared_ports_and_no_private_or_metadata_address() {
    let town = json!({
        "domain": "6bit.com",
        "agents": { "ada": {
            "cloud": { "enable": true },
            "network": { "egress": ["pypi.org:8443", "ntp.example.org:123/udp", "10.1.0.0/16:5432", "[2001:db8:1::/48]:5432", "169.254.0.0/15:81"] },
        } },
    });
    let objects = objects(&town);
    let ada = agents(&town, &objects).remove(0);
    let tcp = |address: &str, port| ada.reach.allows(Address::parse(address).unwrap(), Open::tcp(port));
    let udp = |address: &str, port| {
        ada.reach.allows(Address::parse(address).unwrap(), Open { port, protocol: "UDP" })
    };
    for public in ["1.1.1.1", "93.184.216.34", "11.0.0.0", "172.32.0.0", "2606:4700:4700::1111", "2a00::1"] {
        for port in [22, 443, 5222, 8443] {
            assert!(tcp(public, port), "{public}:{port}");
        }
        assert!(udp(public, 123) && !tcp(public, 123) && !udp(public, 443), "{public}");
        for port in [21, 23, 25, 53, 80, 444, 5432, 8080] {
            assert!(!tcp(public, port), "{public}:{port}");
        }
    }
    for private in [
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "169.254.169.252",
        "169.254.169.253",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fd00::1",
        "fd00:ec2::254",
        "fe80::1",
        "64:ff9b::a9fe:a9fe",
        "::ffff:10.0.0.1",
        "2002:a00:1::",
        "2001:0:1::",
        "ff02::1",
    ] {
        for port in [22, 80, 81, 443, 988, 5222, 8443] {
            assert!(!tcp(private, port), "{private}:{port}");
        }
    }
    for (address, is_open) in
        [("10.0.255.255", false), ("10.1.0.0", true), ("10.1.255.255", true), ("10.2.0.0", false)]
    {
        assert_eq!(tcp(address, 5432), is_open, "{address}");
    }
    assert!(tcp("2001:db8:1:ffff::", 5432) && !tcp("2001:db8:2::", 5432) && !tcp("2001:db8:0:ffff::", 5432));
    assert!(
        tcp("169.255.0.1", 81) && !tcp("169.254.169.254", 81),
        "metadata stays closed inside of a declared block"
    );
}

#[test]
fn metadata_service_is_open_to_google_service_accounts_alone() {
    for (name, town) in every_kind_of_town() {
        let agents = agents(&town, &objects(&town));
        for agent in agents {
            for (at, open) in GOOGLE_METADATA {
                let address = Address::parse(at.trim_end_matches("/32")).unwrap();
                let expected = agent.name == "ada" && name.contains("gke,");
                assert_eq!(agent.reach.allows(address, *open), expected, "{name}: {}", agent.name);
            }
        }
    }
}

/// A plain policy and an FQDN rule know ASCII names; the domain of a JID may be another.
#[test]
fn xmpp_server_that_no_policy_can_name_is_a_problem_and_not_a_silence() {
    let town = |jid: &str, server: Value| json!({ "domain": "6bit.com", "agents": { "ada": { "cloud": { "enable": true }, "xmpp": { "jid": jid, "server": server } } } });
    for jid in ["ada@bücher.example", "ada@169.254.169.254", "ada@[fe80::1]"] {
        let decoded = decode_town(town(jid, Value::Null).to_string().as_bytes()).unwrap();
        let problems = to_kube_manifests(&decoded, &Selection::default()).unwrap_err();
        assert_eq!(
            problems[0].what, "agent `ada` has an XMPP server that no network policy can open",
            "{jid}"
        );
        check(&town(jid, "xn--bcher-kva.example".into())).unwrap();
    }
}

#[test]
fn evaluator_sees_what_a_policy_opens_by_leaving_something_out() {
    let policy = |spec: Value| json!({ "kind": "NetworkPolicy", "metadata": { "namespace": "n", "labels": {} }, "spec": spec });
    let reach = |spec| Reach::of(&[policy(spec)], "n", &json!({ "a": "b" }));
    let any = Address::parse("10.0.0.1").unwrap();
    let types = json!(["Ingress", "Egress"]);
    assert!(
        reach(json!({ "podSelector": { "matchLabels": { "a": "c" } } })).allows(any, Open::tcp(1)),
        "not selected: open"
    );
    assert!(!reach(json!({ "podSelector": {}, "policyTypes": types })).allows(any, Open::tcp(1)));
    let all_ports = json!([{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.0.0.0/31"] } }] }]);
    let open = reach(json!({ "podSelector": {}, "policyTypes": types, "egress": all_ports }));
    assert!(
        !open.allows(any, Open::tcp(7)) && open.allows(Address::parse("10.0.0.2").unwrap(), Open::tcp(7))
    );
    for spec in [
        json!({ "podSelector": {}, "policyTypes": types, "egress": [{ "ports": [] }] }),
        json!({ "podSelector": {}, "policyTypes": ["Egress"] }),
        json!({ "podSelector": {}, "policyTypes": types, "ingress": [{}] }),
        json!({ "podSelector": {}, "policyTypes": types, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"] } }] }] }),
    ] {
        let result = std::panic::catch_unwind(|| reach(spec.clone()));
        assert!(result.is_err(), "{spec}");
    }
}
