//! What a person answers in a chat: `yes K7Q4`, `No, k7q4!`.
//!
//! # Invariants
//!
//! - An approval is one word that approves and one code, and nothing else. A bare "yes" is never one.
//! - A sentence that happens to hold such words is none: the person may be talking about something else.

use crate::{Code, stanza::Answer};

/// The longest message that is taken for an answer, in bytes.
const ANSWER_MAX: usize = 64;

/// What a chat message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// An answer to the request with this code.
    Answer(Answer, Code),
    /// An answer to no request in particular. It decides nothing; the person is told to name the code.
    WithoutCode(Answer),
    /// Something else.
    Other,
}

/// Reads a message's body, without regard to case, punctuation and space.
#[must_use]
pub fn read(body: &str) -> Said {
    if body.len() > ANSWER_MAX {
        return Said::Other;
    }
    let is_between = |c: char| c.is_ascii_whitespace() || ".,;:!?\"'`*_()[]<>".contains(c);
    let words: Vec<&str> = body.split(is_between).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [word] => answer(word).map_or(Said::Other, Said::WithoutCode),
        [word, code] => match (answer(word), code.parse()) {
            (Some(answer), Ok(code)) => Said::Answer(answer, code),
            (Some(answer), Err(_)) => Said::WithoutCode(answer),
            (None, _) => Said::Other,
        },
        _ => Said::Other,
    }
}

fn answer(word: &str) -> Option<Answer> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "approve" | "approved" => Some(Answer::Approved),
        "no" | "deny" | "denied" => Some(Answer::Denied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code() -> Code {
        "K7Q4".parse().unwrap()
    }

    #[test]
    fn answer_with_its_code_is_understood_however_it_is_typed() {
        for yes in [
            "yes K7Q4",
            "Yes k7q4.",
            " YES,  K7Q4!\n",
            "approve K7Q4",
            "\"yes K7Q4\"",
            "yes: `k7q4`",
            "*yes* K7Q4",
        ] {
            assert_eq!(read(yes), Said::Answer(Answer::Approved, code()), "{yes}");
        }
        for no in ["no K7Q4", "Deny k7q4", "No! K7Q4"] {
            assert_eq!(read(no), Said::Answer(Answer::Denied, code()), "{no}");
        }
    }

    #[test]
    fn bare_yes_is_never_enough() {
        for yes in ["yes", "Yes!", "approve.", "yes yes", "yes please", "yes K7Q", "yes K7Q44", "yes K7QU"] {
            assert_eq!(read(yes), Said::WithoutCode(Answer::Approved), "{yes}");
        }
        assert_eq!(read("no"), Said::WithoutCode(Answer::Denied));
    }

    #[test]
    fn anything_else_is_no_answer() {
        for other in [
            "",
            "K7Q4",
            "K7Q4 yes",
            "ok K7Q4",
            "y K7Q4",
            "yes no K7Q4",
            "no yes K7Q4",
            "not yes K7Q4",
            "yes K7Q4 K7Q5",
            "don't say yes K7Q4",
            "> yes K7Q4\nno",
            "yеs K7Q4",
            "yes\u{200b} K7Q4",
            "yes K7Q4 if it is safe",
            "yes\u{a0}K7Q4",
            "no, yes K7Q4",
        ] {
            assert_eq!(read(other), Said::Other, "{other}");
        }
        assert_eq!(read(&format!("yes K7Q4{}", " ".repeat(100))), Said::Other);
    }

    proptest! {
        #[test]
        fn only_one_approving_word_and_one_code_approve(body in "((yes|no|approve|deny|K7Q4|k7q4|not|\\PC{0,4})[ .,!\n]{0,2}){0,4}") {
            if let Said::Answer(answer, code) = read(&body) {
                let plain: String = body.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
                let words = if answer == Answer::Approved { ["yes", "approve", "approved"] } else { ["no", "deny", "denied"] };
                let read_back = words.iter().any(|word| plain.strip_prefix(word).is_some_and(|rest| rest.parse() == Ok(code)));
                prop_assert!(read_back, "{body:?}");
            }
        }

        #[test]
        fn any_message_is_read_without_harm(body in "\\PC{0,80}") {
            let _ = read(&body);
        }
    }
}
