//! Reads what Nix writes to its standard error while it runs.
//!
//! Nix is asked for its JSON log (`--log-format internal-json`): one object per line after `@nix `, with the message
//! as the flake gave it, its position, and what Nix is doing at the moment. Other programs (Git, the dynamic linker,
//! the garbage collector) write plain lines in between.
//!
//! # Invariants
//!
//! - Memory is bounded whatever is written: see [`LINE`], [`PLAIN`] and [`ACTIVITIES`].
//! - No input is an error: what cannot be understood is kept as plain text.

use serde_json::Value;

/// The most bytes of one line that are kept. A line holds a whole message with its trace.
const LINE: usize = 256 * 1024;

/// The most bytes of plain text that are kept, the last ones.
const PLAIN: usize = 64 * 1024;

/// The most activities that are remembered at once.
const ACTIVITIES: usize = 64;

/// What starts a line of the JSON log.
const MARK: &[u8] = b"@nix ";

/// What [`super::nix::HOSTS`] traces before it looks at a host, followed by the name as a JSON string.
pub(super) const HOST: &str = "nuketown-host ";

/// All that is known of a run from its standard error.
#[derive(Debug, Default)]
pub(super) struct Log {
    line: Vec<u8>,
    plain: Vec<u8>,
    activities: Vec<(u64, String)>,
    /// Nix's own last word, if it had one.
    pub(super) error: Option<Complaint>,
    /// The hosts that were looked at, in order.
    pub(super) hosts: Vec<String>,
}

/// An error message of Nix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The message alone. Absent where it is no error in a flake, such as when memory runs out.
    pub(super) bare: Option<String>,
    /// The message with its trace and excerpts of the code, coloured.
    pub(super) full: String,
    /// The file in which the error is, with the line and column from 1 on.
    pub(super) place: Option<Place>,
}

/// A place in a file, as Nix names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Log {
    /// One in which there is this error alone, of this host.
    pub(super) fn of_error(error: Complaint, host: Option<String>) -> Self {
        Self { error: Some(error), hosts: host.into_iter().collect(), ..Self::default() }
    }

    /// Takes the next bytes, in pieces of any size.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend_line(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.extend_line(bytes);
    }

    /// Takes note that nothing more comes.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    /// What Nix has begun last and still does: downloading, copying, fetching.
    pub(super) fn doing(&self) -> Option<&str> {
        self.activities.last().map(|(_, text)| text.as_str())
    }

    /// The last of what was written beside the JSON log.
    pub(super) fn plain(&self) -> String {
        String::from_utf8_lossy(&self.plain).into_owned()
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match line.strip_prefix(MARK).and_then(parse) {
            Some(entry) => self.enter(&entry),
            None => self.keep(&line),
        }
        self.line = line;
        self.line.clear();
    }

    fn keep(&mut self, line: &[u8]) {
        self.plain.extend_from_slice(line);
        self.plain.push(b'\n');
        if self.plain.len() > 2 * PLAIN {
            self.plain.drain(..self.plain.len() - PLAIN);
        }
    }

    fn enter(&mut self, entry: &Value) {
        let id = entry["id"].as_u64();
        match (entry["action"].as_str(), id) {
            (Some("start"), Some(id)) => {
                let text = entry["text"].as_str().unwrap_or_default();
                if !text.is_empty() && self.activities.len() < ACTIVITIES {
                    self.activities.push((id, text.to_owned()));
                }
            }
            (Some("stop"), Some(id)) => self.activities.retain(|(other, _)| *other != id),
            (Some("msg"), _) => self.message(entry),
            _ => {}
        }
    }

    fn message(&mut self, entry: &Value) {
        let Some(text) = entry["msg"].as_str() else { return };
        if let Some(bare) = entry["raw_msg"].as_str() {
            self.error =
                Some(Complaint { bare: Some(bare.to_owned()), full: text.to_owned(), place: place(entry) });
            return;
        }
        let shown = super::text::without_escapes(text);
        if let Some(name) = shown.strip_prefix("trace: ").and_then(|said| said.strip_prefix(HOST)) {
            self.hosts.extend(serde_json::from_str::<String>(name));
        } else if shown.starts_with("error:") {
            self.error =
                Some(Complaint { bare: cut_short(entry), full: text.to_owned(), place: place(entry) });
        }
    }
}

/// What a line that was cut off still tells of the message alone: all that follows the last `error:`.
fn cut_short(entry: &Value) -> Option<String> {
    entry["cut"].as_bool()?;
    let shown = super::text::without_escapes(entry["msg"].as_str()?);
    Some(shown.rsplit("\n       error: ").next()?.trim_start_matches("error: ").to_owned())
}

fn place(entry: &Value) -> Option<Place> {
    let (line, column) = (entry["line"].as_u64()?, entry["column"].as_u64()?);
    // Nix 2.34 repeats line and column in the file's name, 2.8 does not.
    let file = entry["file"].as_str()?;
    let file = file.strip_suffix(&format!(":{line}:{column}")).unwrap_or(file);
    Some(Place { file: file.to_owned(), line, column })
}

/// Reads one object. One that was cut off at [`LINE`] is closed where it ends and marked `cut`.
fn parse(json: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice::<Value>(json) {
        return value.is_object().then_some(value);
    }
    if json.len() + MARK.len() < LINE {
        return None;
    }
    // The end may fall within an escape (at most twelve bytes, a pair of surrogates) or within a character.
    (0..=12).find_map(|cut| {
        let mut closed = json.get(..json.len().checked_sub(cut)?)?.to_vec();
        closed.extend_from_slice(b"\",\"cut\":true}");
        serde_json::from_slice::<Value>(&closed).ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Log {
        let mut log = Log::default();
        log.push(text.as_bytes());
        log.finish();
        log
    }

    const OLD: &str = r#"@nix {"action":"msg","column":36,"file":"/nix/store/x-source/flake.nix","level":0,"line":1,"msg":"\u001b[31;1merror:\u001b[0m undefined variable 'foo'","raw_msg":"undefined variable 'foo'"}"#;

    #[test]
    fn both_versions_of_nix_say_where_the_error_is() {
        let place = Place { file: "/nix/store/x-source/flake.nix".into(), line: 1, column: 36 };
        assert_eq!(read(OLD).error.unwrap().place, Some(place.clone()));
        assert_eq!(read(&OLD.replace("flake.nix\"", "flake.nix:1:36\"")).error.unwrap().place, Some(place));
    }

    #[test]
    fn the_advice_after_an_error_does_not_hide_it() {
        let log = read(&format!(
            "{OLD}\n@nix {{\"action\":\"msg\",\"level\":0,\"msg\":\"(use '--show-trace')\"}}\n"
        ));
        assert_eq!(log.error.unwrap().bare.unwrap(), "undefined variable 'foo'");
    }

    #[test]
    fn what_nix_is_doing_is_known_until_it_is_done() {
        let mut log = Log::default();
        log.push(
            b"@nix {\"action\":\"start\",\"id\":1,\"level\":4,\"text\":\"downloading 'x'\",\"type\":101}\n",
        );
        assert_eq!(log.doing(), Some("downloading 'x'"));
        log.push(b"@nix {\"action\":\"stop\",\"id\":1}\n");
        assert_eq!(log.doing(), None);
    }

    #[test]
    fn hosts_are_read_from_the_trace() {
        let log = read(
            "@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"trace: nuketown-host \\\"we\\\\\\\"b\\\"\"}\n",
        );
        assert_eq!(log.hosts, ["we\"b"]);
    }

    #[test]
    fn a_message_of_a_megabyte_is_kept_from_its_start() {
        for tail in ["x", "é", "\\u00e9", "\\ud83d\\ude00", "\\n"] {
            let text = tail.repeat(1024 * 1024);
            let log = read(&format!(
                "@nix {{\"action\":\"msg\",\"level\":0,\"msg\":\"error: big {text}\",\"raw_msg\":\"big\"}}\n"
            ));
            let error = log.error.unwrap();
            assert!(error.bare.unwrap().starts_with("big "));
            assert!(error.full.len() <= LINE);
        }
    }

    #[test]
    fn plain_text_is_kept_to_its_last_part() {
        let log = read(&format!("first\n{}last\n", "noise noise noise\n".repeat(100_000)));
        assert!(log.plain().ends_with("last\n"));
        assert!(log.plain.len() <= 2 * PLAIN);
    }

    proptest! {
        #[test]
        fn any_bytes_in_pieces_of_any_size_are_survived(
            bytes in proptest::collection::vec(any::<u8>(), 0..4096),
            size in 1usize..512,
        ) {
            let mut log = Log::default();
            for piece in bytes.chunks(size) {
                log.push(piece);
            }
            log.finish();
            prop_assert!(log.plain.len() <= bytes.len() + 1);
        }

        #[test]
        fn lines_that_resemble_the_log_are_survived(lines in proptest::collection::vec(
            "@nix (\\{\"action\":\"(msg|start|stop|result)\",)?(\"(id|level|line|column|msg|raw_msg|text|file)\":(-?[0-9]{1,20}|\"[^\"\\\\]{0,20}\"|null|\\[\\]),?){0,6}\\}?", 0..20)
        ) {
            let mut log = read(&lines.join("\n"));
            log.finish();
            prop_assert!(log.activities.len() <= lines.len());
        }

        #[test]
        fn a_message_comes_out_as_it_went_in(text in any::<String>()) {
            let entry = serde_json::json!({ "action": "msg", "level": 0, "msg": "error:", "raw_msg": text });
            let log = read(&format!("noise\n@nix {entry}\nnoise"));
            prop_assert_eq!(log.error.unwrap().bare.unwrap(), text);
        }
    }
}
