//! A diff as JSON, for programs.

use serde_json::{Value, json};

use super::{
    Diff,
    change::Change,
    files::file,
    object::Subject,
    route::{aspect, is_secret},
    section::Section,
};

/// The version of the form; a field that changes its meaning raises it, a new one does not.
const VERSION: u32 = 1;

impl Diff {
    /// The diff as JSON.
    ///
    /// | field | what it holds |
    /// |---|---|
    /// | `version` | 1 |
    /// | `changed` | whether anything differs |
    /// | `agents` | one object per agent that differs |
    /// | `town` | one such object for what the agents share, or null |
    ///
    /// Each of these objects has `namespace` and `name` (null for the town), `change` (`changed`, `added`,
    /// `removed`), `summary` (a list of phrases), `restarts` (true, false, or null where there is no pod before or
    /// after), and
    ///
    /// | field | per element |
    /// |---|---|
    /// | `lines` | `aspect` and `text`, as [`Diff::to_text`] shows them |
    /// | `alerts` | `reason` (`refused`, `data-loss`, `exposure`, `no-effect`) and `text` |
    /// | `fields` | every place that differs: `aspect`, `kind`, `object`, `file` (of a config map, or null), `path`, `old`, `new` (null where unset), `hidden` (true where the values are a Secret's and left out) |
    ///
    /// `old` and `new` are the values themselves, with whatever characters they have; the texts are safe to print.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let sections =
            |agents: bool| self.sections.iter().filter(move |s| s.is_agent() == agents).map(section);
        json!({
            "version": VERSION,
            "changed": !self.is_empty(),
            "agents": sections(true).collect::<Vec<_>>(),
            "town": sections(false).next(),
        })
    }

    /// The same JSON, indented and in ASCII: printing it is safe whatever the manifests hold.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        let mut text = String::new();
        for c in format!("{:#}\n", self.to_json()).chars() {
            if c.is_ascii() {
                text.push(c);
            } else {
                let mut units = [0; 2];
                text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        text
    }
}

fn section(section: &Section) -> Value {
    let (namespace, name) = match &section.subject {
        Subject::Agent { namespace, name } => (Some(namespace), Some(name)),
        Subject::Town => (None, None),
    };
    let lines: Vec<Value> =
        section.in_order().map(|(aspect, text)| json!({ "aspect": aspect.as_str(), "text": text })).collect();
    let alerts: Vec<Value> = section
        .alerts
        .iter()
        .map(|(reason, text)| json!({ "reason": reason.as_str(), "text": text }))
        .collect();
    json!({
        "namespace": namespace,
        "name": name,
        "change": section.verdict.as_str(),
        "summary": section.phrases,
        "restarts": section.restarts,
        "lines": lines,
        "alerts": alerts,
        "fields": section.fields.iter().map(field).collect::<Vec<_>>(),
    })
}

fn field(change: &Change) -> Value {
    let file = file(change);
    let hidden = is_secret(change);
    let shown = |value: &Option<Value>| if hidden { Value::Null } else { value.clone().unwrap_or_default() };
    json!({
        "aspect": aspect(change).as_str(),
        "kind": file.map_or(change.id.kind.as_str(), |_| "ConfigMap"),
        "object": change.id.name,
        "file": file,
        "path": change.place(),
        "old": shown(&change.old),
        "new": shown(&change.new),
        "hidden": hidden,
    })
}
