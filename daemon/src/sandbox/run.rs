//! The daemon's side of a sandbox: starts a run, hears it, and ends it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nuketown::Problem;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{
    Capture, SUPERVISE,
    policy::{Action, Order, Policy, Report},
};

/// How long a supervisor may take to end its processes before it is ended itself.
const END_MAX: Duration = Duration::from_secs(5);
/// The most that is read of what a supervisor says.
const SAID_MAX: usize = 16 * 1024;

/// What of the daemon's environment a child may see: where programs are, and how text and time are shown. Never a value that
/// could be a secret, such as a proxy's address with a password.
const INHERITED: &[&str] =
    &["LANG", "LC_ALL", "LC_CTYPE", "NIX_PATH", "NIX_SSL_CERT_FILE", "PATH", "SSL_CERT_FILE", "TZ", "TZDIR"];

/// The environment that every child starts with.
#[must_use]
pub fn base_environment() -> BTreeMap<String, String> {
    INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// A place to run what a model asks for.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// The program whose `main` calls [`super::enter_if_asked`]: this very one, unless a test says otherwise.
    pub launcher: PathBuf,
    /// What is allowed.
    pub policy: Policy,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// How much output is kept of a run, in bytes.
    pub output_max: usize,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// What it wrote.
    pub output: Capture,
}

/// How a run ended. In every case, nothing of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It took too long.
    TimedOut,
    /// Nobody wanted it any more.
    Cancelled,
}

impl Sandbox {
    /// Runs `action` for at most `limit`.
    ///
    /// # Errors
    ///
    /// It could not be started, confined or ended. The cause says which.
    pub async fn run(
        &self,
        action: &Action,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Finished, Problem> {
        let cannot = |why: String| Problem::new("cannot run a command of the session", why);
        let order = Order { policy: self.policy.clone(), action: action.clone() };
        let mut order = serde_json::to_vec(&order).map_err(|why| cannot(why.to_string()))?;
        order.push(b'\n');
        let mut supervisor =
            self.start().map_err(|why| cannot(format!("{}: {why}", self.launcher.display())))?;
        let mut lifeline = supervisor.stdin.take();
        let (mut output, mut said) = (Capture::new(self.output_max), Capture::new(SAID_MAX));
        let end = {
            let (stdout, stderr) = (supervisor.stdout.take(), supervisor.stderr.take());
            let hear = async {
                tokio::join!(drain(stdout, &mut output), drain(stderr, &mut said), supervisor.wait())
            };
            tokio::pin!(hear);
            let work = async {
                if let Some(lifeline) = &mut lifeline {
                    // A supervisor that does not listen says why not on its standard error.
                    let _ = lifeline.write_all(&order).await;
                }
                let _ = hear.as_mut().await;
            };
            let early = tokio::select! {
                () = work => None,
                () = cancel.cancelled() => Some(End::Cancelled),
                () = tokio::time::sleep(limit) => Some(End::TimedOut),
            };
            drop(lifeline);
            match early {
                Some(_) if tokio::time::timeout(END_MAX, hear).await.is_err() => None,
                early => Some(early),
            }
        };
        match end {
            Some(Some(early)) => Ok(Finished { end: early, output }),
            Some(None) => Ok(Finished { end: report(&said.text()).map_err(cannot)?, output }),
            None => {
                let _ = supervisor.start_kill();
                Err(cannot(format!("it was not over {} seconds after it was to end", END_MAX.as_secs())))
            }
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.launcher)
            .arg(SUPERVISE)
            .env_clear()
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

async fn drain(from: Option<impl AsyncRead + Unpin>, into: &mut Capture) {
    let Some(mut from) = from else { return };
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        into.push(&piece[..length]);
    }
}

/// The supervisor's report, which is the last line that it says. A confined process that failed by itself has said why before.
fn report(said: &str) -> Result<End, String> {
    let (before, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    match serde_json::from_str(last) {
        Ok(Report::Exited(code)) if code == i32::from(super::FAILED) && !before.is_empty() => {
            Err(before.to_owned())
        }
        Ok(Report::Exited(code)) => Ok(End::Exited(code)),
        Ok(Report::Signalled(signal)) => Ok(End::Signalled(signal)),
        Err(_) if said.trim().is_empty() => Err("its supervisor was ended from outside".to_owned()),
        Err(_) => Err(said.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_the_last_line_and_a_failure_is_none() {
        assert_eq!(report("{\"exited\":0}\n"), Ok(End::Exited(0)));
        assert_eq!(report("{\"signalled\":9}\n"), Ok(End::Signalled(9)));
        assert_eq!(report("{\"exited\":125}\n"), Ok(End::Exited(125)));
        assert_eq!(report("no Landlock\n{\"exited\":125}\n"), Err("no Landlock".to_owned()));
        assert!(report("").is_err() && report("what").is_err());
    }
}
