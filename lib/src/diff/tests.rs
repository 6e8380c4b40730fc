//! Properties of the diff: complete, exact, deterministic, and safe to print, whatever changes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Manifests, Selection, Town, to_kube_manifests};

fn render(town: &Value) -> Manifests {
    to_kube_manifests(&Town::from_json(town).unwrap(), &Selection::default()).unwrap()
}

fn values(manifests: &Manifests) -> Vec<Value> {
    manifests.objects().map(|object| serde_json::to_value(object).unwrap()).collect()
}

fn try_read(objects: &[Value]) -> Result<Rendered, crate::Problem> {
    let mut rendered = Rendered::default();
    objects.iter().try_for_each(|object| rendered.add("the test", object.clone()))?;
    Ok(rendered)
}

fn read(objects: &[Value]) -> Rendered {
    try_read(objects).unwrap()
}

fn is_safe(text: &str) -> bool {
    text.lines().all(|line| super::words::safe(line) == line)
}

/// Every place in a value, as a JSON pointer.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Object(map) => {
            map.iter()
                .for_each(|(key, inner)| pointers(inner, &format!("{at}/{}", key.replace('/', "~1")), into));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, inner)| pointers(inner, &format!("{at}/{index}"), into));
        }
        _ => {}
    }
}

/// The same place with something else in it.
fn altered(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(format!("{text}x")),
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::Bool(flag) => json!(!flag),
        Value::Null => json!("x"),
        Value::Array(list) => {
            let mut list = list.clone();
            list.push(json!("x"));
            Value::Array(list)
        }
        Value::Object(map) => {
            let mut map = map.clone();
            map.insert("unheardOf".to_owned(), json!(1));
            Value::Object(map)
        }
    }
}

fn small_town() -> Value {
    json!({
        "domain": "6bit.com",
        "approver": "josh@6bit.com",
        "cloud": { "enable": true, "storageClass": "fast", "hostUsers": false },
        "agents": { "ada": {
            "persist": ["projects"],
            "cloud": { "resources": "gpu", "identity": { "gcpServiceAccount": "ada-agent@myproject.iam.gserviceaccount.com" } },
            "github": { "enable": true },
            "network": { "egress": ["10.1.0.0/16:5432", "pypi.org:443"] },
            "sudo": { "enable": true, "preApproved": ["ls *"] },
        } },
    })
}

#[test]
fn every_single_alteration_is_seen() {
    for engine in ["kubernetes", "cilium", "gke-fqdn"] {
        let mut town = small_town();
        town["cloud"]["networkPolicy"] = json!(engine);
        let objects = values(&render(&town));
        let old = read(&objects);
        let mut seen = 0;
        for (index, object) in objects.iter().enumerate() {
            // What the engines share is altered once.
            if engine != "kubernetes" && !object::is_policy(object["kind"].as_str().unwrap()) {
                continue;
            }
            let mut places = Vec::new();
            pointers(object, "", &mut places);
            for place in places {
                let mut new = objects.clone();
                let value = new[index].pointer_mut(&place).unwrap();
                *value = altered(value);
                // A text where an object should be, or a group that is no group, is no object any more.
                let Ok(new) = try_read(&new) else { continue };
                let diff = diff(&old, &new);
                let said = diff
                    .sections
                    .iter()
                    .all(|section| !section.lines.is_empty() && !section.fields.is_empty());
                assert!(!diff.is_empty() && said, "{engine}: {place} of {object}:\n{}", diff.to_text());
                assert!(is_safe(&diff.to_text()));
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}

#[test]
fn every_single_removal_is_seen() {
    let objects = values(&render(&small_town()));
    let old = read(&objects);
    for (index, object) in objects.iter().enumerate() {
        let mut places = Vec::new();
        pointers(object, "", &mut places);
        for place in places.iter().filter(|place| !place.is_empty()) {
            let mut new = objects.clone();
            let (parent, last) = place.rsplit_once('/').unwrap();
            match new[index].pointer_mut(parent).unwrap() {
                Value::Object(map) => drop(map.remove(&last.replace("~1", "/")).unwrap()),
                Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                other => panic!("{other}"),
            }
            let Ok(new) = try_read(&new) else { continue };
            let (there, back) = (diff(&old, &new), diff(&new, &old));
            assert!(!there.is_empty() && !back.is_empty(), "{place} of {object}");
        }
    }
}

#[test]
fn object_of_any_kind_that_comes_or_goes_is_seen() {
    let objects = values(&render(&small_town()));
    let old = read(&objects);
    for index in 0..objects.len() {
        let mut new = objects.clone();
        let gone = new.remove(index);
        let new = read(&new);
        assert!(!diff(&old, &new).is_empty() && !diff(&new, &old).is_empty(), "{gone}");
        assert!(!diff(&Rendered::default(), &read(std::slice::from_ref(&gone))).is_empty(), "{gone}");
    }
}

/// Options of an agent that change different aspects, by bits.
fn agent(bits: u16, text: &str) -> Value {
    let on = |bit: u16| bits & (1 << bit) != 0;
    let mut agent = json!({ "description": text, "persist": if on(0) { json!(["projects", "notes"]) } else { json!([]) } });
    if on(1) {
        agent["cloud"]["resources"] = json!("large");
    }
    if on(2) {
        agent["network"]["egress"] = json!(["*.example.org:443", "10.0.0.0/8:5432"]);
    }
    if on(3) {
        agent["sudo"] = json!({ "enable": true, "preApproved": [format!("echo {}", text.replace(char::is_control, ""))] });
    }
    if on(4) {
        agent["cloud"]["identity"] =
            json!({ "gcpServiceAccount": "a-agent@myproject.iam.gserviceaccount.com" });
    }
    if on(5) {
        agent["github"]["enable"] = json!(true);
    }
    if on(6) {
        agent["cloud"]["scaling"] = json!({ "maxResources": "gpu", "idleTimeout": 60 });
    }
    if on(7) {
        agent["cloud"]["image"] = json!("ghcr.io/x/y:1");
    }
    agent
}

fn any_town() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(String::new()), "\\PC{0,80}", any::<String>()];
    let agents = prop::collection::btree_map("[a-d]", (any::<u16>(), text), 1..4);
    (agents, 0_usize..3, any::<u8>()).prop_map(|(agents, engine, bits)| {
        let agents: serde_json::Map<String, Value> =
            agents.into_iter().map(|(name, (bits, text))| (name, agent(bits, &text))).collect();
        let engine = ["kubernetes", "cilium", "gke-fqdn"][engine];
        let namespace = if bits & 1 == 0 { "nuketown" } else { "village" };
        let cloud = json!({ "enable": true, "networkPolicy": engine, "namespace": namespace });
        json!({ "domain": "6bit.com", "agents": agents, "cloud": cloud })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn diff_is_empty_exactly_where_the_objects_are_equal(one in any_town(), other in any_town()) {
        let (a, b) = (render(&one), render(&other));
        let (old, new) = (Rendered::from_manifests(&a).unwrap(), Rendered::from_manifests(&b).unwrap());
        let found = diff(&old, &new);
        prop_assert_eq!(found.is_empty(), values(&a) == values(&b));
        prop_assert!(diff(&old, &old).is_empty());
        prop_assert_eq!(&found, &diff(&old, &new));
        prop_assert!(is_safe(&found.to_text()), "{}", found.to_text());
        prop_assert!(is_safe(&found.to_markdown()), "{}", found.to_markdown());
        prop_assert!(found.to_json_text().chars().all(|c| c == '\n' || (c.is_ascii() && !c.is_ascii_control())));
        prop_assert_eq!(serde_json::from_str::<Value>(&found.to_json_text()).unwrap(), found.to_json());
    }

    #[test]
    fn written_and_read_back_nothing_changes(town in any_town(), turn in any::<prop::sample::Index>()) {
        let manifests = render(&town);
        let direct = Rendered::from_manifests(&manifests).unwrap();
        let found = diff(&direct, &Rendered::from_yaml(&manifests.to_yaml().unwrap()).unwrap());
        prop_assert!(found.is_empty(), "{}", found.to_text());
        // A `List`, with its objects in another order.
        let mut items = values(&manifests);
        items.reverse();
        let at = turn.index(items.len());
        items.rotate_left(at);
        let list = json!({ "kind": "List", "items": items, "apiVersion": "v1" });
        prop_assert!(diff(&direct, &read(&[list])).is_empty());
        let files = manifests.to_files().unwrap();
        let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        prop_assert!(diff(&direct, &Rendered::from_files(files).unwrap()).is_empty());
    }
}
