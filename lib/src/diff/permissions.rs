//! What an agent may do: sudo, who approves, whom it hears, and how tightly its pod is held.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    change::Change,
    files::{self, DAEMON, TOWN},
    hardening::weak_points,
    object::{Objects, at, items, text},
    section::{Aspect, Pair, Pool, Reason, Section},
    words::{self, count, name, value},
};

/// Says what changes in an agent's permissions.
pub(super) fn explain(pair: &Pair<'_>, pool: &mut Pool, section: &mut Section) {
    let mut of_daemon = |path: &[&str]| pool.take(|c| files::file(c) == Some(DAEMON) && c.path() == path);
    for change in of_daemon(&["sudo", "enable"]) {
        let may = change.new == Some(Value::Bool(true));
        section.phrase(if may { "gains sudo" } else { "loses sudo" });
        let words =
            if may { "may ask for privileged commands" } else { "may no longer ask for privileged commands" };
        section.line(Aspect::Permissions, format!("{words} (sudo.enable {})", words_of(&change)));
    }
    for change in of_daemon(&["sudo", "pre_approved"]) {
        pre_approved(&change, section);
    }
    for change in of_daemon(&["approver"]) {
        match &change.new {
            Some(approver) => section.phrase(format!("approved by {}", value(approver))),
            None => section.phrase("nobody can approve"),
        }
        section.line(Aspect::Permissions, format!("approver {}", words_of(&change)));
    }
    for change in of_daemon(&["approval_timeout"]) {
        section.phrase("waits another time for approval");
        section.line(Aspect::Permissions, format!("waits {} seconds for an answer", words_of(&change)));
    }
    bindings(pool, section);
    hardening(pair, section);
}

fn words_of(change: &Change) -> String {
    words::change(change.old.as_ref(), change.new.as_ref())
}

/// Each command in full: a pattern that is cut could hide its end.
fn pre_approved(change: &Change, section: &mut Section) {
    let (gained, lost) = differences(change);
    for (commands, sign, more) in [(&gained, '+', "more"), (&lost, '-', "fewer")] {
        if !commands.is_empty() {
            section.phrase(format!("{} {more}", count(commands.len(), "pre-approved command")));
        }
        for command in commands {
            section.line(Aspect::Permissions, format!("{sign} pre-approved: {}", whole(command)));
        }
    }
    if gained.is_empty() && lost.is_empty() {
        section.line(Aspect::Permissions, format!("pre-approved commands {}", words_of(change)));
    }
}

fn whole(text: &Value) -> String {
    text.as_str().map_or_else(|| value(text), |text| format!("\"{}\"", crate::text::visible(text)))
}

/// Says which agents hear each other from now on, which is what `town.toml` lists.
pub(super) fn residents(pool: &mut Pool, section: &mut Section) {
    let is_resident = |change: &Change| {
        files::file(change) == Some(TOWN) && matches!(change.path().as_slice(), ["agents", _])
    };
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    for change in pool.take(is_resident) {
        let agent = name(change.path.last().map_or("", String::as_str));
        match (&change.old, &change.new) {
            (None, Some(jid)) => {
                section.line(Aspect::Permissions, format!("+ the agents hear {agent} as {}", value(jid)));
                gained.push(agent);
            }
            (Some(jid), None) => {
                section.line(
                    Aspect::Permissions,
                    format!("- the agents no longer hear {agent} as {}", value(jid)),
                );
                lost.push(agent);
            }
            _ => {
                section
                    .line(Aspect::Permissions, format!("the agents hear {agent} as {}", words_of(&change)));
                gained.push(agent);
            }
        }
    }
    for (agents, verb) in [(gained, "the agents hear"), (lost, "the agents no longer hear")] {
        if !agents.is_empty() {
            section.phrase(format!("{verb} {}", words::some(agents, 2)));
        }
    }
}

/// What a list of the configuration gains and loses.
fn differences(change: &Change) -> (Vec<&Value>, Vec<&Value>) {
    let (old, new) = (elements(change.old.as_ref()), elements(change.new.as_ref()));
    let texts = |list: &[Value]| -> BTreeSet<String> { list.iter().map(Value::to_string).collect() };
    let (before, after) = (texts(old), texts(new));
    let gained = new.iter().filter(|item| !before.contains(&item.to_string())).collect();
    let lost = old.iter().filter(|item| !after.contains(&item.to_string())).collect();
    (gained, lost)
}

fn elements(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Rights at the API server, which the renderer never gives.
fn bindings(pool: &Pool, section: &mut Section) {
    for change in &pool.0 {
        let is_binding = matches!(change.id.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if let (true, Some(binding)) = (is_binding && change.is_whole(), &change.new) {
            bound(&change.id.kind, binding, section);
        }
    }
}

fn bound(kind: &str, binding: &Value, section: &mut Section) {
    let role = text(binding, &["roleRef", "name"]).map_or_else(|| "no role".to_owned(), name);
    let scope = if kind == "ClusterRoleBinding" { "the whole cluster" } else { "its namespace" };
    section.phrase(format!("bound to the role {role}"));
    section.alert(Reason::Exposure, format!("its service account is bound to the role {role} in {scope}"));
}

/// What holds the pod less tightly than the renderer does, and what does so no longer.
pub(super) fn hardening(pair: &Pair<'_>, section: &mut Section) {
    let (old, new) = (weak_points(&pair.old, pair.agent()), weak_points(&pair.new, pair.agent()));
    let weaker: Vec<&String> = new.difference(&old).collect();
    let stronger: Vec<&String> = old.difference(&new).collect();
    if !weaker.is_empty() {
        section.phrase("weaker pod security");
    }
    if !stronger.is_empty() {
        section.phrase("stronger pod security");
    }
    for words in weaker {
        section.line(Aspect::Permissions, format!("weaker: {words}"));
        section.alert(Reason::Exposure, words);
    }
    for words in stronger {
        section.line(Aspect::Permissions, format!("stronger: no more: {words}"));
    }
}

/// Lines for an agent that was not there before.
pub(super) fn introduce(pair: &Pair<'_>, section: &mut Section) {
    if let Some(daemon) = files::daemon(&pair.new) {
        let sudo = at(&daemon, &["sudo", "enable"]) == Some(&Value::Bool(true));
        let approver = text(&daemon, &["approver"]).map_or_else(|| "nobody".to_owned(), name);
        let may = if sudo { "may ask for privileged commands" } else { "no privileged commands" };
        section.line(Aspect::Permissions, format!("{may}; approved by {approver}"));
        for command in items(&daemon, &["sudo", "pre_approved"]) {
            section.line(Aspect::Permissions, format!("+ pre-approved: {}", whole(command)));
        }
        if sudo {
            section.phrase("sudo");
        }
    }
    hardened_by(&pair.new, section);
    for (id, binding) in &pair.new {
        if matches!(id.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            bound(&id.kind, binding, section);
        }
    }
    hardening(pair, section);
}

/// Options of the whole town that hold a pod more tightly.
fn hardened_by(objects: &Objects<'_>, section: &mut Section) {
    for pod in objects.values().filter_map(|object| super::object::pod_spec(object)) {
        for field in ["hostUsers", "runtimeClassName"] {
            if let Some(set) = pod.get(field) {
                section.line(Aspect::Permissions, format!("{field} {}", value(set)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::quoted;

    #[test]
    fn command_is_shown_to_its_end() {
        let long = format!("{} --then rm", "a".repeat(200));
        assert!(whole(&Value::from(long.clone())).ends_with("--then rm\""));
        assert!(!quoted(&long).ends_with("rm\""));
    }
}
