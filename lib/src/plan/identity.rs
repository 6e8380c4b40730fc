//! Where an agent's secrets come from, and which ones it gets.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    DeploymentModel, Problem, Town,
    town::Agent,
    values::{AgentName, AwsRegion, AwsRoleArn, GcpServiceAccount, SecretName},
};

/// The provider of an agent's secrets in the cluster.
#[derive(Debug)]
pub(crate) enum Identity<'t> {
    /// Workload Identity Federation for GKE, and Secret Manager.
    Gke { account: &'t GcpServiceAccount },
    /// IAM roles for service accounts on EKS, and AWS Secrets Manager.
    Eks { role: &'t AwsRoleArn, region: &'t AwsRegion },
    /// A Kubernetes Secret, however it got there (sealed-secrets, sops).
    Kubernetes { secret: String },
}

impl Identity<'_> {
    /// The provider's name as the agent's files write it.
    pub(crate) const fn provider(&self) -> &'static str {
        match self {
            Self::Gke { .. } => "gke",
            Self::Eks { .. } => "eks",
            Self::Kubernetes { .. } => "kubernetes",
        }
    }
}

/// The provider that an agent's options name; a Kubernetes Secret of the agent's name where they name none.
pub(super) fn identity<'t>(
    name: &AgentName,
    agent: &'t Agent,
    secrets: &[(Purpose, SecretName)],
    problems: &mut Vec<Problem>,
) -> Option<Identity<'t>> {
    let declared = &agent.cloud.identity;
    let place = format!("agents.{name}.cloud.identity");
    let set: Vec<&str> = [
        ("gcpServiceAccount", declared.gcp_service_account.is_some()),
        ("awsRoleArn", declared.aws_role_arn.is_some()),
        ("secretName", declared.secret_name.is_some()),
    ]
    .into_iter()
    .filter_map(|(option, is_set)| is_set.then_some(option))
    .collect();
    if set.len() > 1 {
        problems.push(
            Problem::new(
                format!("agent `{name}` has more than one source of secrets"),
                format!("{place} sets {}", set.join(" and ")),
            )
            .hint("keep the one of the cluster that the agent runs in"),
        );
        return None;
    }
    let identity = match (&declared.gcp_service_account, &declared.aws_role_arn, &declared.aws_region) {
        (Some(account), _, None) => Identity::Gke { account },
        (_, Some(role), Some(region)) => Identity::Eks { role, region },
        (_, Some(_), None) => {
            problems.push(
                Problem::new(
                    format!("agent `{name}` has a role but no region"),
                    format!(
                        "{place}.awsRoleArn is set and {place}.awsRegion is not; Secrets Manager is regional"
                    ),
                )
                .hint(format!("set {place}.awsRegion, for example \"eu-central-1\"")),
            );
            return None;
        }
        (_, None, Some(_)) => {
            problems.push(Problem::new(
                format!("agent `{name}` has a region but no role"),
                format!("{place}.awsRegion is set and {place}.awsRoleArn is not"),
            ));
            return None;
        }
        (None, None, None) => Identity::Kubernetes {
            secret: declared
                .secret_name
                .as_ref()
                .map_or_else(|| format!("nuketown-{name}"), ToString::to_string),
        },
    };
    in_scope(name, agent, secrets, problems);
    apart(name, secrets, problems);
    Some(identity)
}

/// Two secrets must not be one at the provider, nor one a file where the other needs a directory.
fn apart(name: &AgentName, secrets: &[(Purpose, SecretName)], problems: &mut Vec<Problem>) {
    let mut by_remote: BTreeMap<String, &SecretName> = BTreeMap::new();
    let mut names: BTreeSet<&SecretName> = BTreeSet::new();
    for (_, secret) in secrets {
        if !names.insert(secret) {
            continue;
        }
        if let Some(other) = by_remote.insert(secret.flat(), secret) {
            let remote = secret.flat();
            problems.push(Problem::new(
                format!("agent `{name}` has two secrets of one name at the provider"),
                format!("\"{other}\" and \"{secret}\" are both \"{remote}\" there"),
            ));
        }
    }
    for secret in &names {
        let inner = names
            .iter()
            .find(|other| other.as_str().strip_prefix(secret.as_str()).is_some_and(|r| r.starts_with('/')));
        problems.extend(inner.map(|inner| {
            Problem::new(
                format!("agent `{name}` has a secret inside of another"),
                format!("\"{secret}\" is a file, so \"{inner}\" cannot lie below it"),
            )
        }));
    }
}

/// The cloud's policies refuse a secret outside of the scope; better here than in a pod that does not start.
fn in_scope(name: &AgentName, agent: &Agent, secrets: &[(Purpose, SecretName)], problems: &mut Vec<Problem>) {
    let Some(scope) = &agent.cloud.identity.scope else { return };
    let place = format!("agents.{name}.cloud.identity.scope");
    let stem = scope.strip_suffix('*').unwrap_or(scope);
    if stem.is_empty() || stem.contains('*') || stem.chars().any(|c| c.is_control() || c.is_whitespace()) {
        problems.push(
            Problem::new(
                format!("agent `{name}` has a malformed scope"),
                format!(
                    "{place} is {}; expected a prefix and one \"*\" at its end",
                    crate::text::quoted(scope)
                ),
            )
            .hint(format!("for example \"{name}-*\"")),
        );
        return;
    }
    for (_, secret) in secrets {
        let remote = secret.flat();
        let inside = if scope.ends_with('*') { remote.starts_with(stem) } else { remote == *scope };
        if !inside {
            problems.push(
                Problem::new(
                    format!("agent `{name}` needs a secret outside of its scope"),
                    format!(
                        "{place} is {}; the secret \"{secret}\" is \"{remote}\" at the provider",
                        crate::text::quoted(scope)
                    ),
                )
                .hint("widen the scope, or rename the secret"),
            );
        }
    }
}

/// What a secret is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    ApiKey,
    XmppPassword,
    GitHubToken,
    SshKey,
    GpgKey,
    Extra(String),
}

/// Every secret that an agent gets, in a fixed order. `github` is false in a preview, which registers no keys.
pub(crate) fn secrets(
    name: &AgentName,
    agent: &Agent,
    model: DeploymentModel,
    github: bool,
) -> Vec<(Purpose, SecretName)> {
    let own = |suffix: &str| format!("{name}/{suffix}").parse::<SecretName>().ok();
    let mut secrets = Vec::new();
    let mut add =
        |purpose, secret: Option<SecretName>| secrets.extend(secret.map(|secret| (purpose, secret)));
    add(Purpose::ApiKey, agent.daemon.api_key_secret.clone());
    if agent.is_on_xmpp(model) {
        add(Purpose::XmppPassword, agent.xmpp.password_secret.clone().or_else(|| own("email-password")));
    }
    if agent.github.enable && github {
        add(Purpose::GitHubToken, agent.github.pat.clone().or_else(|| own("github-pat")));
    }
    add(Purpose::SshKey, agent.secrets.ssh_key.clone());
    add(Purpose::GpgKey, agent.secrets.gpg_key.clone());
    for (file, secret) in &agent.secrets.extra_secrets {
        add(Purpose::Extra(file.to_string()), Some(secret.clone()));
    }
    secrets
}

/// The host of the agent's XMPP server.
pub(crate) fn xmpp_server(town: &Town, agent: &Agent) -> String {
    let jid_domain = agent.xmpp.jid.as_ref().map(|jid| jid.domain().to_owned());
    agent
        .xmpp
        .server
        .as_ref()
        .map(ToString::to_string)
        .or(jid_domain)
        .unwrap_or_else(|| town.domain.to_string())
}
