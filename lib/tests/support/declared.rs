//! What a cloud agent's options say that it may reach, read from the town's JSON apart from the library.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    objects::{entries, items, text},
    policy::{Block, Open},
};

/// Everything that an agent's options open.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Host names and patterns, each with a port.
    pub(crate) names: BTreeSet<(String, Open)>,
    /// Blocks of addresses, each with a port.
    pub(crate) blocks: BTreeSet<(Block, Open)>,
    /// Whether the agent talks to Google's metadata service.
    pub(crate) google_metadata: bool,
}

/// What `agent` declares, with what every agent needs.
pub(crate) fn declared(town: &Value, agent: &str) -> Declared {
    let options = &town["agents"][agent];
    let mut declared = Declared::default();
    declared.open("github.com", Open::tcp(22));
    declared.open("github.com", Open::tcp(443));
    declared.xmpp(town, options);
    declared.provider(&options["cloud"]["identity"]);
    for (_, repo) in entries(&options["daemon"]["repos"]) {
        declared.git(text(&repo["url"]));
    }
    let api = options["daemon"].get("apiUrl").map_or("https://api.anthropic.com", text);
    let (scheme, rest) = api.split_once("://").unwrap();
    declared.authority(rest.split('/').next().unwrap(), if scheme == "https" { 443 } else { 80 });
    match town["cloud"].get("nixCaches") {
        Some(caches) => items(caches).for_each(|cache| declared.authority(text(cache), 443)),
        None => declared.authority("cache.nixos.org", 443),
    }
    for entry in items(&options["network"]["egress"]) {
        declared.egress(text(entry));
    }
    declared
}

impl Declared {
    fn open(&mut self, host: &str, open: Open) {
        match Block::parse(host.trim_start_matches('[').trim_end_matches(']')) {
            Some(block) => drop(self.blocks.insert((block, open))),
            None => drop(self.names.insert((host.to_owned(), open))),
        }
    }

    /// `host` or `host:port`, where an IPv6 address stands in brackets.
    fn authority(&mut self, authority: &str, default: u16) {
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => self.open(host, Open::tcp(port.parse().unwrap())),
            _ => self.open(authority, Open::tcp(default)),
        }
    }

    fn xmpp(&mut self, town: &Value, options: &Value) {
        let xmpp = &options["xmpp"];
        if xmpp["enable"] == Value::Bool(false) {
            return;
        }
        let jid_domain = xmpp["jid"].as_str().map(|jid| jid.split_once('@').unwrap().1);
        let server = xmpp["server"].as_str().or(jid_domain).unwrap_or_else(|| text(&town["domain"]));
        let port = xmpp.get("port").map_or(5222, |port| port.as_u64().unwrap());
        self.open(server, Open::tcp(u16::try_from(port).unwrap()));
    }

    fn provider(&mut self, identity: &Value) {
        if identity["gcpServiceAccount"].is_string() {
            self.google_metadata = true;
            for service in ["sts", "iamcredentials", "secretmanager"] {
                self.open(&format!("{service}.googleapis.com"), Open::tcp(443));
            }
        }
        if let Some(role) = identity["awsRoleArn"].as_str() {
            let suffix = if role.starts_with("arn:aws-cn:") { "amazonaws.com.cn" } else { "amazonaws.com" };
            for service in ["sts", "secretsmanager"] {
                self.open(&format!("{service}.{}.{suffix}", text(&identity["awsRegion"])), Open::tcp(443));
            }
        }
    }

    fn git(&mut self, url: &str) {
        if let Some((scheme, rest)) = url.split_once("://") {
            let authority = rest.split('/').next().unwrap();
            let default = match scheme {
                "ssh" => 22,
                "https" => 443,
                "http" => 80,
                "git" => 9418,
                other => panic!("{other}"),
            };
            self.authority(authority.rsplit('@').next().unwrap(), default);
        } else {
            let authority = url.split(':').next().unwrap();
            self.open(authority.rsplit('@').next().unwrap(), Open::tcp(22));
        }
    }

    fn egress(&mut self, entry: &str) {
        let (entry, protocol) = match entry {
            e if e.ends_with("/udp") => (&e[..e.len() - 4], "UDP"),
            e if e.ends_with("/tcp") => (&e[..e.len() - 4], "TCP"),
            e => (e, "TCP"),
        };
        let (host, port) = entry.rsplit_once(':').unwrap();
        self.open(host, Open { port: port.parse().unwrap(), protocol });
    }
}
