//! Which aspect a change belongs to, and how it is said where no aspect has words of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    change::Change,
    files::{DAEMON, TOWN, file},
    object::is_policy,
    section::{Aspect, Pool, Section},
    words::{self, name, some},
};

/// What `kubectl get` shows and nobody declares.
const SERVER_METADATA: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fields of an object that is new or gone which are listed one by one; the JSON form has all of them.
const FIELDS_MAX: usize = 24;
/// Places that one line lists.
const PLACES_MAX: usize = 6;

/// The aspect that a change is read under.
pub(super) fn aspect(change: &Change) -> Aspect {
    let path = change.path();
    match file(change) {
        Some(DAEMON) => return daemon(&path),
        Some(TOWN) => return Aspect::Permissions,
        Some(_) => return identity_file(&path),
        None => {}
    }
    match path.as_slice() {
        ["status", ..] | ["metadata", "annotations", LAST_APPLIED] => return Aspect::Cluster,
        ["metadata", field, ..] if SERVER_METADATA.contains(field) => return Aspect::Cluster,
        // The name of the disk that a claim was bound to.
        ["spec", "volumeName"] if change.id.kind == "PersistentVolumeClaim" => return Aspect::Cluster,
        _ => {}
    }
    match (change.id.kind.as_str(), path.as_slice()) {
        ("ServiceAccount", ["metadata", "annotations", key]) if is_provider_key(key) => Aspect::Identity,
        ("Namespace", ["metadata", "labels", key]) if key.starts_with("pod-security.") => Aspect::Permissions,
        (_, ["metadata", ..]) => Aspect::Labels,
        ("Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding", _)
        | ("ServiceAccount", ["automountServiceAccountToken"]) => Aspect::Permissions,
        ("ServiceAccount", _) => Aspect::Identity,
        ("ConfigMap", _) => Aspect::Configuration,
        ("PersistentVolumeClaim", _) => Aspect::Volumes,
        ("Deployment", path) => deployment(path),
        ("Namespace", _) => Aspect::Namespace,
        ("ResourceQuota", _) => Aspect::Quota,
        ("LimitRange", _) => Aspect::Limits,
        (kind, _) if is_policy(kind) => Aspect::Egress,
        _ => Aspect::Other,
    }
}

fn is_provider_key(key: &str) -> bool {
    key.starts_with("iam.gke.io/") || key.starts_with("eks.amazonaws.com/")
}

fn daemon(path: &[&str]) -> Aspect {
    match path {
        ["scaling", ..] => Aspect::Resources,
        ["sudo" | "approver" | "approval_timeout", ..] => Aspect::Permissions,
        ["identity" | "github" | "keys" | "secrets", ..]
        | ["api", "key_file"]
        | ["xmpp", "password_file"] => Aspect::Identity,
        _ => Aspect::Configuration,
    }
}

fn identity_file(path: &[&str]) -> Aspect {
    match path {
        ["persist"] => Aspect::Volumes,
        ["cloud", "provider"] => Aspect::Identity,
        _ => Aspect::Configuration,
    }
}

fn deployment(path: &[&str]) -> Aspect {
    match path {
        ["spec", "replicas"] => Aspect::Resources,
        ["spec", "template", "metadata", "annotations", key] if is_provider_key(key) => Aspect::Identity,
        ["spec", "template", "metadata", ..] => Aspect::Labels,
        ["spec", "template", "spec", rest @ ..] => pod(rest),
        _ => Aspect::Other,
    }
}

/// Fields of a pod that decide where it runs.
const PLACEMENT: [&str; 9] = [
    "affinity",
    "nodeName",
    "nodeSelector",
    "overhead",
    "priorityClassName",
    "resources",
    "schedulerName",
    "tolerations",
    "topologySpreadConstraints",
];
/// Fields of a pod that hold it apart from its node and from others.
const ISOLATION: [&str; 8] = [
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "runtimeClassName",
    "securityContext",
    "shareProcessNamespace",
];

fn pod(path: &[&str]) -> Aspect {
    match path {
        [field, ..] if PLACEMENT.contains(field) => Aspect::Resources,
        ["containers" | "initContainers", _, "resources", ..] => Aspect::Resources,
        ["containers" | "initContainers", _, "image" | "imagePullPolicy"] | ["imagePullSecrets", ..] => {
            Aspect::Image
        }
        ["containers" | "initContainers", _, "volumeMounts", mount, ..]
            if mount.starts_with("[/var/run/secrets/") || mount.starts_with("[/etc/nuketown/secret") =>
        {
            Aspect::Identity
        }
        ["volumes", "[credential]", ..] | ["serviceAccountName" | "serviceAccount"] => Aspect::Identity,
        ["containers" | "initContainers", _, "volumeMounts" | "volumeDevices", ..] | ["volumes", ..] => {
            Aspect::Volumes
        }
        ["containers" | "initContainers", _, "env", variable, ..] if is_provider_variable(variable) => {
            Aspect::Identity
        }
        ["containers" | "initContainers", _, "env" | "envFrom" | "workingDir", ..] => Aspect::Configuration,
        [field, ..] if ISOLATION.contains(field) => Aspect::Permissions,
        // The second is a container that comes or goes as a whole.
        ["containers" | "initContainers", _, "securityContext" | "ports", ..]
        | ["containers" | "initContainers" | "ephemeralContainers", _] => Aspect::Permissions,
        _ => Aspect::Other,
    }
}

fn is_provider_variable(segment: &str) -> bool {
    segment.starts_with("[NUKETOWN_") || segment.starts_with("[AWS_")
}

/// Says every change that is left in the pool, each under its aspect.
pub(super) fn explain_rest(pool: &mut Pool, agent: Option<&str>, section: &mut Section) {
    let cluster = pool.take(|change| aspect(change) == Aspect::Cluster);
    if !cluster.is_empty() {
        let places: BTreeSet<String> = cluster.iter().map(|change| place(change, agent)).collect();
        let places = some(places.into_iter().collect(), PLACES_MAX);
        section.line(Aspect::Cluster, format!("what only the cluster sets differs: {places}"));
    }
    for change in pool.take(|_| true) {
        for line in generic(&change, agent) {
            section.line(aspect(&change), line);
        }
    }
    explain_anything(section, agent);
}

/// A change without words of its own.
pub(super) fn generic(change: &Change, agent: Option<&str>) -> Vec<String> {
    if change.is_whole() {
        return whole(change, agent);
    }
    let place = place(change, agent);
    if is_secret(change) {
        return vec![format!("{place} changes (secrets are not shown)")];
    }
    // An element of a list comes or goes; a field is set or unset.
    let is_element = change.path.last().is_some_and(|last| last.starts_with('['));
    vec![match (&change.old, &change.new) {
        (None, Some(new)) if is_element => format!("+ {place} {}", words::value(new)),
        (Some(old), None) if is_element => format!("- {place} {}", words::value(old)),
        (old, new) => format!("{place} {}", words::change(old.as_ref(), new.as_ref())),
    }]
}

/// The place of a change: the object where it is not the obvious one, and the path from where readers look.
pub(super) fn place(change: &Change, agent: Option<&str>) -> String {
    let place = change.place();
    if file(change).is_some() {
        return place;
    }
    let object = change.id.label(agent);
    match place.strip_prefix("spec.template.spec.") {
        Some(pod) if object == "Deployment" => pod.to_owned(),
        _ => format!("{object} {place}"),
    }
}

/// Whether a change shows what a Secret holds. `last-applied-configuration` repeats it.
pub(super) fn is_secret(change: &Change) -> bool {
    let path = change.path();
    let holds = matches!(
        path.as_slice(),
        [] | ["data" | "stringData", ..] | ["metadata", "annotations" | "managedFields", ..]
    );
    change.id.kind == "Secret" && holds
}

/// An object that is new or gone, with what it says.
fn whole(change: &Change, agent: Option<&str>) -> Vec<String> {
    let label = change.id.label(agent);
    let (object, sign, verb) = match (&change.old, &change.new) {
        (_, Some(object)) => (object, "+", "is added"),
        (Some(object), None) => (object, "-", "is removed"),
        (None, None) => return vec![format!("{label} is unchanged")],
    };
    let mut lines = vec![format!("{sign} {label} {verb}")];
    if change.id.kind == "Secret" {
        return lines;
    }
    let mut leaves = Vec::new();
    super::change::within(&change.id, &Value::Object(serde_json::Map::new()), object, &mut leaves);
    leaves.retain(|leaf| {
        !matches!(leaf.path().as_slice(), ["apiVersion" | "kind"] | ["metadata", "name" | "namespace"])
    });
    let rest = leaves.len().saturating_sub(FIELDS_MAX);
    let shown = leaves.iter().take(FIELDS_MAX);
    lines.extend(shown.map(|leaf| {
        format!("{sign}   {} = {}", leaf.place(), leaf.new.as_ref().map_or_else(String::new, words::value))
    }));
    if rest > 0 {
        lines.push(format!("{sign}   … ({rest} more fields)"));
    }
    lines
}

/// Whatever the aspects made of it, a difference is never silent.
fn explain_anything(section: &mut Section, agent: Option<&str>) {
    if section.lines.iter().any(|(aspect, _)| *aspect != Aspect::Restarts) {
        return;
    }
    for change in section.fields.clone() {
        for line in generic(&change, agent) {
            section.line(aspect(&change), line);
        }
    }
}

/// A summary for aspects that have lines and said nothing in the summary.
pub(super) fn summarise(section: &mut Section, said: &[Aspect]) {
    let configuration: BTreeSet<String> = section
        .fields
        .iter()
        .filter(|change| aspect(change) == Aspect::Configuration && !change.is_whole())
        .map(|change| match file(change) {
            Some(_) => change.place(),
            None => name(change.path.last().map_or("", String::as_str)),
        })
        .collect();
    let configuration = some(configuration.into_iter().collect(), 3);
    let phrases = [
        (Aspect::Resources, "other placement".to_owned()),
        (Aspect::Egress, "other network rules".to_owned()),
        (Aspect::Volumes, "other mounts".to_owned()),
        (Aspect::Image, "other image settings".to_owned()),
        (Aspect::Identity, "other identity settings".to_owned()),
        (Aspect::Permissions, "other permissions".to_owned()),
        (Aspect::Configuration, format!("other configuration ({configuration})")),
        (Aspect::Labels, "other labels or annotations".to_owned()),
        (Aspect::Other, other(section)),
        (Aspect::Cluster, "other state in the cluster".to_owned()),
        (Aspect::Namespace, "other namespace settings".to_owned()),
        (Aspect::Quota, "other quota".to_owned()),
        (Aspect::Limits, "other limits".to_owned()),
    ];
    for (aspect, phrase) in phrases {
        if section.has(aspect) && !said.contains(&aspect) {
            section.phrase(phrase);
        }
    }
}

/// Objects of kinds without an aspect that come and go, by name.
fn other(section: &Section) -> String {
    let objects = |is_new: bool| -> Vec<String> {
        let whole =
            section.fields.iter().filter(|change| change.is_whole() && aspect(change) == Aspect::Other);
        whole.filter(|change| change.new.is_some() == is_new).map(|change| change.id.label(None)).collect()
    };
    let parts = [("gains", objects(true)), ("loses", objects(false))];
    let parts = parts.into_iter().filter(|(_, objects)| !objects.is_empty());
    let parts: Vec<String> = parts.map(|(verb, objects)| format!("{verb} {}", some(objects, 2))).collect();
    if parts.is_empty() { "other fields".to_owned() } else { parts.join(", ") }
}
