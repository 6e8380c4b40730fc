//! What the agents share, in two renderings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    change::{Change, between},
    egress, files,
    object::{Id, Objects, at, text},
    permissions,
    route::{explain_rest, generic, summarise},
    section::{Aspect, Pair, Pool, Reason, Section, Verdict},
    volumes::{self, is_retained},
    words::{self, name, quantity, value},
};
use crate::names::TOWN;

/// A namespace that has another name in the new rendering.
pub(super) struct Rename<'r> {
    pub(super) old: &'r str,
    pub(super) new: &'r str,
}

/// Everything that is to be said of what the agents share.
pub(super) fn compare(
    pair: &Pair<'_>,
    rename: Option<&Rename<'_>>,
    left_behind: &[&Value],
) -> Option<Section> {
    let mut fields = files::expand(between(&pair.old, &pair.new));
    fields.retain(|change| !is_rename(change, rename));
    if fields.is_empty() && rename.is_none() {
        return None;
    }
    let verdict = match (pair.old.is_empty(), pair.new.is_empty()) {
        (true, false) => Verdict::Added,
        (false, true) => Verdict::Removed,
        _ => Verdict::Changed,
    };
    let mut section = Section::new(pair.subject, verdict, fields);
    if let Some(rename) = rename {
        renamed(rename, left_behind, &mut section);
    }
    match verdict {
        Verdict::Changed => changed(pair, &mut section),
        Verdict::Added => added(pair, &mut section),
        Verdict::Removed => removed(pair, &mut section),
    }
    Some(section)
}

/// The change of an object's namespace, which is said once for all of them.
pub(super) fn is_rename(change: &Change, rename: Option<&Rename<'_>>) -> bool {
    let Some(rename) = rename else { return false };
    let is = |side: &Option<Value>, name: &str| side.as_ref().and_then(Value::as_str) == Some(name);
    let place = match change.path().as_slice() {
        ["metadata", "namespace"] => true,
        ["metadata", "name"] | ["metadata", "labels", "kubernetes.io/metadata.name"] => {
            change.id.kind == "Namespace"
        }
        _ => false,
    };
    place && is(&change.old, rename.old) && is(&change.new, rename.new)
}

fn renamed(rename: &Rename<'_>, left_behind: &[&Value], section: &mut Section) {
    let (old, new) = (name(rename.old), name(rename.new));
    section.phrase(format!("namespace {old} -> {new}"));
    section.line(Aspect::Namespace, format!("{old} -> {new}: everything is made anew there, nothing moves"));
    if !left_behind.is_empty() {
        let total = volumes::total(left_behind.iter().copied());
        section.alert(
            Reason::DataLoss,
            format!("{total} stay behind in namespace {old}; the new ones are empty"),
        );
    }
}

fn changed(pair: &Pair<'_>, section: &mut Section) {
    let mut pool = Pool(section.fields.clone());
    // A rename has said its part.
    let mut said = if section.phrases.is_empty() { Vec::new() } else { vec![Aspect::Namespace] };
    quota(&mut pool, section, &mut said);
    limits(&mut pool, section);
    let before = section.phrases.len();
    permissions::residents(&mut pool, section);
    if section.phrases.len() > before {
        said.push(Aspect::Permissions);
    }
    files::explain(&mut pool, section);
    files::check(Some(&pair.old), &pair.new, section);
    let before = section.phrases.len();
    egress::explain(pair, &mut pool, section);
    default_deny(pair, section);
    if section.phrases.len() > before {
        said.push(Aspect::Egress);
    }
    pod_security(pair, section, &mut said);
    permissions::hardening(pair, section);
    retention(pair, section);
    explain_rest(&mut pool, None, section);
    summarise(section, &said);
}

/// A quota's keys in words, with requests and limits of one resource together.
fn quota(pool: &mut Pool, section: &mut Section, said: &mut Vec<Aspect>) {
    let is_amount = |change: &Change| {
        let path = change.path();
        let amount = matches!(path.as_slice(), ["spec", "hard", _]) && change.id.kind == "ResourceQuota";
        amount && [&change.old, &change.new].into_iter().flatten().all(|value| quantity(value).is_some())
    };
    let changes = pool.take(is_amount);
    if changes.is_empty() {
        return;
    }
    said.push(Aspect::Quota);
    let mut steps: BTreeMap<(usize, String), BTreeSet<String>> = BTreeMap::new();
    for change in &changes {
        let key = change.path.last().map_or("", String::as_str);
        let shown = |side: &Option<Value>| side.as_ref().map_or_else(|| "unbounded".to_owned(), value);
        let (unit, order) = unit(key);
        let same = change.old.as_ref().and_then(quantity) == change.new.as_ref().and_then(quantity);
        let note = if same { " (the same amount)" } else { "" };
        let step = format!("{} -> {} {unit}{note}", shown(&change.old), shown(&change.new));
        steps.entry((order, step)).or_default().insert(key.to_owned());
    }
    let words: Vec<String> = steps.into_iter().map(|((_, step), keys)| one_sided(step, &keys)).collect();
    section.phrase(format!("quota {}", words::some(words.clone(), 3)));
    section.line(Aspect::Quota, words.join(", "));
    for change in &changes {
        if change.new.is_none() {
            let key = change.path.last().map_or("", String::as_str);
            section.alert(Reason::Exposure, format!("the quota no longer bounds {}", name(key)));
        }
    }
}

/// The unit of a quota's key, and its place in a list.
fn unit(key: &str) -> (String, usize) {
    match key {
        "limits.cpu" | "requests.cpu" | "cpu" => ("CPU".to_owned(), 0),
        "limits.memory" | "requests.memory" | "memory" => ("memory".to_owned(), 1),
        "requests.storage" => ("storage".to_owned(), 3),
        "persistentvolumeclaims" => ("volumes".to_owned(), 4),
        "pods" => ("pods".to_owned(), 5),
        other => (name(other.strip_prefix("requests.").unwrap_or(other)), 2),
    }
}

/// CPU and memory are bounded twice, by requests and by limits; where only one moves, it is named.
fn one_sided(step: String, keys: &BTreeSet<String>) -> String {
    match keys.iter().next() {
        Some(key) if keys.len() == 1 && matches!(unit(key).1, 0 | 1) => {
            format!("{step} ({} only)", name(key.split('.').next().unwrap_or_default()))
        }
        _ => step,
    }
}

/// A limit range's bounds, one line per thing that is bounded and in which way.
fn limits(pool: &mut Pool, section: &mut Section) {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in pool.take(|change| change.id.kind == "LimitRange" && bound_of(change).is_some()) {
        let Some((what, bound, resource)) = bound_of(&change) else { continue };
        let step = words::change(change.old.as_ref(), change.new.as_ref());
        let whose =
            if change.id.name == TOWN { String::new() } else { format!("{} ", name(&change.id.name)) };
        let what = name(what.trim_matches(['[', ']']));
        lines
            .entry(format!("{whose}{what} {}", name(bound)))
            .or_default()
            .push(format!("{} {step}", name(resource)));
    }
    for (what, steps) in lines {
        section.line(Aspect::Limits, format!("{what}: {}", steps.join(", ")));
    }
}

fn bound_of(change: &Change) -> Option<(&str, &str, &str)> {
    match change.path().as_slice() {
        ["spec", "limits", what, bound, resource] => Some((what, bound, resource)),
        _ => None,
    }
}

/// Whether some policy closes a direction for every pod of the namespace.
fn is_closed(objects: &Objects<'_>, direction: &str) -> bool {
    objects.iter().filter(|(id, _)| id.kind == "NetworkPolicy").any(|(_, policy)| {
        let selects_all = at(policy, &["spec", "podSelector"])
            .and_then(Value::as_object)
            .is_some_and(serde_json::Map::is_empty);
        let types = super::object::items(policy, &["spec", "policyTypes"]);
        let rules = at(policy, &["spec", &direction.to_lowercase()]).and_then(Value::as_array);
        selects_all && types.into_iter().any(|t| t == direction) && rules.is_none_or(Vec::is_empty)
    })
}

fn default_deny(pair: &Pair<'_>, section: &mut Section) {
    for direction in ["Ingress", "Egress"] {
        match (is_closed(&pair.old, direction), is_closed(&pair.new, direction)) {
            (true, false) => {
                section.phrase(format!("{} no longer denied by default", direction.to_lowercase()));
                let words = format!("nothing closes {} by default any more", direction.to_lowercase());
                section.line(Aspect::Egress, &words);
                section.alert(Reason::Exposure, words);
            }
            (false, true) => {
                section.phrase(format!("{} denied by default", direction.to_lowercase()));
                section
                    .line(Aspect::Egress, format!("{} is denied by default now", direction.to_lowercase()));
            }
            _ => {}
        }
    }
}

/// The namespace's label that decides which pods it admits.
const ENFORCE: [&str; 3] = ["metadata", "labels", "pod-security.kubernetes.io/enforce"];

fn pod_security(pair: &Pair<'_>, section: &mut Section, said: &mut Vec<Aspect>) {
    let level =
        |namespace: Option<&&Value>| namespace.and_then(|namespace| text(namespace, &ENFORCE).map(name));
    for (id, namespace) in pair.new.iter().filter(|(id, _)| id.kind == "Namespace") {
        let (old, new) = (level(pair.old.get(id)), level(Some(namespace)));
        if pair.old.contains_key(id) && old != new {
            let level = |level: Option<String>| level.unwrap_or_else(|| "nothing".to_owned());
            let weaker = old.as_deref() == Some("restricted");
            let new = level(new);
            section.phrase(format!("pod security {} -> {new}", level(old)));
            said.push(Aspect::Permissions);
            if weaker {
                section.alert(
                    Reason::Exposure,
                    format!("the namespace enforces {new} instead of restricted pods"),
                );
            }
        }
    }
}

fn retention(pair: &Pair<'_>, section: &mut Section) {
    for (id, namespace) in pair.old.iter().filter(|(id, _)| id.kind == "Namespace") {
        let kept = pair.new.get(id).map(|namespace| is_retained(namespace));
        if is_retained(namespace) && kept == Some(false) {
            let own = name(&id.name);
            section.alert(
                Reason::DataLoss,
                format!("the namespace {own} is no longer retained: pruning deletes all volumes"),
            );
        }
        if kept.is_none() {
            lost_namespace(&id.name, namespace, section);
        }
    }
}

fn lost_namespace(own: &str, namespace: &Value, section: &mut Section) {
    let own = name(own);
    if is_retained(namespace) {
        section.line(Aspect::Namespace, format!("{own} is retained with its volumes (Prune=false)"));
    } else {
        section.alert(
            Reason::DataLoss,
            format!("the namespace {own} is deleted with all its volumes where the manifests are pruned"),
        );
    }
}

fn added(pair: &Pair<'_>, section: &mut Section) {
    for (id, object) in &pair.new {
        match id.kind.as_str() {
            "Namespace" => section.line(Aspect::Namespace, format!("+ {}", name(&id.name))),
            "ResourceQuota" => {
                let words = bounds(object);
                section.phrase(format!("quota {}", words::some(words.clone(), 3)));
                section.line(Aspect::Quota, words.join(", "));
            }
            "LimitRange" => section.line(Aspect::Limits, format!("+ {}", name(&id.name))),
            _ => {}
        }
    }
    files::check(None, &pair.new, section);
    every_object(section);
    let closed: Vec<&str> = ["Ingress", "Egress"].into_iter().filter(|d| is_closed(&pair.new, d)).collect();
    let words = match closed.as_slice() {
        [] => "nothing is denied by default".to_owned(),
        closed => format!("denied by default: {}", closed.join(" and ").to_lowercase()),
    };
    section.line(Aspect::Egress, words);
    egress::introduce(pair, section);
    permissions::hardening(pair, section);
}

/// A quota in words, each resource once.
fn bounds(quota: &Value) -> Vec<String> {
    let hard = at(quota, &["spec", "hard"]).and_then(Value::as_object);
    let mut bounds: Vec<(usize, String)> = hard
        .into_iter()
        .flatten()
        .map(|(key, amount)| {
            let (unit, order) = unit(key);
            (order, format!("{} {unit}", value(amount)))
        })
        .collect();
    bounds.sort();
    bounds.dedup();
    bounds.into_iter().map(|(_, words)| words).collect()
}

fn removed(pair: &Pair<'_>, section: &mut Section) {
    for (id, namespace) in pair.old.iter().filter(|(id, _)| id.kind == "Namespace") {
        lost_namespace(&id.name, namespace, section);
    }
    let kinds: Vec<String> = pair.old.keys().map(|id| id.label(None)).collect();
    section.line(Aspect::Other, format!("- {}", kinds.join(", ")));
}

/// Objects that the renderer never makes are shown with all that they say.
fn every_object(section: &mut Section) {
    let usual = |id: &Id| match id.kind.as_str() {
        "Namespace" | "ResourceQuota" | "LimitRange" | "NetworkPolicy" => true,
        kind => kind == "ConfigMap" && id.name == TOWN,
    };
    let others: Vec<_> = section.fields.iter().filter(|change| !usual(&change.id)).cloned().collect();
    for change in others {
        for line in generic(&change, None) {
            section.line(super::route::aspect(&change), line);
        }
    }
}
