//! What the agents of a town share: the namespace, its bounds, its default-deny, and the list of who lives there.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec},
        networking::v1::{NetworkPolicy, NetworkPolicySpec},
    },
    apimachinery::pkg::{api::resource::Quantity as Amount, apis::meta::v1::LabelSelector},
};

use super::{Object, config::town_config_map, labels};
use crate::{Problem, names::TOWN, plan::Plan, values::Quantity};

/// The objects of the namespace, in the order in which they are applied.
pub(super) fn objects(plan: &Plan<'_>) -> Result<Vec<Object>, Problem> {
    Ok(vec![
        namespace(plan).into(),
        limit_range(plan).into(),
        quota(plan).into(),
        default_deny(plan).into(),
        town_config_map(plan)?.into(),
    ])
}

/// The namespace enforces the pod security standard, whoever makes a pod in it. It is retained like the volumes,
/// for deleting it would delete them.
fn namespace(plan: &Plan<'_>) -> Namespace {
    let mut metadata = labels::shared(plan, &plan.namespace);
    metadata.namespace = None;
    metadata.annotations = labels::retained(plan);
    for mode in ["audit", "enforce", "warn"] {
        let label = format!("pod-security.kubernetes.io/{mode}");
        metadata.labels.get_or_insert_default().insert(label, "restricted".to_owned());
    }
    Namespace { metadata, ..Namespace::default() }
}

/// What a container gets that asks for nothing, and what none may exceed.
fn limit_range(plan: &Plan<'_>) -> LimitRange {
    let item = |kind: &str| LimitRangeItem { type_: kind.to_owned(), ..LimitRangeItem::default() };
    let pair = |pair: Option<(Quantity, Quantity)>| {
        pair.map(|(cpu, memory)| amounts([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)]))
    };
    let (least, most) = (pair(plan.bounds.least), pair(plan.bounds.most));
    let mut limits = vec![
        LimitRangeItem {
            default: least.clone(),
            default_request: least,
            max: most.clone(),
            ..item("Container")
        },
        LimitRangeItem { max: most, ..item("Pod") },
    ];
    if let Some(size) = plan.bounds.volume {
        limits.push(LimitRangeItem {
            max: Some(amounts([("storage".to_owned(), size)])),
            ..item("PersistentVolumeClaim")
        });
    }
    LimitRange { metadata: labels::shared(plan, TOWN), spec: Some(LimitRangeSpec { limits }) }
}

/// The cost ceiling.
fn quota(plan: &Plan<'_>) -> ResourceQuota {
    let quota = &plan.quota;
    let mut hard = amounts([
        ("limits.cpu".to_owned(), quota.cpu),
        ("limits.memory".to_owned(), quota.memory),
        ("persistentvolumeclaims".to_owned(), Quantity::whole(quota.volumes)),
        ("pods".to_owned(), Quantity::whole(quota.pods)),
        ("requests.cpu".to_owned(), quota.cpu),
        ("requests.memory".to_owned(), quota.memory),
        ("requests.storage".to_owned(), quota.storage),
    ]);
    // Extended resources are bounded by their requests alone (Kubernetes: "Resource Quotas").
    hard.extend(amounts(quota.extended.iter().map(|(key, amount)| (format!("requests.{key}"), *amount))));
    let spec = ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() };
    ResourceQuota { metadata: labels::shared(plan, TOWN), spec: Some(spec), status: None }
}

/// Every pod of the namespace is closed until a policy of its agent opens something.
fn default_deny(plan: &Plan<'_>) -> NetworkPolicy {
    NetworkPolicy {
        metadata: labels::shared(plan, "default-deny"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// Quantities as the API types have them.
pub(super) fn amounts(items: impl IntoIterator<Item = (String, Quantity)>) -> BTreeMap<String, Amount> {
    items.into_iter().map(|(key, amount)| (key, Amount(amount.to_string()))).collect()
}
