//! `Application` and `ApplicationSet` (argoproj.io/v1alpha1), with the fields that this library writes.
//!
//! The names are those of Argo CD's custom resource definitions (`manifests/crds` of its repository).

use std::collections::BTreeMap;

use serde::Serialize;

/// An object of Argo CD.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ArgoObject {
    /// One deployment of a source to a place.
    Application(Box<Application>),
    /// A template of Applications, and where its values come from.
    ApplicationSet(Box<ApplicationSet>),
}

/// One deployment of a source to a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
}

/// A template of Applications, and where its values come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSet {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    pub(super) spec: SetSpec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Metadata {
    pub(super) labels: BTreeMap<&'static str, String>,
    pub(super) name: String,
    /// Left out in a template, whose Applications stand where their set stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) project: String,
    pub(super) source: Source,
    pub(super) destination: Place,
    pub(super) sync_policy: SyncPolicy,
    pub(super) ignore_differences: Vec<IgnoredDifference>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source {
    #[serde(rename = "repoURL")]
    pub(super) repo_url: String,
    pub(super) target_revision: String,
    pub(super) path: String,
    pub(super) plugin: Plugin,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plugin {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of the plugin: its name, and its value as a string or as a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) string: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) array: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) namespace: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) automated: Option<Automated>,
    pub(super) sync_options: Vec<&'static str>,
    pub(super) retry: Retry,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Automated {
    pub(super) prune: bool,
    pub(super) self_heal: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Retry {
    pub(super) limit: u32,
    pub(super) backoff: Backoff,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backoff {
    pub(super) duration: &'static str,
    pub(super) factor: u32,
    pub(super) max_duration: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IgnoredDifference {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) managed_fields_managers: Vec<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetSpec {
    pub(super) go_template: bool,
    pub(super) go_template_options: Vec<&'static str>,
    pub(super) generators: Vec<Generator>,
    pub(super) template: Template,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Template {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
}

/// Exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generator {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) list: Option<List>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pull_request: Option<PullRequest>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct List {
    pub(super) elements: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Element {
    pub(super) agent: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequest {
    pub(super) github: GitHub,
    pub(super) requeue_after_seconds: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GitHub {
    pub(super) owner: String,
    pub(super) repo: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_ref: Option<TokenRef>,
    pub(super) labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRef {
    pub(super) secret_name: String,
    pub(super) key: String,
}
