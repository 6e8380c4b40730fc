//! What a reviewer reads of a change: real towns that differ in one thing, and manifests edited by hand.
//!
//! The files stand in `snapshots/diff/`, one per aspect, each with the text, the Markdown and the JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use nuketown::{Diff, Rendered, Selection, Town, diff, to_kube_manifests};
use serde_json::{Value, json};

/// A town with two agents; `change` makes it the one that a test needs.
fn town(change: impl FnOnce(&mut Value)) -> Value {
    let mut town = json!({
        "domain": "6bit.com",
        "approver": "josh@6bit.com",
        "cloud": { "enable": true, "registry": "ghcr.io/joshperry/nuketown" },
        "agents": {
            "ada": { "role": "software", "persist": ["projects", ".config/claude"] },
            "bob": { "role": "ops", "persist": ["projects"] },
        },
    });
    change(&mut town);
    town
}

fn objects(town: &Value) -> Vec<Value> {
    let town = Town::from_json(town).unwrap();
    let manifests = to_kube_manifests(&town, &Selection::default()).unwrap();
    manifests.objects().map(|object| serde_json::to_value(object).unwrap()).collect()
}

/// Through YAML, as `nuketown-render diff` reads a directory.
fn read(objects: &[Value]) -> Rendered {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        serde_saphyr::to_fmt_writer(&mut text, object).unwrap();
    }
    Rendered::from_yaml(&text).unwrap()
}

/// The diff of the town before and after `change`.
fn between_towns(change: impl FnOnce(&mut Value)) -> Diff {
    diff(&read(&objects(&town(|_| {}))), &read(&objects(&town(change))))
}

/// The diff of the town's manifests before and after an edit by hand.
fn after_edit(edit: impl FnOnce(&mut Vec<Value>)) -> Diff {
    let old = objects(&town(|_| {}));
    let mut new = old.clone();
    edit(&mut new);
    diff(&read(&old), &read(&new))
}

/// One object among others.
fn find<'o>(objects: &'o mut [Value], kind: &str, name: &str) -> &'o mut Value {
    objects.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
}

fn ada_pod(objects: &mut [Value]) -> &mut Value {
    &mut find(objects, "Deployment", "nuketown-ada")["spec"]["template"]["spec"]
}

/// All three forms in one file. The fields of the JSON are in one case only, so that the others stay readable.
fn snapshot(case: &str, diff: &Diff) {
    let mut json = diff.to_json();
    if case != "image" {
        let agents = json["agents"].as_array_mut().unwrap().iter_mut().map(Some);
        for section in agents.chain([None]) {
            let fields = section.map(|section| section.as_object_mut().unwrap().remove("fields"));
            assert!(fields.is_none_or(|fields| fields.is_some_and(|fields| fields.is_array())));
        }
        if let Some(town) = json["town"].as_object_mut() {
            town.remove("fields").unwrap();
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/diff");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let (text, markdown) = (diff.to_text(), diff.to_markdown());
        insta::assert_snapshot!(case, format!("{text}\n\n{markdown}\n\n{json:#}\n"));
    });
}

/// Every alert of a diff, as its reason and text.
fn alerts(diff: &Diff) -> Vec<(String, String)> {
    let json = diff.to_json();
    let agents = json["agents"].as_array().unwrap().iter();
    let sections = agents.chain([&json["town"]]).filter_map(|section| section["alerts"].as_array()).flatten();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sections.map(|alert| (text(&alert["reason"]), text(&alert["text"]))).collect()
}

#[test]
fn another_tier_is_said_in_amounts() {
    snapshot(
        "resources",
        &between_towns(|town| {
            town["agents"]["ada"]["cloud"]["resources"] = json!("large");
            town["agents"]["ada"]["network"]["egress"] = json!(["pypi.org:443"]);
            town["agents"]["bob"]["cloud"] =
                json!({ "resources": "gpu", "scaling": { "idleTimeout": 1800 } });
        }),
    );
}

#[test]
fn agents_come_and_go_with_their_volumes() {
    snapshot(
        "agents",
        &between_towns(|town| {
            let agents = town["agents"].as_object_mut().unwrap();
            agents.remove("bob");
            let sudo = json!({ "enable": true, "preApproved": ["nixos-rebuild *"] });
            agents.insert(
                "vox".to_owned(),
                json!({ "persist": ["mail"], "sudo": sudo, "xmpp": { "enable": false } }),
            );
        }),
    );
}

#[test]
fn volumes_grow_and_never_shrink() {
    snapshot(
        "volumes",
        &between_towns(|town| {
            town["agents"]["ada"]["persist"] = json!(["projects", ".config/claude", "notes"]);
            town["agents"]["ada"]["cloud"]["persistSizes"] =
                json!({ "projects": "5Gi", ".config/claude": "20Gi" });
            town["agents"]["bob"]["persist"] = json!([]);
        }),
    );
}

#[test]
fn rules_count_and_not_what_their_annotation_says() {
    let edited = after_edit(|objects| {
        let policy = find(objects, "NetworkPolicy", "nuketown-ada");
        // A private range is opened beside the public internet; a rule is added that no annotation names.
        let except = policy["spec"]["egress"][1]["to"][0]["ipBlock"]["except"].as_array_mut().unwrap();
        except.retain(|block| block != "10.0.0.0/8");
        policy["spec"]["egress"].as_array_mut().unwrap().push(json!({ "ports": [{ "port": 25 }] }));
        policy["spec"]["ingress"] = json!([{}]);
        // An annotation that claims what no rule opens.
        let claims = "10.9.0.0/16:5432\n6bit.com:5222\napi.anthropic.com:443\ncache.nixos.org:443\ngithub.com:22\ngithub.com:443";
        find(objects, "NetworkPolicy", "nuketown-bob")["metadata"]["annotations"]["nuketown.io/egress"] =
            json!(claims);
    });
    snapshot("egress", &edited);
    let reasons: Vec<String> = alerts(&edited).into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["exposure", "exposure", "no-effect"], "{:#?}", alerts(&edited));
}

#[test]
fn network_engine_changes_what_a_name_means() {
    snapshot("network-engine", &between_towns(|town| town["cloud"]["networkPolicy"] = json!("cilium")));
}

#[test]
fn image_is_named_before_and_after() {
    let digest = "0123456789abcdef".repeat(4);
    let image = json!(format!("ghcr.io/joshperry/ada@sha256:{digest}"));
    snapshot("image", &between_towns(|town| town["agents"]["ada"]["cloud"]["image"] = image));
}

#[test]
fn identity_says_which_secrets_are_fetched() {
    snapshot(
        "identity",
        &between_towns(|town| {
            let account = json!({ "gcpServiceAccount": "ada-agent@myproject.iam.gserviceaccount.com" });
            town["agents"]["ada"]["cloud"]["identity"] = account;
            town["agents"]["bob"]["github"]["enable"] = json!(true);
        }),
    );
}

#[test]
fn permissions_are_gained_in_words() {
    snapshot(
        "permissions",
        &between_towns(|town| {
            town["approver"] = json!("eve@6bit.com");
            town["approvalTimeout"] = json!(60);
            town["agents"]["ada"]["sudo"] = json!({ "enable": true, "preApproved": ["systemctl restart *"] });
        }),
    );
}

#[test]
fn pod_that_is_held_less_tightly_is_exposed() {
    snapshot(
        "pod-security",
        &after_edit(|objects| {
            let pod = ada_pod(objects);
            pod["hostNetwork"] = json!(true);
            pod["containers"][0]["securityContext"]["privileged"] = json!(true);
            pod["containers"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "name": "shell", "image": "docker.io/alpine" }));
            let namespace = find(objects, "Namespace", "nuketown");
            namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("privileged");
            find(objects, "NetworkPolicy", "default-deny")["spec"]["policyTypes"] = json!(["Ingress"]);
        }),
    );
}

#[test]
fn configuration_cannot_forge_what_a_reviewer_reads() {
    let description =
        "x`\n\n# **bob: removed**\n<img src=x>|@josh \u{1b}[2Jbob\u{202e}nothing changes\u{9b}0m";
    let hostile = between_towns(|town| {
        town["agents"]["ada"]["description"] = json!(description);
        town["agents"]["ada"]["role"] = json!("a | b ``` c");
        town["agents"]["bob"]["daemon"]["repos"]["nuketown"]["url"] =
            json!("git@git.example.org:j/nuketown.git");
    });
    snapshot("configuration", &hostile);
    for text in [hostile.to_text(), hostile.to_markdown(), hostile.to_json_text()] {
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
    }
    let markdown = hostile.to_markdown();
    let own = |line: &str| line.is_empty() || line.starts_with("#### `") || line.starts_with("- **");
    assert!(markdown.lines().all(own), "{markdown}");
}

#[test]
fn town_moves_without_its_data() {
    snapshot("namespace", &between_towns(|town| town["cloud"]["namespace"] = json!("village")));
}

#[test]
fn objects_of_other_kinds_are_shown_and_secrets_are_not() {
    let edited = after_edit(|objects| {
        objects.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "helpful" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "nuketown-ada", "namespace": "nuketown" }],
        }));
        objects.push(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": "nuketown" },
            "data": { "token": "aHVudGVyMg==" },
        }));
        objects.push(json!({
            "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "w", "namespace": "nuketown" },
            "spec": { "size": 3 },
        }));
    });
    snapshot("other-kinds", &edited);
    for text in [edited.to_text(), edited.to_markdown(), edited.to_json_text()] {
        assert!(!text.contains("aHVudGVyMg"), "{text}");
    }
}

#[test]
fn changed_secret_is_named_and_not_shown() {
    let secret = |data: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" }, "data": { "k": data } });
    let diff = diff(&read(&[secret("b2xk")]), &read(&[secret("bmV3")]));
    assert!(diff.to_text().contains("Secret keys data.k changes"), "{}", diff.to_text());
    let json = diff.to_json_text();
    assert!(!json.contains("b2xk") && !json.contains("bmV3"), "{json}");
}

#[test]
fn rendered_policies_open_what_their_annotation_says() {
    let egress = json!([
        "*.example.org:443",
        "10.0.0.0/8:5432",
        "0.0.0.0/0:8443",
        "[2000::/3]:9000",
        "ntp.example.org:123/udp"
    ]);
    let gke = json!({ "gcpServiceAccount": "ada-agent@myproject.iam.gserviceaccount.com" });
    for engine in ["kubernetes", "cilium", "gke-fqdn"] {
        for identity in [json!({}), gke.clone()] {
            let new = objects(&town(|town| {
                town["cloud"]["networkPolicy"] = json!(engine);
                town["agents"]["ada"]["network"]["egress"] = egress.clone();
                town["agents"]["ada"]["cloud"]["identity"] = identity;
            }));
            assert_eq!(alerts(&diff(&Rendered::default(), &read(&new))), [], "{engine}");
        }
    }
}

#[test]
fn configuration_without_its_hash_restarts_nothing() {
    let edited = after_edit(|objects| {
        let data = &mut find(objects, "ConfigMap", "nuketown-ada")["data"]["daemon.toml"];
        *data = json!(data.as_str().unwrap().replace("approval_timeout = 120", "approval_timeout = 10"));
    });
    assert_eq!(alerts(&edited)[0].0, "no-effect");
    assert_eq!(edited.to_json()["agents"][0]["restarts"], false);
}

#[test]
fn configuration_that_the_agent_cannot_read_is_alerted() {
    for broken in ["approval_timeout = ", "approval_timeout = 10\nunknown = true"] {
        let edited = after_edit(|objects| {
            find(objects, "ConfigMap", "nuketown-ada")["data"]["daemon.toml"] = json!(broken);
        });
        let read: Vec<_> = alerts(&edited)
            .into_iter()
            .filter(|(_, text)| text.contains("cannot read its daemon.toml"))
            .collect();
        assert_eq!(read.len(), 1, "{}", edited.to_text());
    }
}

#[test]
fn volume_without_retention_is_a_loss_of_data() {
    let drop_retention = |objects: &mut Vec<Value>| {
        let claim = find(objects, "PersistentVolumeClaim", "nuketown-ada-projects");
        claim["metadata"].as_object_mut().unwrap().remove("annotations");
    };
    assert_eq!(alerts(&after_edit(drop_retention))[0].0, "data-loss");
    let mut old = objects(&town(|_| {}));
    drop_retention(&mut old);
    let gone = |object: &&Value| object["metadata"]["name"] != "nuketown-ada-projects";
    let new: Vec<Value> = old.iter().filter(gone).cloned().collect();
    assert_eq!(alerts(&diff(&read(&old), &read(&new)))[0].0, "data-loss");
}

#[test]
fn what_kubernetes_refuses_is_alerted() {
    let claim = |field: &'static str, value: Value| {
        after_edit(|objects| {
            find(objects, "PersistentVolumeClaim", "nuketown-ada-projects")["spec"][field] = value;
        })
    };
    let selector = after_edit(|objects| {
        find(objects, "Deployment", "nuketown-ada")["spec"]["selector"]["matchLabels"]["x"] = json!("y");
    });
    let refused = [
        claim("storageClassName", json!("fast")),
        claim("accessModes", json!(["ReadWriteMany"])),
        claim("volumeMode", json!("Block")),
        selector,
    ];
    for diff in refused {
        assert_eq!(alerts(&diff)[0].0, "refused", "{}", diff.to_text());
    }
}

#[test]
fn what_only_the_cluster_sets_is_one_line() {
    let live = after_edit(|objects| {
        for object in objects.iter_mut() {
            object["metadata"]["uid"] = json!("6b1f");
            object["metadata"]["resourceVersion"] = json!("12");
        }
        let claim = find(objects, "PersistentVolumeClaim", "nuketown-ada-projects");
        claim["spec"]["volumeName"] = json!("pvc-6b1f");
        claim["status"] = json!({ "phase": "Bound", "capacity": { "storage": "10Gi" } });
    });
    assert_eq!(alerts(&live), []);
    let text = live.to_text();
    assert_eq!(text.lines().filter(|line| line.contains("only the cluster sets")).count(), 3, "{text}");
    assert_eq!(text.lines().count(), 8, "{text}");
}

#[test]
fn agents_of_two_namespaces_are_told_apart() {
    let mut old = objects(&town(|_| {}));
    old.extend(objects(&town(|town| town["cloud"]["namespace"] = json!("village"))));
    let mut new = old.clone();
    let village = new
        .iter_mut()
        .find(|o| o["kind"] == "Deployment" && o["metadata"]["namespace"] == "village")
        .unwrap();
    village["spec"]["replicas"] = json!(0);
    let text = diff(&read(&old), &read(&new)).to_text();
    assert!(text.starts_with("village/ada: stopped (0 pods)\n"), "{text}");
}
