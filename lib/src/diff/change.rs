//! What differs between two values, as a list of places.
//!
//! # Invariants
//!
//! - Two values that are not equal have at least one [`Change`], and equal ones have none.
//! - The order of an object's keys is of no meaning; the order of a list's elements is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;

use super::object::{Id, Objects};
use crate::text::attribute;

/// One place where two renderings differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) id: Id,
    /// Keys from the object's root; an element of a list of named things is `[name]`. Empty for the object itself.
    pub(super) path: Vec<String>,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

/// The last segment of a change that is only one of order.
pub(super) const ORDER: &str = "(order)";

impl Change {
    /// The path for matching.
    pub(super) fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Whether an object as a whole is new or gone.
    pub(super) fn is_whole(&self) -> bool {
        self.path.is_empty()
    }

    /// The path in words: `spec.template.spec.containers[agent].image`.
    pub(super) fn place(&self) -> String {
        let mut place = String::new();
        for segment in &self.path {
            match segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(element) => {
                    let _ = write!(place, "[{}]", super::words::name(element));
                }
                None if segment == ORDER => place.push_str(" (order)"),
                None => {
                    if !place.is_empty() {
                        place.push('.');
                    }
                    place.push_str(&attribute(segment));
                }
            }
        }
        place
    }
}

/// Every difference between the objects of one subject, in the order of the objects.
pub(super) fn between(old: &Objects<'_>, new: &Objects<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for id in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(id), new.get(id)) {
            (Some(one), Some(other)) => within(id, one, other, &mut changes),
            (one, other) => changes.push(Change {
                id: id.clone(),
                path: Vec::new(),
                old: one.map(|&value| value.clone()),
                new: other.map(|&value| value.clone()),
            }),
        }
    }
    changes
}

/// The differences between two values of one object.
pub(super) fn within(id: &Id, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    Walk { id, path: Vec::new(), changes }.walk(Some(old), Some(new));
}

struct Walk<'w> {
    id: &'w Id,
    path: Vec<String>,
    changes: &'w mut Vec<Change>,
}

impl Walk<'_> {
    fn walk(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        match (old, new) {
            (Some(Value::Object(a)), Some(Value::Object(b))) => {
                for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    self.step(key.clone(), a.get(key), b.get(key));
                }
            }
            (Some(Value::Object(map)), None) if !map.is_empty() => {
                for key in map.keys().collect::<BTreeSet<_>>() {
                    self.step(key.clone(), map.get(key), None);
                }
            }
            (None, Some(Value::Object(map))) if !map.is_empty() => {
                for key in map.keys().collect::<BTreeSet<_>>() {
                    self.step(key.clone(), None, map.get(key));
                }
            }
            (Some(Value::Array(_)) | None, Some(Value::Array(_))) | (Some(Value::Array(_)), None) => {
                self.lists(old, new);
            }
            _ => self.push(old, new),
        }
    }

    fn step(&mut self, segment: String, old: Option<&Value>, new: Option<&Value>) {
        self.path.push(segment);
        self.walk(old, new);
        self.path.pop();
    }

    fn push(&mut self, old: Option<&Value>, new: Option<&Value>) {
        let (id, path) = (self.id.clone(), self.path.clone());
        self.changes.push(Change { id, path, old: old.cloned(), new: new.cloned() });
    }

    /// Elements that have names are compared by name; other lists are one value.
    fn lists(&mut self, old: Option<&Value>, new: Option<&Value>) {
        let key = self.element_key();
        let (Some(a), Some(b)) = (Named::of(old, key), Named::of(new, key)) else {
            return self.push(old, new);
        };
        if a.order.is_empty() && b.order.is_empty() {
            return self.push(old, new);
        }
        for name in a.order.iter().chain(b.order.iter().filter(|name| !a.by_name.contains_key(*name))) {
            let segment = format!("[{name}]");
            match (a.by_name.get(name), b.by_name.get(name)) {
                (Some(x), Some(y)) => self.step(segment, Some(x), Some(y)),
                (x, y) => {
                    self.path.push(segment);
                    self.push(x.copied(), y.copied());
                    self.path.pop();
                }
            }
        }
        let (one, other) = (a.common(&b), b.common(&a));
        if one != other {
            self.path.push(ORDER.to_owned());
            self.push(Some(&one), Some(&other));
            self.path.pop();
        }
    }

    /// By what the API server merges the elements of the list at hand.
    fn element_key(&self) -> &'static str {
        match self.path.last().map(String::as_str) {
            Some("volumeMounts") => "mountPath",
            Some("items") => "key",
            Some("limits") => "type",
            // Not of the API: the secrets of `daemon.toml`.
            Some("secrets") if self.path.len() == 2 => "remote",
            _ => "name",
        }
    }
}

/// A list of things that each have a name of their own.
struct Named<'v> {
    order: Vec<&'v str>,
    by_name: BTreeMap<&'v str, &'v Value>,
}

impl<'v> Named<'v> {
    fn of(list: Option<&'v Value>, key: &str) -> Option<Self> {
        let list = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let order: Vec<&str> = list.iter().map(|item| item.get(key)?.as_str()).collect::<Option<_>>()?;
        let by_name: BTreeMap<&str, &Value> = order.iter().copied().zip(list).collect();
        (by_name.len() == order.len()).then_some(Self { order, by_name })
    }

    /// The names that `other` has too, in this list's order.
    fn common(&self, other: &Self) -> Value {
        self.order.iter().copied().filter(|name| other.by_name.contains_key(name)).map(Value::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(old: &Value, new: &Value) -> Vec<String> {
        let id = Id { kind: "Pod".into(), group: String::new(), namespace: String::new(), name: "x".into() };
        let mut changes = Vec::new();
        within(&id, old, new, &mut changes);
        changes.iter().map(Change::place).collect()
    }

    #[test]
    fn named_elements_are_compared_by_name() {
        let old = json!({ "containers": [{ "name": "a", "image": "x" }, { "name": "b" }] });
        let new = json!({ "containers": [{ "name": "b" }, { "name": "c" }, { "name": "a", "image": "y" }] });
        assert_eq!(places(&old, &new), ["containers[a].image", "containers[c]", "containers (order)"]);
    }

    #[test]
    fn lists_without_names_are_one_value() {
        assert_eq!(places(&json!({ "drop": ["A"] }), &json!({ "drop": ["B"] })), ["drop"]);
        let twice = json!({ "env": [{ "name": "a" }, { "name": "a" }] });
        assert_eq!(places(&twice, &json!({ "env": [{ "name": "a" }] })), ["env"]);
        assert_eq!(places(&json!({}), &json!({ "env": [] })), ["env"]);
        assert_eq!(places(&json!({ "env": [] }), &json!({ "env": null })), ["env"]);
    }

    #[test]
    fn empty_and_missing_are_not_the_same() {
        assert_eq!(places(&json!({ "a": {} }), &json!({})), ["a"]);
        assert_eq!(places(&json!({ "a": null }), &json!({})), ["a"]);
        assert_eq!(places(&json!({}), &json!({ "a": { "b": { "c": 1 }, "d": 2 } })), ["a.b.c", "a.d"]);
    }
}
