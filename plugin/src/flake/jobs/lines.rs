//! Reads what nix-eval-jobs prints: a JSON object on each line, one for each job, in any order.
//!
//! `{"attr":"host-0","attrPath":["host-0"],"drvPath":"…","extraValue":{"town":{…}},"name":"host-0",…}` where it succeeded,
//! and `{"attr":"host-0","attrPath":["host-0"],"error":"error:\n … boom"}` where it did not (`src/worker.cc`).
//!
//! # Invariants
//!
//! - No input makes a host be passed over: what is missing, double or not understood is an error.

use std::collections::BTreeMap;

use serde_json::{Value, error::Category};

use crate::flake::text::one_line;

/// What the job that lists the hosts is called.
const ALL: &str = "all";

/// What the jobs of hosts are called, before their number.
pub(super) const HOST: &str = "host-";

/// What was found of a host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Its town.
    Town(Value),
    /// It has none.
    Nothing,
    /// Its evaluation failed: what Nix said.
    Failed(String),
}

/// The lines that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lines {
    /// The names of all hosts, in order, once their line was there.
    pub(super) names: Option<Vec<String>>,
    /// What was found, by the number of the host.
    pub(super) found: BTreeMap<usize, Found>,
}

impl Lines {
    /// Reads the lines of a run that went well. The error says what is wrong with which line.
    pub(super) fn read(output: &[u8]) -> Result<Self, String> {
        let mut lines = Self::default();
        for (at, line) in pieces(output) {
            lines.enter(line).map_err(|why| format!("line {} of its output {why}", at + 1))?;
        }
        Ok(lines)
    }

    /// Reads what can be read of a run that failed, which may have ended within a line.
    pub(super) fn read_what_is_there(output: &[u8]) -> Self {
        let mut lines = Self::default();
        for (_, line) in pieces(output) {
            // That it failed is known; this is only to say more of it.
            let _ = lines.enter(line);
        }
        lines
    }

    /// All hosts with what was found of them, in the order of their names.
    pub(super) fn complete(mut self) -> Result<Vec<(String, Found)>, String> {
        let names = self.names.ok_or("its output has no list of the hosts")?;
        let mut hosts = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            let Some(found) = self.found.remove(&at) else {
                return Err(format!("its output says nothing of host `{}`", one_line(&name)));
            };
            hosts.push((name, found));
        }
        match self.found.keys().next() {
            Some(at) => Err(format!("its output tells of a host that there is not, number {at}")),
            None => Ok(hosts),
        }
    }

    fn enter(&mut self, line: &[u8]) -> Result<(), String> {
        let line: Value =
            serde_json::from_slice(line).map_err(|why| format!("is not JSON ({})", wrong(&why)))?;
        let attr = line["attr"].as_str().ok_or("names no job (`attr`)")?;
        let error = line["error"].as_str();
        let value = line["extraValue"].as_object();
        if attr == ALL {
            return self.enter_names(error, value.and_then(|value| value.get("names")));
        }
        let number = attr.strip_prefix(HOST).and_then(number);
        let number = number.ok_or_else(|| format!("is of a job that there is not, `{}`", one_line(attr)))?;
        let found = match (error, value) {
            (Some(said), _) => Found::Failed(said.to_owned()),
            (None, Some(value)) => value.get("town").map_or(Found::Nothing, |town| Found::Town(town.clone())),
            (None, None) => return Err(format!("has neither a value nor an error for `{attr}`")),
        };
        match self.found.insert(number, found) {
            Some(_) => Err(format!("is the second one for `{attr}`")),
            None => Ok(()),
        }
    }

    fn enter_names(&mut self, error: Option<&str>, names: Option<&Value>) -> Result<(), String> {
        if let Some(said) = error {
            return Err(format!("says that the hosts cannot be listed: {}", one_line(said)));
        }
        let names = names.and_then(Value::as_array).and_then(|names| {
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        match self.names.replace(names.ok_or("has no list of the hosts")?) {
            Some(_) => Err("is the second list of the hosts".to_owned()),
            None => Ok(()),
        }
    }
}

/// Lines that hold something, with their index.
fn pieces(output: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = output.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// A number as Nix writes it: digits, and no other text for the same number.
pub(super) fn number(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What is wrong with JSON, without repeating any of it.
fn wrong(why: &serde_json::Error) -> &'static str {
    match why.classify() {
        Category::Eof => "it ends too soon",
        Category::Io => "it cannot be read",
        Category::Data | Category::Syntax => "it is malformed",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL_LINE: &str =
        r#"{"attr":"all","attrPath":["all"],"extraValue":{"names":["a","b"]},"name":"all"}"#;
    const A: &str = r#"{"attr":"host-0","extraValue":{"town":{"domain":"a"}}}"#;
    const B: &str = r#"{"attr":"host-1","extraValue":{}}"#;

    fn read(lines: &[&str]) -> Result<Vec<(String, Found)>, String> {
        Lines::read(lines.join("\n").as_bytes()).and_then(Lines::complete)
    }

    #[test]
    fn hosts_are_read_in_any_order() {
        let town = Found::Town(serde_json::json!({ "domain": "a" }));
        let wanted = vec![("a".to_owned(), town), ("b".to_owned(), Found::Nothing)];
        for lines in [[ALL_LINE, A, B], [B, A, ALL_LINE], [A, ALL_LINE, B]] {
            assert_eq!(read(&lines).as_ref(), Ok(&wanted));
        }
    }

    #[test]
    fn host_is_never_passed_over() {
        let said = |lines: &[&str]| read(lines).unwrap_err();
        assert_eq!(said(&[ALL_LINE, A]), "its output says nothing of host `b`");
        assert_eq!(said(&[A, B]), "its output has no list of the hosts");
        assert_eq!(said(&[ALL_LINE, A, B, A]), "line 4 of its output is the second one for `host-0`");
        assert_eq!(said(&[ALL_LINE, ALL_LINE]), "line 2 of its output is the second list of the hosts");
        assert_eq!(said(&[ALL_LINE, &A[..30]]), "line 2 of its output is not JSON (it ends too soon)");
        assert_eq!(said(&[ALL_LINE, "error"]), "line 2 of its output is not JSON (it is malformed)");
        assert_eq!(said(&["{}"]), "line 1 of its output names no job (`attr`)");
        let none = r#"{"attr":"host-0"}"#;
        assert_eq!(said(&[none]), "line 1 of its output has neither a value nor an error for `host-0`");
        for other in ["host-00", "host-+1", "host-", "host-a", "x"] {
            let line = format!(r#"{{"attr":"{other}","extraValue":{{}}}}"#);
            assert!(said(&[&line]).contains("a job that there is not"), "{other}");
        }
        let third = r#"{"attr":"host-2","extraValue":{}}"#;
        assert_eq!(said(&[ALL_LINE, A, B, third]), "its output tells of a host that there is not, number 2");
        let error = r#"{"attr":"all","error":"error: boom"}"#;
        assert!(said(&[error]).contains("cannot be listed: error: boom"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Lines::read_what_is_there(&bytes);
            if let Ok(hosts) = Lines::read(&bytes).and_then(Lines::complete) {
                prop_assert!(hosts.is_empty());
            }
        }

        #[test]
        fn lines_that_are_cut_anywhere_are_refused(at in any::<prop::sample::Index>()) {
            let whole = [ALL_LINE, A, B].join("\n");
            let cut = &whole[..at.index(whole.len())];
            prop_assert!(Lines::read(cut.as_bytes()).and_then(Lines::complete).is_err());
            let there = Lines::read_what_is_there(cut.as_bytes());
            prop_assert!(there.found.len() <= 2);
        }

        #[test]
        fn any_object_is_read_or_refused(attr in "all|host-[0-9]{1,20}|[a-z-]{0,8}", field in "error|extraValue|x", text in any::<String>()) {
            for value in [serde_json::json!(text), serde_json::json!({ "names": [text] }), serde_json::json!({ "town": text }), Value::Null] {
                let line = serde_json::json!({ "attr": attr, field.clone(): value }).to_string();
                if let Err(said) = Lines::read(line.as_bytes()).and_then(Lines::complete) {
                    prop_assert!(said.lines().count() == 1, "{}", said);
                }
            }
        }
    }
}
