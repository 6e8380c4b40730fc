//! Every default of the town model, in one place.

use std::{collections::BTreeMap, str::FromStr};

use super::{AbsoluteDir, Taint, TaintEffect, TaintOperator, Tier};
use crate::values::{
    ApprovalTimeout, HostPort, HttpUrl, LabelKey, NamespaceName, Port, Quantity, Registry, Seconds, TierName,
    Uid,
};

/// Parses a constant of this file. `every_default_is_well_formed` below calls every function that uses it.
#[expect(clippy::panic, reason = "the argument is a constant and every use is covered by a test")]
fn constant<T: FromStr>(text: &'static str) -> T {
    text.parse().unwrap_or_else(|_| panic!("malformed default {text:?}"))
}

/// An agent's user id in the cloud, where every pod is apart.
pub(crate) const CLOUD_UID: Uid = Uid::constant(1100);

/// The port of HTTPS (RFC 9110).
pub(crate) const HTTPS: Port = Port::constant(443);

pub(crate) fn approval_timeout() -> ApprovalTimeout {
    ApprovalTimeout::constant(120)
}

pub(crate) fn agents_dir() -> AbsoluteDir {
    constant("/agents")
}

pub(crate) fn role() -> String {
    "general".to_owned()
}

pub(crate) fn bootstrap_model() -> String {
    "claude-haiku-4-5-20251001".to_owned()
}

pub(crate) fn api_url() -> HttpUrl {
    constant("https://api.anthropic.com")
}

/// Four hours.
pub(crate) fn headless_timeout() -> Seconds {
    Seconds::constant(4 * 3600)
}

pub(crate) fn idle_timeout() -> Seconds {
    Seconds::constant(3600)
}

/// RFC 6120, section 3.2.1.
pub(crate) fn xmpp_port() -> Port {
    Port::constant(5222)
}

pub(crate) fn registry() -> Registry {
    constant("ghcr.io/joshperry/nuketown")
}

pub(crate) fn namespace() -> NamespaceName {
    constant("nuketown")
}

pub(crate) fn resources() -> TierName {
    constant("standard")
}

pub(crate) fn persist_size() -> Quantity {
    Quantity::gibibytes(10)
}

pub(crate) fn nix_caches() -> Vec<HostPort> {
    vec![constant("cache.nixos.org")]
}

/// Tiers that schedule on any cluster: sizes without node labels. A GPU is asked for as NVIDIA's device plugin
/// names it, and its customary taint is tolerated.
pub(crate) fn tiers() -> BTreeMap<TierName, Tier> {
    let plain = |cores, gibibytes| Tier {
        cpu: Quantity::whole(cores),
        memory: Quantity::gibibytes(gibibytes),
        resources: BTreeMap::new(),
        node_selector: BTreeMap::new(),
        tolerations: Vec::new(),
    };
    let gpu: LabelKey = constant("nvidia.com/gpu");
    let tolerated = Taint {
        key: Some(gpu.clone()),
        operator: TaintOperator::Exists,
        value: None,
        effect: Some(TaintEffect::NoSchedule),
        toleration_seconds: None,
    };
    let gpu_tier = Tier {
        resources: BTreeMap::from([(gpu, Quantity::whole(1))]),
        tolerations: vec![tolerated],
        ..plain(4, 16)
    };
    BTreeMap::from([
        (constant("small"), plain(1, 2)),
        (constant("standard"), plain(2, 4)),
        (constant("large"), plain(4, 8)),
        (constant("gpu"), gpu_tier),
    ])
}

#[cfg(test)]
mod tests {
    use crate::{Town, town::Cloud};

    #[test]
    fn every_default_is_well_formed() {
        let town: Town = serde_json::from_str(r#"{"domain": "6bit.com", "agents": {"ada": {}}}"#).unwrap();
        assert_eq!(town.cloud, Cloud::default());
        assert!(town.cloud.tiers.contains_key(&town.cloud.resources));
        assert_eq!(town.agents.into_values().next(), Some(crate::town::Agent::default()));
    }
}
