//! An agent's volumes: which come and go with their data, and which changes Kubernetes refuses.
//!
//! Kubernetes, "Persistent Volumes": the specification of a bound claim is immutable but for a larger request (and
//! `volumeAttributesClassName`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    change::Change,
    object::{Id, Objects, at, deployment, items, pod_spec, text},
    resources::MAIN,
    route::aspect,
    section::{Aspect, Pair, Pool, Reason, Section},
    words::{self, count, name, quantity, some, value},
};
use crate::{names::SYNC_OPTIONS, values::Quantity};

const CLAIM: &str = "PersistentVolumeClaim";
const SIZE: [&str; 4] = ["spec", "resources", "requests", "storage"];

/// Argo CD's options for what must outlive an Application.
const RETENTION: [&str; 3] = ["metadata", "annotations", SYNC_OPTIONS];

/// The claims of one rendering, by name.
pub(super) fn claims<'r>(objects: &Objects<'r>) -> BTreeMap<Id, &'r Value> {
    objects.iter().filter(|(id, _)| id.kind == CLAIM).map(|(id, claim)| (id.clone(), *claim)).collect()
}

/// Whether Argo CD leaves the object alone when it is gone from the manifests.
pub(super) fn is_retained(object: &Value) -> bool {
    text(object, &RETENTION)
        .is_some_and(|options| options.split(',').any(|option| option.trim() == "Prune=false"))
}

fn size(claim: &Value) -> String {
    at(claim, &SIZE).map_or_else(|| "no size".to_owned(), value)
}

/// `nuketown-ada-projects (10Gi)`.
fn with_size(id: &Id, claim: &Value) -> String {
    format!("{} ({})", name(&id.name), size(claim))
}

/// Where the agent's container mounts a claim.
fn mounted_at<'v>(objects: &Objects<'v>, agent: &str, claim: &str) -> Option<&'v str> {
    let pod = deployment(objects, agent).and_then(pod_spec)?;
    let uses = |volume: &&Value| text(volume, &["persistentVolumeClaim", "claimName"]) == Some(claim);
    let volume = text(items(pod, &["volumes"]).find(uses)?, &["name"])?;
    let container = super::object::container(pod, "containers", MAIN)?;
    let mount = items(container, &["volumeMounts"]).find(|mount| text(mount, &["name"]) == Some(volume))?;
    text(mount, &["mountPath"])
}

/// `1 volume of 10Gi`, `2 volumes (60Gi)`.
pub(super) fn total<'v>(claims: impl IntoIterator<Item = &'v Value>) -> String {
    let claims: Vec<&Value> = claims.into_iter().collect();
    if let [claim] = claims.as_slice() {
        return format!("1 volume of {}", size(claim));
    }
    let sizes: Option<Vec<Quantity>> =
        claims.iter().map(|claim| at(claim, &SIZE).and_then(quantity)).collect();
    let sum = sizes.and_then(|sizes| sizes.into_iter().try_fold(Quantity::ZERO, Quantity::checked_add));
    match sum {
        Some(sum) if !claims.is_empty() => format!("{} ({sum})", count(claims.len(), "volume")),
        _ => count(claims.len(), "volume"),
    }
}

/// Says what happens to an agent's volumes.
pub(super) fn explain(pair: &Pair<'_>, agent: &str, pool: &mut Pool, section: &mut Section) {
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    for change in pool.take(|change| change.is_whole() && change.id.kind == CLAIM) {
        if let Some(claim) = &change.new {
            section.line(Aspect::Volumes, format!("+ {}", introduced(pair, agent, &change.id, claim)));
            gained.push(claim.clone());
        } else if let Some(claim) = &change.old {
            removed(&change.id, claim, section);
            lost.push(claim.clone());
        }
        mounts(&change, pool);
    }
    if !gained.is_empty() {
        section.phrase(format!("gains {}", total(&gained)));
    }
    if !lost.is_empty() {
        section.phrase(format!("loses {}", total(&lost)));
    }
    for change in pool.take(|change| change.id.kind == CLAIM && change.path() == SIZE) {
        resized(&change, section);
    }
    for change in pool.take(|change| change.id.kind == CLAIM && change.path() == RETENTION) {
        retention(pair, &change, section);
    }
    let fixed = |change: &Change| {
        change.id.kind == CLAIM
            && change.path().starts_with(&["spec"])
            && change.path() != ["spec", "volumeAttributesClassName"]
            && aspect(change) != Aspect::Cluster
    };
    let refused = pool.take(fixed);
    if !refused.is_empty() {
        section.phrase("changes volumes in a way that is refused");
    }
    for change in refused {
        immutable(&change, section);
    }
}

fn introduced(pair: &Pair<'_>, agent: &str, id: &Id, claim: &Value) -> String {
    let at =
        mounted_at(&pair.new, agent, &id.name).map_or_else(String::new, |path| format!(" at {}", name(path)));
    let class = text(claim, &["spec", "storageClassName"]);
    let class = class.map_or_else(String::new, |class| format!(", storage class {}", name(class)));
    let kept = if is_retained(claim) { "" } else { ", not retained" };
    format!("{}{at}{class}{kept}", with_size(id, claim))
}

fn removed(id: &Id, claim: &Value, section: &mut Section) {
    let what = with_size(id, claim);
    if is_retained(claim) {
        section.line(Aspect::Volumes, format!("- {what}: retained with its data (Prune=false)"));
    } else {
        section
            .line(Aspect::Volumes, format!("- {what}: deleted with its data where the manifests are pruned"));
        section
            .alert(Reason::DataLoss, format!("the volume {what} is not retained: pruning deletes its data"));
    }
}

/// The pod's side of a claim that comes or goes says nothing more, where it is as the renderer writes it.
fn mounts(claim: &Change, pool: &mut Pool) {
    let claims =
        |volume: &Value| text(volume, &["persistentVolumeClaim", "claimName"]) == Some(&claim.id.name);
    let value = |change: &Change| if claim.new.is_some() { change.new.clone() } else { change.old.clone() };
    let other =
        |change: &Change| if claim.new.is_some() { change.old.is_none() } else { change.new.is_none() };
    let volumes = pool.take(|change| {
        matches!(change.path().as_slice(), ["spec", "template", "spec", "volumes", _])
            && other(change)
            && value(change)
                .is_some_and(|v| claims(&v) && v.as_object().is_some_and(|fields| fields.len() == 2))
    });
    for volume in volumes.iter().filter_map(value) {
        let own = text(&volume, &["name"]).map(ToOwned::to_owned);
        let main = format!("[{MAIN}]");
        pool.take(|change| {
            let path = change.path();
            let is_mount = matches!(path.as_slice(),
                ["spec", "template", "spec", "containers", container, "volumeMounts", _] if *container == main);
            let mount = value(change);
            is_mount
                && other(change)
                && mount.is_some_and(|mount| {
                    mount.as_object().is_some_and(|fields| fields.len() == 2)
                        && text(&mount, &["name"]) == own.as_deref()
                })
        });
    }
}

fn resized(change: &Change, section: &mut Section) {
    let own = name(&change.id.name);
    let (old, new) = (change.old.as_ref(), change.new.as_ref());
    let amounts = old.and_then(quantity).zip(new.and_then(quantity));
    let words = words::change(old, new);
    match amounts {
        Some((before, after)) if after > before => {
            section.phrase(format!("a volume grows to {after}"));
            section
                .line(Aspect::Volumes, format!("{own} {words}, where its storage class lets volumes grow"));
        }
        Some((before, after)) if after < before => {
            section.phrase("a volume shrinks, which is refused");
            section.line(Aspect::Volumes, format!("{own} {words}: cannot be applied"));
            section.alert(
                Reason::Refused,
                format!("the volume {own} cannot shrink from {before} to {after}: Kubernetes refuses it"),
            );
        }
        Some(_) => section.line(Aspect::Volumes, format!("{own} {words} (the same size)")),
        None => immutable(change, section),
    }
}

fn retention(pair: &Pair<'_>, change: &Change, section: &mut Section) {
    let own = name(&change.id.name);
    let kept = |objects: &Objects<'_>| objects.get(&change.id).is_some_and(|claim| is_retained(claim));
    match (kept(&pair.old), kept(&pair.new)) {
        (false, true) => {
            section.line(Aspect::Volumes, format!("{own} is retained from now on (Prune=false)"));
        }
        (true, false) => {
            section.phrase("a volume is no longer retained");
            section.line(Aspect::Volumes, format!("{own} is no longer retained"));
            section.alert(
                Reason::DataLoss,
                format!("the volume {own} is no longer retained: pruning deletes its data"),
            );
        }
        _ => {
            let words = words::change(change.old.as_ref(), change.new.as_ref());
            section.line(Aspect::Volumes, format!("{own} sync options {words}"));
        }
    }
}

fn immutable(change: &Change, section: &mut Section) {
    let own = name(&change.id.name);
    let what = match change.path().as_slice() {
        ["spec", "storageClassName"] => "storage class".to_owned(),
        ["spec", "accessModes"] => "access modes".to_owned(),
        _ => change.place(),
    };
    let words = words::change(change.old.as_ref(), change.new.as_ref());
    section.line(Aspect::Volumes, format!("{own} {what} {words}: cannot be applied"));
    section.alert(
        Reason::Refused,
        format!("the volume {own} cannot change its {what} ({words}): Kubernetes refuses it"),
    );
}

/// Lines for an agent that was not there before.
pub(super) fn introduce(pair: &Pair<'_>, agent: &str, section: &mut Section) {
    let claims = claims(&pair.new);
    section.phrase(if claims.is_empty() { "no volumes".to_owned() } else { total(claims.values().copied()) });
    for (id, claim) in &claims {
        section.line(Aspect::Volumes, format!("+ {}", introduced(pair, agent, id, claim)));
    }
}

/// What becomes of the volumes of an agent that is gone.
pub(super) fn leave(pair: &Pair<'_>, section: &mut Section) {
    let claims = claims(&pair.old);
    let (kept, gone): (Vec<_>, Vec<_>) = claims.iter().partition(|(_, claim)| is_retained(claim));
    let words = |claims: Vec<(&Id, &&Value)>| {
        let plural = claims.len() != 1;
        let names = some(claims.into_iter().map(|(id, claim)| with_size(id, claim)).collect(), 4);
        let (noun, verb) = if plural { ("volumes", "are") } else { ("volume", "is") };
        (format!("its {noun} {names}"), verb)
    };
    for (id, claim) in &claims {
        removed(id, claim, section);
    }
    if !kept.is_empty() {
        let (what, verb) = words(kept);
        section.phrase(format!("{what} {verb} retained (Prune=false)"));
    }
    if !gone.is_empty() {
        let (what, verb) = words(gone);
        section.phrase(format!("{what} {verb} deleted with the data where the manifests are pruned"));
    }
}
