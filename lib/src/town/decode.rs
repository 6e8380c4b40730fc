//! From the JSON that Nix prints to a [`Town`], with errors that name the option.

use std::fmt::Write as _;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{Town, attributes::Set};
use crate::{
    Problem,
    text::{nearest, quoted, short, shown},
    values::{AgentName, FileName, LabelKey, PersistPath, RepoName, TierName},
};

/// The largest input that is read, in bytes: 10,000 agents need about a tenth of it.
pub const MAX_INPUT_BYTES: usize = 32 << 20;

/// Reads a town from JSON.
///
/// # Errors
///
/// One [`Problem`] that names the option, its value and what was expected; or the line and column where the text is
/// no JSON.
pub fn decode_town(json: &[u8]) -> Result<Town, Problem> {
    bounded(json)?;
    // The quick way; the slow one below does the same with a memory of where it is.
    serde_json::from_slice(json).map(|Set(town)| town).or_else(|_| from_value(&parse(json)?, ""))
}

pub(super) fn bounded(json: &[u8]) -> Result<(), Problem> {
    if json.len() <= MAX_INPUT_BYTES {
        return Ok(());
    }
    let cause = format!("it has more than {} MiB", MAX_INPUT_BYTES >> 20);
    Err(Problem::new("the town is too large", cause)
        .hint("a town holds configuration only: look for a file read into it"))
}

pub(super) fn parse(json: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(json).map_err(|error| {
        let what = if error.is_eof() { "the town's JSON ends too early" } else { "the town is not JSON" };
        Problem::new(what, error.to_string())
    })
}

/// Reads one town out of a value that stands at `prefix` (empty, or `host.` for one of several).
pub(super) fn from_value(value: &Value, prefix: &str) -> Result<Town, Problem> {
    if !value.is_object() {
        let cause = format!("it is {}, not an attribute set", kind(value));
        return Err(Problem::new(format!("{prefix}nuketown is not a town"), cause)
            .hint("a town is an attribute set with `domain` and `agents`"));
    }
    match serde_path_to_error::deserialize(value) {
        Ok(town) => Ok(town),
        Err(error) => Err(problem(value, error.path(), &error.inner().to_string(), prefix)),
    }
}

impl Town {
    /// Reads a town from a JSON value.
    ///
    /// # Errors
    ///
    /// As [`decode_town`].
    pub fn from_json(value: &Value) -> Result<Self, Problem> {
        from_value(value, "")
    }
}

fn problem(root: &Value, path: &Path, message: &str, prefix: &str) -> Problem {
    let place = format!("{prefix}{}", nix_path(path));
    let owner = owner(path);
    // The field is the input's own text and may hold anything, so serde's words are looked for from behind.
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "));
    if let Some((field, expected)) = unknown {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return unknown_option(&owner, &place, field, &known);
    }
    if message.starts_with("missing field") {
        let field = message.split('`').nth(1).unwrap_or_default();
        let at = if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") };
        return Problem::new(format!("{owner} lacks a required option"), format!("{at} is not set"));
    }
    let expectation = expectation(message);
    if let Some((what, name)) = malformed_name(path, message) {
        let cause = format!("{place}: the name is {}; {expectation}", quoted(name));
        return Problem::new(format!("{what} has a malformed name"), cause);
    }
    let found = at(root, path).map_or_else(|| "malformed".to_owned(), shown);
    Problem::new(format!("{owner} has a malformed option"), format!("{place} is {found}; {expectation}"))
}

/// The last attribute of a path and what it is a name of, if the name itself, and not its value, was refused.
fn malformed_name<'p>(path: &'p Path, message: &str) -> Option<(&'static str, &'p str)> {
    let mut segments = path.iter().rev();
    let (Some(Segment::Map { key: name }), Some(Segment::Map { key: set })) =
        (segments.next(), segments.next())
    else {
        return None;
    };
    let (what, refused) = match set.as_str() {
        "agents" => ("an agent", name.parse::<AgentName>().err()),
        "tiers" => ("a tier", name.parse::<TierName>().err()),
        "repos" => ("a repository", name.parse::<RepoName>().err()),
        "extraSecrets" => ("a secret's file", name.parse::<FileName>().err()),
        "persistSizes" => ("a persisted directory", name.parse::<PersistPath>().err()),
        "nodeSelector" | "resources" => ("a label or resource", name.parse::<LabelKey>().err()),
        _ => return None,
    };
    refused.filter(|error| error.to_string() == message).map(|_| (what, name.as_str()))
}

fn unknown_option(owner: &str, place: &str, field: &str, known: &[&str]) -> Problem {
    let what = format!("{owner} has an unknown option");
    match nearest(field, known.iter().copied()) {
        Some(near) => {
            Problem::new(what, format!("{place} does not exist")).hint(format!("did you mean `{near}`?"))
        }
        None => Problem::new(what, format!("{place} does not exist; known there: {}", known.join(", "))),
    }
}

/// The town or the agent that a path belongs to.
fn owner(path: &Path) -> String {
    let mut segments = path.iter();
    match (segments.next(), segments.next()) {
        (Some(Segment::Map { key: root }), Some(Segment::Map { key: name })) if root == "agents" => {
            format!("agent `{}`", short(name))
        }
        _ => "the town".to_owned(),
    }
}

/// What serde expected, in the words of Nix.
fn expectation(message: &str) -> String {
    let Some((_, expected)) = message
        .rsplit_once(", expected ")
        .filter(|_| message.starts_with("invalid ") || message.starts_with("unknown "))
    else {
        return message.to_owned();
    };
    let words = match expected {
        "a sequence" => "a list",
        "a map" => "an attribute set",
        "a borrowed string" => "a string",
        "i64" | "u32" | "u16" => "a whole number",
        other if other.starts_with("struct ") => "an attribute set",
        other => other,
    };
    format!("expected {words}")
}

/// The path as Nix writes it: `agents.ada.persistSizes.".config/claude"`, `agents.ada.persist[1]`.
fn nix_path(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                let _ = write!(text, "[{index}]");
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&crate::text::attribute(key));
            }
            Segment::Unknown => text.push('?'),
        }
    }
    text
}

fn at<'v>(root: &'v Value, path: &Path) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, segment| match segment {
        Segment::Seq { index } => value.get(index),
        Segment::Map { key } => value.get(key),
        _ => None,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an attribute set",
    }
}
