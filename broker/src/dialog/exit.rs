//! What zenity's exit status means.
//!
//! # Invariants
//!
//! - Every meaning has a code of its own that nothing else gives: zenity's default for "approved" is that of `true`, and its
//!   default for "denied" is also GTK's for "no display".

use std::process::ExitStatus;

const APPROVED: i32 = 80;
const CANCELLED: i32 = 81;
const ESCAPED: i32 = 82;
const EXTRA: i32 = 83;
const FAILED: i32 = 84;
const TIMED_OUT: i32 = 85;

/// Zenity's own code for a timeout; some dialogs of 3.x give it whatever the environment says.
const TIMED_OUT_DEFAULT: i32 = 5;

/// The variables by which zenity takes other exit codes ("Environment variables" in `zenity(1)`). All are set: one that the
/// session has could otherwise make Deny say what Approve says.
pub(super) const CODES: [(&str, i32); 6] = [
    ("ZENITY_OK", APPROVED),
    ("ZENITY_CANCEL", CANCELLED),
    ("ZENITY_ESC", ESCAPED),
    ("ZENITY_EXTRA", EXTRA),
    ("ZENITY_ERROR", FAILED),
    ("ZENITY_TIMEOUT", TIMED_OUT),
];

/// How a window came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Approved,
    Denied,
    Expired,
    /// It was no window, or no human closed it: why.
    Failed(String),
}

impl Exit {
    /// Reads a status, and `said`, what stood on standard error.
    pub(super) fn of(status: ExitStatus, said: &str) -> Self {
        match status.code() {
            Some(APPROVED) => Self::Approved,
            // Without extra buttons a code for them is as good as closing the window.
            Some(CANCELLED | ESCAPED | EXTRA) => Self::Denied,
            Some(TIMED_OUT | TIMED_OUT_DEFAULT) => Self::Expired,
            _ => Self::Failed(match last_line(said) {
                Some(line) => format!("zenity ended with {status}: {line}"),
                None => format!("zenity ended with {status}"),
            }),
        }
    }
}

/// The last line with something in it, with control characters made visible.
fn last_line(said: &str) -> Option<String> {
    const SHOWN_MAX: usize = 200;
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(super::text::visible(line).chars().take(SHOWN_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn exited(code: i32) -> Exit {
        Exit::of(ExitStatus::from_raw(code << 8), "")
    }

    #[test]
    fn one_code_of_all_approves() {
        for code in 0..256 {
            assert_eq!(exited(code) == Exit::Approved, code == APPROVED, "{code}");
        }
        for signal in 1..32 {
            assert!(matches!(Exit::of(ExitStatus::from_raw(signal), ""), Exit::Failed(_)), "{signal}");
        }
    }

    #[test]
    fn codes_that_others_give_too_are_no_answer() {
        // `true`; GTK without a display and zenity's own denial; zenity's usage error; a shell's "not found".
        for code in [0, 1, 255, 126, 127] {
            assert!(matches!(exited(code), Exit::Failed(_)), "{code}");
        }
    }

    #[test]
    fn failure_repeats_the_last_thing_said_and_nothing_that_drives_a_terminal() {
        let Exit::Failed(cause) =
            Exit::of(ExitStatus::from_raw(256), "first\ncannot open display: \u{1b}[31m:9\n\n")
        else {
            panic!("it failed")
        };
        assert_eq!(cause, "zenity ended with exit status: 1: cannot open display: \\u{1b}[31m:9");
    }
}
