//! Whole manifests, for a person to read in a pull request: each network engine, identity provider and image mode.
//!
//! The files stand in `snapshots/`, one per agent and case: `<case>.<agent>.snap`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use nuketown::{Manifests, Selection, Town, to_kube_manifests};
use serde_json::{Value, json};

/// A town of one cloud agent that uses a bit of everything, changed by `cloud` and `agent`.
fn town(cloud: &Value, agent: &Value) -> Value {
    let mut town = json!({
        "domain": "6bit.com",
        "approver": "josh@6bit.com",
        "cloud": { "enable": true },
        "agents": { "ada": {
            "role": "software",
            "persist": ["projects", ".config/claude"],
            "daemon": {
                "apiKeySecret": "ada/anthropic-api-key",
                "repos": { "nuketown": { "url": "git@git.example.org:joshperry/nuketown.git" } },
            },
            "network": {
                "egress": ["pypi.org:443", "*.pythonhosted.org:443", "10.1.0.0/16:5432", "ntp.example.org:123/udp"],
            },
        } },
    });
    merge(&mut town["cloud"], cloud);
    merge(&mut town["agents"]["ada"], agent);
    town
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn render(town: &Value, selection: &Selection) -> Manifests {
    to_kube_manifests(&Town::from_json(town).unwrap(), selection).unwrap()
}

fn snapshot(case: &str, manifests: &Manifests) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (file, text) in manifests.to_files().unwrap() {
            insta::assert_snapshot!(format!("{case}.{}", file.trim_end_matches(".yaml")), text);
        }
    });
}

fn all(case: &str, cloud: &Value, agent: &Value) {
    snapshot(case, &render(&town(cloud, agent), &Selection::default()));
}

#[test]
fn network_engine_kubernetes_opens_addresses() {
    all("network-kubernetes", &json!({ "networkPolicy": "kubernetes" }), &json!({}));
}

#[test]
fn network_engine_cilium_opens_names() {
    all("network-cilium", &json!({ "networkPolicy": "cilium" }), &json!({}));
}

#[test]
fn network_engine_gke_fqdn_opens_names() {
    all("network-gke-fqdn", &json!({ "networkPolicy": "gke-fqdn" }), &json!({}));
}

#[test]
fn identity_of_gke_is_a_service_account() {
    let identity =
        json!({ "gcpServiceAccount": "ada-agent@myproject.iam.gserviceaccount.com", "scope": "ada-*" });
    all(
        "identity-gke",
        &json!({}),
        &json!({ "cloud": { "identity": identity }, "github": { "enable": true } }),
    );
}

#[test]
fn identity_of_eks_is_a_role() {
    let identity =
        json!({ "awsRoleArn": "arn:aws:iam::123456789012:role/ada-agent", "awsRegion": "eu-central-1" });
    all("identity-eks", &json!({}), &json!({ "cloud": { "identity": identity } }));
}

#[test]
fn identity_elsewhere_is_a_secret() {
    let identity = json!({ "secretName": "ada-sealed" });
    all("identity-kubernetes", &json!({}), &json!({ "cloud": { "identity": identity } }));
}

#[test]
fn image_of_nix_snapshotter_is_a_store_path() {
    let image = json!({
        "tag": "w05rymszja2nnrlh5xr3yxksrwz467cn",
        "storePath": "/nix/store/w05rymszja2nnrlh5xr3yxksrwz467cn-nix-image-ada.tar",
    });
    let agent = json!({ "cloud": { "imageDerivation": image } });
    all("image-nix-snapshotter", &json!({ "imageMode": "nix-snapshotter" }), &agent);
    all("image-content-hash", &json!({ "registry": "registry.internal:5000/town" }), &agent);
}

#[test]
fn image_of_the_agent_itself_comes_first() {
    let cloud = json!({ "imagePullSecrets": ["registry-login"] });
    all("image-own", &cloud, &json!({ "cloud": { "image": "ghcr.io/joshperry/ada:1.2.3" } }));
}

#[test]
fn pod_options_of_the_operator_reach_the_pod() {
    let cloud = json!({
        "hostUsers": false,
        "runtimeClassName": "gvisor",
        "storageClass": "premium-rwo",
        "homeSize": "20Gi",
        "resources": "gpu",
        "agents": { "ada": { "persistSizes": { "projects": "50Gi", ".config/claude": "1Gi" } } },
    });
    all("pod-options", &cloud, &json!({ "uid": 1234, "cloud": { "persistSizes": { "projects": "70Gi" } } }));
}

#[test]
fn preview_environment_keeps_nothing() {
    let selection = Selection { preview: Some("pr-7".parse().unwrap()), ..Selection::default() };
    let town = town(&json!({}), &json!({ "github": { "enable": true } }));
    snapshot("preview", &render(&town, &selection));
}
