//! The volume claims of an agent, and the volumes and mounts of its pod.

use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
        PersistentVolumeClaimVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
    },
    apimachinery::pkg::api::resource::Quantity as Amount,
};

use super::{
    init,
    labels::{self, agent_object},
    namespace::amounts,
};
use crate::{
    home::{CONFIG_DIR, POD_SECRETS_DIR, POD_TOWN_DIR, home_dir},
    names::TOWN,
    plan::{AgentPlan, Plan},
};

/// The volumes in memory hold keys and a few lines of configuration.
const MEMORY_VOLUME_SIZE: &str = "16Mi";

/// One claim per persistent directory.
pub(super) fn claims<'p>(
    plan: &'p Plan<'_>,
    agent: &'p AgentPlan<'_>,
) -> impl Iterator<Item = PersistentVolumeClaim> {
    agent.volumes.iter().map(move |volume| {
        let mut metadata = labels::of_agent(plan, agent.name, &volume.claim(agent.name));
        metadata.annotations = labels::retained(plan);
        let requests = amounts([("storage".to_owned(), volume.size)]);
        let spec = PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            storage_class_name: plan.town.cloud.storage_class.as_ref().map(ToString::to_string),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeClaimSpec::default()
        };
        PersistentVolumeClaim { metadata, spec: Some(spec), status: None }
    })
}

/// The volumes of an agent's pod.
pub(super) fn volumes(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Vec<Volume> {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let empty = |medium: Option<&str>, size: &str| EmptyDirVolumeSource {
        medium: medium.map(ToOwned::to_owned),
        size_limit: Some(Amount(size.to_owned())),
    };
    let home_size = plan.town.cloud.home_size.to_string();
    let config_map = |name: String| Some(ConfigMapVolumeSource { name, ..ConfigMapVolumeSource::default() });
    // A volume has thirty fields: what moves when a list grows is most of the work of making it.
    let mut volumes = Vec::with_capacity(7 + agent.volumes.len());
    volumes.extend([
        Volume { empty_dir: Some(empty(None, &home_size)), ..volume("home") },
        Volume { empty_dir: Some(empty(None, &home_size)), ..volume("tmp") },
    ]);
    volumes.extend([
        Volume { config_map: config_map(agent_object(agent.name)), ..volume("config") },
        Volume { config_map: config_map(TOWN.to_owned()), ..volume("town") },
    ]);
    volumes.extend([
        Volume { empty_dir: Some(empty(Some("Memory"), MEMORY_VOLUME_SIZE)), ..volume("identity") },
        Volume { empty_dir: Some(empty(Some("Memory"), MEMORY_VOLUME_SIZE)), ..volume("secrets") },
    ]);
    volumes.extend(init::credential_volume(agent));
    volumes.extend(agent.volumes.iter().map(|persisted| Volume {
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: persisted.claim(agent.name),
            read_only: None,
        }),
        ..volume(&format!("persist-{}", persisted.suffix))
    }));
    volumes
}

/// What the agent itself sees: its home, the persistent directories below it, and, read-only, its configuration and
/// secrets.
pub(super) fn agent_mounts(plan: &Plan<'_>, agent: &AgentPlan<'_>) -> Vec<VolumeMount> {
    let home = home_dir(plan.town, agent.name);
    let mut mounts = Vec::with_capacity(5 + agent.volumes.len());
    mounts.extend([mount("home", home.clone()), mount("tmp", "/tmp".to_owned())]);
    mounts.extend(
        agent
            .volumes
            .iter()
            .map(|volume| mount(&format!("persist-{}", volume.suffix), format!("{home}/{}", volume.path))),
    );
    mounts.push(read_only(mount("identity", format!("{home}/{CONFIG_DIR}"))));
    mounts.push(read_only(mount("secrets", POD_SECRETS_DIR.to_owned())));
    mounts.push(read_only(mount("town", POD_TOWN_DIR.to_owned())));
    mounts
}

pub(super) fn mount(volume: &str, path: String) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path, ..VolumeMount::default() }
}

pub(super) fn read_only(mount: VolumeMount) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..mount }
}
