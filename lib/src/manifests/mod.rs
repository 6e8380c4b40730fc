//! The projection of a town to Kubernetes objects.
//!
//! # Invariants
//!
//! - The same town gives the same objects in the same order, whatever the order of its attributes.
//! - The order works for `kubectl apply -f -` from top to bottom.
//! - Every pod passes the `restricted` pod security standard.

mod config;
mod deployment;
mod emit;
mod init;
mod labels;
mod namespace;
mod network;
mod object;
mod stream;
mod volume;
mod yaml;

pub use emit::YamlError;
pub use network::{CiliumNetworkPolicy, FqdnNetworkPolicy};
pub use object::Object;
pub use stream::{YamlStream, to_kube_yaml};
pub use yaml::HEADER;

use crate::{
    Problem, Town,
    plan::{self, Plan, Selection},
    values::AgentName,
};

/// Everything that a town is in a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    /// What the agents share: namespace, bounds, quota, default-deny, the list of agents.
    pub namespace: Vec<Object>,
    /// The objects of each agent, in the order of their names.
    pub agents: Vec<(AgentName, Vec<Object>)>,
    /// Images that the cluster has to find, by agent.
    pub images: Vec<(AgentName, String)>,
    /// Options that are set and have no effect.
    pub warnings: Vec<Problem>,
}

impl Manifests {
    /// All objects, in the order in which they are applied.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.namespace.iter().chain(self.agents.iter().flat_map(|(_, objects)| objects))
    }

    /// Whether there is nothing to apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespace.is_empty() && self.agents.is_empty()
    }
}

/// Projects a town to Kubernetes objects.
///
/// A town without cloud agents gives no object at all where `selection` allows it.
///
/// # Errors
///
/// Every [`Problem`] of the town, found in one pass; nothing is rendered of a town that has one.
pub fn to_kube_manifests(town: &Town, selection: &Selection) -> Result<Manifests, Vec<Problem>> {
    let plan = plan::plan(town, selection)?;
    let (mut agents, mut problems) = (Vec::with_capacity(plan.agents.len()), Vec::new());
    for agent in plan.agents.iter().filter(|agent| agent.selected) {
        match agent_objects(&plan, agent) {
            Ok(objects) => agents.push((agent.name.clone(), objects)),
            Err(problem) => problems.push(problem),
        }
    }
    let namespace = namespace_objects(&plan, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Manifests { namespace, agents, images: images(&plan), warnings: plan::warnings(town) })
}

fn namespace_objects(plan: &Plan<'_>, problems: &mut Vec<Problem>) -> Vec<Object> {
    if plan.agents.is_empty() || !plan.scope.has_namespace() {
        return Vec::new();
    }
    namespace::objects(plan).map_err(|problem| problems.push(problem)).unwrap_or_default()
}

/// Objects of another kind of API as one YAML stream, written as a town's are.
pub(crate) fn documents<T: serde::Serialize>(objects: &[T]) -> Result<String, YamlError> {
    let (mut emitter, mut text) = (emit::Emitter::default(), String::new());
    for object in objects {
        text.push_str("---\n");
        emitter.append(object, None, &mut text)?;
    }
    Ok(text)
}

fn images(plan: &Plan<'_>) -> Vec<(AgentName, String)> {
    let selected = plan.agents.iter().filter(|agent| agent.selected);
    selected.map(|agent| (agent.name.clone(), agent.image.clone())).collect()
}

fn agent_objects(plan: &Plan<'_>, agent: &plan::AgentPlan<'_>) -> Result<Vec<Object>, Problem> {
    let (config_map, hash) = config::config_map(plan, agent)?;
    let mut objects = vec![config::service_account(plan, agent).into(), config_map.into()];
    objects.extend(volume::claims(plan, agent).map(Object::from));
    objects.extend(network::policies(plan, agent)?);
    objects.push(deployment::deployment(plan, agent, &hash).into());
    Ok(objects)
}
