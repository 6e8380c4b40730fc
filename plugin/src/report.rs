//! What is said on standard error.
//!
//! # Invariants
//!
//! - Nothing here goes to standard output.
//! - A name or value from outside is printed with its control characters made visible.

use std::io::{self, Write as _};

use nuketown::Problem;

/// Problems beyond this number are counted, not printed.
const SHOWN_MAX: usize = 20;

/// Prints problems, each as `error:` with its cause and hint.
pub fn errors(problems: &[Problem]) {
    all("error", problems);
}

/// Prints what is not wrong but probably not meant.
pub fn warnings(problems: &[Problem]) {
    all("warning", problems);
}

fn all(kind: &str, problems: &[Problem]) {
    let shown =
        problems.iter().take(SHOWN_MAX).map(|problem| format!("{kind}: {}\n", safe(&problem.to_string())));
    let left = problems.len().saturating_sub(SHOWN_MAX);
    let rest = (left > 0).then(|| format!("{kind}: and {left} more\n"));
    let text = shown.chain(rest).collect::<Vec<_>>().concat();
    // Nowhere is left to complain to if standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Only the line breaks of our own layout pass; a path or name on the command line can hold anything.
fn safe(text: &str) -> String {
    let visible =
        |c: char| if c == '\n' || !c.is_control() { c.to_string() } else { c.escape_default().to_string() };
    text.chars().map(visible).collect()
}
