//! A town as one YAML stream, without holding all of its objects at once.
//!
//! The bytes are those of [`super::to_kube_manifests`] and [`super::Manifests::to_yaml`]. An agent's objects take some
//! 30 KiB, its text a third of that: each agent is written as soon as it is projected, and agents are independent, so
//! several threads can do it.

use std::{num::NonZero, thread};

use super::{Object, agent_objects, emit::Emitter, images, namespace_objects, yaml};
use crate::{
    Problem, Town,
    plan::{self, AgentPlan, Plan, Selection},
    values::AgentName,
};

/// Agents that are worth a thread of their own. It starts with an empty memory of scalars and of allocations, which
/// costs as much as some dozens of agents.
const AGENTS_PER_THREAD: usize = 128;

/// About what the text of an agent takes, in bytes: memory is asked for once instead of many times.
const AGENT_BYTES: usize = 12 << 10;

/// A rendered town.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlStream {
    /// All objects, in the order in which they are applied; empty where there are none.
    pub yaml: String,
    /// Images that the cluster has to find, by agent.
    pub images: Vec<(AgentName, String)>,
    /// Options that are set and have no effect.
    pub warnings: Vec<Problem>,
}

/// Renders a town as one YAML stream, on up to `threads` threads.
///
/// # Errors
///
/// As [`super::to_kube_manifests`].
pub fn to_kube_yaml(
    town: &Town,
    selection: &Selection,
    threads: NonZero<usize>,
) -> Result<YamlStream, Vec<Problem>> {
    let plan = plan::plan(town, selection)?;
    let mut problems = Vec::new();
    let mut yaml = String::new();
    let shared = namespace_objects(&plan, &mut problems);
    append(&mut Emitter::default(), shared.iter(), &mut yaml, &mut problems);
    let selected: Vec<&AgentPlan<'_>> = plan.agents.iter().filter(|agent| agent.selected).collect();
    let threads = threads.get().min(selected.len().div_ceil(AGENTS_PER_THREAD)).max(1);
    let mut parts = selected.chunks(selected.len().div_ceil(threads).max(1));
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(|| render_apart(&plan, part))).collect();
        yaml.reserve(selected.len() * AGENT_BYTES);
        problems.extend(render(&plan, first, &mut yaml));
        for other in others {
            let (text, more) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            yaml.push_str(&text);
            problems.extend(more);
        }
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(YamlStream { yaml, images: images(&plan), warnings: plan::warnings(town) })
}

/// The text of some agents, and what keeps them from having one.
fn render_apart(plan: &Plan<'_>, agents: &[&AgentPlan<'_>]) -> (String, Vec<Problem>) {
    let mut text = String::with_capacity(agents.len() * AGENT_BYTES);
    let problems = render(plan, agents, &mut text);
    (text, problems)
}

/// Appends the text of some agents. Returns what keeps them from having one.
fn render(plan: &Plan<'_>, agents: &[&AgentPlan<'_>], text: &mut String) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut emitter = Emitter::default();
    for agent in agents {
        match agent_objects(plan, agent) {
            Ok(objects) => append(&mut emitter, objects.iter(), text, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

fn append<'o>(
    emitter: &mut Emitter,
    objects: impl Iterator<Item = &'o Object>,
    text: &mut String,
    problems: &mut Vec<Problem>,
) {
    if let Err(error) = yaml::append(emitter, objects, text) {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        problems.push(Problem::new(error.to_string(), cause));
    }
}
