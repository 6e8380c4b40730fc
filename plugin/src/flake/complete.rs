//! Notices when a JSON document that arrives in pieces is whole.
//!
//! Nix needs another two milliseconds to give its memory back after it has printed its answer, and a town of a hundred
//! agents is rendered in that time. That an answer is whole does not say that it is good JSON, nor that Nix succeeded.

/// The brackets of a document that have been opened and not closed.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    open: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    /// Reads on, and returns whether an object or list ended here with nothing but white space behind it.
    ///
    /// What comes after the end is read on as if it were the same document, so this may be true several times.
    pub(super) fn read(&mut self, bytes: &[u8]) -> bool {
        let mut is_whole = false;
        for byte in bytes {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open += 1,
                b'}' | b']' if self.open == 1 => {
                    self.open = 0;
                    is_whole = true;
                    continue;
                }
                b'}' | b']' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            is_whole = false;
        }
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many bytes a document that comes byte by byte is whole for the first time.
    fn whole_after(document: &str) -> Option<usize> {
        let mut brackets = Brackets::default();
        document.bytes().position(|byte| brackets.read(&[byte])).map(|at| at + 1)
    }

    #[test]
    fn document_is_whole_at_its_last_bracket() {
        for document in ["{}", "[]", r#"{"a":{"b":[1,{}]},"c":"d"}"#, " \n[ {}, [ ] ]"] {
            assert_eq!(whole_after(document), Some(document.len()), "{document}");
            assert!(Brackets::default().read(format!("{document}\n").as_bytes()), "{document}");
        }
    }

    #[test]
    fn bracket_in_a_string_is_none() {
        for document in [r#"{"}":"]"}"#, r#"{"a":"\"}"}"#, r#"{"a":"\\\"}{[","b":"\\"}"#] {
            assert_eq!(whole_after(document), Some(document.len()), "{document}");
        }
    }

    #[test]
    fn half_a_document_is_not_whole() {
        for document in ["", "{", r#"{"a":[1,2]"#, r#"{"a":"}"#, r#"{"a":"\"#, "null", "\"{}\""] {
            assert_eq!(whole_after(document), None, "{document}");
        }
    }

    #[test]
    fn what_follows_a_document_makes_it_a_part() {
        let mut brackets = Brackets::default();
        assert!(brackets.read(b"{}"));
        assert!(!brackets.read(b" 1"));
        assert!(!Brackets::default().read(b"{}{"));
    }
}
