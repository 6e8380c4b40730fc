//! Who the agent is to its cloud, and which secrets it fetches.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    change::{Change, ORDER},
    files::{self, DAEMON},
    object::{Objects, items, text},
    section::{Aspect, Pool, Section},
    words::{name, some},
};

/// Secrets that a summary names before it counts.
const NAMED_MAX: usize = 2;

/// Says which secrets are fetched from now on, and which no longer; the rest of the identity follows by field.
pub(super) fn explain(pool: &mut Pool, section: &mut Section) {
    let of_daemon = |change: &Change| files::file(change) == Some(DAEMON);
    let provider = pool.take(|change| of_daemon(change) && change.path() == ["identity", "provider"]);
    for change in &provider {
        let words = super::words::change(change.old.as_ref(), change.new.as_ref());
        section.phrase(format!("identity provider {words}"));
        section.line(Aspect::Identity, format!("provider {words}"));
    }
    let taken = pool.take(|change| {
        let path = change.path();
        let element = matches!(path.as_slice(), ["identity", "secrets", element] if *element != ORDER);
        of_daemon(change) && element && (change.old.is_none() || change.new.is_none())
    });
    let remotes = |side: fn(&Change) -> Option<&Value>| -> Vec<(String, String)> {
        let secrets = taken.iter().filter_map(side);
        secrets
            .filter_map(|s| {
                Some((text(s, &["remote"])?.to_owned(), text(s, &["file"]).unwrap_or("?").to_owned()))
            })
            .collect()
    };
    let (gained, lost) = (remotes(|change| change.new.as_ref()), remotes(|change| change.old.as_ref()));
    for (secrets, verb, sign) in [(&gained, "fetches", '+'), (&lost, "no longer fetches", '-')] {
        if secrets.is_empty() {
            continue;
        }
        let names = secrets.iter().map(|(remote, _)| name(remote)).collect();
        section.phrase(format!("{verb} secret {}", some(names, NAMED_MAX)));
        for (remote, file) in secrets {
            section.line(Aspect::Identity, format!("{sign} secret {} to {}", name(remote), name(file)));
        }
    }
    let named = gained.iter().chain(&lost).map(|(remote, _)| format!("[{remote}]"));
    same_in_pod(&named.collect(), pool);
}

/// With a Kubernetes Secret, the pod's volume lists the same names once more.
fn same_in_pod(named: &BTreeSet<String>, pool: &mut Pool) {
    pool.take(|change| match change.path().as_slice() {
        ["spec", "template", "spec", "volumes", "[credential]", "secret", "items", item] => {
            named.contains(*item) && [&change.old, &change.new].into_iter().flatten().all(is_plain_item)
        }
        _ => false,
    });
}

fn is_plain_item(item: &Value) -> bool {
    item.as_object().is_some_and(|fields| fields.len() == 2) && text(item, &["key"]) == text(item, &["path"])
}

/// The secrets that an agent fetches, by their names at the provider.
fn fetched(daemon: &Value) -> Vec<String> {
    items(daemon, &["identity", "secrets"]).filter_map(|secret| text(secret, &["remote"])).map(name).collect()
}

/// Lines for an agent that was not there before.
pub(super) fn introduce(objects: &Objects<'_>, section: &mut Section) {
    let Some(daemon) = files::daemon(objects) else { return };
    let field = |key: &str| text(&daemon, &["identity", key]).map(name);
    let account = field("gcp_service_account").or_else(|| field("aws_role_arn"));
    let provider = field("provider").unwrap_or_else(|| "none".to_owned());
    let account = account.map_or_else(String::new, |account| format!(" as {account}"));
    section.line(Aspect::Identity, format!("provider {provider}{account}"));
    let annotations = objects
        .iter()
        .filter(|(id, _)| id.kind == "ServiceAccount")
        .filter_map(|(_, account)| super::object::at(account, &["metadata", "annotations"])?.as_object());
    for (key, value) in annotations.flatten() {
        section
            .line(Aspect::Identity, format!("+ ServiceAccount {} {}", name(key), super::words::value(value)));
    }
    let secrets = fetched(&daemon);
    if !secrets.is_empty() {
        section.line(Aspect::Identity, format!("+ secrets {}", secrets.join(", ")));
    }
}
