//! A worker of nix-eval-jobs that died takes the whole run with it; what other hosts gave until then is still there.

use crate::flake::error::{BadHosts, EvalError};
use crate::flake::failure::{Failure, LINES};
use crate::flake::text::{tidy, without_escapes};

use super::lines::{Found, HOST, Lines, number};
use super::message;

/// The error of a run in which a worker died; none if that is not what happened.
pub(super) fn explain(run: &Failure<'_>, lines: &Lines) -> Option<EvalError> {
    let bare = without_escapes(run.log.error.as_ref()?.bare.as_deref()?);
    // `while reading result for attrPath 'host-3', evaluation worker …` (`src/nix-eval-jobs.cc`, `handleBrokenWorkerPipe`).
    // What a flake says never stands at the start.
    let (doing, how) = bare.trim_start_matches("BUG: ").strip_prefix("while ")?.split_once(", ")?;
    let names = lines.names.as_deref().unwrap_or_default();
    let host = doing.split('\'').nth(1).and_then(|job| number(job.strip_prefix(HOST)?));
    let name = host.map(|at| names.get(at).cloned().unwrap_or_else(|| format!("number {}", at + 1)));
    let why = why(run, name.as_deref(), how);
    let Some(name) = name.filter(|_| lines.names.is_some()) else { return Some(why) };
    let good = lines.found.values().filter(|found| !matches!(found, Found::Failed(_))).count();
    let failed = lines.found.iter().filter_map(|(at, found)| match found {
        Found::Failed(said) => Some((names.get(*at)?.clone(), said)),
        _ => None,
    });
    let mut bad: Vec<(String, EvalError)> =
        failed.map(|(name, said)| message::of_host(run, name, said)).collect();
    bad.push((name, why));
    bad.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(EvalError::Hosts(BadHosts { flake: run.flake.to_string(), total: names.len(), good, bad }))
}

fn why(run: &Failure<'_>, host: Option<&str>, how: &str) -> EvalError {
    let (flake, host) = (run.flake.to_string(), host.map(str::to_owned));
    if is_out_of_memory(&run.log.plain()) {
        EvalError::OutOfMemory { flake, limit: run.memory }
    } else if how.contains("possible infinite recursion") {
        EvalError::StackOverflow { flake, place: None, host }
    } else {
        EvalError::Evaluation { flake, said: format!("its {}", tidy(how, LINES)), place: None, host }
    }
}

/// Said by the collector or by C++ at the start of a line, where a flake's text never is: Nix indents it.
fn is_out_of_memory(plain: &str) -> bool {
    let words = [
        "GC Warning: Out of Memory!",
        "Insufficient space for",
        "std::bad_alloc",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ];
    plain.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
}
