//! Sessions in tmux.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nuketown_daemon::session::{Outcome, Progress, Tmux};
use nuketown_daemon::task::{Mode, Task};
use tokio_util::sync::CancellationToken;

use crate::town::{Town, repository, task};

/// For what happens at once, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

fn interactive() -> Task {
    Task { mode: Mode::Interactive, ..task(Some("nuketown"), None) }
}

/// An agent whose tmux server ends with the test.
struct Terminal(Town);

impl Terminal {
    fn new() -> Self {
        let town = Town::new();
        repository(&town.workspace());
        Self(town)
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let Tmux { socket, environment, .. } = &self.0.context.tmux;
        let done = Command::new("tmux").envs(environment).args(["-L", socket]).args(arguments).output();
        let done = done.expect("tmux is needed: apt-get install tmux");
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap().trim().to_owned())
    }

    fn windows(&self) -> Vec<String> {
        let windows = self.tmux(&[
            "list-windows",
            "-a",
            "-F",
            "#{session_name} #{pane_current_path} #{@nuketown_task}",
        ]);
        windows.unwrap_or_default().lines().map(ToOwned::to_owned).collect()
    }

    async fn written(&self, file: &str) -> String {
        line(&self.0.workspace().join(file)).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

async fn line(file: &Path) -> String {
    let limit = Instant::now() + LONG;
    loop {
        match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(Instant::now() < limit, "{} was not written", file.display()),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn session_is_named_after_the_project_and_over_when_it_is_closed() {
    let terminal = Terminal::new();
    let task = interactive();
    let close = async {
        assert_eq!(terminal.written("told").await, "fix the udev rule");
        let open = format!("nuketown {}", terminal.0.workspace().display());
        assert!(
            terminal.windows().iter().all(|window| window.starts_with(&open)),
            "{:?}",
            terminal.windows()
        );
        terminal.tmux(&["kill-session", "-t", "=nuketown"]).unwrap();
    };
    let ((outcome, heard), ()) = tokio::join!(terminal.0.run(&task), close);
    assert!(matches!(outcome, Outcome::Done { cost: 0, .. }), "{outcome:?}");
    let attach =
        format!("the session is open: tmux -L {} attach -t nuketown", terminal.0.context.tmux.socket);
    assert_eq!(heard, [Progress::Note(attach)]);
}

#[tokio::test]
async fn session_that_a_person_has_opened_is_joined_and_left_open() {
    let terminal = Terminal::new();
    terminal.tmux(&["new-session", "-d", "-s", "nuketown", "sleep", "1000"]).unwrap();
    let close = async {
        let pid = terminal.written("pid").await;
        assert_eq!(terminal.windows().len(), 2);
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    };
    let task = interactive();
    let ((outcome, _), ()) = tokio::join!(terminal.0.run(&task), close);
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!(terminal.windows().len(), 1);
}

#[tokio::test]
async fn window_is_found_again_after_a_restart_and_not_opened_twice() {
    let terminal = Terminal::new();
    let task = interactive();
    // As when the daemon is killed: the future is dropped in the middle.
    let marked = async {
        let limit = Instant::now() + LONG;
        while !terminal.windows().iter().any(|window| window.ends_with(" 7")) {
            assert!(Instant::now() < limit, "no window was opened");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = terminal.0.run(&task) => panic!("it ended: {ended:?}"),
        () = marked => {}
    }
    let close = async {
        let pid = terminal.written("pid").await;
        assert_eq!(terminal.windows().len(), 1);
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    };
    let ((outcome, _), ()) = tokio::join!(terminal.0.run(&task), close);
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test]
async fn cancelled_window_is_closed_and_only_that() {
    let mut terminal = Terminal::new();
    // It leaves its terminal, and does not care that it is gone.
    let script = "setsid sh -c 'trap \"\" HUP TERM; echo $$ > deep; while :; do sleep 1000; done' & wait";
    terminal.0.context.tmux.command = ["sh", "-c", script].map(ToOwned::to_owned).into();
    terminal.tmux(&["new-session", "-d", "-s", "nuketown", "sleep", "1000"]).unwrap();
    let cancel = CancellationToken::new();
    let stop = async {
        let deep = terminal.written("deep").await;
        cancel.cancel();
        deep
    };
    let task = interactive();
    let ((outcome, _), deep) = tokio::join!(terminal.0.run_until(&task, cancel.clone()), stop);
    assert_eq!(outcome, Outcome::Interrupted);
    assert_eq!(terminal.windows().len(), 1);
    let stat = std::fs::read_to_string(format!("/proc/{deep}/stat"));
    assert!(stat.as_ref().is_ok_and(|stat| stat.contains(") Z ")) || stat.is_err(), "{stat:?}");
}
