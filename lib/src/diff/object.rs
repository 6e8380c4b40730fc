//! A Kubernetes object as it was read: which one it is, and whose.

use std::collections::BTreeMap;

use serde_json::Value;

use super::words::name;
use crate::names::AGENT_LABEL;

/// What makes an object the same one in two renderings: the API's group (not its version), kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) kind: String,
    pub(super) group: String,
    /// Empty where the object names none.
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What a line of the diff is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Agent {
        namespace: String,
        name: String,
    },
    /// What the agents share.
    Town,
}

/// The objects of one subject in one rendering.
pub(super) type Objects<'r> = BTreeMap<Id, &'r Value>;

impl Id {
    /// The object in words. An agent's own objects all bear one name, which is left out.
    pub(super) fn label(&self, agent: Option<&str>) -> String {
        match agent {
            Some(agent) if self.name == format!("nuketown-{agent}") => name(&self.kind),
            _ => format!("{} {}", name(&self.kind), name(&self.name)),
        }
    }
}

/// The value below a path of keys.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The text below a path of keys.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str()
}

/// The elements of the list below a path of keys.
pub(super) fn items<'v>(value: &'v Value, path: &[&str]) -> std::slice::Iter<'v, Value> {
    at(value, path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter()
}

/// Whether the kind bounds what pods may connect to.
pub(super) fn is_policy(kind: &str) -> bool {
    POLICIES.contains(&kind)
}

/// The kinds that bound what pods may connect to.
pub(super) const POLICIES: [&str; 3] = ["NetworkPolicy", "CiliumNetworkPolicy", "FQDNNetworkPolicy"];

/// Whether an object counts for whom it acts on, and not for whom its label names.
pub(super) fn acts(kind: &str) -> bool {
    is_policy(kind) || matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

/// Whose the object is: by what it acts on where that can be read, else by its label.
///
/// A policy belongs to the agent whose pods it selects, and a role binding to the agent that it gives rights to,
/// whatever their labels say: what they open counts there.
pub(super) fn owner(id: &Id, object: &Value) -> Subject {
    let agent = |namespace: &str, name: &str| Subject::Agent {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    match id.kind.as_str() {
        kind if is_policy(kind) => selected(object).map_or(Subject::Town, |name| agent(&id.namespace, name)),
        "RoleBinding" | "ClusterRoleBinding" => match bound(object) {
            Some((namespace, name)) => agent(namespace.unwrap_or(&id.namespace), name),
            None => Subject::Town,
        },
        _ => match text(object, &["metadata", "labels", AGENT_LABEL]) {
            Some(name) => agent(&id.namespace, name),
            None => Subject::Town,
        },
    }
}

/// The agent whose pods a policy selects. Cilium may write the label with its source.
fn selected(policy: &Value) -> Option<&str> {
    let label = |selector: &str, label: &str| text(policy, &["spec", selector, "matchLabels", label]);
    ["podSelector", "endpointSelector"].into_iter().find_map(|selector| {
        [AGENT_LABEL, "k8s:nuketown.io/agent", "any:nuketown.io/agent"]
            .into_iter()
            .find_map(|key| label(selector, key))
    })
}

/// The agent whose service account is the only subject of a binding.
fn bound(binding: &Value) -> Option<(Option<&str>, &str)> {
    let mut subjects = items(binding, &["subjects"]);
    let (subject, None) = (subjects.next()?, subjects.next()) else { return None };
    let account = text(subject, &["name"])?.strip_prefix("nuketown-")?;
    (text(subject, &["kind"]) == Some("ServiceAccount")).then(|| (text(subject, &["namespace"]), account))
}

/// The pod specification of an object that makes pods.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    let template = at(object, &["spec", "template", "spec"]);
    let job = || at(object, &["spec", "jobTemplate", "spec", "template", "spec"]);
    let pod = || at(object, &["spec"]).filter(|spec| spec.get("containers").is_some());
    template.or_else(job).or_else(pod)
}

/// The Deployment that runs an agent.
pub(super) fn deployment<'r>(objects: &Objects<'r>, agent: &str) -> Option<&'r Value> {
    let is_own = |id: &&Id| id.kind == "Deployment" && id.name == format!("nuketown-{agent}");
    let found = objects.keys().find(is_own).or_else(|| objects.keys().find(|id| id.kind == "Deployment"));
    found.and_then(|id| objects.get(id)).copied()
}

/// A container of a pod specification, by its name.
pub(super) fn container<'v>(pod: &'v Value, list: &str, name: &str) -> Option<&'v Value> {
    items(pod, &[list]).find(|container| text(container, &["name"]) == Some(name))
}
