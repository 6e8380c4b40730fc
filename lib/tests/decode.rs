//! Whatever stands in the input, reading it ends in a town or in a problem that a terminal can show: never in a panic,
//! never in a message that moves the reader's cursor, hides a part of itself or fills the screen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use nuketown::{
    Problem, Selection, Town, decode_hosts, decode_town, to_kube_manifests, town::MAX_INPUT_BYTES,
};
use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use serde_json::{Value, json};
use support::{cases, objects::places, shuffle::shuffled, text::hostile, town::town};

const SMALL: &str = r#"{"domain":"6bit.com","cloud":{"enable":true},"agents":{"ada":{"role":"software","uid":1100,"persist":["a"]}}}"#;

/// Words that the decoder looks for in serde's messages.
const BAIT: &[&str] = &[
    "`",
    "`, expected `x\u{1b}[2J`",
    "a`b",
    "a`\u{1b}`b`\n`c",
    ", expected \u{1b}]0;x\u{7}",
    "unknown field `",
    "missing field `x`",
    "invalid type: x, expected \u{202e}y",
    "`, expected one of `\n`, `\r`",
    "agents.ada",
    "${x}",
];

/// Whether a message can stand on a terminal as it is: no control characters but the layout's own line feeds, nothing
/// that changes how the rest is shown, and no more than a few lines' worth.
fn check(problem: &Problem) -> Result<(), TestCaseError> {
    let parts = [Some(&problem.what), Some(&problem.cause), problem.hint.as_ref()];
    for part in parts.into_iter().flatten() {
        let bad = part.chars().find(|c| c.is_control() || hides(*c));
        prop_assert_eq!(bad, None, "in {:?}", part);
        prop_assert!(
            !part.is_empty() && part.chars().count() < 1000,
            "{} characters: {}",
            part.chars().count(),
            part
        );
    }
    prop_assert_eq!(problem.to_string().lines().count(), 2 + usize::from(problem.hint.is_some()));
    Ok(())
}

/// Separators of lines, and characters that turn, join or hide others.
fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Reads a town and renders it, in whichever way it ends.
fn read(json: &[u8]) -> Result<Option<Town>, TestCaseError> {
    match decode_town(json) {
        Ok(town) => {
            if let Err(problems) = to_kube_manifests(&town, &Selection::default()) {
                prop_assert!(!problems.is_empty());
                problems.iter().try_for_each(check)?;
            }
            Ok(Some(town))
        }
        Err(problem) => check(&problem).map(|()| None),
    }
}

fn bait() -> BoxedStrategy<String> {
    prop_oneof![1 => select(BAIT).prop_map(str::to_owned), 2 => hostile()].boxed()
}

/// Any JSON, with keys that are sometimes options.
fn any_json() -> BoxedStrategy<Value> {
    let options = [
        "domain",
        "agents",
        "cloud",
        "tiers",
        "ada",
        "persist",
        "uid",
        "network",
        "egress",
        "daemon",
        "repos",
        "url",
        "imageMode",
    ];
    let key = prop_oneof![2 => select(options.to_vec()).prop_map(str::to_owned), 1 => bait()];
    let leaf = prop_oneof![
        bait().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => vec((key.clone(), inner), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_bytes_are_a_town_or_a_problem(bytes in vec(any::<u8>(), 0..200)) {
        read(&bytes)?;
        prop_assert!(decode_hosts(&bytes).err().is_none_or(|problem| check(&problem).is_ok()));
    }

    #[test]
    fn any_json_is_a_town_or_a_problem(value in any_json(), host in bait()) {
        read(value.to_string().as_bytes())?;
        let hosts = json!({ host: value });
        if let Err(problem) = decode_hosts(hosts.to_string().as_bytes()) {
            check(&problem)?;
        }
    }

    #[test]
    fn town_with_another_value_somewhere_is_a_town_or_a_problem(town in town(), place in any::<Index>(), value in any_json()) {
        let places = places(&town);
        let mut town = town.0;
        *town.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        read(town.to_string().as_bytes())?;
    }

    #[test]
    fn town_with_another_option_somewhere_is_refused_or_has_a_map_there(town in town(), place in any::<Index>(), key in bait(), value in any_json()) {
        let mut places = places(&town);
        places.retain(|at| town.pointer(at).unwrap().is_object());
        let at = place.get(&places);
        let maps = ["/agents", "/tiers", "/repos", "/attrs", "/extraSecrets", "/persistSizes", "/resources", "/nodeSelector"];
        let mut changed = town.0.clone();
        changed.pointer_mut(at).unwrap()[&key] = value;
        let known = town.pointer(at).unwrap().get(&key).is_some();
        let decoded = read(changed.to_string().as_bytes())?;
        prop_assert!(decoded.is_none() || known || maps.iter().any(|map| at.ends_with(map)), "{:?} at {} is taken", key, at);
    }

    #[test]
    fn town_with_damaged_bytes_is_a_town_or_a_problem(town in town(), damage in vec((any::<Index>(), 0..4_u8, any::<u8>()), 1..5)) {
        let mut bytes = town.to_string().into_bytes();
        for (place, kind, byte) in damage {
            let place = place.index(bytes.len().max(1));
            match kind {
                0 => bytes.truncate(place),
                1 => bytes.insert(place.min(bytes.len()), byte),
                _ if bytes.is_empty() => {}
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = byte,
            }
        }
        read(&bytes)?;
        if let Err(problem) = decode_hosts(&bytes) {
            check(&problem)?;
        }
    }

    #[test]
    fn text_in_place_of_any_option_is_named_safely(town in town(), place in any::<Index>(), text in bait()) {
        let places = places(&town);
        let mut town = town.0;
        *town.pointer_mut(&places[place.index(places.len())]).unwrap() = text.into();
        read(town.to_string().as_bytes())?;
    }

    #[test]
    fn rule_that_a_text_breaks_is_explained_safely(text in bait()) {
        for town in towns_with_a_bad_text(&text) {
            read(town.to_string().as_bytes())?;
        }
        for name in ["\u{202e}", "a\u{2028}b", "\u{200b}"] {
            for town in towns_with_a_bad_text(name) {
                read(town.to_string().as_bytes())?;
            }
        }
    }

    #[test]
    fn hosts_that_agree_are_one_town_and_hosts_that_differ_are_named(town in town(), names in [bait(), bait()], seed in any::<u64>()) {
        prop_assume!(names[0] != names[1]);
        let hosts = format!("{{{}:{},{}:{}}}", json!(names[0]), town.0, json!(names[1]), shuffled(&town, seed));
        let joined = decode_hosts(hosts.as_bytes());
        prop_assert_eq!(joined.ok(), decode_town(town.to_string().as_bytes()).ok());
        let first = town["agents"].as_object().unwrap().keys().next().unwrap();
        for place in [format!("/agents/{first}/role"), "/approvalTimeout".to_owned()] {
            let mut other = town.0.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            let parent = if parent.is_empty() { &mut other } else { other.pointer_mut(parent).unwrap() };
            parent[key] = if key == "role" { "another role\u{1b}[2J".into() } else { 3599.into() };
            let hosts = json!({ &names[0]: town.0, &names[1]: other });
            if let Err(problem) = decode_hosts(hosts.to_string().as_bytes()) {
                check(&problem)?;
            } else {
                prop_assert_eq!(town.pointer(&place), Some(&json!(3599)), "hosts that differ are joined");
            }
        }
    }
}

/// Options whose text may hold nearly anything, in towns that break a rule of them.
fn towns_with_a_bad_text(text: &str) -> Vec<Value> {
    let path: String = text.chars().filter(|c| !c.is_control() && !":/~".contains(*c)).take(50).collect();
    let path = format!("d{path}");
    let scope: String = text.chars().filter(|c| !c.is_control() && !c.is_whitespace() && *c != '*').collect();
    let agents = [
        json!({ "persist": [path, path] }),
        json!({ "persist": [path, format!("{path}-")] }),
        json!({ "persist": [format!("{path}/a")], "cloud": { "persistSizes": { &path: "1Gi" } } }),
        json!({ "persist": [path], "cloud": { "persistSizes": { &path: 0 } } }),
        json!({ "persist": [format!(".config/nuketown/{path}")] }),
        json!({ "cloud": { "identity": { "scope": format!("x{scope}*") } } }),
        json!({ "cloud": { "identity": { "scope": text } } }),
        json!({ "sudo": { "preApproved": [format!("*{text}"), text] } }),
    ];
    agents
        .map(|agent| json!({ "domain": "6bit.com", "cloud": { "enable": true }, "agents": { "ada": agent } }))
        .into()
}

#[test]
fn town_that_ends_too_early_is_a_problem_at_every_byte() {
    assert!(decode_town(SMALL.as_bytes()).is_ok());
    for end in 0..SMALL.len() {
        let problem = decode_town(&SMALL.as_bytes()[..end]).unwrap_err();
        check(&problem).unwrap();
        assert_eq!(problem.what, "the town's JSON ends too early", "after {end} bytes");
    }
}

#[test]
fn deep_nesting_is_a_problem_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"agents\":", "}"), ("{\"a\":[", "]}")] {
        for depth in [100, 127, 128, 129, 1000, 1 << 20] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            check(&decode_town(text.as_bytes()).unwrap_err()).unwrap();
            check(&decode_town(open.repeat(depth).as_bytes()).unwrap_err()).unwrap();
            check(&decode_hosts(text.as_bytes()).unwrap_err()).unwrap();
        }
        let nested = format!("{}1{}", open.repeat(110), close.repeat(110));
        let agent = format!(r#"{{"domain":"6bit.com","agents":{{"ada":{nested}}}}}"#);
        check(&decode_town(agent.as_bytes()).unwrap_err()).unwrap();
    }
}

#[test]
fn input_larger_than_the_limit_is_refused_before_it_is_read() {
    let mut text = SMALL.to_owned();
    text.push_str(&" ".repeat(MAX_INPUT_BYTES - SMALL.len()));
    assert!(decode_town(text.as_bytes()).is_ok());
    text.push(' ');
    for problem in [decode_town(text.as_bytes()).unwrap_err(), decode_hosts(text.as_bytes()).unwrap_err()] {
        assert_eq!(problem.what, "the town is too large");
        check(&problem).unwrap();
    }
}

/// Names are compared with the known ones in memory that grows with their length.
#[test]
fn name_of_megabytes_is_refused_briefly() {
    let name = "a".repeat(2 << 20);
    let towns = [
        json!({ &name: 1 }),
        json!({ "domain": name }),
        json!({ "domain": "6bit.com", "agents": { &name: {} } }),
        json!({ "domain": "6bit.com", "agents": { "ada": { &name: {} } } }),
        json!({ "domain": "6bit.com", "cloud": { "imageMode": name } }),
        json!({ "domain": "6bit.com", "cloud": { "enable": true }, "agents": { "ada": { "sudo": { "preApproved": [format!("*{name}")] } } } }),
    ];
    for town in towns {
        assert!(read(town.to_string().as_bytes()).unwrap().is_none_or(|town| town.agents.len() == 1));
    }
}

/// A pod mounts other things there, the API server takes each path once, and `$(USER)` would be replaced.
#[test]
fn home_of_an_agent_cannot_stand_where_the_system_has_something() {
    for (dir, name) in [
        ("/run/nuketown", "secrets"),
        ("/run/nuketown", "identity"),
        ("/etc/nuketown", "town"),
        ("/var/run/secrets", "nuketown"),
        ("/nix", "store"),
        ("/run", "ada"),
        ("/proc/self", "ada"),
        ("/agents/$(USER)", "ada"),
        ("/a:b", "ada"),
        ("/agents/../etc", "ada"),
        ("agents", "ada"),
    ] {
        let town = json!({ "domain": "6bit.com", "agentsDir": dir, "agents": { name: { "cloud": { "enable": true } } } });
        let rendered = decode_town(town.to_string().as_bytes())
            .map_err(|problem| vec![problem])
            .and_then(|town| to_kube_manifests(&town, &Selection::default()));
        assert!(rendered.is_err_and(|problems| problems[0].cause.contains("agentsDir")), "{dir}/{name}");
    }
}

#[test]
fn list_is_no_attribute_set() {
    for text in [
        r#"["6bit.com"]"#,
        "[]",
        r#"{"domain":"6bit.com","cloud":[true]}"#,
        r#"{"domain":"6bit.com","agents":{"ada":[]}}"#,
    ] {
        let problem = decode_town(text.as_bytes()).unwrap_err();
        check(&problem).unwrap();
        assert!(problem.cause.contains("attribute set"), "{problem}");
    }
}
