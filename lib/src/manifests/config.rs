//! An agent's service account and configuration.

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use sha2::{Digest, Sha256};

use super::labels::{self, agent_object};
use crate::{
    Problem,
    home::{pod_files, town_file},
    names::TOWN,
    plan::{AgentPlan, Identity, Plan},
};

/// The API server's limit on the data of a config map, in bytes, less some room for its names.
const CONFIG_MAP_MAX: usize = (1 << 20) - (16 << 10);

/// Who the pod is. No token is mounted by default; the init container asks for its own.
pub(super) fn service_account(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> ServiceAccount {
    let mut metadata = labels::of_agent(plan, agent.name, &agent_object(agent.name));
    metadata.annotations = match &agent.identity {
        // Google Cloud: "Authenticate to Google Cloud APIs from GKE workloads".
        Identity::Gke { account } => {
            Some(labels::map([("iam.gke.io/gcp-service-account", account.as_str())]))
        }
        // Amazon EKS: "Assign IAM roles to Kubernetes service accounts".
        Identity::Eks { role, .. } => Some(labels::map([("eks.amazonaws.com/role-arn", role.as_str())])),
        Identity::Kubernetes { .. } => None,
    };
    ServiceAccount { metadata, automount_service_account_token: Some(false), ..ServiceAccount::default() }
}

/// Who lives in the town. No hash of it is in a pod: daemons read it anew when it changes.
pub(super) fn town_config_map(plan: &Plan<'_>) -> Result<ConfigMap, Problem> {
    let (file, text) = town_file(plan.town)?;
    if text.len() > CONFIG_MAP_MAX {
        let cause =
            format!("the list of its agents has {} bytes, a ConfigMap holds {CONFIG_MAP_MAX}", text.len());
        return Err(Problem::new("the town is too large for one namespace", cause)
            .hint("divide it into several towns"));
    }
    let data = Some([(file, text)].into());
    Ok(ConfigMap { metadata: labels::shared(plan, TOWN), data, ..ConfigMap::default() })
}

/// The agent's configuration, and its hash: a pod runs with the configuration that it was started with.
pub(super) fn config_map(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Result<(ConfigMap, String), Problem> {
    let data = pod_files(plan.town, agent, plan.preview)?;
    let size: usize = data.values().map(String::len).sum();
    if size > CONFIG_MAP_MAX {
        let cause = format!("its configuration has {size} bytes, a ConfigMap holds {CONFIG_MAP_MAX}");
        return Err(Problem::new(format!("agent `{}` says too much", agent.name), cause)
            .hint("shorten its description, or move it to a file in a repository"));
    }
    let mut hash = Sha256::new();
    for (file, text) in &data {
        // Lengths keep two files apart from one that holds both.
        hash.update(format!("{file}\0{}\0", text.len()));
        hash.update(text);
    }
    let metadata = labels::of_agent(plan, agent.name, &agent_object(agent.name));
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        hex.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')));
    }
    Ok((ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }, hex))
}
