//! What holds for every valid town: the same bytes each time, strings that come back from every reader, names that the
//! API server takes, volumes that fit together, and amounts within what is paid for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use nuketown::{HEADER, Selection, Town, decode_town, home_files, to_kube_manifests, to_kube_yaml};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    amounts::{Nanos, amount},
    cases,
    objects::{containers, entries, items, manifests, objects, of_kind, pods, text, the, values},
    readers::{Readers, YamlReader},
    shuffle::shuffled,
    text::label,
    town::{tiers_from, tiers_of, town},
};

/// A DNS label (RFC 1123).
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS subdomain as the API server has it, which is the name of most kinds: its parts may be longer than labels.
fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

/// The name of a label: an optional subdomain, then up to 63 characters.
fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    text.is_empty() || (text.len() <= 63 && inner && edge(text.chars().next()) && edge(text.chars().last()))
}

/// The name of an environment variable, as every shell takes it.
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn town_renders_to_the_same_bytes_twice(town in town()) {
        let (one, two) = (manifests(&town), manifests(&town));
        prop_assert_eq!(one.to_yaml().unwrap(), two.to_yaml().unwrap());
        prop_assert_eq!(one.to_json().unwrap(), two.to_json().unwrap());
        prop_assert_eq!(one.to_files().unwrap(), two.to_files().unwrap());
    }

    #[test]
    fn order_of_attributes_changes_no_byte(town in town(), seeds in any::<[u64; 4]>()) {
        let expected = manifests(&town);
        let homes = |town: &Town| -> Vec<_> { town.agents.keys().map(|name| home_files(town, name).unwrap()).collect() };
        let expected_homes = homes(&decode_town(town.to_string().as_bytes()).unwrap());
        for seed in seeds {
            let text = shuffled(&town, seed);
            let decoded = decode_town(text.as_bytes()).unwrap();
            let manifests = to_kube_manifests(&decoded, &Selection::default()).unwrap();
            prop_assert_eq!(manifests.to_yaml().unwrap(), expected.to_yaml().unwrap(), "{}", text);
            prop_assert_eq!(&manifests.warnings, &expected.warnings);
            prop_assert_eq!(homes(&decoded), expected_homes.clone());
        }
    }

    #[test]
    fn town_reads_back_from_its_own_serialisation(town in town()) {
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let again = decode_town(serde_json::to_string(&decoded).unwrap().as_bytes()).unwrap();
        prop_assert_eq!(decoded, again);
    }

    #[test]
    fn names_are_valid_and_unique_per_kind_and_namespace(town in town()) {
        let objects = objects(&town);
        let mut seen = BTreeSet::new();
        for object in &objects {
            let (kind, meta) = (text(&object["kind"]), &object["metadata"]);
            let name = text(&meta["name"]);
            prop_assert!(seen.insert((text(&object["apiVersion"]), kind, meta["namespace"].as_str(), name)), "{} {}", kind, name);
            prop_assert!(is_subdomain(name), "{} {}", kind, name);
            prop_assert!(is_label(meta["namespace"].as_str().unwrap_or("x")), "{}", meta);
            prop_assert!(kind != "Namespace" || is_label(name), "{}", name);
            for (key, value) in entries(&meta["labels"]) {
                prop_assert!(is_label_key(key) && is_label_value(text(value)), "{}: {}", key, value);
            }
            let annotations: usize = entries(&meta["annotations"]).map(|(key, value)| key.len() + text(value).len()).sum();
            prop_assert!(annotations <= 256 << 10, "{} bytes of annotations", annotations);
            prop_assert!(entries(&meta["annotations"]).all(|(key, _)| is_label_key(key)), "{}", meta);
        }
    }

    #[test]
    fn names_inside_of_a_pod_are_valid_and_unique(town in town()) {
        for pod in pods(&objects(&town)).values() {
            let spec = &pod["spec"];
            let names: Vec<&str> = containers(spec).into_iter().map(|container| text(&container["name"])).collect();
            prop_assert!(names.iter().all(|name| is_label(name)), "{:?}", names);
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            let volumes: Vec<&str> = items(&spec["volumes"]).map(|volume| text(&volume["name"])).collect();
            prop_assert!(volumes.iter().all(|name| is_label(name)), "{:?}", volumes);
            prop_assert_eq!(volumes.iter().collect::<BTreeSet<_>>().len(), volumes.len());
            for container in containers(spec) {
                let env: Vec<&str> = items(&container["env"]).map(|env| text(&env["name"])).collect();
                prop_assert!(env.iter().all(|name| is_identifier(name)), "{:?}", env);
                prop_assert_eq!(env.iter().collect::<BTreeSet<_>>().len(), env.len());
                // The kubelet would put another variable's value in the place of `$(NAME)`.
                for value in items(&container["env"]).filter_map(|env| env["value"].as_str()) {
                    prop_assert!(!value.contains("$("), "{}", value);
                }
            }
            for (key, value) in entries(&spec["nodeSelector"]) {
                prop_assert!(is_label_key(key) && is_label_value(text(value)), "{}: {}", key, value);
            }
            for key in items(&spec["volumes"]).flat_map(|volume| items(&volume["secret"]["items"])) {
                let name = text(&key["key"]);
                prop_assert!(name.len() <= 253 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{}", name);
            }
        }
    }

    #[test]
    fn every_mount_has_its_volume_and_every_volume_its_source(town in town()) {
        let objects = objects(&town);
        let names = |kind| of_kind(&objects, kind).map(|object| text(&object["metadata"]["name"])).collect::<BTreeSet<_>>();
        let (claims, maps, accounts) = (names("PersistentVolumeClaim"), names("ConfigMap"), names("ServiceAccount"));
        let mut claimed = Vec::new();
        for (agent, pod) in pods(&objects) {
            let spec = &pod["spec"];
            prop_assert!(accounts.contains(text(&spec["serviceAccountName"])));
            let volumes: BTreeSet<&str> = items(&spec["volumes"]).map(|volume| text(&volume["name"])).collect();
            let mut mounted = BTreeSet::new();
            for container in containers(spec) {
                let mut paths = BTreeSet::new();
                for mount in items(&container["volumeMounts"]) {
                    let path = text(&mount["mountPath"]);
                    prop_assert!(volumes.contains(text(&mount["name"])), "{} has no volume", mount);
                    prop_assert!(paths.insert(path), "{} is mounted on twice", path);
                    prop_assert!(path.starts_with('/') && !path.contains(':') && !path.split('/').any(|part| part == ".."), "{}", path);
                    prop_assert!(mount["subPath"].is_null() && mount["subPathExpr"].is_null());
                    mounted.insert(text(&mount["name"]));
                }
            }
            prop_assert_eq!(mounted, volumes, "every volume is mounted");
            for volume in items(&spec["volumes"]) {
                if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
                    prop_assert!(claims.contains(claim), "{}", claim);
                    claimed.push(claim.to_owned());
                }
                if let Some(map) = volume["configMap"]["name"].as_str() {
                    prop_assert!(maps.contains(map), "{}", map);
                }
            }
            check_persist(&town, &agent, spec)?;
        }
        prop_assert_eq!(claimed.iter().map(String::as_str).collect::<BTreeSet<_>>(), claims, "every claim is used");
        prop_assert_eq!(claimed.len(), of_kind(&objects, "PersistentVolumeClaim").count(), "by one agent");
    }

    #[test]
    fn selector_matches_its_pods_and_no_other_agents(town in town()) {
        let objects = objects(&town);
        let pods = pods(&objects);
        for deployment in of_kind(&objects, "Deployment") {
            let selector = &deployment["spec"]["selector"];
            let matching = |pod: &&Value| support::policy::selects(selector, &pod["metadata"]["labels"]);
            prop_assert_eq!(pods.values().filter(matching).count(), 1);
            prop_assert!(matching(&&deployment["spec"]["template"]));
            prop_assert_eq!(&deployment["spec"]["replicas"], 1);
            prop_assert_eq!(&deployment["spec"]["strategy"], &json!({ "type": "Recreate" }));
        }
    }

    #[test]
    fn requests_never_exceed_limits_and_are_the_tiers(town in town()) {
        let tiers = tiers_of(&town);
        for (agent, pod) in pods(&objects(&town)) {
            let tier = &tiers[start_of(&town, &agent)];
            for container in containers(&pod["spec"]) {
                let (requests, limits) = (&container["resources"]["requests"], &container["resources"]["limits"]);
                for resource in ["cpu", "memory"] {
                    prop_assert_eq!(amount(&requests[resource]), amount(&tier[resource]), "{} of {}", resource, &container["name"]);
                    prop_assert!(!limits[resource].is_null(), "{} has no limit", resource);
                }
                for (resource, requested) in entries(requests) {
                    prop_assert!(amount(requested) <= amount(&limits[resource]), "{}", resource);
                    // Extended resources cannot be overcommitted.
                    prop_assert!(!resource.contains('/') || requested == &limits[resource], "{}", resource);
                }
                prop_assert_eq!(entries(limits).count(), entries(requests).count());
            }
            let devices = |list| extended(&pod["spec"][list][0]["resources"]["limits"]);
            prop_assert_eq!(devices("containers"), extended(&tier["resources"]));
            prop_assert_eq!(devices("initContainers"), BTreeMap::new());
            prop_assert_eq!(pod_tolerations(&pod), items(&tier["tolerations"]).count());
            prop_assert_eq!(entries(&pod["spec"]["nodeSelector"]).count(), entries(&tier["nodeSelector"]).count());
        }
    }

    #[test]
    fn every_tier_that_an_agent_may_reach_fits_the_limit_range(town in town()) {
        let objects = objects(&town);
        let tiers = tiers_of(&town);
        let limits = &the(&objects, "LimitRange")["spec"]["limits"];
        for limit in items(limits).filter(|limit| limit["type"] != "PersistentVolumeClaim") {
            prop_assert!(["Container", "Pod"].contains(&text(&limit["type"])), "{}", limit);
            for (_, pod) in pods(&objects) {
                for container in containers(&pod["spec"]) {
                    for (resource, most) in entries(&limit["max"]) {
                        prop_assert!(amount(&container["resources"]["limits"][resource]) <= amount(most), "{}", limit);
                    }
                }
            }
            for agent in pods(&objects).keys() {
                for tier in reachable(&town, agent, &tiers) {
                    for (resource, most) in entries(&limit["max"]) {
                        prop_assert!(amount(&tier[resource]) <= amount(most), "{} of {}", resource, agent);
                    }
                }
            }
            for (resource, default) in entries(&limit["default"]) {
                prop_assert!(amount(default) <= amount(&limit["max"][resource]), "the API server refuses {}", limit);
                prop_assert!(amount(&limit["defaultRequest"][resource]) <= amount(default), "the API server refuses {}", limit);
            }
        }
        let of_claims = items(limits).find(|limit| limit["type"] == "PersistentVolumeClaim");
        for claim in of_kind(&objects, "PersistentVolumeClaim") {
            let most = amount(&of_claims.unwrap()["max"]["storage"]);
            prop_assert!(amount(&claim["spec"]["resources"]["requests"]["storage"]) <= most);
        }
    }

    #[test]
    fn quota_is_the_sum_of_the_largest_tiers_and_volumes_and_covers_every_reachable_one(town in town()) {
        let objects = objects(&town);
        let tiers = tiers_of(&town);
        let hard = &the(&objects, "ResourceQuota")["spec"]["hard"];
        let agents: Vec<String> = pods(&objects).into_keys().collect();
        let most = |resource: &str| -> Nanos {
            agents.iter().map(|agent| reachable(&town, agent, &tiers).iter().map(|tier| of_tier(tier, resource)).max().unwrap()).sum()
        };
        let mut expected = BTreeMap::new();
        for resource in ["cpu", "memory"] {
            expected.insert(format!("requests.{resource}"), most(resource));
            expected.insert(format!("limits.{resource}"), most(resource));
        }
        // A device that no agent may reach is named too, with nothing of it: what a quota leaves out is unbounded.
        for resource in tiers.values().flat_map(|tier| extended(&tier["resources"]).into_keys()) {
            expected.insert(format!("requests.{resource}"), most(&resource));
        }
        let claims: Vec<&Value> = of_kind(&objects, "PersistentVolumeClaim").collect();
        let storage = claims.iter().map(|claim| amount(&claim["spec"]["resources"]["requests"]["storage"])).sum();
        expected.insert("requests.storage".to_owned(), storage);
        expected.insert("persistentvolumeclaims".to_owned(), amount(&claims.len().into()));
        expected.insert("pods".to_owned(), amount(&agents.len().into()));
        let found: BTreeMap<String, Nanos> = entries(hard).map(|(key, value)| (key.clone(), amount(value))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn volumes_have_the_declared_sizes(town in town()) {
        let objects = objects(&town);
        for (agent, options) in entries(&town["agents"]) {
            let default = town["cloud"].get("defaultPersistSize").cloned().unwrap_or(json!("10Gi"));
            for path in items(&options["persist"]).map(text) {
                let operators = town["cloud"]["agents"][agent]["persistSizes"].get(path);
                let size = options["cloud"]["persistSizes"].get(path).or(operators).unwrap_or(&default);
                let name = claim_name(agent, path);
                let claims = of_kind(&objects, "PersistentVolumeClaim").find(|claim| claim["metadata"]["name"] == *name);
                match claims {
                    Some(claim) => prop_assert_eq!(amount(&claim["spec"]["resources"]["requests"]["storage"]), amount(size), "{}", name),
                    None => prop_assert!(!pods(&objects).contains_key(agent), "{} is missing", name),
                }
            }
        }
    }

    #[test]
    fn image_names_a_version_and_never_latest(town in town()) {
        let manifests = manifests(&town);
        let images: BTreeMap<String, String> = manifests.images.iter().map(|(name, image)| (name.to_string(), image.clone())).collect();
        for (agent, pod) in pods(&values(&manifests)) {
            for container in containers(&pod["spec"]) {
                let image = text(&container["image"]);
                prop_assert_eq!(image, &images[&agent]);
                prop_assert!(!image.ends_with(":latest") && !image.contains(":latest@"), "{}", image);
                prop_assert!(!image.chars().any(|c| c.is_control() || c.is_whitespace()), "{:?}", image);
                let version = image.rsplit('/').next().unwrap();
                prop_assert!(version.contains(':') || version.contains('@') || image.starts_with("nix:0/nix/store/"), "{}", image);
                prop_assert!(container["imagePullPolicy"] != "Always");
            }
        }
    }

    #[test]
    fn objects_can_be_applied_from_top_to_bottom(town in town()) {
        let objects = objects(&town);
        prop_assert_eq!(&objects[0]["kind"], "Namespace");
        let rank = |object: &Value| match text(&object["kind"]) {
            "Namespace" => 0,
            "LimitRange" | "ResourceQuota" => 1,
            kind if kind.ends_with("NetworkPolicy") => 2,
            "ServiceAccount" | "ConfigMap" | "PersistentVolumeClaim" => 3,
            "Deployment" => 4,
            kind => panic!("{kind}"),
        };
        let owner = |object: &Value| object["metadata"]["labels"]["nuketown.io/agent"].as_str().map(ToOwned::to_owned);
        let shared = objects.iter().take_while(|object| owner(object).is_none()).count();
        prop_assert!(objects[..shared].is_sorted_by_key(rank), "what is shared comes first");
        prop_assert!(objects[..shared].iter().any(|object| object["metadata"]["name"] == "default-deny"));
        let owners: Vec<_> = objects[shared..].iter().map(owner).collect();
        prop_assert!(owners.is_sorted() && owners.iter().all(Option::is_some), "{:?}", owners);
        for (index, object) in objects.iter().enumerate().filter(|(_, object)| object["kind"] == "Deployment") {
            let behind = objects[index + 1..].iter().filter(|other| owner(other) == owner(object));
            prop_assert_eq!(behind.count(), 0, "everything of an agent stands before its pod");
        }
    }

    #[test]
    fn json_and_files_hold_the_same_objects_as_the_stream(town in town()) {
        let manifests = manifests(&town);
        let expected = values(&manifests);
        let list: Value = serde_json::from_str(&manifests.to_json().unwrap()).unwrap();
        prop_assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        prop_assert_eq!(list["items"].as_array().unwrap(), &expected);
        let files = manifests.to_files().unwrap();
        prop_assert_eq!(files.keys().next().unwrap(), "00-namespace.yaml");
        prop_assert_eq!(files.len(), 1 + manifests.agents.len());
        // By name, agents have another order than their files: `a-b` stands behind `a`, and `a-b.yaml` before `a.yaml`.
        let agents = manifests.agents.iter().map(|(name, _)| format!("{name}.yaml"));
        let mut stream = String::new();
        for name in ["00-namespace.yaml".to_owned()].into_iter().chain(agents) {
            stream.push_str(files[&name].strip_prefix(HEADER).unwrap());
        }
        prop_assert_eq!(stream, manifests.to_yaml().unwrap());
    }

    #[test]
    fn stream_on_any_number_of_threads_is_the_same_text(town in town(), copies in 0..24_u32, threads in 1..5_usize) {
        let mut town = town.0;
        let mut agent = town["agents"].as_object().unwrap().values().next().unwrap().clone();
        // What only one agent can have, and what names the agent.
        for (section, option) in [("/xmpp", "jid"), ("/cloud/identity", "scope")] {
            if let Some(options) = agent.pointer_mut(section).and_then(Value::as_object_mut) {
                options.remove(option);
            }
        }
        agent["cloud"]["enable"] = true.into();
        agent["cloud"]["image"] = "registry.internal/copy:1".into();
        agent["cloud"].as_object_mut().unwrap().remove("persistSizes");
        for copy in 0..copies {
            town["agents"][format!("copy{copy}")] = agent.clone();
        }
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let all = to_kube_manifests(&decoded, &Selection::default()).unwrap();
        let stream = to_kube_yaml(&decoded, &Selection::default(), threads.try_into().unwrap()).unwrap();
        prop_assert!(stream.yaml == all.to_yaml().unwrap(), "{} copies on {} threads", copies, threads);
        prop_assert_eq!((stream.images, stream.warnings), (all.images, all.warnings));
    }

    #[test]
    fn selecting_agents_leaves_the_others_out_and_changes_nothing_else(town in town(), pick in any::<prop::sample::Index>()) {
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let all = values(&manifests(&town));
        let names: Vec<String> = pods(&all).into_keys().collect();
        let name = pick.get(&names);
        let selection = Selection { agents: BTreeSet::from([name.parse().unwrap()]), ..Selection::default() };
        let one = values(&to_kube_manifests(&decoded, &selection).unwrap());
        let owner = |object: &&Value| object["metadata"]["labels"]["nuketown.io/agent"].as_str().is_none_or(|owner| owner == name);
        prop_assert_eq!(one, all.iter().filter(owner).cloned().collect::<Vec<_>>());
    }

    #[test]
    fn preview_stands_in_a_namespace_of_its_own_and_keeps_nothing(town in town(), slug in label(20)) {
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let selection = Selection { preview: Some(slug.parse().unwrap()), ..Selection::default() };
        let preview = values(&to_kube_manifests(&decoded, &selection).unwrap());
        let space = format!("{}-{slug}", town["cloud"]["namespace"].as_str().unwrap_or("nuketown"));
        prop_assert!(is_label(&space));
        for object in &preview {
            let in_space = object["kind"] == "Namespace" && object["metadata"]["name"] == *space || object["metadata"]["namespace"] == *space;
            prop_assert!(in_space, "{} is outside of {}", object["metadata"], space);
            prop_assert!(!object["metadata"]["annotations"].to_string().contains("Prune=false"), "{}", object["metadata"]);
            prop_assert!(!object["data"]["daemon.toml"].as_str().is_some_and(|text| text.contains("\n[github]")));
        }
        for object in objects(&town).iter().filter(|o| o["kind"] == "Namespace" || o["kind"] == "PersistentVolumeClaim") {
            let options = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"];
            prop_assert_eq!(options, "Prune=false,Delete=false");
        }
    }

    #[test]
    fn new_agent_changes_no_object_of_another(town in town()) {
        let before = objects(&town);
        let mut more = town.0.clone();
        more["agents"]["the-new-one"] = json!({ "cloud": { "enable": true, "image": "registry.internal/new:1" } });
        let after = objects(&more);
        for object in before.iter().filter(|object| object["metadata"]["labels"]["nuketown.io/agent"].is_string()) {
            prop_assert!(after.contains(object), "{}", object["metadata"]);
        }
    }

    #[test]
    fn configuration_that_changes_rolls_the_pod_and_that_pod_alone(town in town(), pick in any::<prop::sample::Index>()) {
        let before = pods(&objects(&town));
        let names: Vec<&String> = before.keys().collect();
        let name = pick.get(&names);
        let mut changed = town.0.clone();
        let role = format!("{}!", changed["agents"][name]["role"].as_str().unwrap_or("general"));
        changed["agents"][name]["role"] = role.into();
        for (agent, pod) in pods(&objects(&changed)) {
            prop_assert_eq!(pod == before[&agent], agent != **name, "{}", agent);
        }
    }
}

/// The directories that an agent persists, and no other, are mounted below its home from a claim.
fn check_persist(town: &Value, agent: &str, spec: &Value) -> Result<(), TestCaseError> {
    let home = format!("{}/{agent}", town["agentsDir"].as_str().unwrap_or("/agents"));
    let declared: BTreeMap<String, String> = items(&town["agents"][agent]["persist"])
        .map(|path| (format!("{home}/{}", text(path)), claim_name(agent, text(path))))
        .collect();
    let claim = |name: &Value| {
        let volume = items(&spec["volumes"]).find(|volume| volume["name"] == *name).unwrap();
        Some(text(volume["persistentVolumeClaim"].get("claimName")?).to_owned())
    };
    let mounts = items(&spec["containers"][0]["volumeMounts"]);
    let mounted: BTreeMap<String, String> = mounts
        .filter_map(|mount| Some((text(&mount["mountPath"]).to_owned(), claim(&mount["name"])?)))
        .collect();
    prop_assert_eq!(mounted, declared);
    let workdir = &spec["containers"][0]["workingDir"];
    prop_assert_eq!(workdir, &home);
    let variable = items(&spec["containers"][0]["env"]).find(|env| env["name"] == "HOME").unwrap();
    prop_assert_eq!(&variable["value"], &home);
    Ok(())
}

/// `.config/claude` of ada is `nuketown-ada-config-claude`.
fn claim_name(agent: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("nuketown-{agent}-{}", words.collect::<Vec<_>>().join("-").to_ascii_lowercase())
}

fn start_of<'t>(town: &'t Value, agent: &str) -> &'t str {
    let of_town = town["cloud"]["resources"].as_str().unwrap_or("standard");
    town["agents"][agent]["cloud"]["resources"].as_str().unwrap_or(of_town)
}

fn ceiling_of<'t>(town: &'t Value, agent: &str) -> &'t str {
    let own = town["agents"][agent]["cloud"]["scaling"]["maxResources"].as_str();
    own.or(town["cloud"]["scaling"]["maxResources"].as_str()).unwrap_or(start_of(town, agent))
}

/// Every tier that is nowhere above the agent's largest one: what a human may grant it.
fn reachable<'t>(town: &Value, agent: &str, tiers: &'t BTreeMap<String, Value>) -> Vec<&'t Value> {
    let ceiling = ceiling_of(town, agent).to_owned();
    let within = |tier: &&Value| tiers_from(tiers, tier).contains(&ceiling);
    let found: Vec<&Value> = tiers.values().filter(within).collect();
    assert!(found.contains(&&tiers[&ceiling]) && found.contains(&&tiers[start_of(town, agent)]));
    found
}

fn extended(resources: &Value) -> BTreeMap<String, Nanos> {
    entries(resources)
        .filter(|(key, _)| key.contains('/'))
        .map(|(key, value)| (key.clone(), amount(value)))
        .collect()
}

/// What a tier has of a resource.
fn of_tier(tier: &Value, resource: &str) -> Nanos {
    tier.get(resource).or_else(|| tier["resources"].get(resource)).map_or(0, amount)
}

fn pod_tolerations(pod: &Value) -> usize {
    items(&pod["spec"]["tolerations"]).count()
}

/// Reading in Python is slow, so there are few cases, each with everything in it.
#[test]
fn every_reader_gives_back_every_string_unchanged() {
    let readers = Readers::start();
    let mut runner = proptest::test_runner::TestRunner::new(cases(12));
    let result = runner.run(&town(), |town| {
        let manifests = manifests(&town);
        let (text, expected) = (manifests.to_yaml().unwrap(), values(&manifests));
        for reader in YamlReader::ALL {
            let read = readers.yaml(reader, &text);
            prop_assert!(read.is_ok(), "{:?}: {}\n{}", reader, read.unwrap_err(), text);
            let read = read.unwrap();
            prop_assert_eq!(read.len(), expected.len(), "{:?}", reader);
            // The one form that libyaml refuses, though YAML allows it: a block that begins with a tab.
            let texts = expected.iter().flat_map(support::objects::texts).map(|(_, text)| text);
            let mut blocks = texts.filter(|text| text.contains('\n'));
            prop_assert!(blocks.all(|text| !text.starts_with(char::is_whitespace)));
            for (read, expected) in read.iter().zip(&expected) {
                let (one, other) = (support::objects::texts(read), support::objects::texts(expected));
                let difference = one.iter().zip(&other).find(|(one, other)| one != other);
                prop_assert_eq!(read, expected, "{:?}: first difference {:?}", reader, difference);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_valid_town_validates_against_the_schema() {
    let readers = Readers::start();
    readers.set_schema(&nuketown::schema()).unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(cases(40));
    let result = runner.run(&town(), |town| {
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let answers = readers.validate("", &[town.0.clone(), serde_json::to_value(decoded).unwrap()]);
        prop_assert_eq!(answers, vec![None, None]);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn independent_reading_of_a_quantity_is_right() {
    const NANO: Nanos = 1_000_000_000;
    for (value, nanos) in [
        (json!("2"), 2 * NANO),
        (json!(2), 2 * NANO),
        (json!(0.5), NANO / 2),
        (json!("500m"), NANO / 2),
        (json!("1.5"), 3 * NANO / 2),
        (json!("1Gi"), (1 << 30) * NANO),
        (json!("1.5Ki"), 1536 * NANO),
        (json!("1e3"), 1000 * NANO),
        (json!("100e-3"), NANO / 10),
        (json!("3G"), 3_000_000_000 * NANO),
        (json!(".5"), NANO / 2),
        (json!("1n"), 1),
    ] {
        assert_eq!(amount(&value), nanos, "{value}");
    }
}
