//! The JSON Schema and the decoder agree: on every option, its default, and what its values look like.
//!
//! The schema may accept a value that the decoder refuses (it is coarser), but never the other way around: an editor
//! must not mark a town that renders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;

use nuketown::{Town, schema, town, values};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use support::{
    cases,
    objects::{entries, places, text},
    readers::Readers,
    text::hostile,
};

/// The key that every map of the schema takes: it is a name of every kind.
const KEY: &str = "a";

/// The schema with references followed.
struct Schema(Value);

impl Schema {
    fn resolve<'s>(&'s self, node: &'s Value) -> &'s Value {
        let node = match node["anyOf"].as_array() {
            Some(choices) => choices.iter().find(|choice| choice["type"] != "null").unwrap(),
            None => node,
        };
        match node["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap(),
            None => node,
        }
    }

    /// A value with every option set.
    fn exemplar(&self, node: &Value) -> Value {
        let node = self.resolve(node);
        if let Some(choice) = node["oneOf"].get(0) {
            return choice["const"].clone();
        }
        if let Some(example) = node["examples"].get(0) {
            return example.clone();
        }
        let kind = node["type"].as_str().unwrap_or_else(|| text(&node["type"][0]));
        match kind {
            "object" if Self::map_values(node).is_some() => {
                json!({ KEY: self.exemplar(Self::map_values(node).unwrap()) })
            }
            "object" => entries(&node["properties"])
                .map(|(name, option)| (name.clone(), self.exemplar(option)))
                .collect::<Map<_, _>>()
                .into(),
            "array" => json!([self.exemplar(&node["items"])]),
            "string" => "text".into(),
            "integer" => node["minimum"].clone(),
            "boolean" => true.into(),
            other => panic!("{other} is not known here"),
        }
    }

    /// The schema of a map's values; [`None`] for what has named options.
    fn map_values(node: &Value) -> Option<&Value> {
        let patterns = node["patternProperties"].as_object();
        patterns
            .and_then(|patterns| patterns.values().next())
            .or(Some(&node["additionalProperties"]).filter(|v| v.is_object()))
    }

    /// Every set of named options of the exemplar: its place, and its schema.
    fn option_sets<'s>(&'s self, node: &'s Value, at: &str, found: &mut Vec<(String, &'s Value)>) {
        let node = self.resolve(node);
        if let Some(values) = Self::map_values(node) {
            self.option_sets(values, &format!("{at}/{KEY}"), found);
        } else if node["properties"].is_object() {
            found.push((at.to_owned(), node));
            for (name, option) in entries(&node["properties"]) {
                self.option_sets(option, &format!("{at}/{name}"), found);
            }
        } else if node["items"].is_object() {
            self.option_sets(&node["items"], &format!("{at}/0"), found);
        }
    }
}

/// The schema, a town that sets every option, and every set of options of it.
fn whole() -> (Schema, Value) {
    let schema = Schema(schema());
    let exemplar = schema.exemplar(&schema.0);
    (schema, exemplar)
}

fn decode(value: &Value) -> Result<Town, String> {
    nuketown::decode_town(value.to_string().as_bytes()).map_err(|problem| problem.to_string())
}

fn readers() -> Readers {
    let readers = Readers::start();
    readers.set_schema(&schema()).unwrap();
    readers
}

#[test]
fn every_option_of_the_schema_is_one_of_the_decoder_and_the_other_way_around() {
    let (_, exemplar) = whole();
    let town = decode(&exemplar).unwrap();
    // What the decoder writes has every field of every struct; what it read has every property of the schema.
    assert_eq!(serde_json::to_value(town).unwrap(), exemplar);
    assert_eq!(readers().validate("", &[exemplar]), [None]);
}

#[test]
fn unknown_option_is_refused_by_both_wherever_it_stands() {
    let (schema, exemplar) = whole();
    let mut sets = Vec::new();
    schema.option_sets(&schema.0, "", &mut sets);
    assert!(sets.len() >= 20, "{}", sets.len());
    let mut towns = Vec::new();
    for (at, _) in sets {
        let mut town = exemplar.clone();
        town.pointer_mut(&at).unwrap()["zzUnknown"] = Value::Null;
        let problem = decode(&town).unwrap_err();
        assert!(problem.contains("zzUnknown does not exist"), "{at}: {problem}");
        towns.push(town);
    }
    for (answer, town) in readers().validate("", &towns).iter().zip(&towns) {
        assert!(answer.as_ref().is_some_and(|error| error.contains("zzUnknown")), "{answer:?}: {town}");
    }
}

#[test]
fn option_that_is_left_out_has_the_default_that_the_schema_documents() {
    let (schema, exemplar) = whole();
    let mut sets = Vec::new();
    schema.option_sets(&schema.0, "", &mut sets);
    let (mut incomplete, mut count) = (Vec::new(), 0);
    for (at, node) in sets {
        let required: Vec<&str> = node["required"].as_array().into_iter().flatten().map(text).collect();
        for (name, option) in entries(&node["properties"]) {
            assert!(option["description"].is_string(), "{at}/{name} is not described");
            let mut town = exemplar.clone();
            town.pointer_mut(&at).unwrap().as_object_mut().unwrap().remove(name);
            if required.contains(&name.as_str()) {
                assert!(decode(&town).is_err(), "{at}/{name} is required");
                incomplete.push(town);
                continue;
            }
            let default = option.get("default").unwrap_or_else(|| panic!("{at}/{name} has no default"));
            let filled = serde_json::to_value(decode(&town).unwrap()).unwrap();
            assert_eq!(filled.pointer(&format!("{at}/{name}")), Some(default), "{at}/{name}");
            count += 1;
        }
    }
    assert!(count > 60 && incomplete.len() > 5, "{count} defaults, {} required", incomplete.len());
    assert!(readers().validate("", &incomplete).iter().all(Option::is_some));
}

#[test]
fn value_of_another_type_is_judged_alike_wherever_it_stands() {
    let (_, exemplar) = whole();
    let places = places(&exemplar);
    let others = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!([]),
        json!({}),
        json!([null]),
        json!({ "zz": 1 }),
    ];
    let mut towns = Vec::new();
    for at in places.iter().filter(|at| !at.is_empty()) {
        for other in &others {
            let mut town = exemplar.clone();
            *town.pointer_mut(at).unwrap() = other.clone();
            towns.push((at, other, town));
        }
    }
    let answers = readers().validate("", &towns.iter().map(|(_, _, town)| town.clone()).collect::<Vec<_>>());
    for (answer, (at, other, town)) in answers.into_iter().zip(&towns) {
        assert_eq!(decode(town).err().is_some(), answer.is_some(), "{other} at {at}: {answer:?}");
    }
}

/// A type of values: its name in the schema, how the decoder reads it, and texts that it takes.
struct ValueType {
    name: &'static str,
    reads: fn(&Value) -> bool,
    samples: &'static [&'static str],
}

fn reads<T: DeserializeOwned>(value: &Value) -> bool {
    serde_json::from_value::<T>(value.clone()).is_ok()
}

macro_rules! value_types {
    ($($module:ident::$name:ident: $samples:expr),* $(,)?) => {
        &[$(ValueType { name: stringify!($name), reads: reads::<$module::$name>, samples: &$samples }),*]
    };
}

/// Types with a text form. Their samples are edited at random, and what the decoder still takes is shown to the schema.
const TEXTS: &[ValueType] = value_types! {
    town::AbsoluteDir: ["/agents", "/a", "/srv/a b/c", "/ä"],
    values::AwsRegion: ["eu-central-1", "us-gov-west-1", "a-b-1"],
    values::AwsRoleArn: ["arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/p/a+=,.@_-"],
    values::BareJid: ["ada@6bit.com", "a@b", "Ä@X.org", "a@[::1]", "a@10.0.0.1"],
    values::Egress: ["a.b:1", "*.example.org:443/tcp", "10.0.0.0/8:65535/udp", "[::/0]:1", "[2001:db8::1]:443", "1.2.3.4:9"],
    values::GcpServiceAccount: ["a@b.iam.gserviceaccount.com", "ada-1@example.com.p-1.iam.gserviceaccount.com"],
    values::GitUrl: ["git@github.com:o/n.git", "h:x", "https://h/x", "ssh://git@h:22/x", "git://[2001:db8::1]/x", "http://10.0.0.1:80/x"],
    values::HostName: ["a", "example.org", "xn--bcher-kva.example", "1.a"],
    values::HostPort: ["a", "cache.nixos.org", "a.b:443", "10.0.0.1", "10.0.0.1:1", "10.0.0.1/32", "[2001:db8::1]", "[2001:db8::1/128]:443"],
    values::HttpUrl: ["https://a", "http://a.b:80/c/d", "https://[::1]:443/", "https://a/@b", "https://a/b:c@d"],
    values::ImageReference: ["a:1", "a.b:5000/c/d_e:V.1-x", "a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "a/b:Tag_1@sha256:00000000000000000000000000000000000000000000000000000000000000ff"],
    values::ImageTag: ["1", "_a.B-c", "0p9x7l3c"],
    values::LabelKey: ["a", "nvidia.com/gpu", "a-b.c/D_e.F-1"],
    values::LabelValue: ["", "a", "A_b.c-1"],
    values::MailAddress: ["a@b", "ada+x@6bit.com", "ü@é"],
    values::NamespaceName: ["a", "nuketown", "a-1"],
    values::ObjectName: ["a", "premium-rwo", "a.b-c.1"],
    values::PersistPath: ["a", ".config/claude", "a b/c", "é/x"],
    values::Quantity: ["1", "500m", "1.5Gi", ".5", "5.", "1e3", "1E-3", "2E", "0", "9Ki", "1n", "3u", "4k", "5M", "6G", "7T", "1P", "2e+2"],
    values::Registry: ["a", "a:1", "ghcr.io/joshperry/nuketown", "localhost:5000/a", "0"],
    values::SecretName: ["a", "ada/github-pat", "A_b.c/-x/.y"],
    values::StorePath: ["/nix/store/00000000000000000000000000000000-a", "/nix/store/w05rymszja2nnrlh5xr3yxksrwz467cn-A+b-c._d?e=f"],
    values::TierName: ["a", "standard", "a-1"],
};

/// A town that holds a key.
type TownWith = fn(&str) -> Value;

/// Types that are the keys of maps, with a town that holds such a key.
const KEYS: &[(ValueType, TownWith)] = &[
    (
        ValueType { name: "AgentName", reads: reads::<values::AgentName>, samples: &["a", "ada-2", "a0"] },
        |key| json!({ "domain": "a.b", "agents": { key: {} } }),
    ),
    (
        ValueType { name: "RepoName", reads: reads::<values::RepoName>, samples: &["a", "A_b.c-1"] },
        |key| json!({ "domain": "a.b", "agents": { "a": { "daemon": { "repos": { key: { "url": "h:x" } } } } } }),
    ),
    (
        ValueType { name: "FileName", reads: reads::<values::FileName>, samples: &["a", "A_b.c-1"] },
        |key| json!({ "domain": "a.b", "agents": { "a": { "secrets": { "extraSecrets": { key: "s" } } } } }),
    ),
    (
        ValueType {
            name: "PersistPath",
            reads: reads::<values::PersistPath>,
            samples: &["a", ".config/claude", "a b/c", "é/x"],
        },
        |key| json!({ "domain": "a.b", "agents": { "a": { "cloud": { "persistSizes": { key: "1" } } } } }),
    ),
    (
        ValueType {
            name: "LabelKey",
            reads: reads::<values::LabelKey>,
            samples: &["a", "nvidia.com/gpu", "a-b.c/D_e.F-1"],
        },
        |key| json!({ "domain": "a.b", "cloud": { "tiers": { "a": { "cpu": 1, "memory": 1, "resources": { key: 1 } } } } }),
    ),
    (
        ValueType { name: "TierName", reads: reads::<values::TierName>, samples: &["a", "standard", "a-1"] },
        |key| json!({ "domain": "a.b", "cloud": { "tiers": { key: { "cpu": 1, "memory": 1 } } } }),
    ),
];

/// A sample with a few characters put in, taken out or replaced, or another text altogether.
fn near(samples: &'static [&'static str]) -> impl Strategy<Value = String> {
    let characters: Vec<char> =
        "aAzZ019.-_:/@[]*~+=,?#%\\\"'{}() \n\t\u{7f}\u{a0}éß\u{202e}😀".chars().collect();
    let edit = (any::<prop::sample::Index>(), 0..3_u8, select(characters));
    let edited = (select(samples), vec(edit, 0..4)).prop_map(|(sample, edits)| {
        let mut text: Vec<char> = sample.chars().collect();
        for (place, kind, character) in edits {
            let place = place.index(text.len() + 1);
            match kind {
                0 => text.insert(place, character),
                _ if place == text.len() => {}
                1 => drop(text.remove(place)),
                _ => text[place] = character,
            }
        }
        text.into_iter().collect()
    });
    let repeated = (select(samples), 1..300_usize).prop_map(|(sample, times)| sample.repeat(times));
    prop_oneof![6 => edited, 1 => repeated, 1 => hostile()]
}

/// Shows the schema what the decoder takes.
fn agree(readers: &Readers, of: &ValueType, at: &str, place: impl Fn(String) -> Value) {
    let mut accepted = 0;
    let mut runner = TestRunner::new(cases(24));
    let result = runner.run(&vec(near(of.samples), 32), |texts| {
        let texts: Vec<String> = texts.into_iter().filter(|text| (of.reads)(&text.as_str().into())).collect();
        let placed: Vec<Value> = texts.iter().cloned().map(&place).collect();
        for (answer, text) in readers.validate(at, &placed).into_iter().zip(texts) {
            prop_assert_eq!(answer, None, "the decoder takes {:?} as {}", text, of.name);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    for sample in of.samples {
        accepted += usize::from((of.reads)(&(*sample).into()));
    }
    assert!(accepted > 0, "the samples of {} are all refused", of.name);
}

#[test]
fn schema_takes_every_text_that_the_decoder_takes() {
    let readers = readers();
    for value_type in TEXTS {
        agree(&readers, value_type, &format!("/$defs/{}", value_type.name), Value::from);
    }
}

#[test]
fn schema_takes_every_key_that_the_decoder_takes() {
    let readers = readers();
    for (value_type, town) in KEYS {
        agree(&readers, value_type, "", |key| town(&key));
    }
}

#[test]
fn every_type_of_the_schema_with_a_pattern_or_a_range_is_tried() {
    let numbers = ["ApprovalTimeout", "Port", "Seconds", "Uid"];
    let tried: BTreeSet<&str> = TEXTS.iter().map(|of| of.name).chain(numbers).collect();
    let schema = schema();
    let defined = entries(&schema["$defs"])
        .filter(|(_, node)| node["pattern"].is_string() || !node["minimum"].is_null());
    let defined: BTreeSet<&str> = defined.map(|(name, _)| name.as_str()).collect();
    assert_eq!(tried, defined);
}

#[test]
fn ranges_of_the_schema_are_the_decoders() {
    let readers = readers();
    let schema = schema();
    for (name, reads) in [
        ("ApprovalTimeout", reads::<values::ApprovalTimeout> as fn(&Value) -> bool),
        ("Port", reads::<values::Port>),
        ("Seconds", reads::<values::Seconds>),
        ("Uid", reads::<values::Uid>),
    ] {
        let bound = |bound: &str| schema["$defs"][name][bound].as_i64().unwrap();
        let (least, most) = (bound("minimum"), bound("maximum"));
        let numbers = [i64::MIN, -1, 0, 1, least - 1, least, least + 1, most - 1, most, most + 1, i64::MAX];
        let numbers: Vec<Value> = numbers.into_iter().map(Value::from).collect();
        for (answer, number) in readers.validate(&format!("/$defs/{name}"), &numbers).into_iter().zip(numbers)
        {
            assert_eq!(answer.is_none(), reads(&number), "{number} as {name}");
        }
    }
}
