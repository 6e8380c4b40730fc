//! Files that are configurations, and files that are not.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use proptest::prelude::*;

use super::*;

const POLICY: &str = "approver = \"josh@6bit.com\"\n[agents.ada]\nmay = [\"sudo\"]\n";

fn place(broker: &str, policy: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    std::fs::write(&path, broker).unwrap();
    std::fs::write(directory.path().join("policy.toml"), policy).unwrap();
    (directory, path)
}

fn read(broker: &str) -> Result<Config, Problem> {
    let (_directory, path) = place(broker, POLICY);
    Config::read(&path)
}

struct Known(&'static [(u32, &'static str)]);

impl Users for Known {
    fn name(&self, uid: u32) -> Result<Option<String>, String> {
        let known = self.0.iter().find(|(known, _)| *known == uid);
        Ok(known.map(|(_, name)| (*name).to_owned()))
    }
}

struct Unreachable;

impl Users for Unreachable {
    fn name(&self, _uid: u32) -> Result<Option<String>, String> {
        Err("the user database cannot be read: no route to host".to_owned())
    }
}

#[test]
fn empty_file_is_the_usual_configuration() {
    let config = read("audit = \"/var/lib/x/audit.jsonl\"").unwrap();
    assert_eq!(config.socket, PathBuf::from("/run/nuketown-broker/socket"));
    assert_eq!(config.dialog, DialogMode::Auto);
    assert!(config.xmpp.is_none());
}

#[test]
fn whole_file_is_read() {
    let (directory, path) = place(
        r#"
            socket = "/run/x/socket"
            audit = "/var/lib/x/audit.jsonl"
            policy = "policy.toml"
            dialog = "never"
            zenity = "/usr/bin/zenity"
            [agents.ada]
            role = "software"
            user = "builder"
            jid = "ada@6bit.com"
            [xmpp]
            jid = "josh@6bit.com"
            password_file = "password"
            server = "xmpp.6bit.com:5223"
            security = "direct"
            authorities = "ca.pem"
        "#,
        POLICY,
    );
    std::fs::write(directory.path().join("password"), "correct horse\n").unwrap();
    let config = Config::read(&path).unwrap();
    let xmpp = config.xmpp.unwrap();
    assert_eq!(xmpp.account().to_string(), "josh@6bit.com");
    assert_eq!(xmpp.session().unwrap().jid.to_string(), "josh@6bit.com/nuketown-broker");
    assert_eq!(config.agents.role(&"ada".parse().unwrap()), "software");
}

#[test]
fn problem_says_where_it_is_and_what_to_do() {
    for (text, says) in [
        ("sokcet = \"/x\"", "line 1"),
        ("dialog = \"maybe\"", "dialog"),
        ("audit = \"x\"", "audit is x; expected an absolute path"),
        ("[agents.ada]\nuser = \"a\"\nuid = 7", "agents.ada has both user and uid"),
        ("[agents.ada]\njid = \"6bit.com\"", "agents.ada.jid"),
        ("[agents.ada]\nuid = 7\n[agents.vox]\nuid = 7", "agents.ada and agents.vox are the same user"),
        ("[agents.ada]\nrole = \"a\\nb\"", "agents.ada.role"),
        ("[xmpp]\njid = \"6bit.com\"\npassword_file = \"p\"", "xmpp.jid is \"6bit.com\""),
        ("[xmpp]\njid = \"a@b\"\npassword_file = \"p\"\nserver = \"b\"", "expected host:port"),
        ("[xmpp]\njid = \"a@b\"", "password_file"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.cause.contains(says) && problem.cause.contains("broker.toml"), "{text}: {problem}");
    }
}

#[test]
fn xmpp_without_an_approver_is_refused() {
    let (_directory, path) =
        place("[xmpp]\njid = \"a@b\"\npassword_file = \"p\"", "[agents.ada]\nmay = []\n");
    assert!(Config::read(&path).unwrap_err().cause.contains("names no approver"));
}

#[test]
fn file_that_others_may_write_is_refused() {
    for name in ["broker.toml", "policy.toml"] {
        let (directory, path) = place("", POLICY);
        std::fs::set_permissions(directory.path().join(name), Permissions::from_mode(0o664)).unwrap();
        let problem = Config::read(&path).unwrap_err();
        assert!(problem.what.contains("is not safe") && problem.cause.contains(name), "{problem}");
    }
}

#[test]
fn missing_policy_is_no_policy() {
    let (directory, path) = place("", POLICY);
    std::fs::remove_file(directory.path().join("policy.toml")).unwrap();
    assert_eq!(Config::read(&path).unwrap_err().what, "cannot read the policy");
}

#[test]
fn user_is_the_agent_that_the_configuration_says_else_the_one_of_its_name() {
    let config = read("[agents.ada]\nuser = \"builder\"\n[agents.vox]\nuid = 1300\n[agents.bob]\n").unwrap();
    let users =
        Known(&[(1100, "ada"), (1200, "builder"), (1400, "bob"), (1500, "eve"), (1600, "Not An Agent")]);
    let agent = |uid| config.agents.by_uid(uid, &users).map(|agent| agent.to_string());
    assert_eq!(agent(1200).as_deref(), Ok("ada"));
    assert_eq!(agent(1300).as_deref(), Ok("vox"));
    assert_eq!(agent(1400).as_deref(), Ok("bob"));
    assert_eq!(agent(1500).as_deref(), Ok("eve"));
    assert!(agent(1100).unwrap_err().contains("names another user"), "a user cannot take an agent's name");
    assert!(agent(1600).unwrap_err().contains("is no agent"));
    assert!(agent(1999).unwrap_err().contains("no user of this machine"));
    assert!(config.agents.by_uid(1200, &Unreachable).is_err());
}

#[test]
fn account_speaks_for_its_agent_alone() {
    let config = read("[agents.ada]\njid = \"ada@6bit.com\"\n[agents.bob]\n").unwrap();
    let is =
        |jid: &str, agent: &str| config.agents.is_account_of(&jid.parse().unwrap(), &agent.parse().unwrap());
    assert!(is("ada@6bit.com", "ada") && is("ADA@6BIT.com", "ada"));
    assert!(!is("ada@6bit.com", "bob") && !is("bob@6bit.com", "bob") && !is("ada@evil.example", "ada"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in "(\\PC|\n){0,80}") {
        let _ = parsed(&text);
    }
}
