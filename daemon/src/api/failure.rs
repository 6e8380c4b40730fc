//! Why the API gave no answer.

use std::time::Duration;

use nuketown::Problem;

/// The most that is shown of what a peer says, in characters.
const SHOWN_MAX: usize = 300;

/// Why there is no answer, after all attempts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no connection.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The API's host.
        host: String,
        /// Why.
        why: String,
    },
    /// The API refuses the request.
    #[error("{host} answers {status} ({kind}): {message}")]
    Status {
        /// The API's host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The error's type, such as `authentication_error`.
        kind: String,
        /// What the API says, in visible characters.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The API was silent for too long.
    #[error("{host} said nothing for {} seconds", after.as_secs_f32())]
    Stalled {
        /// The API's host.
        host: String,
        /// For how long.
        after: Duration,
    },
    /// The stream was no whole answer.
    #[error("the answer of {host} cannot be used: {why}")]
    Unusable {
        /// The API's host.
        host: String,
        /// Why.
        why: String,
        /// Whether another attempt could go better.
        is_transient: bool,
    },
}

impl Failure {
    /// Whether another attempt could go better (the API's documentation, "Errors").
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 409 | 429 | 500..=599),
            Self::Unusable { is_transient, .. } => *is_transient,
        }
    }

    /// How long the API asks to wait before the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The same for a person, with advice.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let problem = Problem::new("the model gave no answer", self.to_string());
        let hint = match self {
            Self::Unreachable { .. } => "check the network and api.url in daemon.toml",
            Self::Status { status: 401 | 403, .. } => {
                "check the key in the file that api.key_file of daemon.toml names"
            }
            Self::Status { status: 404, .. } => "check the model's name and api.url in daemon.toml",
            Self::Status { status: 413, .. } => {
                "the conversation has grown too long; give the task in smaller parts"
            }
            Self::Status { status: 429, .. } => "the account's rate limit is reached; try again later",
            Self::Status { status: 500..=599, .. } | Self::Stalled { .. } => {
                "the API is overloaded or down; try again later"
            }
            Self::Status { .. } | Self::Unusable { .. } => return problem,
        };
        problem.hint(hint)
    }
}

/// `text` in one line of visible characters, cut to what a person reads.
pub(crate) fn visible(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

/// Characters that reorder or hide what stands around them (Unicode Standard Annex 9, and zero-width ones).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Failure {
        Failure::Status {
            host: String::new(),
            status,
            kind: String::new(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn overload_is_tried_again_and_a_wrong_key_is_not() {
        for code in [408, 409, 429, 500, 502, 503, 529] {
            assert!(status(code).is_transient(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 413, 422] {
            assert!(!status(code).is_transient(), "{code}");
        }
    }

    #[test]
    fn text_of_a_peer_is_shown_in_one_line_without_tricks() {
        assert_eq!(visible("a\n\u{1b}[31mb\u{202e}c\r\n"), "a  [31mb c");
        assert_eq!(visible(&"x".repeat(1000)).chars().count(), SHOWN_MAX + 1);
    }
}
