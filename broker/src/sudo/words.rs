//! What is printed.

use std::{fmt::Write as _, io::Write as _};

use nuketown_approval::socket::Waiting;

use super::flags::{FLAGS, Takes, Treatment};

/// Prints a line on standard error, where nothing but the command's own output is in the way.
pub(super) fn say(text: &str) {
    // Nowhere is left to complain to if standard error is closed.
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// That a human is asked: which request, until when, and how it is answered.
pub(super) fn waiting(waiting: &Waiting, bell: bool) -> String {
    let Waiting { id, code, expires, .. } = waiting;
    // Whole seconds: nobody reads more.
    let until = expires.to_string();
    let until = until.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
    let bell = if bell { "\u{7}" } else { "" };
    format!(
        "{bell}sudo: {code} waits for approval until {until} UTC, in the dialog or by \"yes {code}\" in the chat (request {id}; Ctrl-C \
         withdraws it)"
    )
}

pub(super) fn version() -> String {
    format!("nuketown-sudo {}, flags of sudo 1.9\n", env!("CARGO_PKG_VERSION"))
}

pub(super) fn list() -> String {
    "Every command is asked about: a rule of the approver's policy allows it, or a human does.\n\
     To see whether a rule allows one: sudo -n COMMAND\n"
        .to_owned()
}

pub(super) fn help() -> String {
    let mut out = "Runs a command as another user, once a human has approved it.\n\n\
        usage: sudo [FLAGS] [NAME=VALUE]... COMMAND [ARGUMENT]...\n       sudo [FLAGS] -s|-i [COMMAND [ARGUMENT]...]\n       \
        sudo -h|-k|-K|-l|-V|-v\n\n"
        .to_owned();
    for flag in &FLAGS {
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let value = match flag.takes {
            Takes::Nothing => "",
            Takes::Value => "=VALUE",
            Takes::Optional => "[=VALUE]",
        };
        let (mark, text) = match flag.treatment {
            Treatment::Honoured(text) => ("", text),
            Treatment::Refused(text) => ("refused: ", text),
        };
        let name = format!("{short}--{}{value}", flag.long);
        let _ = writeln!(out, "  {name:<28} {mark}{text}");
    }
    out.push_str("\nExit status: the command's; 1 if it does not run, with the reason on standard error.\n");
    out
}
