//! The rules of each engine's policies, read as what they open.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    object::{items, text},
    policy::{ANY_ADDRESS, ANY_PORT, DNS, Opening, answers, block},
    words::{name, safe},
};

/// A rule of `networking.k8s.io/v1`. No `to` is everywhere, no `ports` is every port.
pub(super) fn plain(rule: &Value, openings: &mut BTreeSet<Opening>) {
    if !has_only(rule, &["to", "ports"]) {
        openings.insert(raw("rule", rule));
        return;
    }
    let mut places: Vec<String> = items(rule, &["to"]).map(peer).collect();
    if places.is_empty() {
        places.push(ANY_ADDRESS.to_owned());
    }
    let mut ports: Vec<String> = items(rule, &["ports"]).map(port).collect();
    if ports.is_empty() {
        ports.push(ANY_PORT.to_owned());
    }
    product(&places, &ports, openings);
}

fn peer(peer: &Value) -> String {
    let kube_dns = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
    });
    if *peer == kube_dns {
        return DNS.to_owned();
    }
    match peer.get("ipBlock").filter(|_| has_only(peer, &["ipBlock"])) {
        Some(net) => net_block(net).unwrap_or_else(|| format!("peer {peer}")),
        None => format!("peer {peer}"),
    }
}

/// `{cidr, except}` of both engines.
fn net_block(net: &Value) -> Option<String> {
    let except: Option<Vec<String>> =
        items(net, &["except"]).map(|part| part.as_str().map(ToOwned::to_owned)).collect();
    let well_formed = has_only(net, &["cidr", "except"]) && net.get("except").is_none_or(Value::is_array);
    except.filter(|_| well_formed).and_then(|except| Some(block(text(net, &["cidr"])?, except)))
}

/// `443/TCP`, `1000-2000/TCP`; TCP is the default of both APIs' plain ports.
fn port(port: &Value) -> String {
    let number = match port.get("port") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(number)) => name(number),
        None => ANY_PORT.to_owned(),
        Some(_) => return format!("port {}", super::words::json(port)),
    };
    let (end, protocol) = (port.get("endPort"), text(port, &["protocol"]).unwrap_or("TCP"));
    if !has_only(port, &["port", "endPort", "protocol"]) {
        return format!("port {}", safe(&port.to_string()));
    }
    match end {
        Some(end) => format!("{number}-{}/{}", super::words::value(end), name(protocol)),
        None => format!("{number}/{}", name(protocol)),
    }
}

/// A rule of `cilium.io/v2`.
pub(super) fn cilium(rule: &Value, openings: &mut BTreeSet<Opening>) {
    const KNOWN: [&str; 5] = ["toEndpoints", "toFQDNs", "toCIDRSet", "toCIDR", "toPorts"];
    if !has_only(rule, &KNOWN) {
        openings.insert(raw("rule", rule));
        return;
    }
    let dns = json!({ "matchLabels": {
        "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns",
    } });
    let endpoint =
        |selector: &Value| if *selector == dns { DNS.to_owned() } else { format!("endpoint {selector}") };
    let mut places: Vec<String> = items(rule, &["toEndpoints"]).map(endpoint).collect();
    places.extend(items(rule, &["toFQDNs"]).map(|host| host_name(host, "matchName", "matchPattern")));
    places.extend(
        items(rule, &["toCIDRSet"]).map(|net| net_block(net).unwrap_or_else(|| format!("block {net}"))),
    );
    places.extend(items(rule, &["toCIDR"]).map(super::words::value));
    if places.is_empty() {
        places.push(ANY_ADDRESS.to_owned());
    }
    let mut ports: Vec<String> =
        items(rule, &["toPorts"]).flat_map(|part| cilium_ports(part, openings)).collect();
    if ports.is_empty() {
        ports.push(ANY_PORT.to_owned());
    }
    product(&places, &ports, openings);
}

/// One element of `toPorts`; what its `rules` let through on these ports is an opening of its own.
fn cilium_ports(part: &Value, openings: &mut BTreeSet<Opening>) -> Vec<String> {
    let ports: Vec<String> = items(part, &["ports"]).map(cilium_port).collect();
    if !has_only(part, &["ports", "rules"]) || ports.is_empty() {
        openings.insert(raw("ports", part));
    }
    match part.get("rules") {
        Some(rules) if has_only(rules, &["dns"]) => {
            let names = items(rules, &["dns"]).map(|host| host_name(host, "matchName", "matchPattern"));
            openings.extend(names.map(|host| Opening::new(answers(&host), "")));
        }
        Some(rules) => {
            openings.insert(raw("rules", rules));
        }
        None => {}
    }
    ports
}

/// Cilium's default is any transport.
fn cilium_port(value: &Value) -> String {
    match (value.get("protocol"), value.as_object()) {
        (None, Some(fields)) => {
            let mut fields = fields.clone();
            fields.insert("protocol".to_owned(), Value::from("ANY"));
            port(&Value::Object(fields))
        }
        _ => port(value),
    }
}

/// A rule of `networking.gke.io/v1alpha1`.
pub(super) fn fqdn(rule: &Value, openings: &mut BTreeSet<Opening>) {
    if !has_only(rule, &["matches", "ports"]) {
        openings.insert(raw("rule", rule));
        return;
    }
    let places: Vec<String> =
        items(rule, &["matches"]).map(|host| host_name(host, "name", "pattern")).collect();
    let mut ports: Vec<String> = items(rule, &["ports"]).map(port).collect();
    if ports.is_empty() {
        ports.push(ANY_PORT.to_owned());
    }
    product(&places, &ports, openings);
}

fn host_name(host: &Value, exact: &str, pattern: &str) -> String {
    match text(host, &[exact]).or_else(|| text(host, &[pattern])) {
        Some(text) if host.as_object().is_some_and(|fields| fields.len() == 1) => name(text),
        _ => format!("host {host}"),
    }
}

fn product(places: &[String], ports: &[String], openings: &mut BTreeSet<Opening>) {
    for place in places {
        openings.extend(ports.iter().map(|port| Opening::new(place.clone(), port.clone())));
    }
}

fn raw(what: &str, value: &Value) -> Opening {
    Opening::new(format!("{what} {value}"), "")
}

fn has_only(value: &Value, known: &[&str]) -> bool {
    value.as_object().is_some_and(|fields| fields.keys().all(|key| known.contains(&key.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openings(read: fn(&Value, &mut BTreeSet<Opening>), rule: &Value) -> Vec<String> {
        let mut openings = BTreeSet::new();
        read(rule, &mut openings);
        openings.iter().map(Opening::words).collect()
    }

    #[test]
    fn rule_without_places_or_ports_opens_everything() {
        assert_eq!(openings(plain, &json!({})), ["any address on any port"]);
        assert_eq!(openings(plain, &json!({ "to": [], "ports": [] })), ["any address on any port"]);
        assert_eq!(openings(plain, &json!({ "ports": [{ "port": 80 }] })), ["any address on 80/TCP"]);
        assert_eq!(openings(cilium, &json!({})), ["any address on any port"]);
    }

    #[test]
    fn what_is_not_understood_is_shown_as_it_stands() {
        let rule = json!({ "toEntities": ["world"] });
        assert_eq!(openings(cilium, &rule), [r#"rule {"toEntities":["world"]}"#]);
        let port = json!({ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 1, "endPort": 9 }] });
        assert_eq!(openings(plain, &port), ["10.0.0.0/8 on 1-9/TCP"]);
        let peer = json!({ "to": [{ "namespaceSelector": {} }] });
        assert_eq!(openings(plain, &peer), [r#"peer {"namespaceSelector":{}} on any port"#]);
    }
}
