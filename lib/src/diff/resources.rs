//! CPU, memory, devices, tiers and the number of pods.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    change::Change,
    files::{self, DAEMON},
    object::{Objects, at, container, deployment, pod_spec, text},
    section::{Aspect, Pair, Pool, Section},
    words::{delta, name, quantity, value},
};

/// The container that the agent runs in.
pub(super) const MAIN: &str = "agent";

/// What one rendering gives an agent's container, by resource, as written.
pub(super) fn amounts(objects: &Objects<'_>, agent: &str) -> BTreeMap<String, Value> {
    let limits = deployment(objects, agent)
        .and_then(pod_spec)
        .and_then(|pod| at(container(pod, "containers", MAIN)?, &["resources", "limits"])?.as_object());
    limits.into_iter().flatten().map(|(key, amount)| (key.clone(), amount.clone())).collect()
}

/// `4 CPU`, `8Gi memory`, `1 nvidia.com/gpu`.
pub(super) fn amount(resource: &str, amount: &Value) -> String {
    let amount = quantity(amount).map_or_else(|| value(amount), |amount| amount.to_string());
    format!("{amount} {}", unit(resource))
}

fn unit(resource: &str) -> String {
    if resource == "cpu" { "CPU".to_owned() } else { name(resource) }
}

/// CPU first, then memory, then devices.
pub(super) fn in_order(amounts: &BTreeMap<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = amounts.iter().collect();
    sorted.sort_by_key(|(resource, _)| match resource.as_str() {
        "cpu" => (0, ""),
        "memory" => (1, ""),
        other => (2, other),
    });
    sorted
}

/// The tier that `daemon.toml` names.
pub(super) fn tier(objects: &Objects<'_>) -> Option<String> {
    files::daemon(objects).and_then(|daemon| text(&daemon, &["scaling", "resources"]).map(name))
}

/// Says what changes in an agent's size.
pub(super) fn explain(pair: &Pair<'_>, agent: &str, pool: &mut Pool, section: &mut Section) {
    size(pair, agent, pool, section);
    let scaling = |field: &'static str| {
        move |change: &Change| files::file(change) == Some(DAEMON) && change.path() == ["scaling", field]
    };
    if !pool.take(scaling("max_resources")).is_empty() {
        ceiling(pair, section);
    }
    for change in pool.take(scaling("idle_timeout")) {
        let (old, new) = (or_none(change.old.as_ref()), or_none(change.new.as_ref()));
        section.line(
            Aspect::Resources,
            format!("goes back to its own tier after {old} -> {new} seconds of idleness"),
        );
    }
    let replicas = |change: &Change| change.id.kind == "Deployment" && change.path() == ["spec", "replicas"];
    for change in pool.take(replicas) {
        // The API server's default is one.
        let pods = |pods: &Option<Value>| pods.as_ref().map_or_else(|| "unset (1)".to_owned(), value);
        let (old, new) = (pods(&change.old), pods(&change.new));
        section.phrase(if new == "0" { "stopped (0 pods)".to_owned() } else { format!("{new} pods") });
        section.line(Aspect::Resources, format!("pods {old} -> {new}"));
    }
}

/// How far the agent may grow. A ceiling that is the agent's own tier, before and after, follows from the tier.
fn ceiling(pair: &Pair<'_>, section: &mut Section) {
    let room = |objects: &Objects<'_>| {
        let daemon = files::daemon(objects)?;
        let field = |key| at(&daemon, &["scaling", key]).map(value);
        field("max_resources").filter(|most| Some(most) != field("resources").as_ref())
    };
    match (room(&pair.old), room(&pair.new)) {
        (None, None) => {}
        (old, Some(new)) => {
            let was = old.map_or_else(|| "not at all".to_owned(), |old| format!("to {old}"));
            section.phrase(format!("may grow to tier {new}"));
            section.line(Aspect::Resources, format!("may grow to tier {new} (before: {was})"));
        }
        (Some(old), None) => {
            section.phrase("may no longer grow");
            section.line(Aspect::Resources, format!("may no longer grow (before: to tier {old})"));
        }
    }
}

fn or_none(amount: Option<&Value>) -> String {
    amount.map_or_else(|| "none".to_owned(), value)
}

/// The amounts, with the tier that they come from.
fn size(pair: &Pair<'_>, agent: &str, pool: &mut Pool, section: &mut Section) {
    let (old, new) = (amounts(&pair.old, agent), amounts(&pair.new, agent));
    let uniform = uniform_changes(&pool.0);
    let mut parts = Vec::new();
    let mut resources: BTreeMap<String, Value> = old.clone();
    resources.extend(new.clone());
    for (resource, _) in in_order(&resources) {
        let Some((before, after)) = uniform.get(resource.as_str()) else { continue };
        parts.push(step(resource, before.as_ref(), after.as_ref(), section));
    }
    pool.take(|change| match resource_of(change) {
        Some((_, _, resource)) => {
            uniform.get(resource).is_some_and(|(old, new)| (old, new) == (&change.old, &change.new))
        }
        None => false,
    });
    let tiers = pool.take(|c| files::file(c) == Some(DAEMON) && c.path() == ["scaling", "resources"]);
    let tier = tiers
        .first()
        .map(|change| format!("tier {} -> {}", or_none(change.old.as_ref()), or_none(change.new.as_ref())));
    if tier.is_some() && parts.is_empty() {
        section.phrase(format!(
            "tier {}",
            tiers.first().map_or_else(String::new, |change| or_none(change.new.as_ref()))
        ));
    }
    match (tier, parts.is_empty()) {
        (Some(tier), false) => section.line(Aspect::Resources, format!("{tier}: {}", parts.join(", "))),
        (Some(tier), true) => section.line(Aspect::Resources, format!("{tier}, of the same size")),
        (None, false) => section.line(Aspect::Resources, parts.join(", ")),
        (None, true) => {}
    }
}

/// One resource in a line (`2 -> 4 CPU`), and in the summary (`4 CPU (+2)`).
fn step(resource: &str, old: Option<&Value>, new: Option<&Value>, section: &mut Section) -> String {
    let zero = Value::from("0");
    let (old, new) = (old.unwrap_or(&zero), new.unwrap_or(&zero));
    let change = quantity(old).zip(quantity(new)).map(|(old, new)| delta(old, new));
    match &change {
        Some(Some(delta)) => section.phrase(format!("{} ({delta})", amount(resource, new))),
        Some(None) => section.phrase(format!("{} written differently", unit(resource))),
        None => section.phrase(amount(resource, new)),
    }
    match change {
        Some(None) => format!("{} -> {} {} (the same amount)", value(old), value(new), unit(resource)),
        _ => format!("{} -> {} {}", value(old), value(new), unit(resource)),
    }
}

type Step = (Option<Value>, Option<Value>);

/// Resources of the main container whose limit and request change alike, which is what tiers do.
fn uniform_changes(changes: &[Change]) -> BTreeMap<String, Step> {
    let of = |wanted: &str| -> BTreeMap<String, Step> {
        let steps = changes.iter().filter_map(|change| {
            let (container, bound, resource) = resource_of(change)?;
            let step = (change.old.clone(), change.new.clone());
            (container == format!("[{MAIN}]") && bound == wanted).then(|| (resource.to_owned(), step))
        });
        steps.collect()
    };
    let (mut limits, requests) = (of("limits"), of("requests"));
    limits.retain(|resource, step| requests.get(resource) == Some(step));
    limits
}

/// The container, bound and resource that a change is about.
fn resource_of(change: &Change) -> Option<(&str, &str, &str)> {
    match change.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [
            "spec",
            "template",
            "spec",
            "containers" | "initContainers",
            container,
            "resources",
            bound,
            resource,
        ] if change.id.kind == "Deployment" => Some((container, bound, resource)),
        _ => None,
    }
}
