//! The files of an agent's home inside its config map, compared field by field.

use serde_json::Value;

use super::{
    change::{Change, within},
    object::{Id, Objects, text},
    section::{Aspect, Pool, Reason, Section},
    words,
};
use crate::{DaemonFile, IdentityFile, TownFile, home::TOWN_FILE, text::quoted};

/// How changes inside of these files name their object.
pub(super) const DAEMON: &str = "daemon.toml";
pub(super) const IDENTITY: &str = "identity.toml";
pub(super) const TOWN: &str = TOWN_FILE;
const FILES: [&str; 3] = [IDENTITY, DAEMON, TOWN];

/// The file that a change is inside of.
pub(super) fn file(change: &Change) -> Option<&'static str> {
    // A group of Kubernetes has no space, so no object can pass for a file.
    let of = |file| change.id.group == FILE_GROUP && change.id.kind == file;
    FILES.into_iter().find(|file| of(*file))
}

const FILE_GROUP: &str = "a file of a config map";

/// Replaces a change of a file's text by the changes of its fields, where both texts are TOML.
pub(super) fn expand(changes: Vec<Change>) -> Vec<Change> {
    let mut expanded = Vec::with_capacity(changes.len());
    for change in changes {
        match fields(&change) {
            Some(fields) if !fields.is_empty() => expanded.extend(fields),
            _ => expanded.push(change),
        }
    }
    expanded
}

fn fields(change: &Change) -> Option<Vec<Change>> {
    let kind = in_config_map(change)?;
    let toml = |value: &Option<Value>| table(value.as_ref()?.as_str()?);
    let (old, new) = (toml(&change.old)?, toml(&change.new)?);
    let id = Id { kind: kind.to_owned(), group: FILE_GROUP.to_owned(), ..change.id.clone() };
    let mut fields = Vec::new();
    within(&id, &old, &new, &mut fields);
    Some(fields)
}

fn in_config_map(change: &Change) -> Option<&'static str> {
    let file = match change.path().as_slice() {
        ["data", file] if change.id.kind == "ConfigMap" => *file,
        _ => return None,
    };
    FILES.into_iter().find(|known| *known == file)
}

fn table(text: &str) -> Option<Value> {
    serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok()
}

/// A field of `daemon.toml`, as one rendering has it.
pub(super) fn daemon(objects: &Objects<'_>) -> Option<Value> {
    let mut maps = objects.iter().filter(|(id, _)| id.kind == "ConfigMap");
    maps.find_map(|(_, map)| table(text(map, &["data", DAEMON])?))
}

/// Says what differs in a file as a whole, and whether the agent can still read it.
pub(super) fn explain(pool: &mut Pool, section: &mut Section) {
    for change in pool.take(|change| in_config_map(change).is_some()) {
        let file = in_config_map(&change).unwrap_or_default();
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(ToOwned::to_owned);
        let words = match (text(&change.old), text(&change.new)) {
            (Some(a), Some(b)) if table(&a).is_some() && table(&b).is_some() => {
                format!("{file} is written differently and says the same")
            }
            (Some(a), Some(b)) => {
                let line = a.lines().zip(b.lines()).take_while(|(x, y)| x == y).count() + 1;
                format!("{file} is no TOML; its text differs from line {line}: {}", words::texts(&a, &b))
            }
            _ => format!("{file} {}", words::change(change.old.as_ref(), change.new.as_ref())),
        };
        section.line(Aspect::Configuration, words);
    }
}

/// Files that the agent will not read are worth more than a line: its pod does not start.
pub(super) fn check(old: Option<&Objects<'_>>, new: &Objects<'_>, section: &mut Section) {
    for (id, map) in new.iter().filter(|(id, _)| id.kind == "ConfigMap") {
        for file in FILES {
            let before = old.and_then(|old| text(old.get(id)?, &["data", file]));
            let Some(after) = text(map, &["data", file]).filter(|after| before != Some(*after)) else {
                continue;
            };
            let error = match file {
                IDENTITY => toml::from_str::<IdentityFile>(after).err(),
                DAEMON => toml::from_str::<DaemonFile>(after).err(),
                _ => toml::from_str::<TownFile>(after).err(),
            };
            if let Some(error) = error {
                let text = format!("an agent cannot read its {file}: {}", quoted(error.message()));
                section.alert(Reason::NoEffect, text);
            }
        }
    }
}
