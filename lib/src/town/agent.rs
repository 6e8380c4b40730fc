//! One agent as its owner declares it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{attributes, defaults};
use crate::values::{
    AwsRegion, AwsRoleArn, BareJid, Egress, FileName, GcpServiceAccount, GitUrl, HostName, HttpUrl,
    ImageReference, ImageTag, MailAddress, ObjectName, PersistPath, Port, Quantity, RepoName, Seconds,
    SecretName, StorePath, TierName, Uid,
};

/// An agent: who it is, what it may do, and what runs for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agent {
    /// The Unix user id. Required on a host; 1100 in the cloud, where pods are apart.
    #[serde(default)]
    pub uid: Option<Uid>,
    /// What the agent does, in a word: software, research, server.
    #[serde(default = "defaults::role")]
    pub role: String,
    /// The agent's knowledge of itself: who it is and how it works.
    #[serde(default)]
    pub description: String,
    /// The mail address of its commits; `<name>@<domain>` where unset.
    #[serde(default)]
    pub email: Option<MailAddress>,
    /// Directories below its home that outlive a restart: a volume each in the cloud.
    #[serde(default)]
    pub persist: Vec<PersistPath>,
    /// The side-by-side terminal on a workstation.
    #[serde(default, deserialize_with = "attributes::one")]
    pub portal: Portal,
    /// Privileged commands, each behind an approval.
    #[serde(default, deserialize_with = "attributes::one")]
    pub sudo: Sudo,
    /// The agent's long-running process.
    #[serde(default, deserialize_with = "attributes::one")]
    pub daemon: Daemon,
    /// The agent's account on the XMPP server.
    #[serde(default, deserialize_with = "attributes::one")]
    pub xmpp: Xmpp,
    /// Hardware that the agent may open, on a host.
    #[serde(default, deserialize_with = "attributes::list")]
    pub devices: Vec<Device>,
    /// SSH and GPG keys registered at GitHub by the agent itself.
    #[serde(default, deserialize_with = "attributes::one")]
    pub github: GitHub,
    /// Secrets beyond those that other options name.
    #[serde(default, deserialize_with = "attributes::one")]
    pub secrets: Secrets,
    /// What the agent may reach beyond what it needs to run.
    #[serde(default, deserialize_with = "attributes::one")]
    pub network: Network,
    /// How the agent runs in the cluster; what is unset takes the town's `cloud` option.
    #[serde(default, deserialize_with = "attributes::one")]
    pub cloud: AgentCloud,
}

/// The side-by-side terminal on a workstation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Portal {
    /// Whether the workstation has a `portal-<agent>` command. Of no effect in the cloud.
    #[serde(default)]
    pub enable: bool,
}

/// Privileged commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sudo {
    /// Whether the agent may ask for privileged commands at all.
    #[serde(default)]
    pub enable: bool,
    /// Commands that need no question, matched argument by argument; `*` alone stands for any remaining arguments.
    #[serde(default)]
    pub pre_approved: Vec<String>,
}

/// The agent's long-running process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Daemon {
    /// Whether it runs. Unset: in the cloud always, elsewhere not.
    #[serde(default)]
    pub enable: Option<bool>,
    /// The model that prepares a workspace before a session.
    #[serde(default = "defaults::bootstrap_model")]
    pub bootstrap_model: String,
    /// The secret that holds the AI API's key. Unset: no headless sessions and no model in the bootstrap.
    #[serde(default)]
    pub api_key_secret: Option<SecretName>,
    /// The base address of the AI API.
    #[serde(default = "defaults::api_url")]
    pub api_url: HttpUrl,
    /// Known git remotes by project name: hints, not a list of all that may be cloned.
    #[serde(default, deserialize_with = "attributes::map")]
    pub repos: BTreeMap<RepoName, Repo>,
    /// Seconds after which a headless session is stopped.
    #[serde(default = "defaults::headless_timeout")]
    pub headless_timeout: Seconds,
}

/// A known git remote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repo {
    /// Where it is cloned from.
    pub url: GitUrl,
}

/// The agent's account on the XMPP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Xmpp {
    /// Whether the agent is on XMPP. Unset: in the cloud always (it is the only way to talk to it), elsewhere not.
    #[serde(default)]
    pub enable: Option<bool>,
    /// The agent's bare JID; `<name>@<domain>` where unset.
    #[serde(default)]
    pub jid: Option<BareJid>,
    /// The host of the XMPP server; the JID's domain where unset.
    #[serde(default)]
    pub server: Option<HostName>,
    /// The server's port for clients (RFC 6120: 5222).
    #[serde(default = "defaults::xmpp_port")]
    pub port: Port,
    /// Rooms to join (XEP-0045), by bare JID.
    #[serde(default)]
    pub rooms: Vec<BareJid>,
    /// The secret that holds the account's password; `<name>/email-password` where unset.
    #[serde(default)]
    pub password_secret: Option<SecretName>,
}

/// Hardware that the agent may open: one udev match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    /// The udev subsystem: tty, usb, block.
    pub subsystem: String,
    /// Attributes that must match, such as `idVendor`.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

/// Keys registered at GitHub by the agent itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitHub {
    /// Whether the agent makes its SSH and GPG keys at boot and registers them.
    #[serde(default)]
    pub enable: bool,
    /// The secret that holds the personal access token; `<name>/github-pat` where unset.
    #[serde(default)]
    pub pat: Option<SecretName>,
}

/// Secrets beyond those that other options name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// The secret that holds an SSH private key made beforehand.
    #[serde(default)]
    pub ssh_key: Option<SecretName>,
    /// The secret that holds a GPG private key made beforehand.
    #[serde(default)]
    pub gpg_key: Option<SecretName>,
    /// Further secrets: the file name under which each is found, and the secret's name.
    #[serde(default)]
    pub extra_secrets: BTreeMap<FileName, SecretName>,
}

/// What the agent may reach beyond what it needs to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Destinations with a port: `pypi.org:443`, `10.1.0.0/16:5432`.
    #[serde(default)]
    pub egress: Vec<Egress>,
}

/// How the agent runs in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentCloud {
    /// Whether the agent runs in the cluster; the town's `cloud.enable` where unset.
    #[serde(default)]
    pub enable: Option<bool>,
    /// A whole image reference with a tag or digest, in place of the one that nuketown would choose.
    #[serde(default)]
    pub image: Option<ImageReference>,
    /// The image made of the agent's own packages, as `nuketown.lib.agentImage` returns it.
    #[serde(default, deserialize_with = "attributes::option")]
    pub image_derivation: Option<ImageDerivation>,
    /// The tier that the agent starts on; the town's `cloud.resources` where unset.
    #[serde(default)]
    pub resources: Option<TierName>,
    /// How far the agent may grow.
    #[serde(default, deserialize_with = "attributes::one")]
    pub scaling: AgentScaling,
    /// Where the agent's secrets come from.
    #[serde(default, deserialize_with = "attributes::one")]
    pub identity: WorkloadIdentity,
    /// The size of single `persist` volumes; the town's `cloud.defaultPersistSize` for the others.
    #[serde(default)]
    pub persist_sizes: BTreeMap<PersistPath, Quantity>,
}

/// The image made of an agent's packages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDerivation {
    /// The content hash that serves as tag.
    pub tag: ImageTag,
    /// The image archive in the Nix store, which nix-snapshotter runs.
    pub store_path: StorePath,
}

/// How far one agent may grow; what is unset takes the town's value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentScaling {
    /// The largest tier that the agent may ask for.
    #[serde(default)]
    pub max_resources: Option<TierName>,
    /// Seconds of idleness after which the agent goes back to its own tier.
    #[serde(default)]
    pub idle_timeout: Option<Seconds>,
}

/// Where the agent's secrets come from: at most one provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadIdentity {
    /// GKE: the Google service account that the pod acts as; secrets come from Secret Manager.
    #[serde(default)]
    pub gcp_service_account: Option<GcpServiceAccount>,
    /// EKS: the IAM role that the pod assumes; secrets come from AWS Secrets Manager.
    #[serde(default)]
    pub aws_role_arn: Option<AwsRoleArn>,
    /// EKS: the region of the secrets. Required with `awsRoleArn`.
    #[serde(default)]
    pub aws_region: Option<AwsRegion>,
    /// Elsewhere: the Kubernetes Secret that holds them; `nuketown-<agent>` where no provider is set.
    #[serde(default)]
    pub secret_name: Option<ObjectName>,
    /// What the cloud's policies are scoped to, such as `ada-*`: the agent asks for no secret outside of it.
    #[serde(default)]
    pub scope: Option<String>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            uid: None,
            role: defaults::role(),
            description: String::new(),
            email: None,
            persist: Vec::new(),
            portal: Portal::default(),
            sudo: Sudo::default(),
            daemon: Daemon::default(),
            xmpp: Xmpp::default(),
            devices: Vec::new(),
            github: GitHub::default(),
            secrets: Secrets::default(),
            network: Network::default(),
            cloud: AgentCloud::default(),
        }
    }
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            enable: None,
            bootstrap_model: defaults::bootstrap_model(),
            api_key_secret: None,
            api_url: defaults::api_url(),
            repos: BTreeMap::new(),
            headless_timeout: defaults::headless_timeout(),
        }
    }
}

impl Default for Xmpp {
    fn default() -> Self {
        Self {
            enable: None,
            jid: None,
            server: None,
            port: defaults::xmpp_port(),
            rooms: Vec::new(),
            password_secret: None,
        }
    }
}
