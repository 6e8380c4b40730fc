//! What network policies allow, by their own documented semantics and apart from the library.
//!
//! The evaluator is strict: a field or form that it does not know fails the test, so that nothing is open unseen.
//!
//! Sources: Kubernetes "Network Policies" and the API reference (`NetworkPolicySpec`); Cilium "Layer 3/4/7 Policies";
//! Google Cloud "Control Pod egress traffic using FQDN network policies".

use std::{collections::BTreeSet, net::IpAddr};

use serde_json::Value;

use super::objects::{entries, items, text};

/// The transports of a policy.
pub(crate) const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// A port and its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Open {
    pub(crate) port: u16,
    pub(crate) protocol: &'static str,
}

impl Open {
    pub(crate) const fn tcp(port: u16) -> Self {
        Self { port, protocol: "TCP" }
    }
}

/// An address of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) v6: bool,
    pub(crate) bits: u128,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.parse().ok()? {
            IpAddr::V4(address) => Self { v6: false, bits: u32::from(address).into() },
            IpAddr::V6(address) => Self { v6: true, bits: address.into() },
        })
    }
}

/// A block of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    v6: bool,
    first: u128,
    last: u128,
}

impl Block {
    /// `10.0.0.0/8`, or one address. [`None`] for anything else, and where bits are set behind the prefix.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let Address { v6, bits } = Address::parse(address)?;
        let width: u32 = if v6 { 128 } else { 32 };
        let length: u32 =
            length.map_or(Some(width), |length| length.parse().ok()).filter(|length| *length <= width)?;
        let hosts = if width == length { 0 } else { u128::MAX >> (128 - (width - length)) };
        (bits & hosts == 0).then_some(Self { v6, first: bits, last: bits | hosts })
    }

    pub(crate) fn contains(self, address: Address) -> bool {
        self.v6 == address.v6 && (self.first..=self.last).contains(&address.bits)
    }

    /// Whether `inner` is a part of this block and less than all of it.
    pub(crate) fn strictly_contains(self, inner: Self) -> bool {
        self.v6 == inner.v6 && self.first <= inner.first && inner.last <= self.last && self != inner
    }

    /// The first address of the block and the first one behind it: between such edges, nothing changes.
    pub(crate) fn edges(self) -> impl Iterator<Item = Address> {
        let behind = self.last.checked_add(1).filter(|bits| self.v6 || *bits <= u128::from(u32::MAX));
        [Some(self.first), behind].into_iter().flatten().map(move |bits| Address { v6: self.v6, bits })
    }
}

/// Ports of a rule; [`None`] is every port of every transport.
type Ports = Option<BTreeSet<Open>>;

/// Addresses and ports that one rule opens.
#[derive(Clone, Debug)]
struct Addresses {
    block: Block,
    except: Vec<Block>,
    ports: Ports,
}

/// Pods and ports that one rule opens.
#[derive(Clone, Debug)]
struct Pods {
    namespace: Value,
    pod: Value,
    ports: Ports,
}

/// Everything that the policies of one pod let it connect to: the union of all that select it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    addresses: Vec<Addresses>,
    pods: Vec<Pods>,
    /// Host names and patterns of the engines that know names.
    pub(crate) names: BTreeSet<(String, Open)>,
    /// What may be asked of DNS, where a policy bounds it.
    pub(crate) dns_names: Option<BTreeSet<String>>,
    /// Whether any policy selects the pod for egress: without one, everything is open.
    pub(crate) isolated: bool,
}

impl Reach {
    /// What the pods with `labels` in `namespace` may reach under all policies among `objects`.
    pub(crate) fn of(objects: &[Value], namespace: &str, labels: &Value) -> Self {
        let mut reach = Self::default();
        for object in objects.iter().filter(|object| object["metadata"]["namespace"] == namespace) {
            let spec = &object["spec"];
            match text(&object["kind"]) {
                "NetworkPolicy" if selects(&spec["podSelector"], labels) => reach.add_kubernetes(spec),
                "CiliumNetworkPolicy" if selects(&spec["endpointSelector"], labels) => reach.add_cilium(spec),
                "FQDNNetworkPolicy" if selects(&spec["podSelector"], labels) => reach.add_gke(spec),
                "NetworkPolicy" | "CiliumNetworkPolicy" | "FQDNNetworkPolicy" => {}
                kind => assert!(!kind.contains("Policy"), "the evaluator does not know the kind {kind}"),
            }
        }
        reach
    }

    /// Whether a connection to an address outside of the cluster's pods is let through.
    pub(crate) fn allows(&self, address: Address, open: Open) -> bool {
        !self.isolated
            || self.addresses.iter().any(|rule| {
                rule.block.contains(address)
                    && !rule.except.iter().any(|except| except.contains(address))
                    && rule.ports.as_ref().is_none_or(|ports| ports.contains(&open))
            })
    }

    /// Whether a connection to a pod is let through by its labels and those of its namespace.
    pub(crate) fn allows_pod(&self, namespace: &Value, pod: &Value, open: Open) -> bool {
        !self.isolated
            || self.pods.iter().any(|rule| {
                selects(&rule.namespace, namespace)
                    && selects(&rule.pod, pod)
                    && rule.ports.as_ref().is_none_or(|ports| ports.contains(&open))
            })
    }

    /// Addresses between which no rule changes.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Address> {
        self.addresses
            .iter()
            .flat_map(|rule| rule.except.iter().chain([&rule.block]))
            .flat_map(|block| block.edges())
    }

    /// Every port that a rule names.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        let rules =
            self.addresses.iter().map(|rule| &rule.ports).chain(self.pods.iter().map(|rule| &rule.ports));
        rules.flatten().flatten().map(|open| open.port).collect()
    }

    fn add_kubernetes(&mut self, spec: &Value) {
        known(spec, &["podSelector", "policyTypes", "egress"]);
        let types: Vec<&str> = items(&spec["policyTypes"]).map(text).collect();
        assert!(
            types.contains(&"Ingress") && types.contains(&"Egress"),
            "a policy leaves one direction open: {spec}"
        );
        self.isolated = true;
        for rule in items(&spec["egress"]) {
            known(rule, &["to", "ports"]);
            let ports = kubernetes_ports(&rule["ports"]);
            assert!(
                items(&rule["to"]).next().is_some(),
                "a rule without peers opens every destination: {rule}"
            );
            for peer in items(&rule["to"]) {
                known(peer, &["ipBlock", "namespaceSelector", "podSelector"]);
                if peer["ipBlock"].is_object() {
                    assert_eq!(entries(peer).count(), 1, "an ipBlock stands alone: {peer}");
                    known(&peer["ipBlock"], &["cidr", "except"]);
                    self.add_block(&peer["ipBlock"], &ports);
                } else {
                    // Without a namespace selector, the policy's own namespace is meant: no rule here does that.
                    let (namespace, pod) = (peer["namespaceSelector"].clone(), peer["podSelector"].clone());
                    assert!(namespace.is_object() && pod.is_object(), "{peer}");
                    self.pods.push(Pods { namespace, pod, ports: ports.clone() });
                }
            }
        }
    }

    fn add_block(&mut self, block: &Value, ports: &Ports) {
        let parse = |text: &str| Block::parse(text).unwrap_or_else(|| panic!("{text} is no block"));
        let outer = parse(text(&block["cidr"]));
        let except: Vec<Block> = items(&block["except"]).map(|inner| parse(text(inner))).collect();
        // The API server refuses an exception that is not strictly inside.
        assert!(except.iter().all(|inner| outer.strictly_contains(*inner)), "{block}");
        self.addresses.push(Addresses { block: outer, except, ports: ports.clone() });
    }

    fn add_cilium(&mut self, spec: &Value) {
        known(spec, &["endpointSelector", "egress"]);
        self.isolated = true;
        for rule in items(&spec["egress"]) {
            known(rule, &["toEndpoints", "toFQDNs", "toCIDRSet", "toPorts"]);
            assert_eq!(entries(rule).count(), 2, "one kind of destination and its ports: {rule}");
            let ports = cilium_ports(&rule["toPorts"]);
            for endpoint in items(&rule["toEndpoints"]) {
                self.add_cilium_endpoint(endpoint, &Some(ports.clone()), &rule["toPorts"]);
            }
            for name in items(&rule["toFQDNs"]) {
                let name = cilium_name(name);
                self.names.extend(ports.iter().map(|open| (name.clone(), *open)));
            }
            for block in items(&rule["toCIDRSet"]) {
                known(block, &["cidr", "except"]);
                self.add_block(block, &Some(ports.clone()));
            }
        }
    }

    /// The labels of an endpoint are those of its pod, and of its namespace behind a prefix.
    fn add_cilium_endpoint(&mut self, endpoint: &Value, ports: &Ports, to_ports: &Value) {
        known(endpoint, &["matchLabels"]);
        let (mut namespace, mut pod) = (serde_json::Map::new(), serde_json::Map::new());
        for (key, value) in entries(&endpoint["matchLabels"]) {
            let key = key.strip_prefix("k8s:").unwrap_or(key);
            match key {
                "io.kubernetes.pod.namespace" => {
                    namespace.insert("kubernetes.io/metadata.name".to_owned(), value.clone())
                }
                _ => pod.insert(key.to_owned(), value.clone()),
            };
        }
        assert!(
            !namespace.is_empty(),
            "an endpoint without a namespace is one of the policy's own: {endpoint}"
        );
        let selector = |labels| serde_json::json!({ "matchLabels": Value::Object(labels) });
        self.pods.push(Pods { namespace: selector(namespace), pod: selector(pod), ports: ports.clone() });
        for rules in items(to_ports).map(|entry| &entry["rules"]) {
            known(rules, &["dns"]);
            let names = items(&rules["dns"]).map(cilium_name);
            self.dns_names.get_or_insert_default().extend(names);
        }
    }

    fn add_gke(&mut self, spec: &Value) {
        known(spec, &["podSelector", "egress"]);
        self.isolated = true;
        for rule in items(&spec["egress"]) {
            known(rule, &["matches", "ports"]);
            let ports = kubernetes_ports(&rule["ports"]).expect("a rule without ports opens every port");
            for matching in items(&rule["matches"]) {
                known(matching, &["name", "pattern"]);
                assert_eq!(entries(matching).count(), 1, "{matching}");
                let name = matching["name"].as_str().inspect(|name| assert!(!name.contains('*')));
                let name = name.unwrap_or_else(|| text(&matching["pattern"])).to_owned();
                self.names.extend(ports.iter().map(|open| (name.clone(), *open)));
            }
        }
    }
}

/// Whether a label selector selects what has `labels`; an empty one selects everything.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    assert!(selector.is_object(), "{selector} is no selector");
    known(selector, &["matchLabels"]);
    entries(&selector["matchLabels"]).all(|(key, value)| labels.get(key) == Some(value))
}

fn kubernetes_ports(ports: &Value) -> Ports {
    let mut found = BTreeSet::new();
    for entry in items(ports) {
        known(entry, &["port", "protocol"]);
        let port = entry["port"].as_u64().unwrap_or_else(|| panic!("{entry} is no numbered port"));
        found.insert(Open { port: u16::try_from(port).unwrap(), protocol: protocol(&entry["protocol"]) });
    }
    (!found.is_empty()).then_some(found)
}

fn cilium_ports(to_ports: &Value) -> BTreeSet<Open> {
    let mut found = BTreeSet::new();
    for entry in items(to_ports) {
        known(entry, &["ports", "rules"]);
        let count = items(&entry["ports"]).count();
        assert!((1..=40).contains(&count), "Cilium takes 1 to 40 ports in an entry, not {count}");
        for port in items(&entry["ports"]) {
            known(port, &["port", "protocol"]);
            let number = text(&port["port"]).parse().unwrap();
            let protocols = match text(&port["protocol"]) {
                "ANY" => PROTOCOLS.to_vec(),
                _ => vec![protocol(&port["protocol"])],
            };
            found.extend(protocols.into_iter().map(|protocol| Open { port: number, protocol }));
        }
    }
    assert!(!found.is_empty(), "a rule without ports opens every port");
    found
}

fn protocol(value: &Value) -> &'static str {
    let found = PROTOCOLS.into_iter().find(|protocol| value == protocol);
    found.unwrap_or_else(|| panic!("{value} is no transport"))
}

fn cilium_name(name: &Value) -> String {
    known(name, &["matchName", "matchPattern"]);
    assert_eq!(entries(name).count(), 1, "{name}");
    match name["matchName"].as_str() {
        Some(name) => {
            assert!(!name.contains('*'), "{name}");
            name.to_owned()
        }
        None => text(&name["matchPattern"]).to_owned(),
    }
}

/// Fails on a field that the evaluator does not know.
fn known(value: &Value, fields: &[&str]) {
    for (field, _) in entries(value) {
        assert!(fields.contains(&field.as_str()), "the evaluator does not know the field {field} of {value}");
    }
}
