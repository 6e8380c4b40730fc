//! Rendered objects as JSON, and questions to them. Nothing here knows the library's own types of objects.

use std::collections::BTreeMap;

use nuketown::{Manifests, Selection, decode_town, to_kube_manifests};
use serde_json::{Value, json};

/// The manifests of a town, by way of its JSON text.
pub(crate) fn manifests(town: &Value) -> Manifests {
    let decoded =
        decode_town(town.to_string().as_bytes()).unwrap_or_else(|problem| panic!("{problem}\n{town}"));
    to_kube_manifests(&decoded, &Selection::default()).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}\n{town}", problems.join("\n"))
    })
}

/// The objects of a town, in order.
pub(crate) fn objects(town: &Value) -> Vec<Value> {
    values(&manifests(town))
}

pub(crate) fn values(manifests: &Manifests) -> Vec<Value> {
    manifests.objects().map(|object| serde_json::to_value(object).unwrap()).collect()
}

pub(crate) fn of_kind<'o>(objects: &'o [Value], kind: &'static str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The one object of a kind.
pub(crate) fn the<'o>(objects: &'o [Value], kind: &'static str) -> &'o Value {
    let mut found = of_kind(objects, kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    object
}

/// The pod template of each agent, by the agent's name.
pub(crate) fn pods(objects: &[Value]) -> BTreeMap<String, Value> {
    of_kind(objects, "Deployment")
        .map(|deployment| {
            let agent = text(&deployment["metadata"]["labels"]["nuketown.io/agent"]);
            (agent.to_owned(), deployment["spec"]["template"].clone())
        })
        .collect()
}

/// Every container of a pod, init and ephemeral ones included.
pub(crate) fn containers(pod_spec: &Value) -> Vec<&Value> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.iter().flat_map(|list| items(&pod_spec[*list])).collect()
}

/// The items of a list that may be missing.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    assert!(value.is_null() || value.is_array(), "{value} is no list");
    value.as_array().into_iter().flatten()
}

/// The entries of an object that may be missing.
pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    assert!(value.is_null() || value.is_object(), "{value} is no object");
    value.as_object().into_iter().flatten()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Every text of a value, keys included, with its place.
pub(crate) fn texts(value: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => found.push((at.to_owned(), text.clone())),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{at}/{index}"), found);
                }
            }
            Value::Object(object) => {
                for (key, value) in object {
                    found.push((format!("{at}/{key}#"), key.clone()));
                    walk(value, &format!("{at}/{key}"), found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// Every place of a value, as JSON pointers (RFC 6901).
pub(crate) fn places(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(object) => {
            object.iter().map(|(key, item)| (key.replace('~', "~0").replace('/', "~1"), item)).collect()
        }
        _ => Vec::new(),
    };
    let below = inner
        .into_iter()
        .flat_map(|(key, item)| places(item).into_iter().map(move |place| format!("/{key}{place}")));
    [String::new()].into_iter().chain(below).collect()
}

/// Small towns of every network engine, identity provider and image mode, with a GPU, volumes and a second agent.
pub(crate) fn every_kind_of_town() -> Vec<(String, Value)> {
    let providers = [
        ("gke", json!({ "gcpServiceAccount": "ada-agent@myproject.iam.gserviceaccount.com" })),
        ("eks", json!({ "awsRoleArn": "arn:aws:iam::123456789012:role/ada", "awsRegion": "eu-central-1" })),
        ("kubernetes", json!({ "secretName": "ada-secrets" })),
    ];
    let mut towns = Vec::new();
    for engine in ["kubernetes", "cilium", "gke-fqdn"] {
        for (provider, identity) in &providers {
            for mode in ["oci", "nix-snapshotter"] {
                for host_users in [json!(null), json!(false), json!(true)] {
                    let name = format!("{engine}, {provider}, {mode}, hostUsers {host_users}");
                    towns.push((name, one_town(engine, identity, mode, &host_users)));
                }
            }
        }
    }
    towns
}

fn one_town(engine: &str, identity: &Value, mode: &str, host_users: &Value) -> Value {
    let image = json!({ "tag": "abc", "storePath": "/nix/store/w05rymszja2nnrlh5xr3yxksrwz467cn-agent.tar" });
    json!({
        "domain": "6bit.com",
        "approver": "josh@6bit.com",
        "cloud": {
            "enable": true,
            "networkPolicy": engine,
            "imageMode": mode,
            "hostUsers": host_users,
            "runtimeClassName": "gvisor",
            "imagePullSecrets": ["registry"],
            "scaling": { "maxResources": "gpu" },
        },
        "agents": {
            "ada": {
                "uid": 1200,
                "persist": ["projects", ".config/claude"],
                "sudo": { "enable": true, "preApproved": ["systemctl restart *"] },
                "github": { "enable": true },
                "daemon": { "apiKeySecret": "ada/anthropic-api-key" },
                "network": { "egress": ["pypi.org:443", "*.example.org:8443", "10.1.0.0/16:5432", "ntp.example.org:123/udp"] },
                "cloud": { "resources": "gpu", "identity": identity, "imageDerivation": image },
            },
            "bob": { "cloud": { "imageDerivation": image } },
        },
    })
}
