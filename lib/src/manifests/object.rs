//! The kinds of objects that a town is made of.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use serde::Serialize;

use super::{CiliumNetworkPolicy, FqdnNetworkPolicy};

/// One Kubernetes object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant is the Kubernetes kind of its name")]
pub enum Object {
    Namespace(Box<Namespace>),
    LimitRange(Box<LimitRange>),
    ResourceQuota(Box<ResourceQuota>),
    ServiceAccount(Box<ServiceAccount>),
    ConfigMap(Box<ConfigMap>),
    PersistentVolumeClaim(Box<PersistentVolumeClaim>),
    NetworkPolicy(Box<NetworkPolicy>),
    CiliumNetworkPolicy(Box<CiliumNetworkPolicy>),
    FqdnNetworkPolicy(Box<FqdnNetworkPolicy>),
    Deployment(Box<Deployment>),
}

macro_rules! from_kind {
    ($($kind:ident),+ $(,)?) => {$(
        impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(Box::new(object))
            }
        }
    )+};
}

from_kind!(
    Namespace,
    LimitRange,
    ResourceQuota,
    ServiceAccount,
    ConfigMap,
    PersistentVolumeClaim,
    NetworkPolicy,
    CiliumNetworkPolicy,
    FqdnNetworkPolicy,
    Deployment,
);
