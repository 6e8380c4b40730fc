//! Random agents: what one agent declares, up to what depends on the rest of the town.

use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};
use serde_json::{Map, Value, json};

use super::text::{host, hostile, hostile_without, jid_host, qualified};

/// One agent, before its town gives it a name and tiers.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    /// Options that depend on nothing else.
    pub(crate) plain: Map<String, Value>,
    pub(crate) persist: Vec<String>,
    pub(crate) cloud: CloudSketch,
    pub(crate) secrets: SecretsSketch,
    /// The domain of a JID of its own.
    pub(crate) jid_domain: Option<String>,
}

/// What an agent declares below `cloud`.
#[derive(Clone, Debug)]
pub(crate) struct CloudSketch {
    pub(crate) enable: Option<bool>,
    pub(crate) image: Option<Value>,
    pub(crate) derivation: Option<Value>,
    pub(crate) start: Index,
    pub(crate) ceiling: Index,
    /// Whether tiers are named even where the town's value is the same.
    pub(crate) explicit: bool,
    pub(crate) idle_timeout: Option<u32>,
    pub(crate) identity: Map<String, Value>,
    /// Sizes of single volumes: by the agent, and by the operator.
    pub(crate) sizes: [Vec<(Index, Value)>; 2],
}

/// Which secrets an agent names, as places in a list that its town makes.
#[derive(Clone, Debug)]
pub(crate) struct SecretsSketch {
    /// Whether the identity has a scope, which holds all of them.
    pub(crate) scoped: bool,
    /// The API key, the XMPP password, the GitHub token, the SSH key and the GPG key.
    pub(crate) named: [Option<Index>; 5],
    pub(crate) extra: Vec<(String, Index)>,
}

/// An object with the fields whose strategies give a value.
pub(crate) fn object(
    fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>,
) -> BoxedStrategy<Map<String, Value>> {
    let (keys, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            keys.iter().zip(values).filter_map(|(key, value)| Some(((*key).to_owned(), value?))).collect()
        })
        .boxed()
}

/// An option that is set or not.
pub(crate) fn maybe<S>(strategy: S) -> BoxedStrategy<Option<Value>>
where
    S: Strategy + 'static,
    S::Value: Into<Value>,
{
    option::of(strategy.prop_map(Into::into)).boxed()
}

/// An option that is set, not set, or set to null.
pub(crate) fn nullable<S>(strategy: S) -> BoxedStrategy<Option<Value>>
where
    S: Strategy + 'static,
    S::Value: Into<Value>,
{
    prop_oneof![Just(None), Just(Some(Value::Null)), strategy.prop_map(|value| Some(value.into()))].boxed()
}

pub(crate) fn sketch() -> BoxedStrategy<Sketch> {
    (plain(), vec(persist_path(), 0..4), cloud(), secrets(), option::of(jid_domain()))
        .prop_map(|(plain, persist, cloud, secrets, jid_domain)| Sketch {
            plain,
            persist,
            cloud,
            secrets,
            jid_domain,
        })
        .boxed()
}

fn plain() -> BoxedStrategy<Map<String, Value>> {
    object(vec![
        ("uid", nullable(1000_u32..=60000)),
        ("role", maybe(hostile())),
        ("description", maybe(hostile())),
        ("email", nullable(mail_address())),
        ("portal", maybe(object(vec![("enable", maybe(any::<bool>()))]))),
        (
            "sudo",
            maybe(object(vec![
                ("enable", maybe(any::<bool>())),
                ("preApproved", maybe(vec(pre_approved(), 0..4))),
            ])),
        ),
        ("daemon", maybe(daemon())),
        ("xmpp", maybe(xmpp())),
        ("devices", maybe(vec(device().prop_map(Value::from), 0..3))),
        ("github", maybe(object(vec![("enable", maybe(any::<bool>()))]))),
        ("network", maybe(object(vec![("egress", maybe(vec(egress(), 0..6)))]))),
    ])
}

/// A mail address of the characters that an address may have.
fn mail_address() -> impl Strategy<Value = String> {
    let part = || hostile_without(|c| c.is_control() || " <>@,;\"\\".contains(c));
    (part(), host()).prop_map(|(local, domain)| {
        let local: String = local.chars().take(20).collect();
        format!("a{local}@{domain}")
    })
}

/// A command whose first word is a program.
pub(crate) fn pre_approved() -> impl Strategy<Value = String> {
    let arguments = hostile_without(char::is_control);
    let programs = ["systemctl", "yes", "true", "[", "~", "-", "\"sudo\"", "&a", "!x", "#", "12:30"];
    (select(programs.to_vec()), arguments).prop_map(|(program, arguments)| format!("{program} {arguments}"))
}

fn daemon() -> BoxedStrategy<Map<String, Value>> {
    let repos =
        proptest::collection::btree_map(qualified(), git_url().prop_map(|url| json!({ "url": url })), 0..4);
    object(vec![
        ("enable", nullable(any::<bool>())),
        ("bootstrapModel", maybe(hostile())),
        ("apiUrl", maybe(http_url())),
        ("headlessTimeout", maybe(1_u32..=31_536_000)),
        ("repos", maybe(repos.prop_map(|repos| repos.into_iter().collect::<Map<_, _>>()))),
    ])
}

fn http_url() -> impl Strategy<Value = String> {
    let authority = prop_oneof![
        3 => host(),
        1 => (host(), 1_u16..).prop_map(|(host, port)| format!("{host}:{port}")),
        1 => any::<[u8; 3]>().prop_map(|[b, c, d]| format!("10.{b}.{c}.{d}:8080")),
        1 => Just("[2001:db8::9]".to_owned()),
    ];
    let path = hostile_without(|c| c.is_control() || c.is_whitespace() || "#?".contains(c));
    (any::<bool>(), authority, option::of(path)).prop_map(|(tls, authority, path)| {
        let path = path.map_or_else(String::new, |path| format!("/{path}"));
        format!("{}://{authority}{path}", if tls { "https" } else { "http" })
    })
}

fn git_url() -> impl Strategy<Value = String> {
    let path = hostile_without(|c| c.is_control() || c.is_whitespace()).prop_map(|path| format!("x{path}"));
    let port = option::of(1_u16..).prop_map(|port| port.map_or_else(String::new, |port| format!(":{port}")));
    (select(vec!["scp", "https", "http", "ssh", "git"]), host(), port, path).prop_map(
        |(form, host, port, path)| match form {
            "scp" => format!("git@{host}:{path}"),
            "ssh" => format!("ssh://git@{host}{port}/{path}"),
            scheme => format!("{scheme}://{host}{port}/{path}"),
        },
    )
}

fn xmpp() -> BoxedStrategy<Map<String, Value>> {
    let room = (select(vec!["town", "yes", "null", "1_000", "räume", "12-30", "~", "#a", "{x}"]), jid_host());
    object(vec![
        ("enable", nullable(any::<bool>())),
        ("server", nullable(host())),
        ("port", maybe(1_u16..)),
        ("rooms", maybe(vec(room.prop_map(|(local, domain)| format!("{local}@{domain}")), 0..3))),
    ])
}

fn jid_domain() -> BoxedStrategy<String> {
    prop_oneof![3 => jid_host(), 1 => Just("10.20.30.40".to_owned()), 1 => Just("[2001:db8::5222]".to_owned())].boxed()
}

fn device() -> BoxedStrategy<Map<String, Value>> {
    let attrs = proptest::collection::btree_map(hostile(), hostile().prop_map(Value::from), 0..3);
    let attrs = attrs.prop_map(|attrs| attrs.into_iter().collect::<Map<_, _>>());
    object(vec![("subsystem", hostile().prop_map(|text| Some(text.into())).boxed()), ("attrs", maybe(attrs))])
}

/// A directory below the home, of any characters that a path may have, with enough letters for a volume's name.
fn persist_path() -> impl Strategy<Value = String> {
    let odd = [
        "projects",
        ".config/claude",
        ".config",
        "yes",
        "null",
        "12-30",
        "1_000",
        "0x1f",
        "- a",
        "#a",
        "{{ .x }}",
        "[x]",
        "&a",
        "*a",
        "!!binary",
        " a",
        "a ",
        "a b/c d",
        "é/a",
        "%a",
        "@a",
        "'a'",
        "\"a\"",
        "a\\nb",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{feff}",
        "$(HOME)",
        "> a",
        "|a",
        "?a",
    ];
    prop_oneof![
        2 => select(odd.to_vec()).prop_map(str::to_owned),
        2 => "[A-Za-z0-9_.-]{0,8}[A-Za-z0-9](/[A-Za-z0-9_-]{0,8}[a-z0-9]){0,3}",
        1 => hostile_without(|c| c.is_control() || ":/~".contains(c)).prop_map(|text| {
            let text: String = text.chars().take(40).collect();
            format!("p{text}")
        }),
    ]
}

/// An entry of `network.egress`, of each form.
pub(crate) fn egress() -> BoxedStrategy<String> {
    let to = prop_oneof![
        3 => host(),
        1 => select(vec!["pypi.org", "github.com", "cache.nixos.org", "localhost"]).prop_map(str::to_owned),
        2 => host().prop_map(|host| format!("*.{host}")),
        3 => v4_block(),
        2 => v6_block().prop_map(|block| format!("[{block}]")),
    ];
    let port = prop_oneof![3 => select(vec![22_u16, 53, 80, 123, 443, 5222, 5432, 8443]), 1 => 1_u16..];
    (to, port, select(vec!["", "", "/tcp", "/udp"]))
        .prop_map(|(to, port, protocol)| format!("{to}:{port}{protocol}"))
        .boxed()
}

fn v4_block() -> BoxedStrategy<String> {
    let start = prop_oneof![
        any::<u32>(),
        select(vec![
            0x0a00_0000_u32,
            0xc0a8_0101,
            0xac10_0000,
            0xa9fe_0000,
            0xa9fe_a9fe,
            0x6440_0000,
            0xe000_0001,
            0x0808_0808
        ]),
    ];
    (start, 0_u32..=32, any::<bool>())
        .prop_map(|(address, length, bare)| {
            let block = address & u32::MAX.checked_shl(32 - length).unwrap_or(0);
            // The link-local block cannot be opened by itself, only as part of a larger one.
            let block =
                if length >= 16 && block >> 16 == 0xa9fe { 0x0a00_0000 | (block & 0xffff) } else { block };
            let address = std::net::Ipv4Addr::from(block);
            if length == 32 && bare { address.to_string() } else { format!("{address}/{length}") }
        })
        .boxed()
}

fn v6_block() -> BoxedStrategy<String> {
    let start = prop_oneof![
        any::<u128>(),
        any::<u64>().prop_map(|low| (0xfd00_0ec2 << 96) | u128::from(low)),
        any::<u64>().prop_map(|low| (0x2001_0db8 << 96) | u128::from(low)),
        any::<u64>().prop_map(|low| (0x2600_1f18 << 96) | u128::from(low)),
    ];
    (start, 0_u32..=128, any::<bool>())
        .prop_map(|(address, length, bare)| {
            let block = address & u128::MAX.checked_shl(128 - length).unwrap_or(0);
            // Neither link-local nor IPv4-mapped blocks can be opened by themselves.
            let refused =
                (length >= 10 && block >> 118 == 0xfe80 >> 6) || (length >= 96 && block >> 32 == 0xffff);
            let block = if refused { (0x2a00 << 112) | (block & (u128::MAX >> 16)) } else { block };
            let address = std::net::Ipv6Addr::from(block);
            if length == 128 && bare { address.to_string() } else { format!("{address}/{length}") }
        })
        .boxed()
}

fn cloud() -> BoxedStrategy<CloudSketch> {
    let sizes = || vec((any::<Index>(), super::town::size()), 0..3);
    (
        option::weighted(0.7, any::<bool>()),
        option::weighted(0.3, image()),
        option::weighted(0.3, derivation()),
        (any::<Index>(), any::<Index>(), any::<bool>()),
        option::of(1_u32..=31_536_000),
        identity(),
        [sizes(), sizes()],
    )
        .prop_map(|(enable, image, derivation, (start, ceiling, explicit), idle_timeout, identity, sizes)| {
            CloudSketch { enable, image, derivation, start, ceiling, explicit, idle_timeout, identity, sizes }
        })
        .boxed()
}

/// An image tag; the word `latest` is none.
fn tag() -> BoxedStrategy<String> {
    "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"
        .prop_map(|tag| if tag == "latest" { "later".to_owned() } else { tag })
        .boxed()
}

fn image() -> BoxedStrategy<Value> {
    let name = select(vec![
        "ghcr.io/joshperry/nuketown/ada",
        "localhost:5000/ada",
        "ada",
        "registry.internal/a/b_c/d-e",
    ]);
    let version = prop_oneof![
        2 => tag().prop_map(|tag| format!(":{tag}")),
        1 => "@sha256:[0-9a-f]{64}",
        1 => (tag(), "@sha256:[0-9a-f]{64}").prop_map(|(tag, digest)| format!(":{tag}{digest}")),
    ];
    (name, version).prop_map(|(name, version)| format!("{name}{version}").into()).boxed()
}

pub(crate) fn derivation() -> BoxedStrategy<Value> {
    let path = "/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[A-Za-z0-9+._?=-]{1,30}";
    (tag(), path).prop_map(|(tag, path)| json!({ "tag": tag, "storePath": path })).boxed()
}

/// None, an empty one, or one of the three providers.
fn identity() -> BoxedStrategy<Map<String, Value>> {
    let gke = ("[a-z][a-z0-9-]{4,20}[a-z0-9]", select(vec!["myproject", "example.com.project-1"]))
        .prop_map(|(account, project)| json!({ "gcpServiceAccount": format!("{account}@{project}.iam.gserviceaccount.com") }));
    let eks = (select(vec!["aws", "aws-cn", "aws-us-gov"]), "[0-9]{12}", "[A-Za-z0-9+=,.@_/-]{1,30}", select(vec!["eu-central-1", "cn-north-1"]))
        .prop_map(|(partition, account, role, region)| {
            json!({ "awsRoleArn": format!("arn:{partition}:iam::{account}:role/{role}"), "awsRegion": region })
        });
    let secret = super::text::label(30).prop_map(|name| json!({ "secretName": format!("{name}.secrets") }));
    prop_oneof![Just(json!({})), gke, eks, secret]
        .prop_map(|value| value.as_object().unwrap().clone())
        .boxed()
}

fn secrets() -> BoxedStrategy<SecretsSketch> {
    let named = vec(option::of(any::<Index>()), 5).prop_map(|named| named.try_into().unwrap());
    (any::<bool>(), named, vec((qualified(), any::<Index>()), 0..3))
        .prop_map(|(scoped, named, extra)| SecretsSketch { scoped, named, extra })
        .boxed()
}
