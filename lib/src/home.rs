//! The files of an agent's home that the town decides: `identity.toml` and `daemon.toml`.
//!
//! The same code writes them for a host and for a pod. They hold no secret: secrets are named by file path.

mod file;

use std::collections::{BTreeMap, BTreeSet};

pub use file::{
    ApiSection, BootstrapSection, DaemonFile, GitHubSection, HeadlessSection, IdentityFile, IdentitySection,
    KeysSection, RuntimeCloud, ScalingSection, SecretSource, SudoSection, TownFile, XmppSection,
};

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
    [town.agents_dir.as_str(), "/", name.as_str()].concat()
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
    let on_host = plan.is_none().then(|| secrets(name, agent, model, preview.is_none()));
    let secrets = plan.map(|plan| &plan.secrets).or(on_host.as_ref()).map_or(&[][..], Vec::as_slice);
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
        identity: plan.map(|plan| identity_section(plan, agent, secrets, path)),
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
