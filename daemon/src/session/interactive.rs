//! A session in a terminal: a window of tmux, where a person can join.
//!
//! The tmux server is `portal-<agent>`, its session is called after the project, as the portal command calls it too. So whoever
//! comes first makes the session, and the other one finds it.

use std::process::Stdio;

use nuketown::Problem;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Context, Outcome, Place, Progress, Stopped, report};
use crate::api::visible;
use crate::sandbox::end_tree;
use crate::task::Task;

/// The window's option that says which task it was opened for, by which it is found again after a restart.
const MARK: &str = "@nuketown_task";

/// Opens a window for `task`, and waits until it is closed.
pub(super) async fn work(
    task: &Task,
    context: &Context,
    place: &Place,
    events: &mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Result<Outcome, Stopped> {
    let start = report::start(context, task.id, place, cancel).await?;
    let session = session_name(place);
    let tmux = Server(context);
    let window = match tmux.window_of(task).await? {
        Some(window) => window,
        None => tmux.open(task, place, &session).await?,
    };
    let text = format!("the session is open: tmux -L {} attach -t {session}", context.tmux.socket);
    let _ = events.send(Progress::Note(text)).await;
    tokio::select! {
        closed = tmux.closed(&session, &window) => closed?,
        () = cancel.cancelled() => {
            tmux.end(&window).await?;
            return Err(Stopped::Cancelled);
        }
    }
    let (branch, commits) = report::work(place, start.as_deref(), cancel).await?;
    let cost = context.journal.spent_on(task.id)?;
    Ok(Outcome::Done { summary: format!("The session {session} was closed."), branch, commits, cost })
}

/// The base name of the workspace. In tmux, a dot or a colon would end a session's name.
fn session_name(place: &Place) -> String {
    let name = place.path.file_name().map_or_else(|| "home".into(), |name| name.to_string_lossy());
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

struct Server<'a>(&'a Context);

impl Server<'_> {
    fn command(&self) -> Command {
        let Context { tmux, agent, home, .. } = self.0;
        let mut command = Command::new(&tmux.program);
        command.env_clear().env("HOME", home).env("USER", &agent.name).env("LOGNAME", &agent.name);
        // Where the portal command looks for the server too.
        if let Some(place) = std::env::var_os("TMUX_TMPDIR") {
            command.env("TMUX_TMPDIR", place);
        }
        command.envs(&tmux.environment).args(["-L", &tmux.socket]).stdin(Stdio::null());
        command
    }

    /// What tmux writes; none if it does not succeed, as when there is no server.
    async fn run(&self, arguments: &[&str]) -> Result<Option<String>, Problem> {
        let done =
            self.command().args(arguments).output().await.map_err(|why| self.cannot(&why.to_string()))?;
        Ok(done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned()))
    }

    fn cannot(&self, why: &str) -> Problem {
        Problem::new(
            "cannot open a session in tmux",
            format!("{}: {}", self.0.tmux.program.display(), visible(why)),
        )
        .hint("install tmux, or give the task as a headless one")
    }

    /// The window that was opened for `task` before.
    async fn window_of(&self, task: &Task) -> Result<Option<String>, Problem> {
        let format = format!("#{{{MARK}}} #{{window_id}}");
        let windows = self.run(&["list-windows", "-a", "-F", &format]).await?.unwrap_or_default();
        let found = windows
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(mark, _)| *mark == task.id.to_string());
        Ok(found.map(|(_, window)| window.to_owned()))
    }

    /// Opens a window for `task`, in the session of that name, which is made if it is not there.
    async fn open(&self, task: &Task, place: &Place, session: &str) -> Result<String, Problem> {
        let path = place.path.display().to_string();
        let exact = format!("={session}");
        let is_there = self.run(&["has-session", "-t", &exact]).await?.is_some();
        let inside = format!("{exact}:");
        let mut arguments = if is_there {
            vec!["new-window", "-t", &inside]
        } else {
            vec!["new-session", "-d", "-s", session]
        };
        arguments.extend(["-c", &path, "-P", "-F", "#{window_id}", "--"]);
        arguments.extend(self.0.tmux.command.iter().map(String::as_str));
        arguments.push(&task.text);
        let done =
            self.command().args(&arguments).output().await.map_err(|why| self.cannot(&why.to_string()))?;
        if !done.status.success() {
            return Err(self.cannot(&String::from_utf8_lossy(&done.stderr)));
        }
        let window = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        // A window that is closed already needs no mark.
        self.run(&["set-option", "-w", "-t", &window, MARK, &task.id.to_string()]).await?;
        Ok(window)
    }

    /// Waits until `window` is closed: at each event that a client in control mode hears, it is looked for.
    async fn closed(&self, session: &str, window: &str) -> Result<(), Problem> {
        loop {
            let mut client = self.control(session)?;
            let output = client.stdout.take().ok_or_else(|| self.cannot("its output is not there"))?;
            let mut lines = BufReader::new(output).lines();
            // Looked for only once the client listens: what is closed from then on is heard.
            while let Ok(Some(line)) = lines.next_line().await {
                let is_event = ["%session-changed", "%window-close", "%unlinked-window-close", "%exit"];
                if is_event.iter().any(|event| line.starts_with(event)) && !self.is_open(window).await? {
                    return Ok(());
                }
            }
            if !self.is_open(window).await? {
                return Ok(());
            }
        }
    }

    async fn is_open(&self, window: &str) -> Result<bool, Problem> {
        let windows = self.run(&["list-windows", "-a", "-F", "#{window_id}"]).await?.unwrap_or_default();
        Ok(windows.lines().any(|open| open == window))
    }

    /// Ends what runs in `window`, and what that has started, also what ignores that its terminal is gone.
    async fn end(&self, window: &str) -> Result<(), Problem> {
        let panes = self.run(&["list-panes", "-t", window, "-F", "#{pane_pid}"]).await?.unwrap_or_default();
        panes.lines().filter_map(|pid| pid.parse().ok()).for_each(end_tree);
        // A window whose processes are gone may have closed by itself.
        self.run(&["kill-window", "-t", window]).await.map(drop)
    }

    /// A client that only listens: it neither types nor has a size.
    fn control(&self, session: &str) -> Result<Child, Problem> {
        let target = format!("={session}");
        self.command()
            .args(["-C", "attach-session", "-f", "read-only,ignore-size,no-output", "-t", &target])
            // It leaves when its input ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| self.cannot(&why.to_string()))
    }
}
