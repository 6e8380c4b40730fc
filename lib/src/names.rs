//! Names that are written into manifests and read out of them again.

/// The label that says which agent an object belongs to. Selectors use it alone, for they can never change.
pub(crate) const AGENT_LABEL: &str = "nuketown.io/agent";

/// The annotation of a pod that holds the hash of the configuration that it was started with.
pub(crate) const CONFIG_HASH: &str = "nuketown.io/config-hash";

/// The annotation of a network policy that lists what it opens, one entry a line, for people and for
/// `nuketown-render diff`: a plain policy shows addresses only.
pub(crate) const EGRESS_ANNOTATION: &str = "nuketown.io/egress";

/// The annotation by which Argo CD is told what to keep.
pub(crate) const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// The name of what the agents share: bounds, quota, the list of agents.
pub(crate) const TOWN: &str = "nuketown";
