//! The process that evaluates: a small program around `nuketown_plugin::flake`, as the real ones are.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nuketown_plugin::flake::{self, Class, EvalError, Evaluated, Evaluator, FlakeRef, Request, Towns};
use nuketown_plugin::progress::Progress;
use serde_json::json;

/// Evaluates and prints what came of it as JSON, if this process was started for that.
pub(crate) fn evaluate_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != "__evaluate" {
        return None;
    }
    let mut arguments: Vec<String> = arguments.collect();
    let mut option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.remove(at);
        Some(arguments.remove(at))
    };
    let progress = Progress::on_terminal();
    let (attr, timeout, memory) = (option("--attr"), option("--timeout-ms"), option("--memory"));
    let (store, revision, mut tell) = (option("--store"), option("--revision"), option("--tell"));
    let (evaluator, workers) = (option("--evaluator"), option("--workers"));
    let evaluated = resolve(&arguments.concat(), revision).and_then(|flake| {
        let mut request = Request::new(flake);
        request.attr = attr;
        request.timeout = timeout.map_or(request.timeout, |ms| Duration::from_millis(ms.parse().unwrap()));
        request.memory_limit = memory.map_or(request.memory_limit, |bytes| bytes.parse().unwrap());
        request.store = store.map(PathBuf::from);
        if let Some(evaluator) = evaluator {
            request.evaluator = match (evaluator.parse().unwrap(), workers) {
                (Evaluator::NixEvalJobs(_), Some(workers)) => {
                    Evaluator::NixEvalJobs(Some(workers.parse().unwrap()))
                }
                (evaluator, _) => evaluator,
            };
        }
        flake::evaluate(&request, &progress, |towns| {
            // Opening a pipe that has a name waits for its reader, which then sees its end.
            tell.take().map(|pipe| File::options().write(true).open(pipe).unwrap());
            found(towns)
        })
    });
    progress.clear();
    Some(report(evaluated))
}

fn resolve(given: &str, revision: Option<String>) -> Result<FlakeRef, EvalError> {
    match revision {
        Some(revision) => FlakeRef::at_revision(&PathBuf::from(given), &revision),
        None => FlakeRef::resolve(given),
    }
}

/// Which kind of towns it is, and the JSON; if it is none, what it is instead.
fn found(towns: Towns<'_>) -> (&'static str, serde_json::Value) {
    let (kind, json) = match towns {
        Towns::Town(json) => ("town", json),
        Towns::Hosts(json) => ("hosts", json),
    };
    match serde_json::from_slice(json) {
        Ok(value) => (kind, value),
        Err(_) => ("text", String::from_utf8_lossy(json).into()),
    }
}

fn report(evaluated: Result<Evaluated<(&str, serde_json::Value)>, EvalError>) -> ExitCode {
    let (report, code) = match evaluated {
        Ok(Evaluated { made: (kind, value), installable }) => {
            (json!({ kind: value, "installable": installable }), 0)
        }
        Err(why) => {
            let problem = why.problem();
            let (what, cause, hint) = (problem.what, problem.cause, problem.hint);
            let kind = format!("{why:?}");
            let kind = kind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            let each: Vec<String> = why.problems().iter().skip(1).map(ToString::to_string).collect();
            let report = json!({ "error": kind, "what": what, "cause": cause, "hint": hint, "each": each });
            if let Class::Signal(signal) = why.class() {
                println!("{report}");
                flake::end_by(signal);
            }
            (report, why.class().status())
        }
    };
    println!("{report}");
    ExitCode::from(code)
}
