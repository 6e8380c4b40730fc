//! Names, labels and annotations that several kinds share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::{
    names::{AGENT_LABEL, SYNC_OPTIONS},
    plan::Plan,
    values::AgentName,
};

/// The name of an agent's service account, config map, network policy and deployment.
pub(super) fn agent_object(name: &AgentName) -> String {
    // Like this, and not formatted, it is allocated once, and as long as it is.
    ["nuketown-", name.as_str()].concat()
}

/// Metadata of an object that the town shares.
///
/// `app.kubernetes.io/instance` is left to Argo CD, which may track its Applications by it.
pub(super) fn shared(plan: &Plan<'_>, name: &str) -> ObjectMeta {
    ObjectMeta {
        labels: Some(map([
            ("app.kubernetes.io/managed-by", "nuketown"),
            ("app.kubernetes.io/part-of", "nuketown"),
        ])),
        name: Some(name.to_owned()),
        namespace: Some(plan.namespace.clone()),
        ..ObjectMeta::default()
    }
}

/// Metadata of an object that belongs to one agent.
pub(super) fn of_agent(plan: &Plan<'_>, agent: &AgentName, name: &str) -> ObjectMeta {
    let mut meta = shared(plan, name);
    let labels = meta.labels.get_or_insert_default();
    labels.insert("app.kubernetes.io/name".to_owned(), "nuketown-agent".to_owned());
    labels.insert(AGENT_LABEL.to_owned(), agent.to_string());
    meta
}

/// Selects the pods of one agent.
pub(super) fn selector(agent: &AgentName) -> LabelSelector {
    LabelSelector { match_labels: Some(map([(AGENT_LABEL, agent.as_str())])), ..LabelSelector::default() }
}

/// What keeps data when Argo CD prunes or deletes an Application. A preview's data goes with it.
pub(super) fn retained(plan: &Plan<'_>) -> Option<BTreeMap<String, String>> {
    plan.preview.is_none().then(|| map([(SYNC_OPTIONS, "Prune=false,Delete=false")]))
}

/// A map of owned strings.
pub(super) fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    // One by one: to collect would first sort the few entries in a list of their own.
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key.to_owned(), value.to_owned());
    }
    map
}
