//! The service: everything started, everything ended.
//!
//! # Invariants
//!
//! - It says that it is ready once it listens and its log is open and locked.
//! - When it is told to stop, it denies and records what is open, and tells whoever waits.

use std::{path::Path, time::Duration};

use nuketown::{Problem, values::HostName};
use nuketown_systemd::Notify;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use crate::{
    audit::Log,
    channel::Channel,
    clock::{Clock as _, SystemClock},
    config::{Config, DialogMode},
    desktop::{self, Desktop},
    dialog,
    engine::{Engine, Input, Parts},
    local,
    phone::{Line, Phone, Who},
    report,
};

/// Inputs that wait for the engine at most; then whoever brings them waits.
const WAITING: usize = 1024;

/// Inputs that are taken together: their records are written with one sync.
const TOGETHER: usize = 256;

/// For clients to be told that the broker stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the service until it is told to stop.
///
/// # Errors
///
/// It cannot start.
pub fn run(config: &Config) -> Result<(), Problem> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new("cannot start", error.to_string()))?;
    runtime.block_on(serve(config))
}

async fn serve(config: &Config) -> Result<(), Problem> {
    let cannot = |error: std::io::Error| Problem::new("cannot start", error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let notify = Notify::of_environment().map_err(|error| {
        Problem::new("cannot reach the service manager", format!("NOTIFY_SOCKET: {error}"))
    })?;
    let clock = SystemClock::new();
    let log = open_log(&config.audit, &clock)?;
    let mut bound = local::bind(&config.socket)?;
    let (inputs, received) = mpsc::channel(WAITING);
    let Ways { channels, line, dialog } = ways(config, &inputs)?;
    let xmpp = line.is_some();
    let host = rustix::system::uname().nodename().to_string_lossy().parse::<HostName>().ok();
    let policy = config.policy.clone();
    let parts = Parts { policy, host, clock: Box::new(clock), log, channels, dialog, xmpp };
    let mut engine = Engine::new(parts);
    let listener = bound.listen().map_err(cannot)?;
    let clients = tokio::spawn(local::serve(listener, config.agents.clone(), inputs.clone()));
    notify.ready();
    report::info(&format!("listening at {}; {}", config.socket.display(), newest(&engine)));
    tokio::select! {
        () = drive(&mut engine, received, &notify) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify.stopping();
    engine.stop();
    report::info(&format!("stopping; {}", newest(&engine)));
    // The sockets are written by tasks of their own, the session by another one.
    let farewell = async {
        if let Some(line) = line {
            line.close().await;
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    clients.abort();
    Ok(())
}

fn open_log(path: &Path, clock: &SystemClock) -> Result<Log, Problem> {
    let (log, opened) = Log::open(path, env!("CARGO_PKG_VERSION"), clock.now().wall)?;
    if let Some(kept) = &opened.torn {
        report::warn(&format!("the audit log ended in the middle of a record; what there was is in {kept}"));
    }
    if opened.left_open > 0 {
        report::warn(&format!("{} requests that were open are denied", opened.left_open));
    }
    Ok(log)
}

/// The ways to the human.
struct Ways {
    channels: Vec<Box<dyn Channel>>,
    /// The XMPP session, if there is one.
    line: Option<Line>,
    /// Whether a dialog is one of them.
    dialog: bool,
}

fn ways(config: &Config, inputs: &mpsc::Sender<Input>) -> Result<Ways, Problem> {
    let mut channels: Vec<Box<dyn Channel>> = Vec::new();
    let settings = dialog::Settings { zenity: config.zenity.clone(), ..dialog::Settings::of_this_session() };
    let dialog = match config.dialog {
        DialogMode::Never => false,
        DialogMode::Auto => desktop::is_there(&settings),
        DialogMode::Always if desktop::is_there(&settings) => true,
        DialogMode::Always => return Err(desktop::missing()),
    };
    if dialog {
        channels.push(Box::new(Desktop::start(settings, config.agents.clone(), inputs.clone())));
    }
    let mut line = None;
    if let (Some(xmpp), Some(approver)) = (&config.xmpp, config.policy.approver()) {
        let who = Who { own: xmpp.account(), approver: approver.clone(), agents: config.agents.clone() };
        let (phone, started) = Phone::start(xmpp.session()?, who, inputs.clone())?;
        channels.push(Box::new(phone));
        line = Some(started);
    }
    Ok(Ways { channels, line, dialog })
}

/// Gives the engine its inputs, and the time.
async fn drive(engine: &mut Engine, mut inputs: mpsc::Receiver<Input>, notify: &Notify) {
    let mut batch = Vec::with_capacity(TOGETHER);
    let mut alive = Instant::now();
    loop {
        let watchdog = notify.every().map(|every| (alive + every).saturating_duration_since(Instant::now()));
        let wait = [engine.idle(), watchdog].into_iter().flatten().min();
        let pause = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            count = inputs.recv_many(&mut batch, TOGETHER) => {
                if count == 0 {
                    return;
                }
                batch.drain(..).for_each(|input| engine.handle(input));
            }
            () = pause => {}
        }
        engine.finish();
        if notify.every().is_some_and(|every| alive.elapsed() >= every) {
            notify.alive();
            alive = Instant::now();
        }
    }
}

fn newest(engine: &Engine) -> String {
    let (seq, hash) = engine.newest();
    format!("audit record {seq} {hash}")
}

/// Each connection is an open file. Where the limit cannot be raised, fewer connections are served at once.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
