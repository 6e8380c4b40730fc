//! The volumes of an agent: one per `persist` entry.

use std::collections::BTreeMap;

use super::AgentPlan;
use crate::{
    Problem, Town,
    text::{attribute, list, nearest, quoted, short},
    town::Agent,
    values::{AgentName, PersistPath, Quantity},
};

/// Where the daemon's own configuration is mounted, below the home.
pub(crate) const CONFIG_DIR: &str = ".config/nuketown";

/// One persistent directory.
#[derive(Debug)]
pub(crate) struct Volume<'t> {
    pub(crate) path: &'t PersistPath,
    /// The end of the claim's name: `config-claude`.
    pub(crate) suffix: String,
    pub(crate) size: Quantity,
}

impl Volume<'_> {
    /// The name of the volume claim.
    pub(crate) fn claim(&self, agent: &AgentName) -> String {
        ["nuketown-", agent.as_str(), "-", &self.suffix].concat()
    }
}

/// The volumes of an agent, in the order of their paths.
pub(super) fn volumes<'t>(
    town: &'t Town,
    name: &'t AgentName,
    agent: &'t Agent,
    problems: &mut Vec<Problem>,
) -> Vec<Volume<'t>> {
    known_sizes(town, name, agent, problems);
    let mut by_suffix: BTreeMap<String, &PersistPath> = BTreeMap::new();
    for path in &agent.persist {
        if path.is_within(CONFIG_DIR) {
            problems.push(Problem::new(
                format!("agent `{name}` persists a directory that is written at each start"),
                format!(
                    "agents.{name}.persist holds {}; ~/{CONFIG_DIR} comes from the town's configuration",
                    shown(path)
                ),
            ));
        }
        match by_suffix.insert(path.volume_suffix(), path) {
            Some(other) if other == path => problems.push(Problem::new(
                format!("agent `{name}` persists a directory twice"),
                format!("agents.{name}.persist holds {} twice", shown(path)),
            )),
            Some(other) => problems.push(one_name(name, other, path)),
            None => {}
        }
    }
    let mut volumes: Vec<_> = by_suffix
        .into_iter()
        .map(|(suffix, path)| Volume { path, suffix, size: size(town, name, agent, path) })
        .collect();
    volumes.sort_by_key(|volume| volume.path);
    volumes
}

/// A path may hold characters that turn or hide others.
fn shown(path: &PersistPath) -> String {
    quoted(path.as_str())
}

fn one_name(name: &AgentName, one: &PersistPath, other: &PersistPath) -> Problem {
    let claim = format!("nuketown-{name}-{}", other.volume_suffix());
    Problem::new(
        format!("agent `{name}` persists two directories whose volumes have one name"),
        format!(
            "agents.{name}.persist holds {} and {}; both volumes are \"{claim}\"",
            shown(one),
            shown(other)
        ),
    )
    .hint("rename one of the directories, or persist their common parent")
}

/// The agent's own value, else the operator's, else the town's default.
fn size(town: &Town, name: &AgentName, agent: &Agent, path: &PersistPath) -> Quantity {
    let operators = town.cloud.agents.get(name).and_then(|a| a.persist_sizes.get(path));
    agent.cloud.persist_sizes.get(path).or(operators).copied().unwrap_or(town.cloud.default_persist_size)
}

/// A size for a directory that is not persisted is a slip of the pen, or data lost.
fn known_sizes(town: &Town, name: &AgentName, agent: &Agent, problems: &mut Vec<Problem>) {
    let operators = town.cloud.agents.get(name).map(|a| &a.persist_sizes);
    let places = [
        (format!("agents.{name}.cloud.persistSizes"), Some(&agent.cloud.persist_sizes)),
        (format!("cloud.agents.{name}.persistSizes"), operators),
    ];
    for (place, sizes) in places {
        for (path, size) in sizes.into_iter().flatten() {
            let place = format!("{place}.{}", attribute(path.as_str()));
            if !agent.persist.contains(path) {
                let problem = Problem::new(
                    format!("agent `{name}` has a size for a directory that it does not persist"),
                    format!("{place} is set; agents.{name}.persist holds {}", known(&agent.persist)),
                );
                problems.push(match nearest(path.as_str(), agent.persist.iter().map(PersistPath::as_str)) {
                    Some(near) => problem.hint(format!("did you mean {}?", quoted(near))),
                    None => problem,
                });
            }
            problems.extend(usable_size(&place, *size));
        }
    }
}

fn known(persist: &[PersistPath]) -> String {
    if persist.is_empty() {
        "nothing".to_owned()
    } else {
        list(persist.iter().map(|path| short(path.as_str())))
    }
}

/// Storage is asked for in whole bytes, and none of it is no volume.
pub(super) fn usable_size(place: &str, size: Quantity) -> Option<Problem> {
    (size.is_zero() || !size.is_whole()).then(|| {
        Problem::new(
            "a volume has no usable size",
            format!("{place} is \"{size}\"; expected whole bytes, such as \"10Gi\""),
        )
    })
}

/// `a-b` with `c` and `a` with `b-c` would share a claim, and so each other's data.
pub(super) fn names_are_unique(agents: &[AgentPlan<'_>], problems: &mut Vec<Problem>) {
    let mut claims: BTreeMap<String, (&AgentName, &PersistPath)> = BTreeMap::new();
    for plan in agents {
        for volume in &plan.volumes {
            let claim = volume.claim(plan.name);
            if let Some((other, path)) = claims.insert(claim.clone(), (plan.name, volume.path)) {
                problems.push(
                    Problem::new(
                        format!("agents `{other}` and `{}` would share a volume", plan.name),
                        format!(
                            "{} of {other} and {} of {} are both the volume \"{claim}\"",
                            shown(path),
                            shown(volume.path),
                            plan.name
                        ),
                    )
                    .hint("rename one of the agents or directories"),
                );
            }
        }
    }
}
