//! The cost ceiling of a namespace, computed from what is declared.
//!
//! # Invariants
//!
//! - Every tier that an agent may reach fits, for all agents at once.
//! - Nothing beyond that fits: what is declared is the most that can be spent.

use std::collections::BTreeMap;

use super::AgentPlan;
use crate::{
    Problem,
    town::Tier,
    values::{LabelKey, Quantity, TierName},
};

/// The sums over all agents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) cpu: Quantity,
    pub(crate) memory: Quantity,
    pub(crate) extended: BTreeMap<LabelKey, Quantity>,
    pub(crate) storage: Quantity,
    pub(crate) volumes: u32,
    pub(crate) pods: u32,
}

impl Quota {
    /// The sum of each agent's largest tier and of its volumes. One pod each: an agent's pod is gone before its next
    /// one comes.
    ///
    /// A device that some tier has and no agent may reach is bounded by zero: what a quota does not name is unbounded.
    pub(super) fn of(tiers: &BTreeMap<TierName, Tier>, agents: &[AgentPlan<'_>]) -> Result<Self, Problem> {
        let volumes = || agents.iter().flat_map(|agent| &agent.volumes);
        let devices = tiers.values().flat_map(|tier| tier.resources.keys());
        let mut extended: BTreeMap<LabelKey, Quantity> =
            devices.map(|key| (key.clone(), Quantity::ZERO)).collect();
        for (key, amount) in agents.iter().flat_map(|agent| &agent.ceiling.resources) {
            let total = extended.entry(key.clone()).or_insert(Quantity::ZERO);
            *total = sum(key.as_str(), [*total, *amount].into_iter())?;
        }
        Ok(Self {
            cpu: sum("CPU", agents.iter().map(|agent| agent.ceiling.cpu))?,
            memory: sum("memory", agents.iter().map(|agent| agent.ceiling.memory))?,
            extended,
            storage: sum("volumes", volumes().map(|volume| volume.size))?,
            volumes: u32::try_from(volumes().count()).unwrap_or(u32::MAX),
            pods: u32::try_from(agents.len()).unwrap_or(u32::MAX),
        })
    }
}

/// Adds up, or says that the sum is more than the API server takes.
fn sum(what: &str, mut amounts: impl Iterator<Item = Quantity>) -> Result<Quantity, Problem> {
    amounts.try_fold(Quantity::ZERO, Quantity::checked_add).ok_or_else(|| {
        Problem::new(
            "the town is too large for one namespace",
            format!("all agents' {what} add up to more than 2^63 - 1, the most that Kubernetes counts"),
        )
    })
}

/// The bounds of single containers and volumes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The least CPU and memory that an agent starts with: what a container gets that asks for nothing.
    pub(crate) least: Option<(Quantity, Quantity)>,
    /// The most CPU and memory that an agent may reach.
    pub(crate) most: Option<(Quantity, Quantity)>,
    /// The largest volume.
    pub(crate) volume: Option<Quantity>,
}

impl Bounds {
    pub(super) fn of(agents: &[AgentPlan<'_>]) -> Self {
        let cpu = |pick: fn(&AgentPlan<'_>) -> Quantity| agents.iter().map(pick);
        let least = cpu(|a| a.tier.cpu).min().zip(cpu(|a| a.tier.memory).min());
        let most = cpu(|a| a.ceiling.cpu).max().zip(cpu(|a| a.ceiling.memory).max());
        let volume = agents.iter().flat_map(|agent| &agent.volumes).map(|volume| volume.size).max();
        Self { least, most, volume }
    }
}
