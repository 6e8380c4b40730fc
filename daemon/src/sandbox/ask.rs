//! `sudo` inside of a sandbox, where nothing can become root: asks the daemon to run the real one.
//!
//! Over named pipes in a directory of the task, since a confined process makes no sockets. The daemon's side is
//! `session::privileged`, and what it runs asks a human.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde::{Deserialize, Serialize};

/// The first argument that asks for this mode.
pub(crate) const MODE: &str = "__sudo";
/// The variable that names the directory.
pub(crate) const DIRECTORY: &str = "NUKETOWN_SUDO";
/// The pipe in it on which the daemon hears that there is a request: its number in a line.
pub(crate) const REQUESTS: &str = "requests";

/// What is to be run, in the file `<number>.request`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// As they are given to `sudo`.
    pub(crate) arguments: Vec<String>,
    /// Where.
    pub(crate) directory: String,
}

/// How it went, in one line on the pipe `<number>.reply`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    pub(crate) output: String,
    pub(crate) status: u8,
}

/// Asks for what this process's arguments say: the exit status of it.
pub(super) fn ask() -> Result<ExitCode, String> {
    let cannot = |what: &'static str| move |why: std::io::Error| format!("sudo: cannot {what}: {why}");
    let directory = std::env::var_os(DIRECTORY).ok_or("sudo: there is nobody to ask here")?;
    let directory = Path::new(&directory);
    let arguments = std::env::args_os().skip(2).map(std::ffi::OsString::into_string);
    let arguments =
        arguments.collect::<Result<_, _>>().map_err(|_| "sudo: an argument is no text in UTF-8")?;
    let here = std::env::current_dir().map_err(cannot("find the current directory"))?;
    let request = Request { arguments, directory: here.display().to_string() };
    let number = std::process::id();
    let name = directory.join(format!("{number}.reply"));
    mknodat(CWD, &name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(|why| cannot("make a pipe")(why.into()))?;
    // Opened for both, so that it neither waits for the daemon now nor ends when the daemon closes it.
    let reply = OpenOptions::new().read(true).write(true).open(&name).map_err(cannot("open a pipe"))?;
    let text = serde_json::to_vec(&request).map_err(|why| why.to_string())?;
    std::fs::write(directory.join(format!("{number}.request")), text).map_err(cannot("write the request"))?;
    announce(&directory.join(REQUESTS), number).map_err(cannot("reach the daemon"))?;
    let mut line = Vec::new();
    BufReader::new(reply).read_until(b'\n', &mut line).map_err(cannot("read the answer"))?;
    let Reply { output, status } =
        serde_json::from_slice(&line).map_err(|why| format!("sudo: no answer: {why}"))?;
    std::io::stdout().write_all(output.as_bytes()).map_err(cannot("write"))?;
    Ok(ExitCode::from(status))
}

/// Fails at once if nobody listens.
fn announce(pipe: &Path, number: u32) -> std::io::Result<()> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut pipe: File = OpenOptions::new().write(true).custom_flags(flags).open(pipe)?;
    // In one piece, since it is shorter than PIPE_BUF (pipe(7)).
    pipe.write_all(format!("{number}\n").as_bytes())
}
