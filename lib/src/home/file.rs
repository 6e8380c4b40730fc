//! The files of an agent's home as types: this library writes them, the agent's programs read them.
//!
//! Durations are whole seconds, secrets are file paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who an agent is: `identity.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFile {
    /// The agent's name.
    pub name: String,
    /// What it does, in a word.
    pub role: String,
    /// The mail address of its commits.
    pub email: String,
    /// Its knowledge of itself.
    pub description: String,
    /// The town's domain.
    pub domain: String,
    /// Where it runs: `workstation`, `device` or `cloud`.
    pub model: String,
    /// Its home directory.
    pub home: String,
    /// Directories below its home that outlive a restart.
    pub persist: Vec<String>,
    /// Its Unix user id, where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its bare JID, where it is on XMPP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jid: Option<String>,
    /// The pod that it runs in. Written at run time by the init container, never by this library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<RuntimeCloud>,
}

/// The pod that an agent runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeCloud {
    /// The identity provider: `gke`, `eks` or `kubernetes`.
    pub provider: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
}

/// What an agent's daemon does: `daemon.toml`. Durations are whole seconds, secrets are file paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonFile {
    /// The bare JID of the human whose approval counts. Without one, every request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Seconds to wait for a human's answer.
    pub approval_timeout: u32,
    /// The file that lists the town's agents, which are heard too: a [`TownFile`]. It may change at any time.
    pub town_file: String,
    /// The AI API.
    pub api: ApiSection,
    /// The preparation of a workspace.
    pub bootstrap: BootstrapSection,
    /// Sessions without a terminal.
    pub headless: HeadlessSection,
    /// Privileged commands.
    pub sudo: SudoSection,
    /// The account on the XMPP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xmpp: Option<XmppSection>,
    /// Keys registered at GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHubSection>,
    /// How far the agent may grow, in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<ScalingSection>,
    /// Where secrets come from, in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentitySection>,
    /// Keys made beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysSection>,
    /// Known git remotes by project name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repos: BTreeMap<String, String>,
    /// Further secrets: the file of each, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// Who lives in the town: `town.toml`. One for all agents, so that a new agent does not restart the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TownFile {
    /// The bare JID of each agent on XMPP, by name.
    pub agents: BTreeMap<String, String>,
}

/// The AI API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    /// Its base address.
    pub url: String,
    /// The file that holds its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// The preparation of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapSection {
    /// The model that does it.
    pub model: String,
}

/// Sessions without a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadlessSection {
    /// Seconds after which one is stopped.
    pub timeout: u32,
}

/// Privileged commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SudoSection {
    /// Whether the agent may ask for them.
    pub enable: bool,
    /// Commands that need no question.
    pub pre_approved: Vec<String>,
}

/// The account on the XMPP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XmppSection {
    /// The bare JID.
    pub jid: String,
    /// The resource to bind, where it matters: one per preview environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The server's host.
    pub server: String,
    /// The server's port.
    pub port: u16,
    /// Rooms to join.
    pub rooms: Vec<String>,
    /// The file that holds the password.
    pub password_file: String,
}

/// Keys registered at GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitHubSection {
    /// The file that holds the personal access token.
    pub token_file: String,
}

/// Keys made beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysSection {
    /// The file that holds an SSH private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key_file: Option<String>,
    /// The file that holds a GPG private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpg_key_file: Option<String>,
}

/// How far an agent may grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalingSection {
    /// The tier that it starts on.
    pub resources: String,
    /// The largest tier that it may ask for.
    pub max_resources: String,
    /// Seconds of idleness after which it goes back to its own tier.
    pub idle_timeout: u32,
}

/// Where secrets come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySection {
    /// `gke`, `eks` or `kubernetes`.
    pub provider: String,
    /// GKE: the service account to act as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_service_account: Option<String>,
    /// GKE: the project of the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// EKS: the role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
    /// EKS: the region of the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_region: Option<String>,
    /// What the provider's policies are scoped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What to fetch, and where to write it.
    pub secrets: Vec<SecretSource>,
}

/// One secret to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSource {
    /// What it is called at the provider.
    pub remote: String,
    /// The file that it is written to.
    pub file: String,
}
