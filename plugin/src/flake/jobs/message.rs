//! Has the errors of nix-eval-jobs read as those of Nix are: they are its text with a trace, one for each host.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::flake::error::EvalError;
use crate::flake::failure::{Failure, LINES, place_in_trace};
use crate::flake::log::{Complaint, Log};
use crate::flake::text::{tidy, without_escapes};

/// What stands before an error that kept a worker from starting (`src/nix-eval-jobs.cc`, `checkWorkerStatus`).
const NESTED: &str = "worker error: ";

/// The error of a host, with its name.
pub(super) fn of_host(run: &Failure<'_>, name: String, said: &str) -> (String, EvalError) {
    // Not Nix's form of an error, which no flake's text is without: it is C++'s own, for memory that there is not.
    if said.trim() == "std::bad_alloc" {
        return (name, EvalError::OutOfMemory { flake: run.flake.to_string(), limit: run.memory });
    }
    let log = Log::of_error(complaint(said), Some(name.clone()));
    let why = Failure { log: &log, status: ExitStatus::from_raw(0), ..*run }.explain();
    (name, why)
}

/// The error of a run that came to nothing.
pub(super) fn explain(run: &Failure<'_>) -> EvalError {
    let Some(bare) = run.log.error.as_ref().and_then(|error| error.bare.as_deref()) else {
        return run.explain();
    };
    let bare = without_escapes(bare);
    if bare.starts_with("unrecognised flag") {
        return EvalError::OldJobs { said: tidy(&bare, LINES) };
    }
    let Some(nested) = bare.strip_prefix(NESTED) else { return run.explain() };
    let log = Log::of_error(complaint(nested), None);
    Failure { log: &log, ..*run }.explain()
}

/// Nix's text of an error, taken apart. The last `error:` is that of the error itself, those before it of what led to it;
/// behind it comes where it happened, with some of the code.
fn complaint(said: &str) -> Complaint {
    let full = without_escapes(said);
    let lines: Vec<&str> = full.lines().map(str::trim).collect();
    let start = lines.iter().rposition(|line| line.starts_with("error: "));
    let bare = start.map(|start| {
        let rest = lines[start..].iter().skip(1);
        let rest = rest.take_while(|line| place_in_trace(line).is_none() && !is_suggestion(line));
        let first = lines[start].trim_start_matches("error: ");
        std::iter::once(first).chain(rest.copied()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    });
    Complaint { bare, full, place: None }
}

fn is_suggestion(line: &str) -> bool {
    line.starts_with("Did you mean ") || line.starts_with("at «")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bare(said: &str) -> Option<String> {
        complaint(said).bare
    }

    #[test]
    fn message_is_taken_out_of_its_trace() {
        let traced = "error:\n       … while evaluating the attribute 'town'\n         at /x/flake.nix:3:5:\n            2|\n       error: boom\n       and more\n       at /x/flake.nix:4:7:\n            4|   throw\n";
        assert_eq!(bare(traced).as_deref(), Some("boom\nand more"));
        assert_eq!(bare("\u{1b}[31;1merror:\u{1b}[0m boom").as_deref(), Some("boom"));
        assert_eq!(
            bare("error: attribute 'a' missing\n       at «string»:1:2:\n  1| x").as_deref(),
            Some("attribute 'a' missing")
        );
        assert_eq!(bare("std::bad_alloc"), None);
    }

    proptest! {
        #[test]
        fn any_message_is_taken_apart(said in "(error: ?|at /x:1:2:|\n|.){0,40}") {
            if let Some(bare) = bare(&said) {
                prop_assert!(bare.len() <= said.len());
            }
        }
    }
}
