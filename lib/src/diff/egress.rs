//! What an agent may reach: what its policies say of themselves, and what their rules open beyond that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    change::Change,
    object::{Id, at, is_policy},
    policy::{Opening, Reach},
    section::{Aspect, Pair, Pool, Reason, Section},
    words::{count, json, name, some},
};
use crate::names::EGRESS_ANNOTATION;

/// Places that a summary names before it counts.
const NAMED_MAX: usize = 2;

/// Says what is gained and lost.
pub(super) fn explain(pair: &Pair<'_>, pool: &mut Pool, section: &mut Section) {
    let (old, new) = (Reach::of(&pair.old), Reach::of(&pair.new));
    entries(&old, &new, section);
    public(&old, &new, section);
    beyond(pair, &old, &new, section);
    missing(&old, &new, section);
    engines(pool, section);
    if old.entries != new.entries {
        pool.take(is_annotation);
    }
    if old.openings != new.openings || old.public != new.public {
        pool.take(is_rule);
    }
    for change in pool.take(is_rule) {
        let label = change.id.label(pair.agent());
        section
            .line(Aspect::Egress, format!("the rules of {label} are written differently and open the same"));
    }
}

/// What the annotation names and names no more. The summary says so only of what the rules follow.
fn entries(old: &Reach, new: &Reach, section: &mut Section) {
    let gained: Vec<&String> = new.entries.difference(&old.entries).collect();
    let lost: Vec<&String> = old.entries.difference(&new.entries).collect();
    let (opened, unopened): (Vec<_>, Vec<_>) = gained.iter().partition(|entry| new.opens_entry(entry));
    summary("gains egress to", &opened, section);
    summary("names and does not open", &unopened, section);
    // A name in a plain policy shares its port with others; it is lost as a name, not as an address.
    let has_more = !new.beyond().is_empty();
    let by_itself = |entry: &String| !has_more || !new.opens_entry(entry);
    let (closed, open): (Vec<_>, Vec<_>) = lost.iter().partition(|entry| by_itself(entry));
    summary("loses egress to", &closed, section);
    summary("no longer names and may still open", &open, section);
    for entry in &gained {
        let note = if entry.parse::<crate::values::Egress>().is_ok() {
            ""
        } else {
            " (no egress entry, opens nothing)"
        };
        section.line(Aspect::Egress, format!("+ {}{note}", name(entry)));
    }
    for entry in &lost {
        section.line(Aspect::Egress, format!("- {}", name(entry)));
    }
}

fn summary(what: &str, entries: &[&String], section: &mut Section) {
    if !entries.is_empty() {
        section
            .phrase(format!("{what} {}", some(entries.iter().map(|entry| name(entry)).collect(), NAMED_MAX)));
    }
}

fn is_annotation(change: &Change) -> bool {
    is_policy(&change.id.kind) && change.path() == ["metadata", "annotations", EGRESS_ANNOTATION]
}

fn is_rule(change: &Change) -> bool {
    is_policy(&change.id.kind) && change.path().starts_with(&["spec", "egress"])
}

/// A plain policy opens the internet for a name; a reviewer should not think that it opens the name.
fn public(old: &Reach, new: &Reach, section: &mut Section) {
    let of = |reach: &Reach| -> BTreeSet<Opening> {
        reach.openings.intersection(&reach.expected).filter(|opening| opening.is_public()).cloned().collect()
    };
    let (before, after) = (of(old), of(new));
    for (sign, words) in [('+', "opens"), ('-', "no longer opens")] {
        let which =
            changed(&before, &after).into_iter().filter(|(_, of)| *of == sign).map(|(opening, _)| opening);
        // What became a part of something larger is said there.
        let which = which.filter(|opening| sign == '+' || !new.opens(opening));
        for (place, ports) in by_place(which) {
            let why = if sign == '+' { ": a NetworkPolicy knows no names" } else { "" };
            section.line(Aspect::Egress, format!("{words} {place} on {}{why}", ports.join(", ")));
        }
    }
    // Another list of what is not public: the same place and port, and not the same addresses.
    let mut blocks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (opening, now) in &new.public {
        match old.public.get(opening) {
            Some(then) if then != now => {
                let list =
                    |blocks: &BTreeSet<String>| blocks.iter().cloned().collect::<Vec<_>>().join(" and ");
                let words = format!("is {}, was {}", list(now), list(then));
                blocks.entry(words).or_default().insert(opening.words());
            }
            _ => {}
        }
    }
    for (words, openings) in blocks {
        section
            .line(Aspect::Egress, format!("{} {words}", openings.into_iter().collect::<Vec<_>>().join(", ")));
    }
}

/// Ports by place, for places that share a line.
fn by_place<'o>(openings: impl Iterator<Item = &'o Opening>) -> BTreeMap<String, Vec<String>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for opening in openings {
        places.entry(opening.place_words()).or_default().push(opening.port().to_owned());
    }
    places
}

/// What the rules open and the annotation does not say, wherever that changes.
fn beyond(pair: &Pair<'_>, old: &Reach, new: &Reach, section: &mut Section) {
    let (mut unnamed, mut opened) = (Vec::new(), Vec::new());
    let (before, after) = (old.beyond(), new.beyond());
    let mut lines: BTreeMap<(char, &str, String), Vec<&str>> = BTreeMap::new();
    for (opening, sign) in changed(&before, &after) {
        // What was open all along, and only lost its mention.
        let stays = old.openings.contains(opening) && new.openings.contains(opening);
        let why = match (pair.agent(), stays) {
            _ if opening.is_metadata() => "the metadata service of its identity provider",
            (None, _) => "for every pod that the policy selects",
            (Some(_), false) => "by a rule that the annotation does not name",
            (Some(_), true) if sign == '+' => "still open, though the annotation names it no more",
            (Some(_), true) => "was open before, and now the annotation names it",
        };
        lines.entry((sign, why, opening.place_words())).or_default().push(opening.port());
        if sign == '+' && !opening.is_metadata() {
            unnamed.push(opening.short());
            opened.extend((!stays).then(|| opening.short()));
        }
    }
    for ((sign, why, place), ports) in lines {
        section.line(Aspect::Egress, format!("{sign} {}: {why}", on(&place, &ports)));
    }
    if !opened.is_empty() {
        let whose = if pair.agent().is_some() { "beyond its annotation" } else { "for pods of every agent" };
        section.phrase(format!("opens {} {whose}", some(opened, NAMED_MAX)));
    }
    if !unnamed.is_empty() {
        let what = some(unnamed, 4);
        section.alert(
            Reason::Exposure,
            match pair.agent() {
                Some(_) => format!("its policies open {what}, which their annotation does not name"),
                None => format!("a policy that belongs to no agent opens {what}"),
            },
        );
    }
}

fn on(place: &str, ports: &[&str]) -> String {
    let ports: Vec<&str> = ports.iter().copied().filter(|port| !port.is_empty()).collect();
    if ports.is_empty() { place.to_owned() } else { format!("{place} on {}", ports.join(", ")) }
}

/// What the annotation says and no rule opens.
fn missing(old: &Reach, new: &Reach, section: &mut Section) {
    let (before, after) = (old.missing(), new.missing());
    let mut unopened = Vec::new();
    for (opening, sign) in changed(&before, &after) {
        let words = opening.words();
        if sign == '+' {
            section
                .line(Aspect::Egress, format!("- {words}: no rule opens it, though the annotation needs it"));
            unopened.push(opening.short());
        } else if new.opens(opening) {
            section.line(Aspect::Egress, format!("+ {words}: opened now, as the annotation needs it"));
        }
    }
    if !unopened.is_empty() {
        section.alert(
            Reason::NoEffect,
            format!("its annotation needs {}, which no policy opens", some(unopened, 4)),
        );
    }
}

fn changed<'o>(old: &'o BTreeSet<Opening>, new: &'o BTreeSet<Opening>) -> Vec<(&'o Opening, char)> {
    let gained = new.difference(old).map(|opening| (opening, '+'));
    gained.chain(old.difference(new).map(|opening| (opening, '-'))).collect()
}

/// Policies that come and go as a whole.
fn engines(pool: &mut Pool, section: &mut Section) {
    let whole = |change: &Change| change.is_whole() && is_policy(&change.id.kind);
    let changes = pool.take(whole);
    let kinds = |is_new: bool| -> BTreeSet<String> {
        changes
            .iter()
            .filter(|change| change.new.is_some() == is_new)
            .map(|change| name(&change.id.kind))
            .collect()
    };
    let (gained, lost) = (kinds(true), kinds(false));
    let joined = |kinds: BTreeSet<String>| kinds.into_iter().collect::<Vec<_>>().join(" and ");
    match (gained.is_empty(), lost.is_empty()) {
        (false, false) => section.phrase(format!("{} instead of {}", joined(gained), joined(lost))),
        (false, true) => section.phrase(format!("gains a {}", joined(gained))),
        (true, false) => section.phrase(format!("loses a {}", joined(lost))),
        (true, true) => {}
    }
    for change in changes {
        let sign = if change.new.is_some() { '+' } else { '-' };
        section.line(Aspect::Egress, format!("{sign} the policy {}", change.id.label(None)));
        if let Some(policy) = &change.new {
            unusual(&change.id, policy, section);
        }
    }
    for change in &pool.0 {
        let is_open = change.new.as_ref().and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        if is_policy(&change.id.kind) && change.path() == ["spec", "ingress"] && is_open {
            lets_in(&change.id, section);
        }
    }
}

/// What a policy holds that the renderer never writes.
fn unusual(id: &Id, policy: &Value, section: &mut Section) {
    let fields = ["ingress", "egressDeny", "ingressDeny"].map(|field| (field, at(policy, &["spec", field])));
    for (field, rules) in fields.into_iter().chain([("specs", policy.get("specs"))]) {
        let Some(rules) = rules.filter(|rules| rules.as_array().is_none_or(|rules| !rules.is_empty())) else {
            continue;
        };
        section.line(Aspect::Egress, format!("+   {field} {}", json(rules)));
        if field == "ingress" {
            lets_in(id, section);
        }
    }
}

/// Agents serve no traffic, so whoever opens a door must be seen to.
fn lets_in(id: &Id, section: &mut Section) {
    section.alert(Reason::Exposure, format!("{} lets connections in", id.label(None)));
}

/// Lines for an agent that was not there before.
pub(super) fn introduce(pair: &Pair<'_>, section: &mut Section) {
    let reach = Reach::of(&pair.new);
    if reach.entries.is_empty() && pair.agent().is_some() {
        section.phrase("no egress");
    } else if !reach.entries.is_empty() {
        section.phrase(format!("egress to {}", count(reach.entries.len(), "place")));
        for entry in &reach.entries {
            section.line(Aspect::Egress, format!("+ {}", name(entry)));
        }
    }
    let nothing = Reach::default();
    public(&nothing, &reach, section);
    beyond(pair, &nothing, &reach, section);
    missing(&nothing, &reach, section);
    for (id, policy) in pair.new.iter().filter(|(id, _)| is_policy(&id.kind)) {
        if pair.agent().is_none_or(|agent| id.name != format!("nuketown-{agent}")) {
            section.line(Aspect::Egress, format!("+ the policy {}", id.label(None)));
        }
        unusual(id, policy, section);
    }
}
