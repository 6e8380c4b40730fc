//! The deployment model of an agent, which follows from what is enabled.

use std::fmt;

use crate::{Town, town::Agent};

/// Where an agent runs. It is never declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeploymentModel {
    /// On the machine where the human sits: a portal, an ephemeral home, dialogs.
    Workstation,
    /// On a machine of its own, which it is the voice of: no portal, a persistent home.
    Device,
    /// In a pod: a clean home at each start, volumes, tiers, approvals over XMPP.
    Cloud,
}

impl DeploymentModel {
    /// The model of an agent: cloud if `cloud.enable`, else workstation if it has a portal, else device.
    #[must_use]
    pub fn of(town: &Town, agent: &Agent) -> Self {
        if agent.cloud.enable.unwrap_or(town.cloud.enable) {
            Self::Cloud
        } else if agent.portal.enable {
            Self::Workstation
        } else {
            Self::Device
        }
    }

    /// The model's name as files and messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workstation => "workstation",
            Self::Device => "device",
            Self::Cloud => "cloud",
        }
    }
}

impl fmt::Display for DeploymentModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Agent {
    /// Whether the agent's process runs: in the cloud always.
    #[must_use]
    pub fn runs_daemon(&self, model: DeploymentModel) -> bool {
        model == DeploymentModel::Cloud || self.daemon.enable.unwrap_or(false)
    }

    /// Whether the agent has an account on the XMPP server: in the cloud unless it is switched off.
    #[must_use]
    pub fn is_on_xmpp(&self, model: DeploymentModel) -> bool {
        self.xmpp.enable.unwrap_or(model == DeploymentModel::Cloud) && self.runs_daemon(model)
    }
}
