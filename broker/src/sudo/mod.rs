//! `nuketown-sudo`: asks before it runs a command as somebody else, and runs exactly what was approved.
//!
//! # Expected flow
//!
//! ```text
//!  agent: sudo id          this program, unprivileged: reads the flags
//!    └▶ real sudo          one sudoers rule; authenticates who asks, resets the environment
//!        └▶ this program   as root: finds the program, asks the broker as the agent, waits
//!             └▶ id        executed in place, once the broker has recorded the approval
//! ```
//!
//! # Invariants
//!
//! - Nothing runs but after `spent` for the digest of what is held here ([`conversation`]).
//! - What is executed was opened before the question: the program, or its sealed copy, and the working directory.
//! - Only a listener of the configured approver's, or root's, is believed.

pub mod account;
pub mod caller;
pub mod config;
pub mod conversation;
pub mod directory;
pub mod environment;
pub mod flags;
pub mod program;
mod run;
pub mod session;
mod walk;
mod words;

use std::{
    env,
    ffi::OsString,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use nix::sys::signal::{Signal, raise};
use nuketown::Problem;
use nuketown_approval::Variable;

use config::Config;
use flags::{Line, Run};
use session::Ended;

/// Is `sudo`, and becomes the command if it is approved. Otherwise 1, with the reason on standard error.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match begin(&arguments) {
        Ok(text) => match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(Ended::Refused(problem)) => {
            words::say(&format!("error: {problem}"));
            ExitCode::FAILURE
        }
        Err(Ended::Withdrawn(signal)) => {
            words::say("sudo: the request was withdrawn");
            end_by(signal)
        }
    }
}

/// Ends as the signal would have ended this process, so that shells and scripts see it.
fn end_by(signal: Signal) -> ExitCode {
    let _ = raise(signal);
    // Where the signal is ignored: what shells say of it.
    ExitCode::from(u8::try_from(128 + signal as i32).unwrap_or(1))
}

/// Gives the text to print, or does not come back.
fn begin(arguments: &[OsString]) -> Result<String, Ended> {
    let privileged = caller::is_privileged()?;
    match flags::parse(arguments)? {
        Line::Help => Ok(words::help()),
        Line::Version => Ok(words::version()),
        Line::List => Ok(words::list()),
        Line::Credentials => Ok(String::new()),
        Line::Run(run) if privileged => run::privileged(&run, &Config::load(Path::new(config::CONFIG))?),
        Line::Run(run) => Err(by_real_sudo(*run)?.into()),
    }
}

/// Starts this program again as root, by the real sudo; comes back only with the reason why not.
fn by_real_sudo(mut run: Run) -> Result<Problem, Problem> {
    let config = Config::load(Path::new(config::CONFIG))?;
    let own = env::current_exe()
        .map_err(|error| Problem::new("this program cannot find itself", error.to_string()))?;
    for name in std::mem::take(&mut run.preserved) {
        if let Some(value) = env::var_os(&name) {
            let assignment = [name.as_bytes(), b"=", value.as_encoded_bytes()].concat();
            run.variables.push(Variable::new(&assignment)?);
        }
    }
    // Without a password: where the rule is missing, the real sudo says so instead of asking the agent for one.
    let error = Command::new(&config.sudo).arg("-n").arg("--").arg(own).args(run.to_arguments()).exec();
    Ok(Problem::new(format!("{} cannot be run", config.sudo.display()), error.to_string())
        .hint("set `sudo` in /etc/nuketown/sudo.toml to the path of the real sudo"))
}
