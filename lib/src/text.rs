//! Words for messages: values shown safely, attribute paths, lists, and the nearest known name.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

/// The longest part of a value that a message repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A value as a message shows it: one line, cut, with control and formatting characters made visible.
pub(crate) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => return quoted(text),
        Value::Array(items) => return listed(items),
        Value::Object(_) => return "an attribute set".to_owned(),
        other => other.to_string(),
    };
    cut(&text)
}

/// A list as Nix writes it: `[ "projects" 3 ]`.
fn listed(items: &[Value]) -> String {
    let mut text = "[".to_owned();
    for item in items {
        // What is cut off anyway need not be written.
        if text.len() > 4 * SHOWN_MAX {
            break;
        }
        text.push(' ');
        text.push_str(&shown(item));
    }
    text.push_str(" ]");
    cut(&text)
}

/// A text in double quotes: one line, cut, with control and formatting characters made visible.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

/// A text as part of a sentence: one line, cut, with control and formatting characters made visible.
pub(crate) fn short(text: &str) -> String {
    let text = without_credentials(text);
    // What is cut off anyway need not be made visible first.
    let head: String = text.chars().take(SHOWN_MAX + 1).collect();
    cut(&visible(&head))
}

/// An address without its user and password, which a message must not repeat: `https://…@github.com`.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let parts = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    match parts {
        Some((scheme, host)) => format!("{scheme}://…@{host}").into(),
        None => text.into(),
    }
}

/// Control, bidirectional and zero-width characters as escapes: a message must not move the reader's cursor.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            c if c.is_control() || is_formatting(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that change how others are shown, or show nothing (Unicode general category Cf and line separators).
fn is_formatting(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// One attribute of a Nix path: bare where Nix allows it, else quoted.
pub(crate) fn attribute(name: &str) -> String {
    let bare = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-'".contains(c));
    if bare && name.len() <= SHOWN_MAX { name.to_owned() } else { quoted(name) }
}

/// The longest name that is compared with others, in bytes: the comparison takes memory by its length, and no name of
/// any option or object is longer.
const NAME_MAX: usize = 255;

/// The known name that was probably meant: equal but for case, or at most a third of its letters away.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    known
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(lower.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `a, b, c`.
pub(crate) fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_in_a_message_stays_on_its_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}[2J\u{202e}c\"d"), r#""a\nb\u{1b}[2J\u{202e}c\"d""#);
        assert_eq!(quoted(&"ä".repeat(100)).chars().count(), SHOWN_MAX + 3);
    }

    #[test]
    fn list_in_a_message_shows_what_it_holds() {
        assert_eq!(
            shown(&serde_json::json!(["projects", 3, { "a": 1 }])),
            "[ \"projects\" 3 an attribute set ]"
        );
        assert_eq!(shown(&serde_json::json!(vec!["x"; 1000])).chars().count(), SHOWN_MAX + 1);
    }

    #[test]
    fn address_in_a_message_has_no_credentials() {
        let long = format!("https://josh:{}@github.com/x", "secret".repeat(50));
        for text in [
            "https://josh:secret@github.com/x",
            "https://secret@github.com/x",
            "ssh://a:se/cret@github.com/x",
            &long,
        ] {
            let shown = quoted(text);
            assert!(!shown.contains("cret") && shown.contains("…@github.com/x"), "{shown}");
        }
        assert_eq!(quoted("git@github.com:x"), "\"git@github.com:x\"");
    }

    #[test]
    fn nearest_name_is_a_slip_of_the_pen_away() {
        let known = ["resources", "persistSizes", "scaling", "uid"];
        assert_eq!(nearest("resource", known.into_iter()), Some("resources"));
        assert_eq!(nearest("persistsizes", known.into_iter()), Some("persistSizes"));
        assert_eq!(nearest("udi", known.into_iter()), Some("uid"));
        assert_eq!(nearest("frobnicate", known.into_iter()), None);
        assert_eq!(nearest("x", known.into_iter()), None);
    }

    #[test]
    fn attribute_is_quoted_where_nix_needs_it() {
        assert_eq!(attribute("ada"), "ada");
        assert_eq!(attribute(".config/claude"), "\".config/claude\"");
    }
}
