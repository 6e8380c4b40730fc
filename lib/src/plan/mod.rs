//! From a town to what each of its cloud agents gets: every default taken, every reference followed, every rule
//! checked.
//!
//! # Invariants
//!
//! - A [`Plan`] can be projected to manifests without a further question.
//! - All problems of a town are found in one pass.

mod check;
mod egress;
pub(crate) mod identity;
mod quota;
mod scope;
mod selection;
pub(crate) mod volume;
mod warning;

use std::collections::BTreeSet;

pub(crate) use identity::{Identity, Purpose};
pub(crate) use quota::{Bounds, Quota};
pub use scope::Scope;
pub use selection::Selection;
pub(crate) use volume::Volume;
pub(crate) use warning::warnings;

use crate::{
    DeploymentModel, Problem, Town,
    text::{list, nearest},
    town::{Agent, ImageMode, Tier, defaults},
    values::{
        AgentName, Egress, ImageReference, NamespaceName, PreviewSlug, Seconds, SecretName, TierName, Uid,
    },
};

/// All that is needed to write a town's manifests.
#[derive(Debug)]
pub(crate) struct Plan<'t> {
    pub(crate) town: &'t Town,
    pub(crate) namespace: String,
    pub(crate) preview: Option<&'t PreviewSlug>,
    pub(crate) scope: Scope,
    /// Every cloud agent of the town, also those that are not selected: the quota covers all.
    pub(crate) agents: Vec<AgentPlan<'t>>,
    pub(crate) quota: Quota,
    pub(crate) bounds: Bounds,
}

/// All that is needed to write one agent's manifests.
#[derive(Debug)]
pub(crate) struct AgentPlan<'t> {
    pub(crate) name: &'t AgentName,
    pub(crate) agent: &'t Agent,
    pub(crate) uid: Uid,
    pub(crate) image: String,
    pub(crate) tier_name: &'t TierName,
    pub(crate) tier: &'t Tier,
    pub(crate) ceiling_name: &'t TierName,
    pub(crate) ceiling: &'t Tier,
    pub(crate) idle_timeout: Seconds,
    pub(crate) volumes: Vec<Volume<'t>>,
    pub(crate) identity: Identity<'t>,
    /// The secrets that it gets, in a fixed order.
    pub(crate) secrets: Vec<(Purpose, SecretName)>,
    pub(crate) egress: BTreeSet<Egress>,
    pub(crate) selected: bool,
}

/// Plans a town.
///
/// # Errors
///
/// Every problem of the town, in the order of its attributes.
pub(crate) fn plan<'t>(town: &'t Town, selection: &'t Selection) -> Result<Plan<'t>, Vec<Problem>> {
    let mut problems = check::town(town);
    problems.extend(selection::problems(town, selection));
    problems.extend(scope::problem(selection));
    let preview = selection.preview.as_ref();
    let namespace = selection.namespace(town);
    if namespace.parse::<NamespaceName>().is_err() {
        problems.push(
            Problem::new(
                "the preview's namespace has no valid name",
                format!("{namespace:?} has more than 63 characters"),
            )
            .hint("use a shorter slug or a shorter namespace"),
        );
    }
    let mut agents = Vec::new();
    for (name, agent) in &town.agents {
        if DeploymentModel::of(town, agent) == DeploymentModel::Cloud {
            match AgentPlan::new(town, name, agent, selection) {
                Ok(plan) => agents.push(plan),
                Err(more) => problems.extend(more),
            }
        }
    }
    volume::names_are_unique(&agents, &mut problems);
    if problems.is_empty() && agents.is_empty() && !selection.allow_empty {
        problems.push(no_cloud_agent(town));
    }
    let quota = Quota::of(&town.cloud.tiers, &agents).map_err(|problem| problems.push(problem));
    if let (true, Ok(quota)) = (problems.is_empty(), quota) {
        let bounds = Bounds::of(&agents);
        return Ok(Plan { town, namespace, preview, scope: selection.scope, agents, quota, bounds });
    }
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.to_string()));
    Err(problems)
}

fn no_cloud_agent(town: &Town) -> Problem {
    let models =
        town.agents.iter().map(|(name, agent)| format!("{name} ({})", DeploymentModel::of(town, agent)));
    let cause = if town.agents.is_empty() {
        "it has no agents".to_owned()
    } else {
        format!("its agents are {}", list(models))
    };
    Problem::new("the town has no cloud agent, so there is nothing to render", cause)
        .hint("set agents.<name>.cloud.enable or cloud.enable, or allow an empty result with --allow-empty")
}

/// A name that no agent of the town has.
pub(crate) fn unknown_agent(what: &str, name: &AgentName, town: &Town) -> Problem {
    let problem = Problem::new(
        format!("{what} `{name}` does not exist"),
        format!("the town's agents are {}", list(town.agents.keys())),
    );
    match nearest(name.as_str(), town.agents.keys().map(AgentName::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

impl<'t> AgentPlan<'t> {
    fn new(
        town: &'t Town,
        name: &'t AgentName,
        agent: &'t Agent,
        selection: &'t Selection,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let tiers = tiers(town, name, agent, selection.tiers.get(name), &mut problems);
        let volumes = volume::volumes(town, name, agent, &mut problems);
        let mut secrets = identity::secrets(name, agent, DeploymentModel::Cloud, true);
        let identity = identity::identity(name, agent, &secrets, &mut problems);
        if selection.preview.is_some() {
            // Checked above all the same: a preview of a town that cannot be rendered is of no use.
            secrets.retain(|(purpose, _)| *purpose != Purpose::GitHubToken);
        }
        problems.extend(egress::server_can_be_opened(town, name, agent));
        let image = image(town, name, agent).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let (Some((tier_name, tier, ceiling_name, ceiling)), Some(identity)) = (tiers, identity) else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name,
            agent,
            uid: agent.uid.unwrap_or(defaults::CLOUD_UID),
            image,
            tier_name,
            tier,
            ceiling_name,
            ceiling,
            idle_timeout: agent.cloud.scaling.idle_timeout.unwrap_or(town.cloud.scaling.idle_timeout),
            volumes,
            egress: egress::egress(town, agent, &identity),
            identity,
            secrets,
            selected: selection.scope.has_agents()
                && (selection.agents.is_empty() || selection.agents.contains(name)),
        })
    }
}

type Tiers<'t> = (&'t TierName, &'t Tier, &'t TierName, &'t Tier);

/// The tier that an agent starts on and the largest that it may ask for. A selected tier takes the place of the declared
/// one, and never moves the maximum: that is the cost that was agreed on.
fn tiers<'t>(
    town: &'t Town,
    name: &AgentName,
    agent: &'t Agent,
    selected: Option<&'t TierName>,
    problems: &mut Vec<Problem>,
) -> Option<Tiers<'t>> {
    let (declared, declared_place) = match &agent.cloud.resources {
        Some(tier) => (tier, format!("agents.{name}.cloud.resources")),
        None => (&town.cloud.resources, "cloud.resources".to_owned()),
    };
    let (ceiling, ceiling_place) =
        match (&agent.cloud.scaling.max_resources, &town.cloud.scaling.max_resources) {
            (Some(tier), _) => (tier, format!("agents.{name}.cloud.scaling.maxResources")),
            (None, Some(tier)) => (tier, "cloud.scaling.maxResources".to_owned()),
            (None, None) => (declared, declared_place.clone()),
        };
    let (start, start_place) = match selected {
        Some(tier) => (tier, format!("the tier selected for {name}")),
        None => (declared, declared_place),
    };
    let mut find = |tier: &'t TierName, place: &str| {
        let found = town.cloud.tiers.get(tier);
        if found.is_none() {
            problems.push(undefined_tier(town, name, tier, place));
        }
        found
    };
    let (start_tier, ceiling_tier) = (find(start, &start_place), find(ceiling, &ceiling_place));
    let (start_tier, ceiling_tier) = (start_tier?, ceiling_tier?);
    if let Some(shortfall) = shortfall(start_tier, ceiling_tier) {
        problems.push(
            Problem::new(
                format!("agent `{name}` starts above its maximum"),
                format!("{ceiling_place} is \"{ceiling}\", below {start_place} \"{start}\": {shortfall}"),
            )
            .hint(if selected.is_some() {
                "select a tier that has no more of anything than the maximum"
            } else {
                "raise maxResources to a tier that has at least as much of everything"
            }),
        );
        return None;
    }
    Some((start, start_tier, ceiling, ceiling_tier))
}

fn undefined_tier(town: &Town, name: &AgentName, tier: &TierName, place: &str) -> Problem {
    let problem = Problem::new(
        format!("agent `{name}` asks for a tier that does not exist"),
        format!("{place} is \"{tier}\"; the town defines {}", list(town.cloud.tiers.keys())),
    );
    match nearest(tier.as_str(), town.cloud.tiers.keys().map(TierName::as_str)) {
        Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
        None => problem.hint(format!("use one of these, or define cloud.tiers.{tier}")),
    }
}

/// In what `ceiling` has less than `start`, or [`None`] where it has at least as much of everything.
fn shortfall(start: &Tier, ceiling: &Tier) -> Option<String> {
    if ceiling.cpu < start.cpu {
        return Some(format!("{} CPU against {}", ceiling.cpu, start.cpu));
    }
    if ceiling.memory < start.memory {
        return Some(format!("{} of memory against {}", ceiling.memory, start.memory));
    }
    let zero = crate::values::Quantity::ZERO;
    start.resources.iter().find_map(|(key, amount)| {
        let has = ceiling.resources.get(key).copied().unwrap_or(zero);
        (has < *amount).then(|| format!("{has} {key} against {amount}"))
    })
}

/// The image of an agent: its own, else the one made of its packages, else the release's general one.
fn image(town: &Town, name: &AgentName, agent: &Agent) -> Result<String, Problem> {
    if let Some(image) = &agent.cloud.image {
        return Ok(image.to_string());
    }
    match (town.cloud.image_mode, &agent.cloud.image_derivation) {
        // The form that nix-snapshotter's image service resolves from the node's store.
        (ImageMode::NixSnapshotter, Some(derivation)) => Ok(format!("nix:0{}", derivation.store_path)),
        (ImageMode::NixSnapshotter, None) => Err(Problem::new(
            format!("agent `{name}` has no image"),
            format!(
                "cloud.imageMode is \"nix-snapshotter\", and agents.{name}.cloud.imageDerivation is not set"
            ),
        )
        .hint("set it to the tag and store path of the agent's image, or name an image in cloud.image")),
        (ImageMode::Oci, derivation) => {
            let reference = match derivation {
                Some(derivation) => format!("{}/nuketown-{name}:{}", town.cloud.registry, derivation.tag),
                None => format!("{}/nuketown-agent:{}", town.cloud.registry, env!("CARGO_PKG_VERSION")),
            };
            // A long registry can make a name that no registry takes.
            reference.parse::<ImageReference>().map(|image| image.to_string()).map_err(|error| {
                Problem::new(format!("agent `{name}` has no valid image"), format!("{reference:?}; {error}"))
            })
        }
    }
}

/// All agents on XMPP, with their bare JIDs.
pub(crate) fn jids(town: &Town) -> impl Iterator<Item = (&AgentName, String)> {
    let on_xmpp = |agent: &Agent| agent.is_on_xmpp(DeploymentModel::of(town, agent));
    town.agents.iter().filter(move |(_, a)| on_xmpp(a)).map(|(name, agent)| (name, jid(town, name, agent)))
}

/// An agent's bare JID.
pub(crate) fn jid(town: &Town, name: &AgentName, agent: &Agent) -> String {
    agent.xmpp.jid.as_ref().map_or_else(|| format!("{name}@{}", town.domain), ToString::to_string)
}
