//! What a policy allows, and what is no policy.

use proptest::prelude::*;

use super::*;
use crate::{
    Scale, Sudo,
    testing::{argv, assert_pinned, request, sudo_request},
};

const FILE: &str = r#"
    approver = "josh@6bit.com"
    timeout = 60

    [timeouts]
    scale = 600

    [quiet_hours]
    from = "22:00"
    to = "07:00"
    except = ["scale"]

    [limits]
    open_per_agent = 2

    [agents.ada]
    may = ["sudo", "scale"]
    users = ["root", "postgres"]
    pre_approved = ["nixos-rebuild dry-build"]

    [agents.vox]
    may = ["delegate"]
    timeout = 5
"#;

fn policy() -> Policy {
    Policy::from_toml(FILE).unwrap()
}

fn at(text: &str) -> Minute {
    text.parse().unwrap()
}

fn forbidden(request: &Request, time: &str) -> Option<Forbidden> {
    match policy().decide(request, at(time), true) {
        Verdict::Refuse(why) => Some(why),
        Verdict::Ask(_) | Verdict::PreApproved(_) => None,
    }
}

fn sudo(arguments: &[&str], user: &str) -> Request {
    let Payload::Sudo(sudo) = sudo_request().payload else { panic!("a sudo request") };
    request(Payload::Sudo(Sudo { argv: argv(arguments), user: user.parse().unwrap(), ..sudo }))
}

fn scale() -> Request {
    request(Payload::Scale(Scale { from: "small".parse().unwrap(), to: "large".parse().unwrap() }))
}

#[test]
fn agent_is_asked_about_only_what_it_may_ask_for() {
    assert_eq!(forbidden(&sudo_request(), "12:00"), None);
    assert_eq!(forbidden(&sudo(&["id"], "postgres"), "12:00"), None);
    let ada: AgentName = "ada".parse().unwrap();
    let user = Forbidden::User { agent: ada, user: "josh".parse().unwrap() };
    assert_eq!(forbidden(&sudo(&["id"], "josh"), "12:00"), Some(user));
    let vox: AgentName = "vox".parse().unwrap();
    let kind = Forbidden::Kind { agent: vox.clone(), kind: Kind::Sudo };
    assert_eq!(forbidden(&Request { agent: vox, ..sudo_request() }, "12:00"), Some(kind));
    let eve: AgentName = "eve".parse().unwrap();
    let unknown = Request { agent: eve.clone(), ..sudo_request() };
    assert_eq!(forbidden(&unknown, "12:00"), Some(Forbidden::UnknownAgent(eve)));
}

#[test]
fn nobody_is_asked_in_the_quiet_hours_but_for_what_is_excepted() {
    for (time, quiet) in [
        ("21:59", false),
        ("22:00", true),
        ("23:59", true),
        ("00:00", true),
        ("06:59", true),
        ("07:00", false),
    ] {
        let is_quiet = matches!(forbidden(&sudo_request(), time), Some(Forbidden::Quiet(_)));
        assert_eq!(is_quiet, quiet, "{time}");
        assert_eq!(forbidden(&scale(), time), None, "{time}");
    }
}

#[test]
fn terms_come_from_agent_kind_and_file_in_this_order() {
    let timeout = |request: &Request| match policy().decide(request, at("12:00"), false) {
        Verdict::Ask(terms) => {
            let jid = Some(BareJid::new("josh@6bit.com").unwrap());
            assert_eq!(terms.approver, Approver { dialog: false, jid, rule: false });
            terms.timeout.as_secs()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(timeout(&sudo_request()), 60);
    assert_eq!(timeout(&scale()), 600);
    let task = "x".parse().unwrap();
    let delegate = crate::Delegate { task, agents: "1".parse().unwrap() };
    let delegate = Request { agent: "vox".parse().unwrap(), ..request(Payload::Delegate(delegate)) };
    assert_eq!(timeout(&delegate), 5);
    assert_eq!(policy().limits(), Limits { open_per_agent: 2, ..Limits::default() });
}

#[test]
fn pre_approved_command_is_answered_by_its_rule_alone_at_any_hour() {
    let verdict = policy().decide(&sudo(&["nixos-rebuild", "dry-build"], "root"), at("03:00"), true);
    let Verdict::PreApproved(terms) = verdict else { panic!("{verdict:?}") };
    assert_eq!(terms.approver, Approver { dialog: false, jid: None, rule: true });
    let other_user = policy().decide(&sudo(&["nixos-rebuild", "dry-build"], "postgres"), at("12:00"), true);
    assert!(matches!(other_user, Verdict::Ask(_)), "{other_user:?}");
}

#[test]
fn empty_policy_allows_nothing() {
    let verdict = Policy::from_toml("").unwrap().decide(&sudo_request(), at("12:00"), true);
    assert!(matches!(verdict, Verdict::Refuse(Forbidden::UnknownAgent(_))), "{verdict:?}");
}

#[test]
fn policy_that_cannot_be_read_says_where_and_why() {
    let bad = [
        "approvers = \"josh@6bit.com\"",
        "approver = \"josh\"",
        "approver = \"josh@6bit.com/phone\"",
        "timeout = 4",
        "timeout = \"120\"",
        "\n\n[timeouts]\nroot = 5",
        "[quiet_hours]\nfrom = \"24:00\"\nto = \"07:00\"",
        "[quiet_hours]\nfrom = \"7:00\"\nto = \"07:00\"",
        "[quiet_hours]\nfrom = \"07:00\"\nto = \"07:00\"",
        "[quiet_hours]\nfrom = \"07:00\"",
        "[limits]\nopen = 0",
        "[limits]\nper_minute = 1000000",
        "[agents.Ada]\nmay = []",
        "[agents.ada]\nmay = [\"root\"]",
        "[agents.ada]",
        "[agents.ada]\nmay = []\nusers = [\"0\"]",
        "[agents.ada]\nmay = []\npre_approved = [\"systemctl restart *\", \"* x\"]",
        "[agents.ada]\nmay = []\npre_aproved = []",
        "[agents.ada]\nmay = []\n[agents.ada]\nmay = [\"sudo\"]",
        "x\u{1b}[2J",
    ];
    let messages = bad.map(|text| format!("{text:?}\n{}\n", Policy::from_toml(text).unwrap_err()));
    assert_pinned("policy-problems", &messages.join("\n"));
    assert!(Policy::from_toml(&" ".repeat(POLICY_BYTES_MAX + 1)).is_err());
}

proptest! {
    #[test]
    fn any_policy_text_is_read_without_harm(
        parts in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,20}",
                prop::sample::select(FILE.lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            ],
            0..12,
        ),
    ) {
        if let Err(problem) = Policy::from_toml(&parts.join("\n")) {
            let text = problem.to_string();
            prop_assert!(text.lines().all(|line| !line.chars().any(char::is_control)), "{text:?}");
        }
    }
}
