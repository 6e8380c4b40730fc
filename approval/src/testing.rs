//! Requests for tests: a plain one, and any at all.

use proptest::{collection::vec, option, prelude::*};

use crate::{
    AbsolutePath, Argv, Environment, Identity, Nonce, Payload, Request, Variable,
    request::{Delegate, Network, Scale, Sudo},
};

/// Compares a text with the one under `snapshots/approval`, which is read in a pull request.
pub(crate) fn assert_pinned(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots/approval"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A command of plain arguments.
pub(crate) fn argv(arguments: &[&str]) -> Argv {
    Argv::new(arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect()).unwrap()
}

/// An environment of these assignments.
pub(crate) fn environment(assignments: &[&str]) -> Environment {
    let variables = assignments.iter().map(|text| Variable::new(text.as_bytes()).unwrap()).collect();
    Environment::new(variables).unwrap()
}

pub(crate) fn path(path: &str) -> AbsolutePath {
    AbsolutePath::new(path.into()).unwrap()
}

/// The request of the architecture's example, with every optional part.
pub(crate) fn sudo_request() -> Request {
    request(Payload::Sudo(Sudo {
        argv: argv(&["nixos-rebuild", "switch"]),
        program: Some(path("/run/current-system/sw/bin/nixos-rebuild")),
        identity: Some(Identity { device: 2049, inode: 131_072, sha256: None }),
        environment: Environment::default(),
        user: "root".parse().unwrap(),
        group: None,
    }))
}

/// A request with this payload and every optional part.
pub(crate) fn request(payload: Payload) -> Request {
    Request {
        id: "a1b2c3".parse().unwrap(),
        agent: "ada".parse().unwrap(),
        payload,
        cwd: Some(path("/home/ada/projects/nuketown")),
        host: Some("signi".parse().unwrap()),
        nonce: Some(Nonce([7; 16])),
        expires: Some("2026-11-24T12:00:00Z".parse().unwrap()),
        timeout: Some(120.try_into().unwrap()),
    }
}

/// A request for this command, as root.
pub(crate) fn command_request(arguments: &[&str]) -> Request {
    let sudo = Sudo {
        argv: argv(arguments),
        program: None,
        identity: None,
        environment: Environment::default(),
        user: "root".parse().unwrap(),
        group: None,
    };
    request(Payload::Sudo(sudo))
}

/// Bytes that try to be something else than they look: controls, bidi, quotes, markup, escapes, no UTF-8.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[a-z./=-]{1,6}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![
            " ", "'", "\"", "\\", "\n", "\r", "\t", "\u{1b}[2J", "\u{202e}", "\u{2066}", "\u{200b}", "\u{a0}", "\u{3164}",
            "<b>", "&amp;", "</span>", "$'", "\\x41", "\\u202e", "`id`", "$(id)", "*", "--", "↩", "ä", "а", "א", "漢", "\u{301}",
            "\u{fffe}", "\u{85}", "]]>", "\u{e0041}", "    ", "\n  as: root",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<char>().prop_filter("no NUL", |c| *c != '\0').prop_map(|c| c.to_string().into_bytes()),
        1 => vec(1_u8..=255, 1..3),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Any command, hostile ones first.
pub(crate) fn hostile_argv() -> impl Strategy<Value = Argv> {
    (hostile_bytes().prop_filter("a program", |program| !program.is_empty()), vec(hostile_bytes(), 0..5))
        .prop_map(|(program, mut rest)| {
            rest.insert(0, program);
            Argv::new(rest).unwrap()
        })
}

fn hostile_path() -> impl Strategy<Value = AbsolutePath> {
    hostile_bytes()
        .prop_filter_map("a path", |tail| AbsolutePath::new([b"/".as_slice(), &tail].concat()).ok())
}

fn any_identity() -> impl Strategy<Value = Identity> {
    (0..3_u64, 0..3_u64, option::of(any::<[u8; 32]>())).prop_map(|(device, inode, sha256)| Identity {
        device,
        inode,
        sha256,
    })
}

fn any_environment() -> impl Strategy<Value = Environment> {
    vec(("[A-C]", hostile_bytes()), 0..3).prop_filter_map("an environment", |variables| {
        let variables = variables
            .into_iter()
            .map(|(name, value)| Variable::new(&[name.as_bytes(), b"=", &value].concat()));
        Environment::new(variables.collect::<Result<_, _>>().ok()?).ok()
    })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let user = || prop::sample::select(vec!["root", "josh", "_x"]).prop_map(|name| name.parse().unwrap());
    let tier =
        || prop::sample::select(vec!["small", "standard", "large"]).prop_map(|tier| tier.parse().unwrap());
    let program = (option::of(hostile_path()), option::of(any_identity()), any_environment());
    let sudo = (hostile_argv(), program, user(), option::of(user())).prop_map(
        |(argv, (program, identity, environment), user, group)| {
            Payload::Sudo(Sudo { argv, program, identity, environment, user, group })
        },
    );
    let task =
        hostile_bytes().prop_filter_map("a task", |bytes| String::from_utf8_lossy(&bytes).parse().ok());
    let team = (1..=100_u8, option::of("[a-z]{1,5}( [a-z-]{1,5})?"));
    let delegate = (task, team).prop_map(|(task, (count, role))| {
        let agents = role.map_or(count.to_string(), |role| format!("{count} {role}")).parse().unwrap();
        Payload::Delegate(Delegate { task, agents })
    });
    let scale = (tier(), tier()).prop_map(|(from, to)| Payload::Scale(Scale { from, to }));
    let known = vec![
        "pypi.org:443",
        "*.example.org:443",
        "10.1.0.0/16:5432",
        "[2001:db8::/32]:443",
        "ntp.org:123/udp",
    ];
    let egress = vec(prop::sample::select(known).prop_map(|text| text.parse().unwrap()), 1..4);
    let network = (egress, option::of(1..1000_i64)).prop_map(|(egress, seconds)| {
        Payload::Network(Network::new(egress, seconds.map(|s| s.try_into().unwrap())).unwrap())
    });
    prop_oneof![4 => sudo, 2 => delegate, 1 => scale, 1 => network]
}

/// Any request.
pub(crate) fn any_request() -> impl Strategy<Value = Request> {
    let optional = (
        option::of(hostile_path()),
        option::of(prop::sample::select(vec!["signi", "liver.6bit.com"])),
        option::of(any::<[u8; 16]>()),
        option::of(0..4_000_000_000_i64),
        option::of(5..3600_i64),
    );
    (any_payload(), prop::sample::select(vec!["ada", "vox"]), "[a-f0-9]{6}", optional).prop_map(
        |(payload, agent, id, (cwd, host, nonce, expires, timeout))| Request {
            id: id.parse().unwrap(),
            agent: agent.parse().unwrap(),
            payload,
            cwd,
            host: host.map(|host| host.parse().unwrap()),
            nonce: nonce.map(Nonce),
            expires: expires.map(|at| jiff::Timestamp::from_second(at).unwrap()),
            timeout: timeout.map(|seconds| seconds.try_into().unwrap()),
        },
    )
}

/// So many seconds after the start of a test, by both clocks.
pub(crate) fn now(seconds: u64) -> crate::Now {
    let start: jiff::Timestamp = "2026-11-24T11:58:00Z".parse().unwrap();
    let since = std::time::Duration::from_secs(seconds);
    crate::Now { monotonic: std::time::Duration::from_secs(1000) + since, wall: start + since }
}
