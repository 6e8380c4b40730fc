//! Every pod passes the `restricted` pod security standard, rule by rule, on the rendered JSON.
//!
//! Source of the rules: Kubernetes, "Pod Security Standards", as of 1.34 (baseline and restricted). Each rule is proven
//! able to fail: a pod in which it alone is broken fails its check and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    cases,
    objects::{containers, entries, every_kind_of_town, items, objects, of_kind, pods, text, the},
    town::{set, town},
};

/// What a rule has against a pod template, one line a finding.
type Check = fn(&Value) -> Vec<String>;

/// A rule, its check, and ways to break it: a JSON pointer into the pod template and the value to put there.
struct Rule {
    name: &'static str,
    check: Check,
    broken_by: fn() -> Vec<(&'static str, Value)>,
}

/// A container of a pod, with its name, whose field at `pointer` is not as it must be.
fn in_containers(pod: &Value, pointer: &str, is_fine: impl Fn(&Value) -> bool) -> Vec<String> {
    let field = |container: &Value| container.pointer(pointer).cloned().unwrap_or(Value::Null);
    let broken = containers(&pod["spec"]).into_iter().filter(|container| !is_fine(&field(container)));
    broken.map(|container| format!("{}{pointer} is {}", container["name"], field(container))).collect()
}

fn in_pod(pod: &Value, pointer: &str, is_fine: impl Fn(&Value) -> bool) -> Vec<String> {
    let field = pod["spec"].pointer(pointer).cloned().unwrap_or(Value::Null);
    if is_fine(&field) { Vec::new() } else { vec![format!("{pointer} is {field}")] }
}

/// The field at the same place of the pod and of every container.
fn everywhere(pod: &Value, pointer: &str, is_fine: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut found = in_pod(pod, pointer, &is_fine);
    found.extend(in_containers(pod, pointer, &is_fine));
    found
}

fn unset_or(allowed: &'static [&'static str]) -> impl Fn(&Value) -> bool {
    move |value| value.is_null() || value.as_str().is_some_and(|value| allowed.contains(&value))
}

fn unset_or_false(value: &Value) -> bool {
    value.is_null() || value == false
}

/// Set for every container, by itself or by the pod, and overridden by none.
fn set_for_all(pod: &Value, pointer: &str, is_fine: impl Fn(&Value) -> bool) -> Vec<String> {
    let of_pod = pod["spec"].pointer(pointer).cloned().unwrap_or(Value::Null);
    let mut found = in_pod(pod, pointer, |value| value.is_null() || is_fine(value));
    found.extend(in_containers(pod, pointer, |value| {
        if value.is_null() { is_fine(&of_pod) } else { is_fine(value) }
    }));
    found
}

// The rules of the baseline standard.

fn no_host_process(pod: &Value) -> Vec<String> {
    everywhere(pod, "/securityContext/windowsOptions/hostProcess", unset_or_false)
}

fn no_host_namespaces(pod: &Value) -> Vec<String> {
    ["/hostNetwork", "/hostPID", "/hostIPC"]
        .iter()
        .flat_map(|field| in_pod(pod, field, unset_or_false))
        .collect()
}

fn not_privileged(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/privileged", unset_or_false)
}

fn no_host_path(pod: &Value) -> Vec<String> {
    let volumes = items(&pod["spec"]["volumes"]).filter(|volume| !volume["hostPath"].is_null());
    volumes.map(|volume| format!("{} is a hostPath", volume["name"])).collect()
}

fn no_host_port(pod: &Value) -> Vec<String> {
    in_containers(pod, "/ports", |ports| {
        items(ports).all(|port| port["hostPort"].is_null() || port["hostPort"] == 0)
    })
}

/// Since 1.34: probes and lifecycle hooks talk to the pod itself, never to a host of their choice.
fn no_host_in_probes(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for place in
        ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"]
    {
        for action in ["httpGet", "tcpSocket"] {
            found.extend(in_containers(pod, &format!("/{place}/{action}/host"), unset_or(&[""])));
        }
    }
    found
}

fn apparmor_is_not_switched_off(pod: &Value) -> Vec<String> {
    let mut found =
        everywhere(pod, "/securityContext/appArmorProfile/type", unset_or(&["RuntimeDefault", "Localhost"]));
    for (key, value) in entries(&pod["metadata"]["annotations"]) {
        let fine = value == "runtime/default" || text(value).starts_with("localhost/");
        if key.starts_with("container.apparmor.security.beta.kubernetes.io/") && !fine {
            found.push(format!("{key} is {value}"));
        }
    }
    found
}

fn selinux_is_not_chosen(pod: &Value) -> Vec<String> {
    let types = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let options = "/securityContext/seLinuxOptions";
    let type_is_fine = |value: &Value| value.is_null() || types.contains(&text(value));
    let mut found = everywhere(pod, &format!("{options}/type"), type_is_fine);
    found.extend(
        ["user", "role"]
            .iter()
            .flat_map(|field| everywhere(pod, &format!("{options}/{field}"), unset_or(&[""]))),
    );
    found
}

fn proc_mount_is_the_default(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/procMount", unset_or(&["Default"]))
}

fn sysctls_are_safe(pod: &Value) -> Vec<String> {
    const SAFE: &[&str] = &[
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    ];
    in_pod(pod, "/securityContext/sysctls", |sysctls| {
        items(sysctls).all(|sysctl| SAFE.contains(&text(&sysctl["name"])))
    })
}

// The rules of the restricted standard.

fn volumes_are_of_allowed_types(pod: &Value) -> Vec<String> {
    const ALLOWED: &[&str] = &[
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "hostPath",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    // A hostPath has a rule of its own above, so that each rule can be broken alone.
    let is_fine = |volume: &&Value| {
        let types: Vec<_> =
            entries(volume).map(|(key, _)| key.as_str()).filter(|key| *key != "name").collect();
        types.len() == 1 && ALLOWED.contains(&types[0])
    };
    items(&pod["spec"]["volumes"])
        .filter(|volume| !is_fine(volume))
        .map(|volume| format!("{volume} is not allowed"))
        .collect()
}

fn privileges_cannot_be_gained(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/allowPrivilegeEscalation", |value| value == false)
}

fn never_runs_as_root(pod: &Value) -> Vec<String> {
    set_for_all(pod, "/securityContext/runAsNonRoot", |value| value == true)
}

fn user_is_not_zero(pod: &Value) -> Vec<String> {
    everywhere(pod, "/securityContext/runAsUser", |value| value != 0)
}

fn seccomp_filters_system_calls(pod: &Value) -> Vec<String> {
    let is_fine = |value: &Value| value == "RuntimeDefault" || value == "Localhost";
    set_for_all(pod, "/securityContext/seccompProfile/type", is_fine)
}

fn every_capability_is_dropped(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/capabilities/drop", |drop| {
        items(drop).any(|capability| capability == "ALL")
    })
}

fn no_capability_but_net_bind_service_is_added(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/capabilities/add", |add| {
        items(add).all(|capability| capability == "NET_BIND_SERVICE")
    })
}

// What nuketown promises beyond the standard.

fn root_file_system_is_read_only(pod: &Value) -> Vec<String> {
    in_containers(pod, "/securityContext/readOnlyRootFilesystem", |value| value == true)
}

fn no_token_is_mounted_by_itself(pod: &Value) -> Vec<String> {
    in_pod(pod, "/automountServiceAccountToken", |value| value == false)
}

/// Where a credential of the cluster or the cloud could come from: a token or a Secret.
fn holds_credential(volume: &Value) -> bool {
    let projected = items(&volume["projected"]["sources"]).any(|source| {
        !source["serviceAccountToken"].is_null()
            || !source["secret"].is_null()
            || !source["clusterTrustBundle"].is_null()
    });
    projected || !volume["secret"].is_null() || !volume["csi"].is_null()
}

fn credential_is_in_the_init_container_alone_and_read_only(pod: &Value) -> Vec<String> {
    let volumes: Vec<&str> = items(&pod["spec"]["volumes"])
        .filter(|volume| holds_credential(volume))
        .map(|volume| text(&volume["name"]))
        .collect();
    let mut found = Vec::new();
    for container in containers(&pod["spec"]) {
        let init = container["name"] == "identity-init";
        let mounts: Vec<&Value> = items(&container["volumeMounts"])
            .filter(|mount| volumes.contains(&text(&mount["name"])))
            .collect();
        // An agent without secrets has no credential (`agent_without_secrets_has_no_credential`).
        let wanted = init && !volumes.is_empty();
        if mounts.is_empty() == wanted || mounts.iter().any(|mount| mount["readOnly"] != true) {
            found.push(format!("{} mounts {mounts:?}", container["name"]));
        }
    }
    found
}

fn secrets_stay_in_memory(pod: &Value) -> Vec<String> {
    let mounted = |container: &Value| {
        let mounts: Vec<_> =
            items(&container["volumeMounts"]).filter(|m| m["mountPath"] == "/run/nuketown/secrets").collect();
        mounts.first().map(|mount| text(&mount["name"]).to_owned())
    };
    let names: Vec<Option<String>> = containers(&pod["spec"]).into_iter().map(mounted).collect();
    let in_memory = |name: &str| {
        items(&pod["spec"]["volumes"]).any(|v| v["name"] == name && v["emptyDir"]["medium"] == "Memory")
    };
    let one = names.iter().all(|name| name.is_some() && *name == names[0]);
    if one && names[0].as_deref().is_some_and(in_memory) {
        Vec::new()
    } else {
        vec![format!("secrets are in {names:?}")]
    }
}

fn secrets_are_read_only_to_the_agent(pod: &Value) -> Vec<String> {
    let agent = items(&pod["spec"]["containers"]).flat_map(|container| items(&container["volumeMounts"]));
    let writable = agent
        .filter(|mount| text(&mount["mountPath"]).starts_with("/run/nuketown") && mount["readOnly"] != true);
    writable.map(|mount| format!("{mount} can be written")).collect()
}

fn volumes_belong_to_the_agents_group(pod: &Value) -> Vec<String> {
    let security = &pod["spec"]["securityContext"];
    let uid = &security["runAsUser"];
    let is_agent = uid.as_u64().is_none_or(|uid| uid == 0 || (1000..=60000).contains(&uid));
    if is_agent
        && (uid.is_null() || uid == 0 || security["fsGroup"] == *uid && security["runAsGroup"] == *uid)
    {
        return Vec::new();
    }
    vec![format!("user, group and volumes: {security}")]
}

macro_rules! pointers {
    ($($pointer:literal => $value:tt),* $(,)?) => { || vec![$(($pointer, json!($value))),*] };
}

/// Every rule. What breaks one is put into the rendered pod, where nothing breaks any.
const RULES: &[Rule] = &[
    Rule {
        name: "no_host_process",
        check: no_host_process,
        broken_by: pointers! {
            "/spec/securityContext/windowsOptions" => { "hostProcess": true },
            "/spec/containers/0/securityContext/windowsOptions" => { "hostProcess": true },
            "/spec/initContainers/0/securityContext/windowsOptions" => { "hostProcess": true },
        },
    },
    Rule {
        name: "no_host_namespaces",
        check: no_host_namespaces,
        broken_by: pointers! { "/spec/hostNetwork" => true, "/spec/hostPID" => true, "/spec/hostIPC" => true },
    },
    Rule {
        name: "not_privileged",
        check: not_privileged,
        broken_by: pointers! {
            "/spec/containers/0/securityContext/privileged" => true,
            "/spec/initContainers/0/securityContext/privileged" => true,
        },
    },
    Rule {
        name: "no_host_path",
        check: no_host_path,
        broken_by: pointers! { "/spec/volumes/0" => { "name": "home", "hostPath": { "path": "/" } } },
    },
    Rule {
        name: "no_host_port",
        check: no_host_port,
        broken_by: pointers! {
            "/spec/containers/0/ports" => [{ "containerPort": 80, "hostPort": 80 }],
            "/spec/initContainers/0/ports" => [{ "containerPort": 1 }, { "containerPort": 80, "hostPort": 80 }],
        },
    },
    Rule {
        name: "no_host_in_probes",
        check: no_host_in_probes,
        broken_by: pointers! {
            "/spec/containers/0/livenessProbe" => { "httpGet": { "host": "169.254.169.254", "port": 80 } },
            "/spec/containers/0/readinessProbe" => { "tcpSocket": { "host": "10.0.0.1", "port": 80 } },
            "/spec/containers/0/startupProbe" => { "httpGet": { "host": "localhost", "port": 80 } },
            "/spec/containers/0/lifecycle" => { "preStop": { "httpGet": { "host": "10.0.0.1", "port": 80 } } },
            "/spec/initContainers/0/lifecycle" => { "postStart": { "tcpSocket": { "host": "10.0.0.1", "port": 80 } } },
        },
    },
    Rule {
        name: "apparmor_is_not_switched_off",
        check: apparmor_is_not_switched_off,
        broken_by: pointers! {
            "/spec/securityContext/appArmorProfile" => { "type": "Unconfined" },
            "/spec/containers/0/securityContext/appArmorProfile" => { "type": "Unconfined" },
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent" => "unconfined",
        },
    },
    Rule {
        name: "selinux_is_not_chosen",
        check: selinux_is_not_chosen,
        broken_by: pointers! {
            "/spec/securityContext/seLinuxOptions" => { "type": "spc_t" },
            "/spec/containers/0/securityContext/seLinuxOptions" => { "user": "system_u" },
            "/spec/initContainers/0/securityContext/seLinuxOptions" => { "role": "system_r" },
        },
    },
    Rule {
        name: "proc_mount_is_the_default",
        check: proc_mount_is_the_default,
        broken_by: pointers! { "/spec/containers/0/securityContext/procMount" => "Unmasked" },
    },
    Rule {
        name: "sysctls_are_safe",
        check: sysctls_are_safe,
        broken_by: pointers! { "/spec/securityContext/sysctls" => [{ "name": "kernel.msgmax", "value": "1" }] },
    },
    Rule {
        name: "volumes_are_of_allowed_types",
        check: volumes_are_of_allowed_types,
        broken_by: pointers! {
            "/spec/volumes/0" => { "name": "home", "nfs": { "server": "10.0.0.1", "path": "/" } },
            "/spec/volumes/1" => { "name": "tmp", "emptyDir": {}, "iscsi": {} },
            "/spec/volumes/2" => { "name": "config" },
        },
    },
    Rule {
        name: "privileges_cannot_be_gained",
        check: privileges_cannot_be_gained,
        broken_by: pointers! {
            "/spec/containers/0/securityContext/allowPrivilegeEscalation" => true,
            "/spec/containers/0/securityContext/allowPrivilegeEscalation" => null,
            "/spec/initContainers/0/securityContext/allowPrivilegeEscalation" => true,
        },
    },
    Rule {
        name: "never_runs_as_root",
        check: never_runs_as_root,
        broken_by: pointers! {
            "/spec/securityContext/runAsNonRoot" => null,
            "/spec/securityContext/runAsNonRoot" => false,
            "/spec/containers/0/securityContext/runAsNonRoot" => false,
            "/spec/initContainers/0/securityContext/runAsNonRoot" => false,
        },
    },
    Rule {
        name: "user_is_not_zero",
        check: user_is_not_zero,
        broken_by: pointers! {
            "/spec/securityContext/runAsUser" => 0,
            "/spec/containers/0/securityContext/runAsUser" => 0,
            "/spec/initContainers/0/securityContext/runAsUser" => 0,
        },
    },
    Rule {
        name: "seccomp_filters_system_calls",
        check: seccomp_filters_system_calls,
        broken_by: pointers! {
            "/spec/securityContext/seccompProfile" => null,
            "/spec/securityContext/seccompProfile/type" => "Unconfined",
            "/spec/containers/0/securityContext/seccompProfile" => { "type": "Unconfined" },
            "/spec/initContainers/0/securityContext/seccompProfile" => { "type": "Unconfined" },
        },
    },
    Rule {
        name: "every_capability_is_dropped",
        check: every_capability_is_dropped,
        broken_by: pointers! {
            "/spec/containers/0/securityContext/capabilities" => null,
            "/spec/containers/0/securityContext/capabilities/drop" => ["NET_RAW"],
            "/spec/initContainers/0/securityContext/capabilities/drop" => [],
        },
    },
    Rule {
        name: "no_capability_but_net_bind_service_is_added",
        check: no_capability_but_net_bind_service_is_added,
        broken_by: pointers! {
            "/spec/containers/0/securityContext/capabilities/add" => ["SYS_ADMIN"],
            "/spec/initContainers/0/securityContext/capabilities/add" => ["NET_BIND_SERVICE", "CHOWN"],
        },
    },
    Rule {
        name: "root_file_system_is_read_only",
        check: root_file_system_is_read_only,
        broken_by: pointers! {
            "/spec/containers/0/securityContext/readOnlyRootFilesystem" => false,
            "/spec/initContainers/0/securityContext/readOnlyRootFilesystem" => null,
        },
    },
    Rule {
        name: "no_token_is_mounted_by_itself",
        check: no_token_is_mounted_by_itself,
        broken_by: pointers! { "/spec/automountServiceAccountToken" => null, "/spec/automountServiceAccountToken" => true },
    },
    Rule {
        name: "credential_is_in_the_init_container_alone_and_read_only",
        check: credential_is_in_the_init_container_alone_and_read_only,
        broken_by: pointers! {
            "/spec/containers/0/volumeMounts/0" => { "name": "credential", "mountPath": "/x", "readOnly": true },
            "/spec/initContainers/0/volumeMounts/0" => { "name": "credential", "mountPath": "/x" },
            "/spec/volumes/0" => { "name": "home", "secret": { "secretName": "x" } },
            "/spec/volumes/1" => { "name": "tmp", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } },
        },
    },
    Rule {
        name: "secrets_stay_in_memory",
        check: secrets_stay_in_memory,
        broken_by: pointers! { "/spec/volumes/5/emptyDir/medium" => null },
    },
    Rule {
        name: "secrets_are_read_only_to_the_agent",
        check: secrets_are_read_only_to_the_agent,
        broken_by: pointers! { "/spec/containers/0/volumeMounts/0" => { "name": "secrets", "mountPath": "/run/nuketown/secrets" } },
    },
    Rule {
        name: "volumes_belong_to_the_agents_group",
        check: volumes_belong_to_the_agents_group,
        broken_by: pointers! {
            "/spec/securityContext/fsGroup" => 0,
            "/spec/securityContext/fsGroup" => null,
            "/spec/securityContext/runAsGroup" => 0,
            "/spec/securityContext/runAsUser" => 999,
        },
    },
];

/// The rules that a pod breaks, with what was found.
fn broken(pod: &Value) -> Vec<(&'static str, Vec<String>)> {
    RULES.iter().map(|rule| (rule.name, (rule.check)(pod))).filter(|(_, found)| !found.is_empty()).collect()
}

/// The check of one rule over every pod of every kind of town, and that the rule can be broken alone.
fn hold(name: &str) {
    let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
    for (town_name, town) in every_kind_of_town() {
        for (agent, pod) in pods(&objects(&town)) {
            assert_eq!((rule.check)(&pod), Vec::<String>::new(), "{agent} of {town_name}");
            for (pointer, value) in (rule.broken_by)() {
                let mut pod = pod.clone();
                put(&mut pod, pointer, value.clone());
                let names: Vec<_> = broken(&pod).into_iter().map(|(name, _)| name).collect();
                assert_eq!(names, [rule.name], "{agent} of {town_name} with {value} at {pointer}");
            }
        }
    }
}

/// Puts a value at a JSON pointer (RFC 6901) whose parent is there; null takes the field away.
fn put(root: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = root.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} has no parent"));
    let key = key.replace("~1", "/");
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        Value::Object(object) if value.is_null() => {
            drop(object.remove(&key).unwrap_or_else(|| panic!("{pointer} is not there")));
        }
        Value::Object(object) => drop(object.insert(key, value)),
        other => panic!("{other} has no {key}"),
    }
}

macro_rules! one_test_per_rule {
    ($($rule:ident),* $(,)?) => {
        $(
            #[test]
            fn $rule() {
                hold(stringify!($rule));
            }
        )*

        #[test]
        fn every_rule_has_a_test() {
            let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
            assert_eq!(names, [$(stringify!($rule)),*]);
        }
    };
}

mod every_pod {
    use super::{RULES, hold};

    one_test_per_rule! {
        no_host_process,
        no_host_namespaces,
        not_privileged,
        no_host_path,
        no_host_port,
        no_host_in_probes,
        apparmor_is_not_switched_off,
        selinux_is_not_chosen,
        proc_mount_is_the_default,
        sysctls_are_safe,
        volumes_are_of_allowed_types,
        privileges_cannot_be_gained,
        never_runs_as_root,
        user_is_not_zero,
        seccomp_filters_system_calls,
        every_capability_is_dropped,
        no_capability_but_net_bind_service_is_added,
        root_file_system_is_read_only,
        no_token_is_mounted_by_itself,
        credential_is_in_the_init_container_alone_and_read_only,
        secrets_stay_in_memory,
        secrets_are_read_only_to_the_agent,
        volumes_belong_to_the_agents_group,
    }
}

#[test]
fn namespace_enforces_the_restricted_standard() {
    for (name, town) in every_kind_of_town() {
        let objects = objects(&town);
        let labels = &the(&objects, "Namespace")["metadata"]["labels"];
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted", "{name}");
        assert!(
            labels["pod-security.kubernetes.io/enforce-version"].as_str().is_none_or(|v| v == "latest"),
            "{name}"
        );
        let spaces = objects.iter().filter(|o| o["kind"] != "Namespace").map(|o| &o["metadata"]["namespace"]);
        spaces.for_each(|space| assert_eq!(*space, the(&objects, "Namespace")["metadata"]["name"], "{name}"));
    }
}

#[test]
fn pods_are_made_by_deployments_alone() {
    const KINDS: &[&str] = &[
        "Namespace",
        "LimitRange",
        "ResourceQuota",
        "NetworkPolicy",
        "CiliumNetworkPolicy",
        "FQDNNetworkPolicy",
        "ServiceAccount",
        "ConfigMap",
        "PersistentVolumeClaim",
        "Deployment",
    ];
    for (name, town) in every_kind_of_town() {
        for object in objects(&town) {
            assert!(KINDS.contains(&text(&object["kind"])), "{} of {name} is not known here", object["kind"]);
        }
    }
}

#[test]
fn service_account_mounts_no_token_by_itself() {
    for (name, town) in every_kind_of_town() {
        let objects = objects(&town);
        assert_eq!(of_kind(&objects, "ServiceAccount").count(), 2, "{name}");
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{name}");
        }
    }
}

#[test]
fn token_goes_to_the_agents_provider_alone() {
    for (name, town) in every_kind_of_town() {
        let pod = &pods(&objects(&town))["ada"];
        let credential =
            items(&pod["spec"]["volumes"]).find(|volume| volume["name"] == "credential").unwrap();
        let sources: Vec<_> = items(&credential["projected"]["sources"]).collect();
        let audiences: Vec<_> =
            sources.iter().map(|source| &source["serviceAccountToken"]["audience"]).collect();
        if name.contains("kubernetes, oci") || name.contains("kubernetes, nix") {
            assert_eq!(credential["secret"]["secretName"], "ada-secrets", "{name}");
            assert!(sources.is_empty(), "{name}");
        } else {
            let audience = if name.contains("eks,") { "sts.amazonaws.com" } else { "myproject.svc.id.goog" };
            assert_eq!(audiences, [audience], "{name}");
            assert!(
                sources[0]["serviceAccountToken"]["expirationSeconds"].as_u64().unwrap() <= 3600,
                "{name}"
            );
        }
    }
}

/// A Secret of which no key is named would be mounted whole.
#[test]
fn agent_without_secrets_has_no_credential() {
    for identity in [json!({}), json!({ "secretName": "ada-secrets" })] {
        let town = |xmpp: bool| {
            json!({ "domain": "6bit.com", "agents": { "ada": {
                "xmpp": { "enable": xmpp }, "cloud": { "enable": true, "identity": identity },
            } } })
        };
        let pod = |xmpp| pods(&objects(&town(xmpp)))["ada"].clone();
        let volumes =
            |pod: &Value| items(&pod["spec"]["volumes"]).filter(|v| holds_credential(v)).cloned().collect();
        let (without, with): (Vec<Value>, Vec<Value>) = (volumes(&pod(false)), volumes(&pod(true)));
        assert_eq!(without, Vec::<Value>::new());
        assert_eq!(
            with[0]["secret"]["items"],
            json!([{ "key": "ada-email-password", "path": "ada-email-password" }])
        );
        assert!(!pod(false).to_string().contains("credential"));
    }
}

#[test]
fn pod_asks_for_a_user_namespace_and_runtime_where_the_town_says_so() {
    for (name, town) in every_kind_of_town() {
        for pod in pods(&objects(&town)).values() {
            assert_eq!(pod["spec"]["hostUsers"], town["cloud"]["hostUsers"], "{name}");
            assert_eq!(pod["spec"]["runtimeClassName"], "gvisor", "{name}");
        }
    }
}

/// On EKS a webhook mounts the role's token into every container that the annotation does not name.
#[test]
fn eks_webhook_is_told_to_leave_the_agent_alone() {
    for (name, town) in every_kind_of_town() {
        let skipped =
            &pods(&objects(&town))["ada"]["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"];
        assert_eq!(skipped.as_str(), name.contains("eks,").then_some("agent"), "{name}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn every_pod_of_a_random_town_keeps_every_rule(town in town()) {
        let objects = objects(&town);
        let pods = pods(&objects);
        prop_assert!(!pods.is_empty());
        for (agent, pod) in pods {
            prop_assert_eq!(broken(&pod), Vec::new(), "{}", &agent);
            let uid = town["agents"][&agent]["uid"].as_u64().unwrap_or(1100);
            prop_assert_eq!(&pod["spec"]["securityContext"]["runAsUser"], uid, "{}", &agent);
            for container in containers(&pod["spec"]) {
                let own = &container["securityContext"];
                prop_assert!(own["runAsUser"].is_null() && own["runAsGroup"].is_null(), "{}", own);
            }
        }
        prop_assert_eq!(&the(&objects, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    }

    #[test]
    fn user_namespace_is_no_excuse_for_a_broken_rule(mut town in town(), host_users in any::<Option<bool>>()) {
        set(&mut town.0, &["cloud", "hostUsers"], host_users.into());
        for pod in pods(&objects(&town)).values() {
            prop_assert_eq!(broken(pod), Vec::new());
        }
    }
}
