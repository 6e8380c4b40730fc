//! Values and changes of values in words, safe to print.
//!
//! # Invariants
//!
//! - What comes from a manifest shows no control, bidirectional or zero-width character and stays on its line.
//! - A change shows two texts that a reader can tell apart, or says that they look alike.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    text::{quoted, visible},
    values::Quantity,
};

/// The longest value that is shown without quotes, in bytes: an image by digest, a host name.
const BARE_MAX: usize = 260;
/// The longest compact JSON that is shown, in characters.
const JSON_MAX: usize = 240;
/// A text longer than this shows only the part that differs.
const LONG: usize = 40;
/// Characters before the difference that are shown for orientation.
const LEAD: usize = 12;

/// A name, quantity, host: as it is where it is one plain word, else quoted.
pub(super) fn name(text: &str) -> String {
    let plain =
        !text.is_empty() && text.len() <= BARE_MAX && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text with its quotes, and all else that could mislead made visible.
pub(super) fn safe(text: &str) -> String {
    let one = |c: char| if c == '"' { c.to_string() } else { visible(c.encode_utf8(&mut [0; 4])) };
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        text.to_owned()
    } else {
        text.chars().map(one).collect()
    }
}

/// A value in one line.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => name(text),
        Value::Array(_) | Value::Object(_) => json(value),
        plain => plain.to_string(),
    }
}

/// As JSON, cut, with the number of characters that are not shown.
pub(super) fn json(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(JSON_MAX) {
        None => safe(&text),
        Some((end, _)) => {
            let rest = text.get(end..).unwrap_or_default().chars().count();
            format!("{}… ({rest} more characters)", safe(text.get(..end).unwrap_or_default()))
        }
    }
}

/// `old -> new`, `+ a, - b` for lists.
pub(super) fn change(old: Option<&Value>, new: Option<&Value>) -> String {
    match (old, new) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => list(a, b),
        (None, Some(Value::Array(b))) if !b.is_empty() => list(&[], b),
        (Some(Value::Array(a)), None) if !a.is_empty() => list(a, &[]),
        (Some(Value::String(a)), Some(Value::String(b))) => texts(a, b),
        _ => {
            let (a, b) = (old.map_or_else(unset, value), new.map_or_else(unset, value));
            if a != b {
                return format!("{a} -> {b}");
            }
            told_apart(&old.map_or_else(unset, json), &new.map_or_else(unset, json))
        }
    }
}

fn unset() -> String {
    "unset".to_owned()
}

/// Two texts; of long ones the part from where they differ.
pub(super) fn texts(old: &str, new: &str) -> String {
    let (a, b) = (name(old), name(new));
    let is_cut = |text: &str| text.ends_with("…\"");
    if !is_cut(&a) && !is_cut(&b) && a.len().max(b.len()) <= LONG || a == old && b == new {
        return told_apart(&a, &b);
    }
    let common = old.chars().zip(new.chars()).take_while(|(x, y)| x == y).count();
    let from = |text: &str| {
        let skipped = common.saturating_sub(LEAD);
        let rest: String = text.chars().skip(skipped).collect();
        if skipped > 0 { format!("…{}", quoted(&rest)) } else { quoted(&rest) }
    };
    told_apart(&from(old), &from(new))
}

fn told_apart(a: &str, b: &str) -> String {
    if a == b {
        return format!("{a} -> {b} (they differ in what cannot be shown)");
    }
    format!("{a} -> {b}")
}

/// What a list gains and loses, by its elements and how often they occur.
fn list(old: &[Value], new: &[Value]) -> String {
    let mut counts: BTreeMap<String, (i64, &Value)> = BTreeMap::new();
    for (items, by) in [(old, -1), (new, 1)] {
        for item in items {
            counts.entry(item.to_string()).or_insert((0, item)).0 += by;
        }
    }
    let mut parts = Vec::new();
    for (sign, matches) in [("+", (|n| n > 0) as fn(i64) -> bool), ("-", |n| n < 0)] {
        let of_sign = counts.values().filter(|(count, _)| matches(*count));
        parts.extend(of_sign.map(|(count, item)| match count.unsigned_abs() {
            1 => format!("{sign} {}", value(item)),
            times => format!("{sign} {} ({times} times)", value(item)),
        }));
    }
    match (parts.is_empty(), old.len() == new.len() && !old.is_empty()) {
        (true, true) => "the same in another order".to_owned(),
        (true, false) => "empty -> unset or the reverse".to_owned(),
        (false, _) => parts.join(", "),
    }
}

/// A quantity as a manifest holds it: a text or a number.
pub(super) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// `+2`, `-4Gi`; nothing where the amount is the same.
pub(super) fn delta(old: Quantity, new: Quantity) -> Option<String> {
    match new.checked_sub(old) {
        Some(more) if more.is_zero() => None,
        Some(more) => Some(format!("+{more}")),
        None => old.checked_sub(new).map(|less| format!("-{less}")),
    }
}

/// `1 volume`, `2 volumes`.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// `a, b and 3 more`, so that a summary stays short.
pub(super) fn some(mut items: Vec<String>, most: usize) -> String {
    let rest = items.len().saturating_sub(most);
    items.truncate(most);
    match rest {
        0 => items.join(", "),
        rest => format!("{} and {rest} more", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_differ_late_are_shown_from_there() {
        let (a, b) = (format!("{}left", "same ".repeat(40)), format!("{}right", "same ".repeat(40)));
        assert_eq!(texts(&a, &b), r#"…"e same same left" -> …"e same same right""#);
        assert_eq!(texts("short one", "short two"), r#""short one" -> "short two""#);
    }

    #[test]
    fn values_that_look_alike_are_told_apart() {
        assert_eq!(change(Some(&json!(2)), Some(&json!("2"))), r#"2 -> "2""#);
        assert!(texts("a b\nc", "a b\\nc").ends_with("(they differ in what cannot be shown)"));
        assert_eq!(change(None, Some(&json!(null))), "unset -> null");
    }

    #[test]
    fn list_says_what_it_gains_and_loses() {
        let of = |a: Value, b: Value| change(Some(&a), Some(&b));
        assert_eq!(of(json!(["a", "b"]), json!(["b", "c"])), "+ c, - a");
        assert_eq!(of(json!(["a"]), json!(["a", "a", "a"])), "+ a (2 times)");
        assert_eq!(of(json!(["a", "b"]), json!(["b", "a"])), "the same in another order");
    }

    #[test]
    fn hostile_value_stays_on_its_line_and_short() {
        let long = json!({ "key": "\u{1b}[2J\u{202e}\n".repeat(1000) });
        let shown = value(&long);
        assert!(shown.chars().count() < 20 * JSON_MAX, "{}", shown.len());
        assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown}");
    }

    #[test]
    fn delta_is_signed_and_exact() {
        let of = |a: &str, b: &str| delta(a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(of("500m", "2").as_deref(), Some("+1500m"));
        assert_eq!(of("8Gi", "512Mi").as_deref(), Some("-7680Mi"));
        assert_eq!(of("1Gi", "1024Mi"), None);
    }
}
