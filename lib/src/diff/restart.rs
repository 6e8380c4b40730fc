//! What happens to the pod when the change is applied, and what of its Deployment cannot be applied.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    change::Change,
    files,
    object::{at, deployment},
    route::aspect,
    section::{Aspect, Pair, Pool, Reason, Section},
    words,
};
use crate::names::CONFIG_HASH;

const HASH_PATH: [&str; 5] = ["spec", "template", "metadata", "annotations", CONFIG_HASH];

/// Says whether the pod is made anew, and why.
pub(super) fn explain(pair: &Pair<'_>, agent: &str, pool: &mut Pool, section: &mut Section) {
    selector(pool, section);
    let is_data = |change: &Change| {
        let data = matches!(change.path().as_slice(), ["data" | "binaryData", ..]);
        files::file(change).is_some() || change.id.kind == "ConfigMap" && data
    };
    let config = section.fields.iter().any(is_data);
    let hash = if config { pool.take(is_hash) } else { Vec::new() };
    let (old, new) = (deployment(&pair.old, agent), deployment(&pair.new, agent));
    let (Some(old), Some(new)) = (old, new) else {
        match (old, new) {
            (Some(_), None) => {
                section.phrase("stops: its Deployment is removed");
                section.line(Aspect::Restarts, "no more: nothing runs the agent");
            }
            (None, Some(_)) => {
                section.phrase("starts: its Deployment is added");
                section.line(Aspect::Restarts, "its first start: there was no Deployment");
            }
            _ => {}
        }
        return;
    };
    let template = |deployment: &Value| at(deployment, &["spec", "template"]).cloned();
    let restarts = template(old) != template(new);
    section.restarts = Some(restarts);
    if restarts {
        section
            .line(Aspect::Restarts, format!("yes: the pod template changes ({})", reasons(section, &hash)));
    } else if config && !hash_follows(&hash) {
        section.line(Aspect::Restarts, "no: the pod keeps the configuration that it was started with");
        section.alert(
            Reason::NoEffect,
            "its configuration changes and its pod does not restart: the hash in the pod template stays",
        );
    } else {
        section.line(Aspect::Restarts, "no: the pod template stays as it is");
    }
}

fn hash_follows(hash: &[Change]) -> bool {
    !hash.is_empty()
}

fn is_hash(change: &Change) -> bool {
    change.id.kind == "Deployment" && change.path() == HASH_PATH
}

/// The aspects that reach into the pod template.
fn reasons(section: &Section, hash: &[Change]) -> String {
    let in_template = |change: &&Change| {
        change.id.kind == "Deployment" && change.path().starts_with(&["spec", "template"]) && !is_hash(change)
    };
    let mut reasons: BTreeSet<Aspect> = section.fields.iter().filter(in_template).map(aspect).collect();
    if hash_follows(hash) {
        reasons.insert(Aspect::Configuration);
    }
    if reasons.is_empty() {
        return "its configuration hash alone".to_owned();
    }
    crate::text::list(reasons.into_iter().map(Aspect::as_str))
}

/// Kubernetes, "Deployments": the label selector is immutable after creation.
fn selector(pool: &mut Pool, section: &mut Section) {
    for change in pool.take(|c| c.id.kind == "Deployment" && c.path().starts_with(&["spec", "selector"])) {
        let words = words::change(change.old.as_ref(), change.new.as_ref());
        section.line(Aspect::Other, format!("{} {words}: cannot be applied", change.place()));
        section.alert(Reason::Refused, "the selector of a Deployment never changes: Kubernetes refuses it");
    }
}
