//! What `identity.toml` and `daemon.toml` of an agent have to say, read from the town's JSON apart from the library.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::objects::{entries, items, text};

/// One agent's options, with the town around them.
pub(crate) struct Home<'t> {
    town: &'t Value,
    name: &'t str,
    options: &'t Value,
}

impl<'t> Home<'t> {
    pub(crate) fn of(town: &'t Value, name: &'t str) -> Self {
        Self { town, name, options: &town["agents"][name] }
    }

    fn in_cloud(&self) -> bool {
        let of_town = self.town["cloud"]["enable"] == true;
        self.options["cloud"]["enable"].as_bool().unwrap_or(of_town)
    }

    fn on_xmpp(&self) -> bool {
        let runs = self.in_cloud() || self.options["daemon"]["enable"] == true;
        runs && self.options["xmpp"]["enable"].as_bool().unwrap_or(self.in_cloud())
    }

    fn jid(&self) -> String {
        let default = || format!("{}@{}", self.name, text(&self.town["domain"]));
        self.options["xmpp"]["jid"].as_str().map_or_else(default, ToOwned::to_owned)
    }

    fn option<'a>(&'a self, place: &str, default: &'a Value) -> &'a Value {
        self.options.pointer(place).filter(|value| !value.is_null()).unwrap_or(default)
    }

    /// `identity.toml` as a table.
    pub(crate) fn identity(&self) -> Value {
        let model = match (self.in_cloud(), self.options["portal"]["enable"] == true) {
            (true, _) => "cloud",
            (false, true) => "workstation",
            (false, false) => "device",
        };
        let persist: BTreeSet<&str> = items(&self.options["persist"]).map(text).collect();
        let email = self.options["email"].as_str().map(ToOwned::to_owned);
        let mut table = json!({
            "name": self.name,
            "role": self.option("/role", &json!("general")),
            "email": email.unwrap_or_else(|| format!("{}@{}", self.name, text(&self.town["domain"]))),
            "description": self.option("/description", &json!("")),
            "domain": self.town["domain"],
            "model": model,
            "home": format!("{}/{}", self.town["agentsDir"].as_str().unwrap_or("/agents"), self.name),
            "persist": persist,
        });
        if let Some(uid) = self.options["uid"].as_u64().or(self.in_cloud().then_some(1100)) {
            table["uid"] = uid.into();
        }
        if self.on_xmpp() {
            table["jid"] = self.jid().into();
        }
        table
    }

    /// `daemon.toml` as a table.
    pub(crate) fn daemon(&self) -> Value {
        let mut table = json!({
            "approval_timeout": self.town.get("approvalTimeout").unwrap_or(&json!(120)),
            "town_file": self.town_file(),
            "api": { "url": self.option("/daemon/apiUrl", &json!("https://api.anthropic.com")) },
            "bootstrap": { "model": self.option("/daemon/bootstrapModel", &json!("claude-haiku-4-5-20251001")) },
            "headless": { "timeout": self.option("/daemon/headlessTimeout", &json!(14400)) },
            "sudo": {
                "enable": self.option("/sudo/enable", &json!(false)),
                "pre_approved": self.option("/sudo/preApproved", &json!([])),
            },
        });
        if self.town["approver"].is_string() {
            table["approver"] = self.town["approver"].clone();
        }
        self.add_secrets(&mut table);
        let repos: Map<_, _> = entries(&self.options["daemon"]["repos"])
            .map(|(name, repo)| (name.clone(), repo["url"].clone()))
            .collect();
        if !repos.is_empty() {
            table["repos"] = repos.into();
        }
        if self.in_cloud() {
            table["scaling"] = self.scaling();
            table["identity"] = self.provider();
        }
        table
    }

    /// In a pod a mount that follows the town, on a host a file beside the others.
    fn town_file(&self) -> String {
        if self.in_cloud() {
            return "/etc/nuketown/town/town.toml".to_owned();
        }
        format!("{}/.config/nuketown/town.toml", text(&self.identity()["home"]))
    }

    /// `town.toml` as a table: the JID of every agent on XMPP, wherever it runs.
    pub(crate) fn town(town: &Value) -> Value {
        let agents = entries(&town["agents"]).map(|(name, _)| Home::of(town, name)).filter(Home::on_xmpp);
        json!({ "agents": agents.map(|agent| (agent.name.to_owned(), agent.jid().into())).collect::<Map<_, _>>() })
    }

    fn file(&self, secret: &str) -> String {
        let dir = if self.in_cloud() { "/run/nuketown/secrets" } else { "/run/secrets" };
        format!("{dir}/{secret}")
    }

    /// Every secret that the agent gets, by its place in `daemon.toml`.
    fn secrets(&self) -> BTreeMap<&'static str, String> {
        let named = |place: &str| self.options.pointer(place).and_then(Value::as_str).map(ToOwned::to_owned);
        let own =
            |place: &str, suffix: &str| named(place).or_else(|| Some(format!("{}/{suffix}", self.name)));
        let all = [
            ("/api/key_file", named("/daemon/apiKeySecret")),
            ("/xmpp/password_file", own("/xmpp/passwordSecret", "email-password").filter(|_| self.on_xmpp())),
            (
                "/github/token_file",
                own("/github/pat", "github-pat").filter(|_| self.options["github"]["enable"] == true),
            ),
            ("/keys/ssh_key_file", named("/secrets/sshKey")),
            ("/keys/gpg_key_file", named("/secrets/gpgKey")),
        ];
        all.into_iter().filter_map(|(place, secret)| Some((place, secret?))).collect()
    }

    fn add_secrets(&self, table: &mut Value) {
        for (place, secret) in self.secrets() {
            let (section, key) = place[1..].split_once('/').unwrap();
            table[section][key] = self.file(&secret).into();
        }
        if self.on_xmpp() {
            let jid_domain = self.jid().split_once('@').unwrap().1.to_owned();
            table["xmpp"]["jid"] = self.jid().into();
            table["xmpp"]["server"] = self.option("/xmpp/server", &jid_domain.into()).clone();
            table["xmpp"]["port"] = self.option("/xmpp/port", &json!(5222)).clone();
            table["xmpp"]["rooms"] = self.option("/xmpp/rooms", &json!([])).clone();
        }
        for (file, secret) in entries(&self.options["secrets"]["extraSecrets"]) {
            table["secrets"][file] = self.file(text(secret)).into();
        }
    }

    fn scaling(&self) -> Value {
        let cloud = &self.town["cloud"];
        let start = self.option("/cloud/resources", &cloud["resources"]).as_str().unwrap_or("standard");
        let of_town = cloud["scaling"]["maxResources"].as_str().unwrap_or(start).into();
        let idle = cloud["scaling"].get("idleTimeout").cloned().unwrap_or(json!(3600));
        json!({
            "resources": start,
            "max_resources": self.option("/cloud/scaling/maxResources", &of_town),
            "idle_timeout": self.option("/cloud/scaling/idleTimeout", &idle),
        })
    }

    fn provider(&self) -> Value {
        let declared = &self.options["cloud"]["identity"];
        let extra =
            entries(&self.options["secrets"]["extraSecrets"]).map(|(_, secret)| text(secret).to_owned());
        let secrets: BTreeSet<String> = self.secrets().into_values().chain(extra).collect();
        let source =
            |secret: &String| json!({ "remote": secret.replace('/', "-"), "file": self.file(secret) });
        let mut table =
            json!({ "provider": "kubernetes", "secrets": secrets.iter().map(source).collect::<Vec<_>>() });
        if let Some(account) = declared["gcpServiceAccount"].as_str() {
            let project =
                account.split_once('@').unwrap().1.strip_suffix(".iam.gserviceaccount.com").unwrap();
            table["provider"] = "gke".into();
            table["gcp_service_account"] = account.into();
            table["project"] = project.into();
        }
        if declared["awsRoleArn"].is_string() {
            table["provider"] = "eks".into();
            table["aws_role_arn"] = declared["awsRoleArn"].clone();
            table["aws_region"] = declared["awsRegion"].clone();
        }
        if declared["scope"].is_string() {
            table["scope"] = declared["scope"].clone();
        }
        table
    }
}
