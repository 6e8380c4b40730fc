//! The town as its owner declares it: the wire format of a flake's `nuketown` output.
//!
//! The types are the schema. They are strict: an unknown field is an error. What is optional has its default in
//! [`defaults`]; an agent's `cloud` option that is unset takes the town's.

mod agent;
mod attributes;
mod cloud;
mod decode;
pub(crate) mod defaults;
mod hosts;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use agent::{
    Agent, AgentCloud, AgentScaling, Daemon, Device, GitHub, ImageDerivation, Network, Portal, Repo, Secrets,
    Sudo, WorkloadIdentity, Xmpp,
};
pub use cloud::{
    Cloud, CloudAgent, ImageMode, NetworkEngine, Scaling, Taint, TaintEffect, TaintOperator, Tier,
};
pub use decode::{MAX_INPUT_BYTES, decode_town};
pub use hosts::decode_hosts;

use crate::values::{AgentName, ApprovalTimeout, BareJid, HostName};

/// All agents of one owner, and what they share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Town {
    /// The domain of the agents' addresses: `<name>@<domain>` is an agent's mail address and JID.
    pub domain: HostName,
    /// The human whose approval counts, by bare JID. Without one, every request is refused.
    #[serde(default)]
    pub approver: Option<BareJid>,
    /// Seconds to wait for a human's answer before a request is refused.
    #[serde(default = "defaults::approval_timeout")]
    pub approval_timeout: ApprovalTimeout,
    /// The directory that holds the agents' homes.
    #[serde(default = "defaults::agents_dir")]
    pub agents_dir: AbsoluteDir,
    /// The UUID of the btrfs device that holds ephemeral homes on a workstation; of no meaning in the cloud.
    #[serde(default)]
    pub btrfs_device: Option<String>,
    /// The cluster's tiers and engines, and the defaults of each agent's `cloud` options.
    #[serde(default, deserialize_with = "attributes::one")]
    pub cloud: Cloud,
    /// The agents, by name.
    #[serde(default, deserialize_with = "attributes::map")]
    pub agents: BTreeMap<AgentName, Agent>,
}

fn absolute_dir(text: &str) -> Result<(), crate::values::Malformed> {
    let part = |p: &str| !p.is_empty() && p != "." && p != "..";
    // Mount paths take no colon, and the kubelet puts variables in the place of `$(NAME)` in HOME.
    let clean = !text.chars().any(|c| c.is_control() || c == ':' || c == '$');
    if text.len() <= 200 && clean && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part)) {
        return Ok(());
    }
    Err(crate::values::Malformed::new(
        "expected an absolute directory such as \"/agents\", normalised, without ':' and '$'",
    ))
}

crate::values::text_type! {
    /// An absolute, normalised directory.
    AbsoluteDir, check = absolute_dir, pattern = "^/[^:]+$", example = "/agents"
}
