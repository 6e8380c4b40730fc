//! An agent's Deployment: one pod, which passes the `restricted` pod security standard.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            Capabilities, Container, EnvVar, ExecAction, LocalObjectReference, PodDNSConfig,
            PodDNSConfigOption, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
            SeccompProfile, SecurityContext, Toleration,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    init,
    labels::{self, agent_object},
    namespace::amounts,
    volume::{agent_mounts, volumes},
};
use crate::{
    home::home_dir,
    names::CONFIG_HASH,
    plan::{AgentPlan, Identity, Plan},
    town::Taint,
};

/// Seconds in which a new pod has to become ready: an image pull, volumes, secrets.
const PROGRESS_DEADLINE: i32 = 600;

/// Seconds that a daemon has to stop its session and write its journal.
const TERMINATION_GRACE: i64 = 60;

/// One agent's Deployment.
pub(super) fn deployment(plan: &Plan<'_>, agent: &AgentPlan<'_>, config_hash: &str) -> Deployment {
    let name = agent_object(agent.name);
    let metadata = labels::of_agent(plan, agent.name, &name);
    let mut annotations = labels::map([(CONFIG_HASH, config_hash)]);
    if matches!(agent.identity, Identity::Eks { .. }) {
        // The cluster's webhook gives the role's token to every container that is not named here.
        annotations.insert("eks.amazonaws.com/skip-containers".to_owned(), "agent".to_owned());
    }
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            annotations: Some(annotations),
            labels: metadata.labels.clone(),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(plan, agent)),
    };
    let spec = DeploymentSpec {
        progress_deadline_seconds: Some(PROGRESS_DEADLINE),
        replicas: Some(1),
        revision_history_limit: Some(3),
        selector: labels::selector(agent.name),
        // The volumes can be attached to one node at a time: the old pod goes before the new one comes.
        strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
        template,
        ..DeploymentSpec::default()
    };
    Deployment { metadata, spec: Some(spec), status: None }
}

fn pod(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> PodSpec {
    let cloud = &plan.town.cloud;
    // A set: the API server takes each name once.
    let pull_secrets: BTreeSet<_> = cloud.image_pull_secrets.iter().collect();
    let pull_secrets = pull_secrets.into_iter().map(|name| LocalObjectReference { name: name.to_string() });
    let node_selector = &agent.tier.node_selector;
    PodSpec {
        automount_service_account_token: Some(false),
        containers: vec![container(plan, agent)],
        // Host names are absolute: no search list means one query instead of several, and no refused ones.
        dns_config: Some(PodDNSConfig {
            options: Some(vec![PodDNSConfigOption {
                name: Some("ndots".to_owned()),
                value: Some("1".to_owned()),
            }]),
            ..PodDNSConfig::default()
        }),
        enable_service_links: Some(false),
        host_users: cloud.host_users,
        image_pull_secrets: some_if_any(pull_secrets.collect()),
        init_containers: Some(vec![init::container(plan, agent)]),
        node_selector: (!node_selector.is_empty())
            .then(|| node_selector.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()),
        runtime_class_name: cloud.runtime_class_name.as_ref().map(ToString::to_string),
        security_context: Some(pod_security(i64::from(agent.uid.get()))),
        service_account_name: Some(agent_object(agent.name)),
        termination_grace_period_seconds: Some(TERMINATION_GRACE),
        tolerations: some_if_any(agent.tier.tolerations.iter().map(toleration).collect()),
        volumes: Some(volumes(plan, agent)),
        ..PodSpec::default()
    }
}

fn container(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Container {
    let value =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let health = |what: &str| {
        Some(ExecAction { command: Some(vec!["nuketown".into(), "health".into(), what.into()]) })
    };
    let probe = |what: &str, period| Probe {
        exec: health(what),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    Container {
        name: "agent".to_owned(),
        image: Some(agent.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["nuketown-daemon".to_owned()]),
        env: Some(vec![
            value("HOME", home_dir(plan.town, agent.name)),
            value("USER", agent.name.to_string()),
        ]),
        working_dir: Some(home_dir(plan.town, agent.name)),
        resources: Some(resources(agent, true)),
        // Five minutes to start; afterwards a daemon that answers nothing for a minute is restarted.
        startup_probe: Some(Probe { failure_threshold: Some(60), ..probe("live", 5) }),
        liveness_probe: Some(Probe { failure_threshold: Some(3), ..probe("live", 20) }),
        readiness_probe: Some(Probe { failure_threshold: Some(3), ..probe("ready", 10) }),
        security_context: Some(container_security()),
        volume_mounts: Some(agent_mounts(plan, agent)),
        ..Container::default()
    }
}

/// Requests equal limits: what is declared is what is paid for, and no neighbour can take it (the class
/// `Guaranteed`).
pub(super) fn resources(agent: &AgentPlan<'_>, with_devices: bool) -> ResourceRequirements {
    let mut all = amounts([("cpu".to_owned(), agent.tier.cpu), ("memory".to_owned(), agent.tier.memory)]);
    if with_devices {
        all.extend(amounts(agent.tier.resources.iter().map(|(key, amount)| (key.to_string(), *amount))));
    }
    ResourceRequirements { limits: Some(all.clone()), requests: Some(all), ..ResourceRequirements::default() }
}

/// The pod's side of the `restricted` standard; volumes belong to the agent's group.
fn pod_security(uid: i64) -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(uid),
        // A large volume is walked once, not at each start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: Some(uid),
        run_as_non_root: Some(true),
        run_as_user: Some(uid),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// The container's side of the `restricted` standard, and a root file system that cannot be written.
pub(super) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn toleration(taint: &Taint) -> Toleration {
    Toleration {
        effect: taint.effect.map(|effect| effect.as_str().to_owned()),
        key: taint.key.as_ref().map(ToString::to_string),
        operator: Some(taint.operator.as_str().to_owned()),
        toleration_seconds: taint.toleration_seconds.map(|seconds| i64::from(seconds.get())),
        value: taint.value.as_ref().map(ToString::to_string),
    }
}

fn some_if_any<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
