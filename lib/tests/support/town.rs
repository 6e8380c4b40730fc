//! Random towns, each of them valid: whatever the library has against one of these is a finding.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};
use serde_json::{Map, Value, json};

use super::{
    agent::{Sketch, derivation, maybe, nullable, object, sketch},
    amounts::amount,
    text::{WORDS, host, hostile, jid_host, label, qualified},
};

/// A random town, which a failing test prints as the JSON that it was read from.
#[derive(Clone)]
pub(crate) struct RandomTown(pub(crate) Value);

impl std::ops::Deref for RandomTown {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl std::fmt::Debug for RandomTown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// A random valid town with at least one cloud agent, of up to three agents.
pub(crate) fn town() -> BoxedStrategy<RandomTown> {
    let agents = vec((agent_name(), sketch(), derivation()), 1..=3);
    (shared(), cloud(), tiers(), agents, [any::<Index>(), any::<Index>()], any::<[bool; 2]>())
        .prop_map(|(shared, cloud, tiers, agents, town_tiers, flags)| {
            RandomTown(Assembly::new(shared, cloud, tiers, town_tiers, flags).with_agents(agents))
        })
        .boxed()
}

fn agent_name() -> BoxedStrategy<String> {
    let words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    prop_oneof![1 => select(words), 3 => "[a-z]([a-z0-9-]{0,6}[a-z0-9])?", 1 => "[a-z][a-z0-9-]{29}[a-z0-9]"]
        .boxed()
}

/// What the town declares beside `cloud` and `agents`.
fn shared() -> BoxedStrategy<Map<String, Value>> {
    let dirs = [
        "/agents",
        "/home",
        "/srv/the agents",
        "/yes",
        "/1_000",
        "/x/{{ y }}",
        "/a'b\"c",
        "/ä/ö",
        "/- x",
        "/#x",
        "/a\u{2028}b",
        "/a\\b",
    ];
    object(vec![
        ("domain", jid_host().prop_map(|host| Some(host.into())).boxed()),
        ("approver", nullable(jid_host().prop_map(|host| format!("josh@{host}")))),
        ("approvalTimeout", maybe(5_u32..=3600)),
        ("agentsDir", maybe(select(dirs.to_vec()))),
        ("btrfsDevice", nullable(hostile())),
    ])
}

/// What the town declares below `cloud`, without tiers.
fn cloud() -> BoxedStrategy<Map<String, Value>> {
    let registries = ["ghcr.io/joshperry/nuketown", "localhost:5000", "registry", "localhost:5000/x/y"];
    let caches = prop_oneof![
        2 => host(),
        1 => (host(), 1_u16..).prop_map(|(host, port)| format!("{host}:{port}")),
        1 => Just("10.0.0.7".to_owned()),
        1 => Just("[2001:db8::7]:8443".to_owned()),
    ];
    let names = || (label(63), label(20)).prop_map(|(one, other)| format!("{one}.{other}"));
    let pull_secrets =
        proptest::collection::btree_set(names(), 0..3).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    object(vec![
        ("enable", maybe(any::<bool>())),
        ("imageMode", maybe(select(vec!["oci", "nix-snapshotter"]))),
        ("registry", maybe(select(registries.to_vec()))),
        ("imagePullSecrets", maybe(pull_secrets)),
        ("namespace", maybe(label(40))),
        ("storageClass", nullable(names())),
        ("defaultPersistSize", maybe(size())),
        ("homeSize", maybe(size())),
        ("networkPolicy", maybe(select(vec!["kubernetes", "cilium", "gke-fqdn"]))),
        ("nixCaches", maybe(vec(caches, 0..3))),
        ("runtimeClassName", nullable(names())),
        ("hostUsers", nullable(any::<bool>())),
        ("scaling", maybe(object(vec![("idleTimeout", maybe(1_u32..=31_536_000))]))),
    ])
}

/// A size in whole bytes, as text or as a number.
pub(crate) fn size() -> BoxedStrategy<Value> {
    let texts = ["1", "10Gi", "1.5Gi", "0.5Ki", "500M", "1e9", "2E9", "1024Mi", "3Ti", "12.5k", "1000m"]
        .map(Value::from);
    prop_oneof![2 => select(texts.to_vec()), 1 => (1_u64..1 << 50).prop_map(Value::from)].boxed()
}

fn cpu() -> BoxedStrategy<Value> {
    let odd = vec![
        json!("500m"),
        json!("1.5"),
        json!(2),
        json!(0.5),
        json!("1e1"),
        json!("250000u"),
        json!("0.001"),
        json!("1n"),
        json!(".5"),
    ];
    prop_oneof![2 => select(odd), 1 => (1_u32..256).prop_map(|cores| cores.to_string().into())].boxed()
}

/// Tiers by name: those of the library, or up to four others.
fn tiers() -> BoxedStrategy<Option<BTreeMap<String, Value>>> {
    let resource =
        select(vec!["nvidia.com/gpu", "amd.com/gpu", "example.com/fpga-2", "smarter-devices.example/tty_0"]);
    let count =
        prop_oneof![(1_u32..9).prop_map(Value::from), select(vec![json!("1"), json!("1k"), json!("2000m")])];
    let resources = proptest::collection::btree_map(resource.prop_map(str::to_owned), count, 0..3);
    let key = || {
        prop_oneof![
            qualified(),
            (label(20), qualified()).prop_map(|(prefix, name)| format!("{prefix}.io/{name}"))
        ]
    };
    let value = || prop_oneof![1 => Just(String::new()), 3 => qualified()];
    let selector = proptest::collection::btree_map(key(), value(), 0..3);
    let to_object = |map: BTreeMap<String, Value>| map.into_iter().collect::<Map<_, _>>();
    let tier = object(vec![
        ("cpu", cpu().prop_map(Some).boxed()),
        ("memory", size().prop_map(Some).boxed()),
        ("resources", maybe(resources.prop_map(to_object))),
        (
            "nodeSelector",
            maybe(
                selector.prop_map(|map| map.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>()),
            ),
        ),
        ("tolerations", maybe(vec(toleration(key().boxed(), value().boxed()), 0..3))),
    ]);
    option::weighted(0.7, proptest::collection::btree_map(label(63), tier.prop_map(Value::from), 1..5))
        .boxed()
}

fn toleration(key: BoxedStrategy<String>, value: BoxedStrategy<String>) -> BoxedStrategy<Value> {
    let effect = || nullable(select(vec!["NoSchedule", "PreferNoSchedule"]));
    let some = |strategy: BoxedStrategy<String>| strategy.prop_map(|text| Some(text.into())).boxed();
    let word = |word: &'static str| Just(Some(Value::from(word))).boxed();
    let exists =
        object(vec![("key", nullable(key.clone())), ("operator", word("Exists")), ("effect", effect())]);
    let equal = object(vec![
        ("key", some(key.clone())),
        ("operator", maybe(Just("Equal"))),
        ("value", nullable(value)),
        ("effect", effect()),
    ]);
    let evicted = object(vec![
        ("key", some(key)),
        ("effect", word("NoExecute")),
        ("tolerationSeconds", nullable(1_u32..=31_536_000)),
    ]);
    prop_oneof![exists, equal, evicted].prop_map(Value::from).boxed()
}

/// The tiers that a town has where it defines none.
fn default_tiers() -> BTreeMap<String, Value> {
    let tiers = json!({
        "small": { "cpu": "1", "memory": "2Gi" },
        "standard": { "cpu": "2", "memory": "4Gi" },
        "large": { "cpu": "4", "memory": "8Gi" },
        "gpu": {
            "cpu": "4",
            "memory": "16Gi",
            "resources": { "nvidia.com/gpu": "1" },
            "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" }],
        },
    });
    serde_json::from_value(tiers).unwrap()
}

/// The names of tiers that have at least as much of everything as `start`.
pub(crate) fn tiers_from(tiers: &BTreeMap<String, Value>, start: &Value) -> Vec<String> {
    let part = |tier: &Value, key: &str| tier["resources"].get(key).map_or(0, amount);
    let enough = |tier: &Value| {
        let devices = start["resources"].as_object().into_iter().flatten();
        amount(&tier["cpu"]) >= amount(&start["cpu"])
            && amount(&tier["memory"]) >= amount(&start["memory"])
            && devices.into_iter().all(|(key, wanted)| part(tier, key) >= amount(wanted))
    };
    tiers.iter().filter(|(_, tier)| enough(tier)).map(|(name, _)| name.clone()).collect()
}

/// A town's tiers, its own or the default ones.
pub(crate) fn tiers_of(town: &Value) -> BTreeMap<String, Value> {
    town["cloud"]
        .get("tiers")
        .map_or_else(default_tiers, |tiers| serde_json::from_value(tiers.clone()).unwrap())
}

/// A town in the making, with what must not be the same for two agents.
struct Assembly {
    shared: Map<String, Value>,
    cloud: Map<String, Value>,
    tiers: BTreeMap<String, Value>,
    /// The town's own starting tier, and its ceiling if it sets one.
    start: String,
    ceiling: Option<String>,
    claims: BTreeSet<String>,
    agents: Map<String, Value>,
    operator_sizes: Map<String, Value>,
}

impl Assembly {
    fn new(
        shared: Map<String, Value>,
        mut cloud: Map<String, Value>,
        tiers: Option<BTreeMap<String, Value>>,
        [start, ceiling]: [Index; 2],
        [has_ceiling, explicit]: [bool; 2],
    ) -> Self {
        let own = tiers.is_some();
        if let Some(tiers) = &tiers {
            cloud.insert("tiers".to_owned(), serde_json::to_value(tiers).unwrap());
        }
        let tiers = tiers.unwrap_or_else(default_tiers);
        let names: Vec<&String> = tiers.keys().collect();
        let start = if own || explicit { (*start.get(&names)).clone() } else { "standard".to_owned() };
        if own || explicit {
            cloud.insert("resources".to_owned(), start.clone().into());
        }
        let above = tiers_from(&tiers, &tiers[&start]);
        let ceiling = has_ceiling.then(|| ceiling.get(&above).clone());
        if let Some(ceiling) = &ceiling {
            let scaling = cloud.entry("scaling").or_insert_with(|| json!({}));
            scaling["maxResources"] = ceiling.clone().into();
        }
        let (claims, agents, operator_sizes) = (BTreeSet::new(), Map::new(), Map::new());
        Self { shared, cloud, tiers, start, ceiling, claims, agents, operator_sizes }
    }

    fn with_agents(mut self, agents: Vec<(String, Sketch, Value)>) -> Value {
        for (name, sketch, derivation) in agents {
            if !self.agents.contains_key(&name) {
                let first = self.agents.is_empty();
                let agent = self.agent(&name, sketch, derivation, first);
                self.agents.insert(name, agent);
            }
        }
        let mut town = self.shared;
        if !self.operator_sizes.is_empty() {
            self.cloud.insert("agents".to_owned(), self.operator_sizes.into());
        }
        town.insert("cloud".to_owned(), self.cloud.into());
        town.insert("agents".to_owned(), self.agents.into());
        town.into()
    }

    fn agent(&mut self, name: &str, sketch: Sketch, derivation: Value, first: bool) -> Value {
        let mut agent = Value::from(sketch.plain);
        let persist = self.persist(name, sketch.persist);
        let mut cloud = Map::new();
        if let Some(enable) = sketch.cloud.enable.filter(|_| !first).or(first.then_some(true)) {
            cloud.insert("enable".to_owned(), enable.into());
        }
        if let Some(image) = &sketch.cloud.image {
            cloud.insert("image".to_owned(), image.clone());
        }
        let bare_nix =
            self.cloud.get("imageMode") == Some(&json!("nix-snapshotter")) && sketch.cloud.image.is_none();
        if let Some(derivation) = sketch.cloud.derivation.clone().or(bare_nix.then_some(derivation)) {
            cloud.insert("imageDerivation".to_owned(), derivation);
        }
        self.tiers_of_agent(&sketch.cloud, &mut cloud);
        let [own, operators] = sketch.cloud.sizes.map(|sizes| sizes_of(&persist, sizes));
        if !own.is_empty() {
            cloud.insert("persistSizes".to_owned(), own.into());
        }
        if !operators.is_empty() {
            self.operator_sizes.insert(name.to_owned(), json!({ "persistSizes": operators }));
        }
        let mut identity = sketch.cloud.identity;
        if sketch.secrets.scoped {
            identity.insert("scope".to_owned(), format!("{name}-*").into());
        }
        if !identity.is_empty() {
            cloud.insert("identity".to_owned(), identity.into());
        }
        set(&mut agent, &["cloud"], cloud.into());
        set(&mut agent, &["persist"], persist.into());
        secrets(&mut agent, name, &sketch.secrets);
        if let Some(domain) = sketch.jid_domain {
            // No agent's name has a dot, so no two accounts are one.
            set(&mut agent, &["xmpp", "jid"], format!("{name}.bot@{domain}").into());
        }
        agent
    }

    /// The entries whose volumes have names of their own.
    fn persist(&mut self, name: &str, paths: Vec<String>) -> Vec<String> {
        let mut kept = Vec::new();
        for path in paths {
            let words: Vec<&str> =
                path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
            let suffix = words.join("-").to_ascii_lowercase();
            let parts = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let fits = (1..=55).contains(&suffix.len()) && parts && path.len() <= 255;
            if fits && self.claims.insert(format!("nuketown-{name}-{suffix}")) {
                kept.push(path);
            }
        }
        kept
    }

    fn tiers_of_agent(&self, sketch: &super::agent::CloudSketch, cloud: &mut Map<String, Value>) {
        let names: Vec<&String> = self.tiers.keys().collect();
        let start = if sketch.explicit { *sketch.start.get(&names) } else { &self.start };
        let above = tiers_from(&self.tiers, &self.tiers[start]);
        let ceiling = sketch.ceiling.get(&above);
        if sketch.explicit {
            cloud.insert("resources".to_owned(), start.clone().into());
        }
        let mut scaling = Map::new();
        if sketch.explicit || ceiling != self.ceiling.as_ref().unwrap_or(start) {
            scaling.insert("maxResources".to_owned(), ceiling.clone().into());
        }
        if let Some(seconds) = sketch.idle_timeout {
            scaling.insert("idleTimeout".to_owned(), seconds.into());
        }
        if !scaling.is_empty() {
            cloud.insert("scaling".to_owned(), scaling.into());
        }
    }
}

fn sizes_of(persist: &[String], sizes: Vec<(Index, Value)>) -> Map<String, Value> {
    let sizes = sizes.into_iter().filter(|_| !persist.is_empty());
    sizes.map(|(index, size)| (index.get(persist).clone(), size)).collect()
}

/// Names secrets out of a list in which no two are one at any provider, and none lies inside of another.
fn secrets(agent: &mut Value, name: &str, sketch: &super::agent::SecretsSketch) {
    let own = ["api-key", "email-password", "github-pat", "keys.d/ssh", "KEYS_gpg", "1_000", "yes"];
    let mut pool: Vec<String> = own.iter().map(|secret| format!("{name}/{secret}")).collect();
    if !sketch.scoped {
        pool.extend(["0x1f", "1_000", "shared.d/token", "A/null", "12.30"].map(str::to_owned));
    }
    let places: [&[&str]; 5] = [
        &["daemon", "apiKeySecret"],
        &["xmpp", "passwordSecret"],
        &["github", "pat"],
        &["secrets", "sshKey"],
        &["secrets", "gpgKey"],
    ];
    for (place, index) in places.into_iter().zip(&sketch.named) {
        if let Some(index) = index {
            set(agent, place, index.get(&pool).clone().into());
        }
    }
    for (file, index) in &sketch.extra {
        set(agent, &["secrets", "extraSecrets", file], index.get(&pool).clone().into());
    }
}

/// Sets the option at `path`, with the objects on the way.
pub(crate) fn set(root: &mut Value, path: &[&str], value: Value) {
    let mut at = root;
    for key in path {
        if !at.is_object() {
            *at = json!({});
        }
        at = at.as_object_mut().unwrap().entry(*key).or_insert(Value::Null);
    }
    *at = value;
}
