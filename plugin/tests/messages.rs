//! What a user reads when something is wrong: the words, the place and the exit status, pinned in
//! `snapshots/messages`.
//!
//! On every failure standard output stays empty.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/command.rs"]
mod command;

use std::fmt::Write as _;

use command::render_json;
use serde_json::{Value, json};

/// A valid town of one cloud agent.
fn town() -> Value {
    json!({
        "domain": "6bit.com",
        "approver": "josh@6bit.com",
        "cloud": { "enable": true },
        "agents": { "ada": { "persist": ["projects", ".config/claude"] } },
    })
}

/// The town with the value at a path such as `agents.ada.uid` (parts divided by dots) replaced.
fn with(path: &str, value: Value) -> Value {
    let mut town = town();
    let mut place = &mut town;
    for part in path.split('.') {
        place = place.as_object_mut().unwrap().entry(part).or_insert_with(|| json!({}));
    }
    *place = value;
    town
}

/// Renders each case and pins what it says, one case after the other.
fn pin(group: &str, cases: Vec<(&str, Value)>) {
    let mut text = String::new();
    for (case, town) in cases {
        let output = render_json(&town.to_string(), &[]);
        assert_eq!(output.stdout, "", "{case} printed something to standard output");
        assert!(!output.stderr.contains("hunter2"), "{case} repeats a secret");
        write!(text, "## {case}\nexit {}\n{}\n", output.status, output.stderr).unwrap();
    }
    pin_text(group, &text);
}

fn pin_text(group: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(group, text.trim_end()));
}

#[test]
fn valid_town_says_nothing() {
    let output = render_json(&town().to_string(), &[]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.contains("kind: Deployment"));
}

#[test]
fn unknown_options_name_the_nearest_known_one() {
    pin(
        "unknown-options",
        vec![
            ("of the town", with("domian", json!("6bit.com"))),
            ("of the cloud", with("cloud.storageclass", json!("fast"))),
            ("of an agent", with("agents.ada.persits", json!([]))),
            ("deep in an agent", with("agents.ada.cloud.scaling.maxResource", json!("large"))),
            ("of a device", with("agents.ada.devices", json!([{ "subsystem": "tty", "attr": {} }]))),
            ("nothing near", with("agents.ada.frobnicate", json!(1))),
            ("hostile name", with("agents.ada.\u{1b}[2J\u{202e}x", json!(1))),
        ],
    );
}

#[test]
fn tiers_are_defined_and_ordered() {
    let custom = json!({ "small": { "cpu": "1", "memory": "2Gi" }, "gpu": { "cpu": "4", "memory": "8Gi", "resources": { "gpu": "1" } } });
    let toleration = json!({ "s": { "cpu": 1, "memory": "1Gi", "tolerations": [{ "key": "a", "operator": "Exists", "value": "b" }] } });
    pin(
        "tiers",
        vec![
            ("not defined", with("agents.ada.cloud.resources", json!("huge"))),
            ("misspelt", with("agents.ada.cloud.resources", json!("standart"))),
            ("of the town not defined", with("cloud.resources", json!("medium"))),
            ("maximum not defined", with("agents.ada.cloud.scaling.maxResources", json!("huge"))),
            (
                "maximum below start",
                with(
                    "agents.ada.cloud",
                    json!({ "resources": "large", "scaling": { "maxResources": "small" } }),
                ),
            ),
            (
                "maximum without the GPU",
                with(
                    "agents.ada.cloud",
                    json!({ "resources": "gpu", "scaling": { "maxResources": "large" } }),
                ),
            ),
            ("GPU without a domain", with("cloud.tiers", custom)),
            ("without CPU", with("cloud.tiers", json!({ "standard": { "cpu": 0, "memory": "2Gi" } }))),
            (
                "half a byte of memory",
                with("cloud.tiers", json!({ "standard": { "cpu": 1, "memory": "500m" } })),
            ),
            ("toleration that the API refuses", with("cloud.tiers", toleration)),
        ],
    );
}

#[test]
fn malformed_values_say_what_was_expected() {
    pin(
        "values",
        vec![
            ("quantity", with("cloud.defaultPersistSize", json!("10 GB"))),
            ("negative quantity", with("cloud.defaultPersistSize", json!(-1))),
            ("no storage", with("cloud.defaultPersistSize", json!("0"))),
            ("storage size", with("agents.ada.cloud.persistSizes.projects", json!("50gi"))),
            (
                "size of a directory that is not persisted",
                with("agents.ada.cloud.persistSizes.project", json!("50Gi")),
            ),
            ("JID without a local part", with("approver", json!("6bit.com"))),
            ("JID with a resource", with("agents.ada.xmpp", json!({ "jid": "ada@6bit.com/phone" }))),
            ("port", with("agents.ada.xmpp", json!({ "port": 0 }))),
            ("port as a string", with("agents.ada.xmpp", json!({ "port": "5222" }))),
            ("uid of root", with("agents.ada.uid", json!(0))),
            ("uid of the system", with("agents.ada.uid", json!(999))),
            ("negative uid", with("agents.ada.uid", json!(-1))),
            ("name", with("agents.Ada", json!({}))),
            ("long name", with("agents.a2345678901234567890123456789012", json!({}))),
            ("egress without a port", with("agents.ada.network", json!({ "egress": ["pypi.org"] }))),
            ("egress as a URL", with("agents.ada.network", json!({ "egress": ["https://pypi.org:443"] }))),
            ("egress with host bits", with("agents.ada.network", json!({ "egress": ["10.1.2.3/16:443"] }))),
            (
                "egress to the metadata service",
                with("agents.ada.network", json!({ "egress": ["169.254.169.254:80"] })),
            ),
            ("repository", with("agents.ada.daemon", json!({ "repos": { "x": { "url": "/srv/git/x" } } }))),
            (
                "repository with a password",
                with(
                    "agents.ada.daemon",
                    json!({ "repos": { "x": { "url": "https://josh:hunter2@github.com/x" } } }),
                ),
            ),
            (
                "repository with a token",
                with(
                    "agents.ada.daemon",
                    json!({ "repos": { "x": { "url": "https://ghp_hunter2@github.com/x" } } }),
                ),
            ),
            ("name of a tier", with("cloud.tiers", json!({ "Standard": { "cpu": 1, "memory": "1Gi" } }))),
            ("image without a version", with("agents.ada.cloud.image", json!("ghcr.io/joshperry/ada"))),
            ("image latest", with("agents.ada.cloud.image", json!("ghcr.io/joshperry/ada:latest"))),
            ("engine", with("cloud.networkPolicy", json!("calico"))),
            ("timeout", with("approvalTimeout", json!(1))),
            ("list for a string", with("domain", json!(["6bit.com"]))),
            ("string for a list", with("agents.ada.persist", json!("projects"))),
            ("string for an attribute set", with("agents.ada.cloud", json!("large"))),
            ("list for an attribute set", with("agents.ada.portal", json!([true]))),
            ("null", with("agents.ada.role", json!(null))),
            ("no domain", json!({ "agents": {} })),
        ],
    );
}

#[test]
fn persisted_directories_stay_in_the_home_and_apart() {
    let persist = |entries: Value| with("agents.ada.persist", entries);
    let shared = json!({ "a": { "persist": ["b-c"] }, "a-b": { "persist": ["c"] } });
    pin(
        "persist",
        vec![
            ("two with one volume name", persist(json!([".config/claude", "config-claude"]))),
            ("twice", persist(json!(["projects", "projects"]))),
            ("absolute", persist(json!(["/etc"]))),
            ("out of the home", persist(json!(["projects/../../root"]))),
            ("from the home", persist(json!(["~/projects"]))),
            ("the home itself", persist(json!(["."]))),
            ("the configuration", persist(json!([".config/nuketown"]))),
            ("of two agents with one volume name", with("agents", shared)),
        ],
    );
}

#[test]
fn identities_are_one_and_whole() {
    let identity = |value: Value| with("agents.ada.cloud", json!({ "identity": value }));
    let gcp = "ada@p.iam.gserviceaccount.com";
    pin(
        "identity",
        vec![
            ("two providers", identity(json!({ "gcpServiceAccount": gcp, "secretName": "x" }))),
            ("no account", identity(json!({ "gcpServiceAccount": "ada@6bit.com" }))),
            ("role without region", identity(json!({ "awsRoleArn": "arn:aws:iam::123456789012:role/ada" }))),
            ("region without role", identity(json!({ "awsRegion": "eu-central-1" }))),
            ("no role", identity(json!({ "awsRoleArn": "ada" }))),
            ("secret outside of the scope", identity(json!({ "gcpServiceAccount": gcp, "scope": "vox-*" }))),
            ("scope of everything", identity(json!({ "gcpServiceAccount": gcp, "scope": "*" }))),
        ],
    );
}

#[test]
fn towns_are_whole_before_anything_is_rendered() {
    let vox = json!({ "ada": {}, "vox": { "xmpp": { "jid": "ada@6bit.com" } } });
    pin(
        "town",
        vec![
            (
                "no cloud agent",
                json!({ "domain": "6bit.com", "agents": { "ada": { "portal": { "enable": true } }, "liver": {} } }),
            ),
            ("no agent", json!({ "domain": "6bit.com" })),
            ("operator's value for nobody", with("cloud.agents", json!({ "adda": {} }))),
            ("one account for two", with("agents", vox)),
            ("pattern for a program", with("agents.ada.sudo", json!({ "preApproved": ["*"] }))),
            ("no image for nix-snapshotter", with("cloud.imageMode", json!("nix-snapshotter"))),
            ("a list", json!([])),
            ("a string", json!("town")),
            ("several problems at once", {
                let mut town = with("agents.ada.cloud.resources", json!("huge"));
                town["agents"]["vox"] = json!({ "cloud": { "resources": "tiny" }, "persist": ["a", "A"] });
                town
            }),
        ],
    );
}

#[test]
fn options_without_effect_are_warned_of() {
    let mut town = with("btrfsDevice", json!("0000-1111"));
    town["agents"]["ada"]["portal"] = json!({ "enable": true });
    town["agents"]["ada"]["devices"] = json!([{ "subsystem": "tty" }]);
    town["agents"]["ada"]["daemon"] = json!({ "enable": false });
    town["agents"]["liver"] = json!({
        "cloud": { "enable": false, "resources": "large" },
        "network": { "egress": ["pypi.org:443"] },
        "xmpp": { "enable": true },
        "sudo": { "preApproved": ["certbot renew"] },
    });
    town.as_object_mut().unwrap().remove("approver");
    let output = render_json(&town.to_string(), &[]);
    assert_eq!(output.status, 0);
    pin_text("warnings", &output.stderr);
}

#[test]
fn selections_name_cloud_agents() {
    let mut town = town();
    town["agents"]["liver"] = json!({ "cloud": { "enable": false } });
    let mut text = String::new();
    for arguments in [
        &["--agent", "adda"][..],
        &["--agent", "liver"],
        &["--agent", "Ada"],
        &["--preview", "PR_7"],
        &["--format", "dir"],
    ] {
        let output = render_json(&town.to_string(), arguments);
        assert_eq!(output.stdout, "");
        write!(text, "## {}\nexit {}\n{}\n", arguments.join(" "), output.status, output.stderr).unwrap();
    }
    pin_text("selection", &text);
}

#[test]
fn text_that_is_no_json_is_located() {
    let whole = town().to_string();
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut text = String::new();
    for (case, json) in [
        ("truncated", &whole[..whole.len() / 2]),
        ("empty", ""),
        ("not JSON", "error: nix says no"),
        ("deeply nested", &nested),
        ("two towns", &format!("{whole}{whole}")),
        ("not UTF-8 behind an escape", "{\"domain\": \"\\ud800\"}"),
    ] {
        let output = render_json(json, &[]);
        assert_eq!(output.stdout, "", "{case}");
        write!(text, "## {case}\nexit {}\n{}\n", output.status, output.stderr).unwrap();
    }
    pin_text("json", &text);
}

#[test]
fn input_of_a_hundred_megabytes_is_refused_by_its_size() {
    let json = format!("{{\"domain\": \"{}\"}}", "a".repeat(100 << 20));
    let output = render_json(&json, &[]);
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    pin_text("too-large", &output.stderr);
}
