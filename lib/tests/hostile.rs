//! Texts that look like something else come out as exactly that text and as nothing else: in YAML as three readers read
//! it, and in both TOML files of an agent's home as the `toml` crate and Python's `tomllib` read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use nuketown::{
    CONFIG_DIR, DaemonFile, IdentityFile, Manifests, Selection, TownFile, decode_town, home_files,
    to_kube_manifests,
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use support::{
    cases,
    home::Home,
    objects::{entries, items, manifests, objects, of_kind, text, the, values},
    readers::{Readers, YamlReader},
    text::{HOSTILE, hostile, long},
    town::{set, town},
};

/// Every hostile text, every control and formatting character by itself, and the long ones.
fn texts() -> Vec<String> {
    let single = (0..0xa0).chain(0x2000..0x2070).chain([0xfeff, 0xfffe, 0xffff, 0xe000, 0x1_f600, 0x10_ffff]);
    let single = single
        .filter_map(char::from_u32)
        .flat_map(|c| [c.to_string(), format!("a{c}"), format!("{c}a"), format!("a{c}b")]);
    HOSTILE.iter().map(|text| (*text).to_owned()).chain(single).chain(long()).collect()
}

fn texts_without(refuse: fn(char) -> bool) -> Vec<String> {
    let mut texts: Vec<String> =
        texts().into_iter().map(|text| text.chars().filter(|c| !refuse(*c)).collect()).collect();
    texts.sort();
    texts.dedup();
    texts
}

/// A town of one agent, in the cluster.
fn one_agent(options: &Value) -> Value {
    let mut town = json!({ "domain": "6bit.com", "agents": { "ada": options } });
    set(&mut town, &["agents", "ada", "cloud", "enable"], true.into());
    town
}

/// Both files of a home as tables, after they were read by both readers, and by the type that the daemon reads.
fn tables(readers: &Readers, files: &BTreeMap<String, String>) -> Result<[Value; 2], TestCaseError> {
    let read = |name: &str| {
        let file = &files[name];
        let in_python =
            readers.toml(file).map_err(|error| TestCaseError::fail(format!("tomllib: {error}\n{file}")))?;
        let in_rust: Value =
            toml::from_str(file).map_err(|error| TestCaseError::fail(format!("toml: {error}\n{file}")))?;
        prop_assert_eq!(&in_rust, &in_python);
        Ok(in_rust)
    };
    let (identity, daemon) = (read("identity.toml")?, read("daemon.toml")?);
    let typed: IdentityFile = toml::from_str(&files["identity.toml"]).unwrap();
    prop_assert_eq!(serde_json::to_value(typed).unwrap(), identity.clone());
    if let Some(file) = files.get("town.toml") {
        let typed: TownFile = toml::from_str(file).unwrap();
        prop_assert_eq!(serde_json::to_value(typed).unwrap(), read("town.toml")?);
    }
    let typed: DaemonFile = toml::from_str(&files["daemon.toml"]).unwrap();
    prop_assert_eq!(serde_json::to_value(typed).unwrap(), daemon.clone());
    Ok([identity, daemon])
}

/// The files of an agent's config map.
fn files_of(objects: &[Value], agent: &str) -> BTreeMap<String, String> {
    let map = of_kind(objects, "ConfigMap")
        .find(|map| map["metadata"]["labels"]["nuketown.io/agent"] == agent)
        .unwrap();
    serde_json::from_value(map["data"].clone()).unwrap()
}

/// A stream of one object that holds the texts as values and as keys.
///
/// Texts of several lines begin with a letter, as they do in every object that the library makes (properties.rs holds it to
/// that): YAML allows a block that begins with a tab, and libyaml refuses it.
fn stream_of(texts: &[String]) -> (String, Value) {
    let begun = |text: &String| if text.contains('\n') { format!("x{text}") } else { text.clone() };
    let texts: Vec<String> = texts.iter().map(begun).collect();
    let data = texts.iter().enumerate().map(|(index, text)| (format!("k{index}"), text.clone())).collect();
    // A key has at most 253 characters of prefix, a slash and 63 of name; YAML has another form for keys above 1024.
    let keys = texts.iter().filter(|text| text.len() <= 317);
    let annotations = keys.map(|text| (text.clone(), text.clone())).collect();
    let metadata =
        ObjectMeta { name: Some("x".to_owned()), annotations: Some(annotations), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
    let manifests = Manifests {
        namespace: vec![map.into()],
        agents: Vec::new(),
        images: Vec::new(),
        warnings: Vec::new(),
    };
    let value = serde_json::to_value(&manifests.namespace[0]).unwrap();
    (manifests.to_yaml().unwrap(), value)
}

fn check_yaml(readers: &Readers, stream: &str, expected: &[Value]) -> Result<(), TestCaseError> {
    for reader in YamlReader::ALL {
        let read = readers
            .yaml(reader, stream)
            .map_err(|error| TestCaseError::fail(format!("{reader:?}: {error}")))?;
        prop_assert_eq!(read.len(), expected.len(), "{:?} sees other documents", reader);
        for (read, expected) in read.iter().zip(expected) {
            let (one, other) = (support::objects::texts(read), support::objects::texts(expected));
            let difference = one.iter().zip(&other).find(|(one, other)| one != other);
            prop_assert!(read == expected, "{:?}: {:?}", reader, difference);
        }
    }
    Ok(())
}

#[test]
fn yaml_gives_back_every_hostile_text_as_value_and_as_key() {
    let readers = Readers::start();
    let (stream, expected) = stream_of(&texts());
    check_yaml(&readers, &stream, &[expected]).unwrap();
}

#[test]
fn yaml_gives_back_random_texts_as_value_and_as_key() {
    let readers = Readers::start();
    let result = TestRunner::new(cases(32)).run(&vec(hostile(), 1..40), |texts| {
        let (stream, expected) = stream_of(&texts);
        check_yaml(&readers, &stream, &[expected])
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn free_text_is_that_text_in_both_toml_files() {
    let readers = Readers::start();
    for text in texts() {
        let town =
            one_agent(&json!({ "role": text, "description": text, "daemon": { "bootstrapModel": text } }));
        let objects = objects(&town);
        let [identity, daemon] = tables(&readers, &files_of(&objects, "ada")).unwrap();
        assert_eq!(
            (&identity["role"], &identity["description"]),
            (&text.as_str().into(), &text.as_str().into())
        );
        assert_eq!(daemon["bootstrap"]["model"], text.as_str());
        let home = Home::of(&town, "ada");
        assert_eq!([identity, daemon], [home.identity(), home.daemon()], "{text:?} changed something else");
    }
}

/// The texts are read out of the YAML that holds the TOML.
#[test]
fn free_text_is_that_text_behind_both_syntaxes() {
    let readers = Readers::start();
    let all = texts().concat();
    let chunks: Vec<char> = all.chars().collect();
    for chunk in chunks.chunks(12_000) {
        let text: String = chunk.iter().collect();
        let town =
            one_agent(&json!({ "role": text, "description": text, "daemon": { "bootstrapModel": text } }));
        let manifests = manifests(&town);
        let stream = manifests.to_yaml().unwrap();
        check_yaml(&readers, &stream, &values(&manifests)).unwrap();
        let read = readers.yaml(YamlReader::V1_1, &stream).unwrap();
        let [identity, daemon] = tables(&readers, &files_of(&read, "ada")).unwrap();
        assert_eq!(identity["description"], text.as_str());
        assert_eq!(daemon["bootstrap"]["model"], text.as_str());
    }
}

#[test]
fn pre_approved_commands_are_those_commands_in_order() {
    let readers = Readers::start();
    let commands: Vec<String> =
        texts_without(char::is_control).into_iter().map(|text| format!("systemctl {text}")).collect();
    let town = one_agent(&json!({ "sudo": { "enable": true, "preApproved": commands } }));
    let [_, daemon] = tables(&readers, &files_of(&objects(&town), "ada")).unwrap();
    assert_eq!(daemon["sudo"]["pre_approved"], json!(commands));
}

#[test]
fn directories_are_mounted_and_listed_by_their_own_names() {
    let readers = Readers::start();
    let parts = texts_without(|c| c.is_control() || ":/".contains(c));
    let short = parts.into_iter().filter(|text| text.len() <= 40 && !text.chars().all(char::is_alphanumeric));
    let mut paths: Vec<String> = short.enumerate().map(|(index, text)| format!("d{index} {text}")).collect();
    let town = one_agent(&json!({ "persist": paths }));
    let manifests = manifests(&town);
    let objects = values(&manifests);
    check_yaml(&readers, &manifests.to_yaml().unwrap(), &objects).unwrap();
    let mounts =
        items(&the(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]);
    let mut mounted: Vec<String> = mounts
        .filter(|mount| text(&mount["name"]).starts_with("persist-"))
        .map(|mount| text(&mount["mountPath"]).strip_prefix("/agents/ada/").unwrap().to_owned())
        .collect();
    paths.sort();
    mounted.sort();
    assert_eq!(mounted, paths);
    let [identity, _] = tables(&readers, &files_of(&objects, "ada")).unwrap();
    assert_eq!(identity["persist"], json!(paths));
}

#[test]
fn addresses_with_hostile_parts_stay_one_value() {
    let readers = Readers::start();
    let odd = |c: char| c.is_control() || c.is_whitespace() || "#?".contains(c);
    let parts: Vec<String> = texts_without(odd).into_iter().filter(|text| text.len() < 200).collect();
    let url = |part: &String| format!("https://git.example.org/x{part}");
    let repos: BTreeMap<String, Value> =
        parts.iter().enumerate().map(|(i, part)| (format!("r{i}"), json!({ "url": url(part) }))).collect();
    let town = one_agent(
        &json!({ "daemon": { "repos": repos, "apiUrl": format!("https://api.example.org/{}", parts.concat()) } }),
    );
    let [_, daemon] = tables(&readers, &files_of(&objects(&town), "ada")).unwrap();
    assert_eq!(daemon, Home::of(&town, "ada").daemon());
    assert_eq!(entries(&daemon["repos"]).count(), parts.len());
}

#[test]
fn scope_and_mail_address_stay_one_value() {
    let readers = Readers::start();
    let silent = json!({ "xmpp": { "enable": false } });
    for part in texts_without(|c| c.is_control() || c.is_whitespace() || "*<>@,;\"\\".contains(c)) {
        let mut town = one_agent(&silent);
        set(&mut town, &["agents", "ada", "cloud", "identity", "scope"], format!("a{part}*").into());
        if part.len() < 200 {
            set(&mut town, &["agents", "ada", "email"], format!("a{part}@{part}b").into());
        }
        let [identity, daemon] = tables(&readers, &files_of(&objects(&town), "ada")).unwrap();
        let home = Home::of(&town, "ada");
        assert_eq!([identity, daemon], [home.identity(), home.daemon()], "{part:?}");
    }
}

/// They concern hosts alone, and so are kept by the model and change nothing in the cluster.
#[test]
fn devices_and_disk_are_kept_as_they_are_and_change_no_manifest() {
    let plain = manifests(&one_agent(&json!({}))).to_yaml().unwrap();
    for text in texts() {
        let device = json!({ "subsystem": text, "attrs": { text.as_str(): text } });
        let mut town = one_agent(&json!({ "devices": [device] }));
        set(&mut town, &["btrfsDevice"], text.as_str().into());
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        assert_eq!(decoded.btrfs_device.as_ref(), Some(&text));
        let devices = &decoded.agents.values().next().unwrap().devices;
        assert_eq!(devices[0].subsystem, text);
        assert_eq!(devices[0].attrs, BTreeMap::from([(text.clone(), text)]));
        assert_eq!(manifests(&town).to_yaml().unwrap(), plain);
    }
}

#[test]
fn files_of_a_random_home_say_what_is_declared() {
    let readers = Readers::start();
    let result = TestRunner::new(cases(48)).run(&town(), |town| {
        let decoded = decode_town(town.to_string().as_bytes()).unwrap();
        let objects = objects(&town);
        for (name, _) in entries(&town["agents"]) {
            let files = home_files(&decoded, &name.parse().unwrap()).unwrap();
            let files: BTreeMap<String, String> = files
                .into_iter()
                .map(|(path, text)| {
                    (path.strip_prefix(CONFIG_DIR).unwrap().trim_start_matches('/').to_owned(), text)
                })
                .collect();
            let [identity, daemon] = tables(&readers, &files)?;
            let home = Home::of(&town, name);
            prop_assert_eq!(&identity, &home.identity());
            prop_assert_eq!(&daemon, &home.daemon());
            let mut files = files;
            let shared = files.remove("town.toml").unwrap();
            prop_assert_eq!(toml::from_str::<Value>(&shared).unwrap(), Home::town(&town));
            let town_map =
                of_kind(&objects, "ConfigMap").find(|map| map["metadata"]["name"] == "nuketown").unwrap();
            prop_assert_eq!(&town_map["data"], &json!({ "town.toml": shared }));
            if identity["model"] == "cloud" {
                prop_assert_eq!(files, files_of(&objects, name), "a pod has the files of its home");
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn configuration_too_large_for_a_config_map_is_a_problem() {
    let town = one_agent(&json!({ "description": "x".repeat(2 << 20) }));
    let decoded = decode_town(town.to_string().as_bytes()).unwrap();
    let problems = to_kube_manifests(&decoded, &Selection::default()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].what, "agent `ada` says too much");
}
