//! Server-sent events, read from bytes as they arrive (WHATWG HTML, section 9.2).
//!
//! # Invariants
//!
//! - How the bytes are cut into pieces changes nothing.
//! - One event takes a bounded amount of memory.

/// The largest event that is read, in bytes. The Messages API sends pieces of some hundred bytes.
pub const EVENT_MAX: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What it is called; empty where the stream gives it no name.
    pub name: String,
    /// Its data, the lines joined by line feeds.
    pub data: String,
}

/// An event is larger than [`EVENT_MAX`]. Reading on would let the peer take any amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {EVENT_MAX} bytes")]
pub struct TooLarge;

/// The state between two pieces of a stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// A line ended with a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    /// The first line is over, which may begin with a byte order mark.
    past_first: bool,
    name: String,
    data: String,
}

impl Parser {
    /// The events that `bytes` complete.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]; the stream cannot be read on then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() + self.name.len() > EVENT_MAX {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.past_first, true) && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(&line);
        // A line that begins with a colon is a comment: its field has no name.
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // `id` and `retry` are for those who connect again to a stream; an answer cannot be continued.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        // Only a last line feed can be missing from data that is there.
        data.pop()?;
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces.iter().flat_map(|piece| parser.push(piece).unwrap()).collect()
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_of_the_standards_examples_are_read() {
        let text = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\ndata\n\ndata\ndata\n\ndata:";
        assert_eq!(
            all(&[text]),
            [
                event("", "first event"),
                event("", "second event"),
                event("", " third event"),
                event("", ""),
                event("", "\n")
            ]
        );
    }

    #[test]
    fn every_ending_of_a_line_is_one() {
        for end in ["\n", "\r", "\r\n"] {
            let text = format!("event: a{end}data: 1{end}data: 2{end}{end}data: 3{end}{end}");
            assert_eq!(all(&[text.as_bytes()]), [event("a", "1\n2"), event("", "3")], "{end:?}");
        }
    }

    #[test]
    fn byte_order_mark_is_skipped_once() {
        assert_eq!(all(&[b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"]), [event("", "a")]);
    }

    #[test]
    fn name_without_data_is_no_event_and_names_no_other() {
        assert_eq!(all(&[b"event: ping\n\ndata: 1\n\n"]), [event("", "1")]);
    }

    #[test]
    fn event_without_end_is_refused_before_it_fills_the_memory() {
        let piece = vec![b'a'; 64 * 1024];
        let mut parser = Parser::default();
        let pieces = (0..1000).take_while(|_| parser.push(&piece).is_ok()).count();
        assert_eq!(pieces, EVENT_MAX / piece.len());
    }

    #[test]
    fn lines_of_data_without_an_empty_one_are_bounded_too() {
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &[b'a'; 1000], b"\n"].concat();
        assert!((0..10_000).any(|_| parser.push(&line) == Err(TooLarge)));
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            text in proptest::collection::vec(prop_oneof![
                Just(b"data: ".to_vec()), Just(b"event: x".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()),
                Just("\u{e9}\u{feff}".as_bytes().to_vec()), proptest::collection::vec(any::<u8>(), 0..8),
            ], 0..40),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let text = text.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for to in at {
                pieces.push(&text[from..to]);
                from = to;
            }
            pieces.push(&text[from..]);
            prop_assert_eq!(all(&pieces), all(&[&text]));
        }

        #[test]
        fn what_is_written_is_read(events in proptest::collection::vec(("[a-z_]{0,9}", "[^\r\n\0]{0,30}(\n[^\r\n\0]{0,30}){0,3}"), 0..6)) {
            let text = events.iter().map(|(name, data)| {
                let data = data.replace('\n', "\ndata: ");
                format!("event: {name}\ndata: {data}\n\n")
            }).collect::<Vec<_>>().concat();
            let expected: Vec<Event> = events.iter().map(|(name, data)| event(name, data)).collect();
            prop_assert_eq!(all(&[text.as_bytes()]), expected);
        }
    }
}
