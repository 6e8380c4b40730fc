//! The init container `identity-init`: the only one that holds the pod's credential.
//!
//! It reads the configuration, fetches the secrets that `daemon.toml` lists, and writes them to memory. It writes the
//! configuration to its place, with the pod's name in `identity.toml`. And it makes the directories of the home that
//! volumes are mounted on: the container runtime would make them, and their parents, as root.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, KeyToPath, ObjectFieldSelector, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

use super::{
    deployment::{container_security, resources},
    volume::{mount, read_only},
};
use crate::{
    home::{POD_SECRETS_DIR, home_dir},
    plan::{AgentPlan, Identity, Plan},
};

/// Where the configuration is read from and written to, and where the credential is found.
const CONFIG_SOURCE: &str = "/etc/nuketown/config";
const CONFIG_TARGET: &str = "/run/nuketown/identity";
const TOKEN_DIR: &str = "/var/run/secrets/nuketown";
const SECRET_SOURCE: &str = "/etc/nuketown/secret";

/// Seconds that a projected token is valid; the kubelet renews it. The API server's minimum is 600.
const TOKEN_SECONDS: i64 = 3600;

/// The audience of tokens for AWS STS (Amazon EKS: "IAM roles for service accounts").
const STS_AUDIENCE: &str = "sts.amazonaws.com";

/// The init container. It runs from the agent's image and in its tier, so it never changes what the pod asks for.
pub(super) fn container(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Container {
    let mut mounts: Vec<VolumeMount> = vec![
        read_only(mount("config", CONFIG_SOURCE.to_owned())),
        mount("home", home_dir(plan.town, agent.name)),
        mount("identity", CONFIG_TARGET.to_owned()),
        mount("secrets", POD_SECRETS_DIR.to_owned()),
        mount("tmp", "/tmp".to_owned()),
    ];
    if !agent.secrets.is_empty() {
        let place = match agent.identity {
            Identity::Kubernetes { .. } => SECRET_SOURCE,
            Identity::Gke { .. } | Identity::Eks { .. } => TOKEN_DIR,
        };
        mounts.push(read_only(mount("credential", place.to_owned())));
    }
    Container {
        name: "identity-init".to_owned(),
        image: Some(agent.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["nuketown-identity".to_owned(), "init".to_owned()]),
        env: Some(environment(agent)),
        // Devices belong to the agent; the init container needs none.
        resources: Some(resources(agent, false)),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The pod's own name and the provider, as the identity command reads them.
fn environment(agent: &AgentPlan<'_>) -> Vec<EnvVar> {
    let value = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let mut environment = vec![
        field("NUKETOWN_POD", "metadata.name"),
        field("NUKETOWN_NAMESPACE", "metadata.namespace"),
        value("NUKETOWN_PROVIDER", agent.identity.provider()),
    ];
    let token = format!("{TOKEN_DIR}/token");
    match &agent.identity {
        Identity::Gke { .. } => environment.push(value("NUKETOWN_TOKEN_FILE", &token)),
        // The names that every AWS SDK reads (AWS SDKs: "Assume role credential provider").
        Identity::Eks { role, region } => environment.extend([
            value("AWS_REGION", region.as_str()),
            value("AWS_ROLE_ARN", role.as_str()),
            value("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
            value("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ]),
        Identity::Kubernetes { .. } => environment.push(value("NUKETOWN_SECRET_DIR", SECRET_SOURCE)),
    }
    environment
}

/// The volume that holds the credential: a token for the provider, or the Kubernetes Secret itself. An agent without
/// secrets has none: there is nothing to fetch, and a Secret of which no key is named would be mounted whole.
pub(super) fn credential_volume(agent: &AgentPlan<'_>) -> Option<Volume> {
    if agent.secrets.is_empty() {
        return None;
    }
    let credential = Volume { name: "credential".to_owned(), ..Volume::default() };
    let audience = match &agent.identity {
        Identity::Kubernetes { secret } => {
            return Some(Volume { secret: Some(secret_source(secret, agent)), ..credential });
        }
        // The workload identity pool of the project's clusters.
        Identity::Gke { account } => format!("{}.svc.id.goog", account.project()),
        Identity::Eks { .. } => STS_AUDIENCE.to_owned(),
    };
    let token = ServiceAccountTokenProjection {
        audience: Some(audience),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: "token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..ProjectedVolumeSource::default() };
    Some(Volume { projected: Some(projected), ..credential })
}

/// Only the keys that the agent needs. One that is missing keeps the pod from starting, with an event that says so.
fn secret_source(secret: &str, agent: &AgentPlan<'_>) -> SecretVolumeSource {
    // A set: one secret may serve two purposes.
    let keys: BTreeSet<String> = agent.secrets.iter().map(|(_, secret)| secret.flat()).collect();
    let items = keys.into_iter().map(|key| KeyToPath { path: key.clone(), key, mode: None }).collect();
    SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        items: Some(items),
        ..SecretVolumeSource::default()
    }
}
