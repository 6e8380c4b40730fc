//! What the cluster's operator declares for the whole town.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{attributes, defaults};
use crate::values::{
    AgentName, HostPort, LabelKey, LabelValue, NamespaceName, ObjectName, PersistPath, Quantity, Registry,
    Seconds, TierName,
};

/// The cluster's tiers and engines, and the defaults of each agent's `cloud` options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cloud {
    /// Whether agents run in the cluster unless they say otherwise.
    #[serde(default)]
    pub enable: bool,
    /// How images reach the nodes.
    #[serde(default)]
    pub image_mode: ImageMode,
    /// Where images are pulled from.
    #[serde(default = "defaults::registry")]
    pub registry: Registry,
    /// Secrets of the namespace that hold the registry's credentials.
    #[serde(default)]
    pub image_pull_secrets: Vec<ObjectName>,
    /// The namespace that the agents share.
    #[serde(default = "defaults::namespace")]
    pub namespace: NamespaceName,
    /// The tiers by name. A town that defines any replaces all of the default ones.
    #[serde(default = "defaults::tiers", deserialize_with = "attributes::map")]
    pub tiers: BTreeMap<TierName, Tier>,
    /// The tier that agents start on.
    #[serde(default = "defaults::resources")]
    pub resources: TierName,
    /// How far agents may grow.
    #[serde(default, deserialize_with = "attributes::one")]
    pub scaling: Scaling,
    /// The storage class of the volumes; the cluster's default where unset.
    #[serde(default)]
    pub storage_class: Option<ObjectName>,
    /// The size of a `persist` volume.
    #[serde(default = "defaults::persist_size")]
    pub default_persist_size: Quantity,
    /// The size limit of an agent's ephemeral home and of its `/tmp`, on the node's disk.
    #[serde(default = "defaults::persist_size")]
    pub home_size: Quantity,
    /// What enforces the network policies.
    #[serde(default)]
    pub network_policy: NetworkEngine,
    /// Nix binary caches that the agents may reach, on port 443 unless given.
    #[serde(default = "defaults::nix_caches")]
    pub nix_caches: Vec<HostPort>,
    /// The runtime class of the pods, such as gvisor; the cluster's default where unset.
    #[serde(default)]
    pub runtime_class_name: Option<ObjectName>,
    /// `false` gives each pod a user namespace of its own, where the cluster has them (Kubernetes 1.33 and later).
    #[serde(default)]
    pub host_users: Option<bool>,
    /// Per-agent values that the operator sets in place of the agent's owner.
    #[serde(default, deserialize_with = "attributes::map")]
    pub agents: BTreeMap<AgentName, CloudAgent>,
}

/// What the operator sets for one agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudAgent {
    /// The size of single `persist` volumes; the agent's own `cloud.persistSizes` comes first.
    #[serde(default)]
    pub persist_sizes: BTreeMap<PersistPath, Quantity>,
}

/// How images reach the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImageMode {
    /// From a registry.
    #[default]
    #[serde(rename = "oci")]
    Oci,
    /// From the node's Nix store, by nix-snapshotter.
    #[serde(rename = "nix-snapshotter")]
    NixSnapshotter,
}

/// What enforces the network policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkEngine {
    /// Plain `NetworkPolicy`: addresses only, a host name opens the public internet on its port.
    #[default]
    #[serde(rename = "kubernetes")]
    Kubernetes,
    /// `CiliumNetworkPolicy`: host names are enforced, and no other name is resolved.
    #[serde(rename = "cilium")]
    Cilium,
    /// `FQDNNetworkPolicy` of GKE Dataplane V2: host names are enforced.
    #[serde(rename = "gke-fqdn")]
    GkeFqdn,
}

/// One class of workload: what it gets and where it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tier {
    /// Cores.
    pub cpu: Quantity,
    /// Bytes of memory.
    pub memory: Quantity,
    /// Extended resources, such as `"nvidia.com/gpu" = "1"`. Whole numbers.
    #[serde(default)]
    pub resources: BTreeMap<LabelKey, Quantity>,
    /// Labels that a node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<LabelKey, LabelValue>,
    /// Taints that are tolerated.
    #[serde(default, deserialize_with = "attributes::list")]
    pub tolerations: Vec<Taint>,
}

/// A taint that a tier tolerates (Kubernetes API reference, `Toleration`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// The taint's key; all keys where unset, which needs `operator = "Exists"`.
    #[serde(default)]
    pub key: Option<LabelKey>,
    /// How `value` is compared.
    #[serde(default)]
    pub operator: TaintOperator,
    /// The taint's value; only with `operator = "Equal"`.
    #[serde(default)]
    pub value: Option<LabelValue>,
    /// The taint's effect; all effects where unset.
    #[serde(default)]
    pub effect: Option<TaintEffect>,
    /// Seconds for which a `NoExecute` taint is tolerated; for ever where unset.
    #[serde(default)]
    pub toleration_seconds: Option<Seconds>,
}

/// How a taint's value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintOperator {
    /// Key and value are equal.
    #[default]
    Equal,
    /// The key is there.
    Exists,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not scheduled.
    NoSchedule,
    /// They are scheduled elsewhere where possible.
    PreferNoSchedule,
    /// They are evicted.
    NoExecute,
}

impl TaintOperator {
    /// As the Kubernetes API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Exists => "Exists",
        }
    }
}

impl TaintEffect {
    /// As the Kubernetes API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// How far agents may grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// The largest tier that an agent may ask for. Unset: its own tier, so it cannot grow.
    #[serde(default)]
    pub max_resources: Option<TierName>,
    /// Seconds of idleness after which an agent goes back to its own tier.
    #[serde(default = "defaults::idle_timeout")]
    pub idle_timeout: Seconds,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { max_resources: None, idle_timeout: defaults::idle_timeout() }
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            enable: false,
            image_mode: ImageMode::default(),
            registry: defaults::registry(),
            image_pull_secrets: Vec::new(),
            namespace: defaults::namespace(),
            tiers: defaults::tiers(),
            resources: defaults::resources(),
            scaling: Scaling::default(),
            storage_class: None,
            default_persist_size: defaults::persist_size(),
            home_size: defaults::persist_size(),
            network_policy: NetworkEngine::default(),
            nix_caches: defaults::nix_caches(),
            runtime_class_name: None,
            host_users: None,
            agents: BTreeMap::new(),
        }
    }
}
