//! What the service says on standard error, for the journal: one line each, with the priority that journald reads
//! (sd-daemon(3)).

use std::io::Write as _;

/// Something worth knowing.
pub fn info(text: &str) {
    say(6, text);
}

/// Something that a human should mend.
pub fn warn(text: &str) {
    say(4, text);
}

/// Why a command failed, for a terminal.
pub fn error(problem: &nuketown::Problem) {
    // Nobody is left to hear that nobody listens.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
}

fn say(priority: u8, text: &str) {
    // Where journald does not read, the priority would only be in the way.
    let mark =
        if std::env::var_os("JOURNAL_STREAM").is_some() { format!("<{priority}>") } else { String::new() };
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let _ = writeln!(std::io::stderr(), "{mark}{line}");
}
