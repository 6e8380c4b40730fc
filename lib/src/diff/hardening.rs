//! Where a pod falls short of what the renderer always writes: the `restricted` pod security standard, a read-only
//! root file system, and the pod's credential in the init container alone.
//!
//! Kubernetes, "Pod Security Standards".

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    object::{Objects, at, items, pod_spec, text},
    words::name,
};

/// Fields of a pod that must not be true.
const SHARED: [(&str, &str); 4] = [
    ("hostNetwork", "the pod shares the node's network"),
    ("hostPID", "the pod sees the node's processes"),
    ("hostIPC", "the pod shares the node's IPC"),
    ("shareProcessNamespace", "the pod's containers see each other's processes"),
];

/// The shortcomings of all pods of one subject, in words.
pub(super) fn weak_points(objects: &Objects<'_>, agent: Option<&str>) -> BTreeSet<String> {
    let mut weak = BTreeSet::new();
    for (id, object) in objects {
        let Some(pod) = pod_spec(object) else { continue };
        let usual =
            id.kind == "Deployment" && agent.is_some_and(|agent| id.name == format!("nuketown-{agent}"));
        let prefix = if usual { String::new() } else { format!("{}: ", id.label(agent)) };
        weak.extend(of_pod(pod).into_iter().map(|words| format!("{prefix}{words}")));
    }
    weak
}

fn of_pod(pod: &Value) -> Vec<String> {
    let is = |path: &[&str], expected: bool| at(pod, path) == Some(&Value::Bool(expected));
    let mut weak = Vec::new();
    weak.extend(SHARED.iter().filter(|(field, _)| is(&[*field], true)).map(|(_, words)| (*words).to_owned()));
    if !is(&["automountServiceAccountToken"], false) {
        weak.push("the pod does not refuse a service account token".to_owned());
    }
    let paths = items(pod, &["volumes"]).filter_map(|volume| volume.get("hostPath"));
    weak.extend(paths.map(|path| {
        format!(
            "the pod mounts the node's {}",
            text(path, &["path"]).map_or_else(|| "files".to_owned(), name)
        )
    }));
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(pod, &[list]) {
            let own = text(container, &["name"]).map_or_else(|| "without a name".to_owned(), name);
            let words = of_container(pod, container, list == "initContainers");
            weak.extend(words.into_iter().map(|words| format!("container {own} {words}")));
        }
    }
    weak
}

fn of_container(pod: &Value, container: &Value, is_init: bool) -> Vec<String> {
    let own = |key: &str| at(container, &["securityContext", key]);
    // A container's value goes before its pod's.
    let either = |key: &str| own(key).or_else(|| at(pod, &["securityContext", key]));
    let is_true = |value: Option<&Value>| value == Some(&Value::Bool(true));
    let mut weak = Vec::new();
    let mut note = |is_weak: bool, words: &str| {
        if is_weak {
            weak.push(words.to_owned());
        }
    };
    note(is_true(own("privileged")), "is privileged");
    note(own("allowPrivilegeEscalation") != Some(&Value::Bool(false)), "may gain privileges");
    let capabilities =
        |list: &str| items(container, &["securityContext", "capabilities", list]).filter_map(Value::as_str);
    note(!capabilities("drop").any(|dropped| dropped == "ALL"), "keeps capabilities");
    note(!is_true(own("readOnlyRootFilesystem")), "may write its root file system");
    note(!is_true(either("runAsNonRoot")), "may run as root");
    note(either("runAsUser").and_then(Value::as_i64) == Some(0), "runs as root");
    let seccomp = either("seccompProfile").and_then(|profile| text(profile, &["type"]));
    note(!matches!(seccomp, Some("RuntimeDefault" | "Localhost")), "may make any system call");
    note(own("procMount").is_some_and(|mount| mount != "Default"), "sees /proc unmasked");
    note(
        items(container, &["ports"]).any(|port| port.get("hostPort").is_some()),
        "listens on a port of the node",
    );
    note(!is_init && holds_token(pod, container), "holds the pod's credential");
    weak.extend(capabilities("add").map(|added| format!("has the capability {}", name(added))));
    weak
}

/// Whether a container mounts the volume of the projected token, which only the init container needs.
fn holds_token(pod: &Value, container: &Value) -> bool {
    let token = |volume: &&Value| {
        items(volume, &["projected", "sources"]).any(|source| source.get("serviceAccountToken").is_some())
            || text(volume, &["name"]) == Some("credential")
    };
    let volumes: BTreeSet<&str> =
        items(pod, &["volumes"]).filter(token).filter_map(|volume| text(volume, &["name"])).collect();
    items(container, &["volumeMounts"])
        .any(|mount| text(mount, &["name"]).is_some_and(|name| volumes.contains(name)))
}
