//! The tools that a model may call: `Bash`, `Read`, `Write`, `Edit`, `Glob`, `Grep`.
//!
//! Each call runs in a [`Sandbox`]; those of files too, in this program's confined mode. A call's result is text for the model,
//! also if the call was nonsense: it learns what was wrong and can do better.
//!
//! # Invariants
//!
//! - Only the tools that were offered are run, with arguments of exactly the declared kind.
//! - A result is bounded, however much there was.

mod beneath;
mod edit;
mod find;
mod read;

use std::path::Path;
use std::time::Duration;

use nuketown::Problem;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::Call;
use crate::sandbox::{Action, End, Sandbox};

/// The most text that one call gives to a model, in bytes.
pub const RESULT_MAX: usize = 32 * 1024;
/// How long a command may take unless the model says otherwise, and at most.
const COMMAND_SECONDS: (u64, u64) = (120, 1800);
/// How long a file tool may take.
const FILE_TOOL: Duration = Duration::from_secs(60);

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Runs a command.
    Bash,
    /// Reads a file.
    Read,
    /// Writes a file.
    Write,
    /// Replaces a piece of a file.
    Edit,
    /// Finds files by name.
    Glob,
    /// Finds lines by a regular expression.
    Grep,
}

/// All of them: what a session has.
pub const SESSION: &[Tool] = &[Tool::Bash, Tool::Read, Tool::Write, Tool::Edit, Tool::Glob, Tool::Grep];
/// Those that the preparation of a workspace has.
pub const BOOTSTRAP: &[Tool] = &[Tool::Bash, Tool::Read, Tool::Glob, Tool::Grep];

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The text for the model.
    pub text: String,
    /// Whether it says what went wrong.
    pub is_error: bool,
}

impl Told {
    /// A call that could not be done.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    command: String,
    timeout_seconds: Option<u64>,
}

impl Tool {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "Bash",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Edit => "Edit",
            Self::Glob => "Glob",
            Self::Grep => "Grep",
        }
    }

    /// Its definition for the Messages API.
    #[must_use]
    pub fn definition(self) -> Value {
        let (description, properties, required) = match self {
            Self::Bash => (
                "Runs a command with bash in the workspace. Only the workspace, $TMPDIR and $HOME are writable. Each call is a new \
                 shell, and what it leaves running is ended with it.",
                json!({"command": text("The command."),
                       "timeout_seconds": number("Seconds after which it is stopped. Default 120, at most 1800.")}),
                json!(["command"]),
            ),
            Self::Read => (
                "Reads a text file of the workspace, with line numbers.",
                json!({"path": text("The file, relative to the workspace."), "offset": number("The first line. Default 1."),
                       "limit": number("How many lines. Default 2000, at most 5000.")}),
                json!(["path"]),
            ),
            Self::Write => (
                "Writes a whole file of the workspace; missing directories are made.",
                json!({"path": text("The file, relative to the workspace."), "content": text("All of its new content.")}),
                json!(["path", "content"]),
            ),
            Self::Edit => (
                "Replaces text in a file of the workspace. The old text must be there exactly once, or replace_all be true.",
                json!({"path": text("The file, relative to the workspace."), "old": text("The text to replace, exactly as it is."),
                       "new": text("What it becomes."),
                       "replace_all": {"type": "boolean", "description": "Replace every occurrence. Default false."}}),
                json!(["path", "old", "new"]),
            ),
            Self::Glob => (
                "Finds files of the workspace by a pattern such as src/**/*.rs. Files that git ignores are left out.",
                json!({"pattern": text("The pattern, relative to path."), "path": text("The directory. Default: the workspace.")}),
                json!(["pattern"]),
            ),
            Self::Grep => (
                "Finds lines of the workspace's text files by a regular expression. Files that git ignores are left out.",
                json!({"pattern": text("The regular expression (Rust's syntax)."),
                       "path": text("The directory or file. Default: the workspace."),
                       "glob": text("Only files that this pattern matches.")}),
                json!(["pattern"]),
            ),
        };
        json!({"name": self.name(), "description": description, "input_schema": {
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        }})
    }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "integer", "minimum": 1, "description": description})
}

/// Runs `call`, if it is of one of the tools `offered`.
///
/// # Errors
///
/// The sandbox does not work, so no call would.
pub async fn run(
    call: &Call,
    offered: &[Tool],
    sandbox: &Sandbox,
    cancel: &CancellationToken,
) -> Result<Told, Problem> {
    let Some(tool) = offered.iter().find(|tool| tool.name() == call.name) else {
        let names = offered.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", ");
        return Ok(Told::error(format!("there is no tool {:?}; there are {names}", cut(&call.name, 100))));
    };
    let input = match &call.input {
        Ok(input) => input.clone(),
        Err(why) => return Ok(Told::error(format!("the call was not run: {why}"))),
    };
    match tool {
        Tool::Bash => run_command(input, sandbox, cancel).await,
        _ => run_on_files(*tool, input, sandbox, cancel).await,
    }
}

async fn run_command(
    input: Map<String, Value>,
    sandbox: &Sandbox,
    cancel: &CancellationToken,
) -> Result<Told, Problem> {
    let Command { command, timeout_seconds } = match arguments(input) {
        Ok(command) => command,
        Err(why) => return Ok(Told::error(why)),
    };
    let (default, most) = COMMAND_SECONDS;
    let limit = Duration::from_secs(timeout_seconds.unwrap_or(default).min(most));
    let action = Action::run("bash", ["--noprofile", "--norc", "-c", &command]);
    let done = sandbox.run(&action, limit, cancel).await?;
    let output = done.output.text();
    let note = match done.end {
        End::Exited(0) if output.is_empty() => "(no output)".to_owned(),
        End::Exited(0) => String::new(),
        End::Exited(code) => format!("(exit status {code})"),
        End::Signalled(signal) => format!("(ended by signal {signal})"),
        End::TimedOut => format!("(stopped after {} seconds, with all that it had started)", limit.as_secs()),
        End::Cancelled => "(cancelled)".to_owned(),
    };
    let gap = if output.is_empty() || note.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    Ok(Told { text: format!("{output}{gap}{note}"), is_error: done.end != End::Exited(0) })
}

async fn run_on_files(
    tool: Tool,
    input: Map<String, Value>,
    sandbox: &Sandbox,
    cancel: &CancellationToken,
) -> Result<Told, Problem> {
    let action = Action::Tool { name: tool.name().to_owned(), input };
    // The answer is JSON, which escapes what the text holds: all of it has to arrive.
    let sandbox = Sandbox { output_max: 16 * RESULT_MAX, ..sandbox.clone() };
    let done = sandbox.run(&action, FILE_TOOL, cancel).await?;
    match (done.end, serde_json::from_str::<Result<String, String>>(&done.output.text())) {
        (End::Exited(0), Ok(Ok(text))) => Ok(Told { text, is_error: false }),
        (End::Exited(0), Ok(Err(why))) => Ok(Told::error(why)),
        (End::TimedOut, _) => Ok(Told::error(format!("stopped after {} seconds", FILE_TOOL.as_secs()))),
        (End::Cancelled, _) => Ok(Told::error("cancelled")),
        (end, _) => Err(Problem::new(
            format!("the tool {} failed by itself", tool.name()),
            format!("it ended with {end:?}"),
        )),
    }
}

/// Does what a file tool does below `root`, in this process: the text, or why there is none.
///
/// # Errors
///
/// What the model is told.
pub fn run_file_tool(root: &Path, name: &str, input: Map<String, Value>) -> Result<String, String> {
    let root = beneath::Root::open(root)?;
    let said = match name {
        "Read" => read::read(&root, &arguments(input)?),
        "Write" => edit::write(&root, &arguments(input)?),
        "Edit" => edit::edit(&root, &arguments(input)?),
        "Glob" => find::glob(&root, &arguments(input)?),
        "Grep" => find::grep(&root, &arguments(input)?),
        _ => Err(format!("there is no file tool {name:?}")),
    };
    said.map(|text| cut(&text, RESULT_MAX))
}

fn arguments<T: for<'a> Deserialize<'a>>(input: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(input))
        .map_err(|why| format!("the call was not run, its arguments do not fit: {why}"))
}

/// `text`, cut to `most` bytes at a character's border.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\n[… {} bytes left out …]", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests;
