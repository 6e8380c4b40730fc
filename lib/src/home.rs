//! The files of an agent's home that the town decides: `identity.toml` and `daemon.toml`.
//!
//! The same code writes them for a host and for a pod. They hold no secret: secrets are named by file path.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    DeploymentModel, Problem, Town,
    plan::{
        AgentPlan, Identity,
        identity::{Purpose, secrets, xmpp_server},
        jid, jids, unknown_agent,
    },
    town::Agent,
    values::{AgentName, PreviewSlug, SecretName},
};

/// Where the init container of a pod writes secrets: memory, never a disk.
pub const POD_SECRETS_DIR: &str = "/run/nuketown/secrets";
/// Where sops-nix writes secrets on a host.
pub const HOST_SECRETS_DIR: &str = "/run/secrets";

/// Where the list of the town's agents is mounted in a pod; the kubelet keeps it up to date.
pub const POD_TOWN_DIR: &str = "/etc/nuketown/town";
/// The name of that list.
pub(crate) const TOWN_FILE: &str = "town.toml";

/// The directory below the home that the files stand in.
pub const CONFIG_DIR: &str = crate::plan::volume::CONFIG_DIR;

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

/// The files of an agent's home, by path relative to it.
///
/// # Errors
///
/// The agent does not exist, or what it declares for the cloud is not valid.
pub fn home_files(town: &Town, name: &AgentName) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let Some((name, agent)) = town.agents.get_key_value(name) else {
        return Err(vec![unknown_agent("agent", name, town)]);
    };
    let selection = crate::Selection { allow_empty: true, ..crate::Selection::default() };
    let plan = crate::plan::plan(town, &selection)?;
    let files = match plan.agents.iter().find(|plan| plan.name == name) {
        Some(plan) => pod_files(town, plan, None),
        None => files(town, name, agent, DeploymentModel::of(town, agent), None, None),
    };
    let mut files = files.map_err(|problem| vec![problem])?;
    files.extend([town_file(town).map_err(|problem| vec![problem])?]);
    Ok(files.into_iter().map(|(file, text)| (format!("{CONFIG_DIR}/{file}"), text)).collect())
}

/// `town.toml`: its name and text.
pub(crate) fn town_file(town: &Town) -> Result<(String, String), Problem> {
    let agents = jids(town).map(|(name, jid)| (name.to_string(), jid)).collect();
    written("the town", TOWN_FILE, toml::to_string(&TownFile { agents }))
}

fn written(
    whose: &str,
    file: &str,
    text: Result<String, toml::ser::Error>,
) -> Result<(String, String), Problem> {
    match text {
        Ok(text) => Ok((file.to_owned(), text)),
        Err(error) => Err(Problem::new(format!("cannot write {file} of {whose}"), error.to_string())),
    }
}

/// `identity.toml` and `daemon.toml` of a pod.
pub(crate) fn pod_files(
    town: &Town,
    plan: &AgentPlan<'_>,
    preview: Option<&PreviewSlug>,
) -> Result<BTreeMap<String, String>, Problem> {
    files(town, plan.name, plan.agent, DeploymentModel::Cloud, Some(plan), preview)
}

fn files(
    town: &Town,
    name: &AgentName,
    agent: &Agent,
    model: DeploymentModel,
    plan: Option<&AgentPlan<'_>>,
    preview: Option<&PreviewSlug>,
) -> Result<BTreeMap<String, String>, Problem> {
    let whose = format!("agent `{name}`");
    let identity = identity_file(town, name, agent, model, plan);
    let daemon = daemon_file(town, name, agent, model, plan, preview);
    Ok(BTreeMap::from([
        written(&whose, "identity.toml", toml::to_string(&identity))?,
        written(&whose, "daemon.toml", toml::to_string(&daemon))?,
    ]))
}

/// Where an agent lives, on a host and in a pod.
pub(crate) fn home_dir(town: &Town, name: &AgentName) -> String {
    format!("{}/{name}", town.agents_dir)
}

fn identity_file(
    town: &Town,
    name: &AgentName,
    agent: &Agent,
    model: DeploymentModel,
    plan: Option<&AgentPlan<'_>>,
) -> IdentityFile {
    IdentityFile {
        name: name.to_string(),
        role: agent.role.clone(),
        email: agent.email.as_ref().map_or_else(|| format!("{name}@{}", town.domain), ToString::to_string),
        description: agent.description.clone(),
        domain: town.domain.to_string(),
        model: model.to_string(),
        home: home_dir(town, name),
        // As a set: the order in which directories are listed must not restart a pod.
        persist: agent.persist.iter().map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect(),
        uid: plan.map(|plan| plan.uid).or(agent.uid).map(crate::values::Uid::get),
        jid: agent.is_on_xmpp(model).then(|| jid(town, name, agent)),
        cloud: None,
    }
}

fn daemon_file(
    town: &Town,
    name: &AgentName,
    agent: &Agent,
    model: DeploymentModel,
    plan: Option<&AgentPlan<'_>>,
    preview: Option<&PreviewSlug>,
) -> DaemonFile {
    let secrets = secrets(name, agent, model, preview.is_none());
    let dir = if plan.is_some() { POD_SECRETS_DIR } else { HOST_SECRETS_DIR };
    let path = |secret: &SecretName| format!("{dir}/{secret}");
    let file = |wanted: &Purpose| secrets.iter().find(|(purpose, _)| purpose == wanted).map(|(_, s)| path(s));
    let extra = secrets.iter().filter_map(|(purpose, secret)| match purpose {
        Purpose::Extra(name) => Some((name.clone(), path(secret))),
        _ => None,
    });
    let (ssh_key_file, gpg_key_file) = (file(&Purpose::SshKey), file(&Purpose::GpgKey));
    let has_keys = ssh_key_file.is_some() || gpg_key_file.is_some();
    DaemonFile {
        approver: town.approver.as_ref().map(ToString::to_string),
        approval_timeout: town.approval_timeout.get(),
        town_file: match plan {
            Some(_) => format!("{POD_TOWN_DIR}/{TOWN_FILE}"),
            None => format!("{}/{CONFIG_DIR}/{TOWN_FILE}", home_dir(town, name)),
        },
        api: ApiSection { url: agent.daemon.api_url.to_string(), key_file: file(&Purpose::ApiKey) },
        bootstrap: BootstrapSection { model: agent.daemon.bootstrap_model.clone() },
        headless: HeadlessSection { timeout: agent.daemon.headless_timeout.get() },
        sudo: SudoSection { enable: agent.sudo.enable, pre_approved: agent.sudo.pre_approved.clone() },
        xmpp: file(&Purpose::XmppPassword).map(|password_file| XmppSection {
            jid: jid(town, name, agent),
            resource: preview.map(ToString::to_string),
            server: xmpp_server(town, agent),
            port: agent.xmpp.port.get(),
            rooms: agent.xmpp.rooms.iter().map(ToString::to_string).collect(),
            password_file,
        }),
        github: file(&Purpose::GitHubToken).map(|token_file| GitHubSection { token_file }),
        scaling: plan.map(|plan| ScalingSection {
            resources: plan.tier_name.to_string(),
            max_resources: plan.ceiling_name.to_string(),
            idle_timeout: plan.idle_timeout.get(),
        }),
        identity: plan.map(|plan| identity_section(plan, agent, &secrets, path)),
        repos: agent
            .daemon
            .repos
            .iter()
            .map(|(name, repo)| (name.to_string(), repo.url.to_string()))
            .collect(),
        keys: has_keys.then_some(KeysSection { ssh_key_file, gpg_key_file }),
        secrets: extra.collect(),
    }
}

fn identity_section(
    plan: &AgentPlan<'_>,
    agent: &Agent,
    secrets: &[(Purpose, SecretName)],
    path: impl Fn(&SecretName) -> String,
) -> IdentitySection {
    let source = |secret: &SecretName| SecretSource { remote: secret.flat(), file: path(secret) };
    // One secret may serve two purposes; it is fetched once.
    let distinct: BTreeSet<&SecretName> = secrets.iter().map(|(_, secret)| secret).collect();
    let mut section = IdentitySection {
        provider: plan.identity.provider().to_owned(),
        gcp_service_account: None,
        project: None,
        aws_role_arn: None,
        aws_region: None,
        scope: agent.cloud.identity.scope.clone(),
        secrets: distinct.into_iter().map(source).collect(),
    };
    match &plan.identity {
        Identity::Gke { account } => {
            section.gcp_service_account = Some(account.to_string());
            section.project = Some(account.project().to_owned());
        }
        Identity::Eks { role, region } => {
            section.aws_role_arn = Some(role.to_string());
            section.aws_region = Some(region.to_string());
        }
        Identity::Kubernetes { .. } => {}
    }
    section
}
