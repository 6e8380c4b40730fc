//! What a caller wants of a town, and whether the town has it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scope, unknown_agent};
use crate::{
    DeploymentModel, Problem, Town,
    text::list,
    values::{AgentName, NamespaceName, PreviewSlug, TierName},
};

/// What to render of a town.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The agents to render; all cloud agents where empty. The namespace's own objects always cover the whole town.
    pub agents: BTreeSet<AgentName>,
    /// The namespace to render to, in place of the town's `cloud.namespace`.
    pub namespace: Option<NamespaceName>,
    /// Renders a preview environment: a namespace and XMPP resource of its own, volumes that are not retained, no
    /// keys registered at GitHub.
    pub preview: Option<PreviewSlug>,
    /// The tier that an agent starts on, in place of its `cloud.resources`. Its maximum stays what the town declares, and
    /// a tier above it is an error.
    pub tiers: BTreeMap<AgentName, TierName>,
    /// Whether a town without a cloud agent is an empty result. Otherwise it is an error, because an empty result
    /// means "delete everything" to whoever applies it with pruning.
    pub allow_empty: bool,
    /// Which part of the town's objects is rendered.
    pub scope: Scope,
}

impl Selection {
    /// The namespace that `town` is rendered to. A preview's may be too long to be one.
    pub(super) fn namespace(&self, town: &Town) -> String {
        let namespace = self.namespace.as_ref().unwrap_or(&town.cloud.namespace);
        match &self.preview {
            None => namespace.to_string(),
            Some(slug) => format!("{namespace}-{slug}"),
        }
    }
}

/// What is selected and the town does not have.
pub(super) fn problems(town: &Town, selection: &Selection) -> Vec<Problem> {
    let mut problems: Vec<Problem> = selection
        .agents
        .iter()
        .filter_map(|name| without_manifests("the selected agent", town, name))
        .collect();
    for (name, tier) in &selection.tiers {
        let unknown = without_manifests("the agent that a tier is selected for,", town, name);
        let idle = left_out(selection, name).map(|cause| {
            Problem::new(
                format!("tier \"{tier}\" is selected for agent `{name}`, which is not rendered"),
                cause,
            )
            .hint(format!("select {name} as well, or leave its tier out"))
        });
        problems.extend(unknown.or(idle));
    }
    problems
}

/// Why an agent that has manifests is not among those that are rendered.
fn left_out(selection: &Selection, name: &AgentName) -> Option<String> {
    if !selection.scope.has_agents() {
        return Some(format!("the scope is {}", selection.scope.as_str()));
    }
    let rendered = selection.agents.is_empty() || selection.agents.contains(name);
    (!rendered).then(|| format!("the selected agents are {}", list(&selection.agents)))
}

/// Why there is nothing to render of an agent of this name.
fn without_manifests(what: &str, town: &Town, name: &AgentName) -> Option<Problem> {
    let Some(agent) = town.agents.get(name) else { return Some(unknown_agent(what, name, town)) };
    let model = DeploymentModel::of(town, agent);
    (model != DeploymentModel::Cloud).then(|| {
        Problem::new(format!("agent `{name}` has no manifests"), format!("{name} is a {model} agent"))
            .hint(format!("set agents.{name}.cloud.enable to run it in the cluster"))
    })
}
