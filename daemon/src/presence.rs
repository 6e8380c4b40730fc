//! How the agent is seen in a contact list. The list of contacts is the dashboard, so it says what is true now.
//!
//! | state | show | status |
//! |---|---|---|
//! | idle | `chat` | Ready |
//! | working | `dnd` | Working: what on |
//! | blocked | `away` | Waiting for sudo approval |
//! | the daemon does not run | | offline, said by the server |

use nuketown_xmpp::{Availability, Show};

/// The most that fits on one line of a contact list, in characters.
const WORDS_MAX: usize = 100;

/// What the agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing.
    Idle,
    /// It prepares or does this.
    Working(String),
    /// It waits for something that only a human can give.
    Waiting(String),
}

/// As it is announced. Priority 0: the agent takes the messages to its bare address.
#[must_use]
pub fn availability(doing: &Doing) -> Availability {
    let (show, status) = match doing {
        Doing::Idle => (Show::Chat, "Ready".to_owned()),
        Doing::Working(what) => (Show::Dnd, format!("Working: {}", one_line(what))),
        Doing::Waiting(what) => (Show::Away, format!("Waiting for {}", one_line(what))),
    };
    Availability { show: Some(show), status, priority: 0 }
}

/// The name of a show, as RFC 6121 section 4.7.2.1 has it.
#[must_use]
pub const fn show_name(doing: &Doing) -> &'static str {
    match doing {
        Doing::Idle => "chat",
        Doing::Working(_) => "dnd",
        Doing::Waiting(_) => "away",
    }
}

/// The first [`WORDS_MAX`] characters on one line, without what moves a cursor or cannot be written as XML.
#[must_use]
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = printable(&words.join(" ")).chars().filter(|c| *c != '\n' && *c != '\t').collect();
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Text that XML can carry (XML 1.0 section 2.2) and that hides nothing: control, bidirectional and zero-width characters are
/// replaced, line ends and tabs stay.
#[must_use]
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{061c}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(doing: &Doing) -> (Option<Show>, String) {
        let Availability { show, status, priority } = availability(doing);
        assert_eq!(priority, 0);
        (show, status)
    }

    #[test]
    fn presence_is_the_one_of_the_architectures_table() {
        assert_eq!(seen(&Doing::Idle), (Some(Show::Chat), "Ready".into()));
        let work = Doing::Working("fix udev block device handling".into());
        assert_eq!(seen(&work), (Some(Show::Dnd), "Working: fix udev block device handling".into()));
        let blocked = Doing::Waiting("sudo approval".into());
        assert_eq!(seen(&blocked), (Some(Show::Away), "Waiting for sudo approval".into()));
    }

    #[test]
    fn long_or_hostile_words_stay_on_one_line() {
        let (_, status) = seen(&Doing::Working(format!("a\n\u{1b}[2J\u{202e} {}", "x".repeat(500))));
        assert!(status.starts_with("Working: a \u{fffd}[2J\u{fffd} xxx"), "{status}");
        assert_eq!(status.chars().count(), "Working: ".len() + WORDS_MAX + 1);
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_one_line_that_xml_carries(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(line.chars().count() <= WORDS_MAX + 1);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(printable(&line) == line);
        }
    }
}
