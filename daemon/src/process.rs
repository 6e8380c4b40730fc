//! The process `nuketown-daemon`: from the command line to the service, and back at a signal.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use nuketown::Problem;
use nuketown_approval::Now;
use nuketown_systemd::Notify;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::{Daemon, LogFormat, config_directory, state_directory};
use crate::config::Settings;
use crate::endpoint;
use crate::metrics::Metrics;
use crate::runner::Runner;
use crate::service::{self, Asked, Parts};
use crate::sessions::Sessions;
use crate::socket;
use crate::store::Store;

/// Requests of programs that wait to be heard.
const ASKED: usize = 64;

/// Does what the command line says.
#[must_use]
pub fn main(options: Daemon) -> ExitCode {
    let (status, problems) = match prepare(&options) {
        Err(problems) => (2, problems),
        Ok(_) if options.check => (0, Vec::new()),
        Ok(settings) => match start(options, settings) {
            Ok(()) => (0, Vec::new()),
            Err(problem) => (1, vec![problem]),
        },
    };
    for problem in problems {
        // Nowhere is left to complain to if standard error is closed.
        let _ = writeln!(io::stderr(), "error: {problem}");
    }
    ExitCode::from(status)
}

fn prepare(options: &Daemon) -> Result<Settings, Vec<Problem>> {
    let directory = config_directory(options.config.clone()).map_err(|problem| vec![problem])?;
    let settings = Settings::read(&directory)?;
    settings.check_secrets()?;
    EnvFilter::try_new(&options.log).map_err(|error| {
        vec![Problem::new("cannot use the option --log", format!("{:?}: {error}", options.log))]
    })?;
    Ok(settings)
}

fn start(options: Daemon, settings: Settings) -> Result<(), Problem> {
    log(&options);
    let failed = |what: &'static str| move |error: io::Error| Problem::new(what, error.to_string());
    // One thread: the daemon waits for others nearly all of the time, and each thread costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(failed("cannot start the runtime"))?.block_on(serve(options, settings));
    if let Err(problem) = &result {
        tracing::error!(what = problem.what, cause = problem.cause, "the daemon ends");
    }
    result
}

fn log(options: &Daemon) {
    let filter = EnvFilter::try_new(&options.log).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // A test may have set another one.
    let _ = match options.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}

async fn serve(options: Daemon, settings: Settings) -> Result<(), Problem> {
    let state = state_directory(options.state)?;
    let store = Store::open(&state).map_err(|error| problem("cannot open the state", &error))?;
    let stop = CancellationToken::new();
    end_at_signals(&stop)?;
    let socket = options.socket.unwrap_or_else(|| state.join("socket"));
    let (asked_in, asked) = mpsc::channel(ASKED);
    let (grown, watched) = watch::channel(0);
    listen(
        &socket,
        socket::Service { asked: asked_in.clone(), store: store.clone(), grown: watched },
        &stop,
    )?;
    let sessions =
        Sessions::new(&settings, store.clone(), &state, options.sessions.choices(), Timestamp::now)?;
    let runner: Arc<dyn Runner> = Arc::new(sessions);
    let metrics = Arc::new(Metrics::default());
    if let Some(place) = &options.metrics {
        let listening = endpoint::Listening::at(place).await;
        let listening = listening.map_err(|error| Problem::new("cannot tell metrics", error.to_string()))?;
        let source = endpoint::Source { metrics: Arc::clone(&metrics), store: store.clone() };
        tokio::spawn(listening.serve(source, stop.clone()));
    }
    let manager = Arc::new(Notify::of_environment().map_err(|error| {
        Problem::new("cannot reach the service manager", format!("NOTIFY_SOCKET: {error}"))
    })?);
    let session = match &settings.account {
        Some(account) => {
            let config = account.session()?;
            Some(nuketown_xmpp::start(&config).map_err(|error| problem("cannot be on XMPP", &error))?)
        }
        None => None,
    };
    watch_over(Arc::clone(&manager), asked_in, stop.clone());
    manager.ready();
    let parts = Parts { settings, store, runner, session, asked, grown, metrics, clock: now };
    let result = service::run(parts, stop.clone()).await;
    stop.cancel();
    manager.stopping();
    result.map_err(|error| problem("the daemon cannot go on", &error))
}

fn listen(path: &Path, service: socket::Service, stop: &CancellationToken) -> Result<(), Problem> {
    let listening = socket::Listening::at(path).map_err(|error| {
        Problem::new("cannot listen on the local socket", format!("{}: {error}", path.display()))
    })?;
    tokio::spawn(listening.serve(service, stop.clone()));
    Ok(())
}

/// Tells systemd that the daemon lives, for as long as its loop answers.
fn watch_over(manager: Arc<Notify>, asked: mpsc::Sender<Asked>, stop: CancellationToken) {
    let Some(period) = manager.every() else { return };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(period);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if service::is_alive(&asked).await {
                manager.alive();
            }
        }
    });
}

fn end_at_signals(stop: &CancellationToken) -> Result<(), Problem> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let stop = stop.clone();
        let mut signals =
            signal(kind).map_err(|error| Problem::new("cannot wait for signals", error.to_string()))?;
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}

/// An error with all that is behind it, on one line.
fn problem(what: &str, error: &dyn std::error::Error) -> Problem {
    let mut cause = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        cause = format!("{cause}: {error}");
        inner = error.source();
    }
    Problem::new(what, cause)
}

/// The time by two clocks; the monotonic one counts the time in which the machine slept.
fn now() -> Now {
    let monotonic = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let monotonic = std::time::Duration::try_from(monotonic).unwrap_or_default();
    Now { monotonic, wall: Timestamp::now() }
}
