//! The sandbox on the real kernel: what a hostile command can and cannot do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuketown_daemon::api::Call;
use nuketown_daemon::sandbox::{Action, Confinement, End, Finished, Policy, Sandbox, base_environment};
use nuketown_daemon::tools::{self, SESSION, Told};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(120);

struct Place {
    dir: TempDir,
    root: PathBuf,
    sandbox: Sandbox,
}

/// A workspace with a secret beside it.
fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("work");
    fs::create_dir(&root).unwrap();
    fs::write(dir.path().join("secret"), "s3cret").unwrap();
    let policy = Policy {
        root: root.clone(),
        writable: vec![],
        readable: vec![],
        confinement: Confinement::Required,
        unix_sockets: false,
    };
    let launcher = env!("CARGO_BIN_EXE_nuketown-daemon").into();
    let sandbox = Sandbox { launcher, policy, environment: base_environment(), output_max: 4096 };
    Place { dir, root, sandbox }
}

impl Place {
    async fn bash(&self, script: &str) -> Finished {
        self.sandbox.run(&Action::run("bash", ["-c", script]), LONG, &CancellationToken::new()).await.unwrap()
    }

    fn secret(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("secret")
    }
}

/// Whether the process with this id is there and no mere entry that waits to be reaped.
fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for a file with a whole line in it.
async fn line_in(file: &Path) -> String {
    let limit = tokio::time::Instant::now() + LONG;
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(tokio::time::Instant::now() < limit, "{} was not written", file.display()),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn command_runs_in_the_workspace_with_both_outputs_and_its_status() {
    let place = place();
    let done = place.bash("pwd; echo oops >&2; echo x > made; exit 3").await;
    assert_eq!(done.output.text(), format!("{}\noops\n", place.root.display()));
    assert_eq!(done.end, End::Exited(3));
    assert_eq!(fs::read_to_string(place.root.join("made")).unwrap(), "x\n");
    assert_eq!(place.bash("kill -TERM $$").await.end, End::Signalled(15));
}

#[tokio::test]
async fn command_reads_no_secret_and_writes_nowhere_else() {
    let place = place();
    let secret = place.secret();
    for script in [
        format!("cat {}", secret.display()),
        format!("ln -s {} link; cat link", secret.display()),
        format!("ln {} hard; cat hard", secret.display()),
        format!("echo x > {}", secret.display()),
        format!("truncate -s 0 {}", secret.display()),
        format!("mv {} .", secret.display()),
        format!("rm {}", secret.display()),
        format!("touch {}/new", place.dir.path().display()),
        "touch /tmp/nuketown-escaped /etc/nuketown-escaped /usr/nuketown-escaped".to_owned(),
        "ls /root /home/* /tmp /run/secrets".to_owned(),
    ] {
        let done = place.bash(&script).await;
        assert_ne!(done.end, End::Exited(0), "{script}: {}", done.output.text());
        assert!(!done.output.text().contains("s3cret"), "{script}");
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "s3cret");
    assert!(!Path::new("/tmp/nuketown-escaped").exists());
}

#[tokio::test]
async fn command_sees_nothing_of_the_daemons_environment_or_memory() {
    let place = place();
    let own = std::process::id();
    // Cargo gives every test variables that no sandbox is given.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let done = place.bash("env").await;
    assert!(!done.output.text().contains("CARGO"), "{}", done.output.text());
    for file in ["environ", "mem", "maps", "root/etc/passwd", "cwd/Cargo.toml"] {
        let done = place.bash(&format!("head -c 10 /proc/{own}/{file}")).await;
        assert_ne!(done.end, End::Exited(0), "{file}: {}", done.output.text());
        let done = place.bash(&format!("head -c 10 /proc/$PPID/{file}")).await;
        assert_ne!(done.end, End::Exited(0), "supervisor's {file}: {}", done.output.text());
    }
}

#[tokio::test]
async fn command_cannot_signal_the_daemon_or_its_supervisor() {
    let place = place();
    let done = place.bash(&format!("kill -0 {}; kill -9 $PPID; echo still here", std::process::id())).await;
    assert!(
        done.output.text().contains("Operation not permitted")
            || done.output.text().contains("not permitted")
    );
    assert!(done.output.text().ends_with("still here\n"));
    assert_eq!(done.end, End::Exited(0));
}

#[tokio::test]
async fn report_of_the_supervisor_cannot_be_forged() {
    let place = place();
    let done = place.bash("echo '{\"exited\":0}' | tee /dev/stderr /proc/$PPID/fd/2; exit 7").await;
    assert_eq!(done.end, End::Exited(7));
}

#[tokio::test]
async fn nothing_that_a_command_starts_outlives_it() {
    let place = place();
    let script = "setsid sh -c 'echo $$ > one; exec sleep 1000' & (nohup setsid sh -c 'trap \"\" TERM HUP; echo $$ > two; \
                  while :; do sleep 1000; done' &) ; while ! [ -s one ] || ! [ -s two ]; do :; done";
    assert_eq!(place.bash(script).await.end, End::Exited(0));
    for file in ["one", "two"] {
        assert!(!is_alive(&fs::read_to_string(place.root.join(file)).unwrap()), "{file}");
    }
}

#[tokio::test]
async fn cancelled_command_is_over_with_all_that_it_started() {
    let place = place();
    let cancel = CancellationToken::new();
    let script = "trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; echo $$ > deep; while :; do sleep 1000; done' &); \
                  echo $$ > own; while :; do sleep 1000; done";
    let action = Action::run("bash", ["-c", script]);
    let run = place.sandbox.run(&action, LONG, &cancel);
    let stop = async {
        let pids = [line_in(&place.root.join("own")).await, line_in(&place.root.join("deep")).await];
        cancel.cancel();
        pids
    };
    let (done, pids) = tokio::join!(run, stop);
    assert_eq!(done.unwrap().end, End::Cancelled);
    assert!(pids.iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn command_that_takes_too_long_is_stopped() {
    let place = place();
    let action = Action::run("bash", ["-c", "echo begun; sleep 1000"]);
    let done =
        place.sandbox.run(&action, Duration::from_millis(500), &CancellationToken::new()).await.unwrap();
    assert_eq!(done.end, End::TimedOut);
}

#[tokio::test]
async fn processes_end_when_nobody_waits_for_them_any_more() {
    let place = place();
    let action = Action::run("bash", ["-c", "echo $$ > own; while :; do sleep 1000; done"]);
    let cancel = CancellationToken::new();
    // As when the daemon is gone: the future is dropped, and with it the lifeline.
    let pid = {
        let run = place.sandbox.run(&action, LONG, &cancel);
        let own = place.root.join("own");
        tokio::select! {
            _ = run => panic!("it ended by itself"),
            pid = line_in(&own) => pid,
        }
    };
    let limit = tokio::time::Instant::now() + LONG;
    while is_alive(&pid) {
        assert!(tokio::time::Instant::now() < limit, "process {pid} is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn hundred_megabytes_of_output_are_read_and_not_kept() {
    let place = place();
    let done = place.bash("head -c 104857600 /dev/zero | tr '\\0' a; echo; echo end").await;
    assert_eq!(done.output.total(), 104_857_605);
    assert!(done.output.text().len() < 5000 && done.output.text().ends_with("a\nend\n"));
}

#[tokio::test]
async fn sandbox_that_cannot_confine_runs_nothing() {
    let mut place = place();
    place.sandbox.policy.root = place.root.join("missing");
    let problem =
        place.sandbox.run(&Action::run("true", []), LONG, &CancellationToken::new()).await.unwrap_err();
    assert!(problem.cause.contains("cannot enter"), "{problem}");
}

#[tokio::test]
async fn file_tool_runs_in_the_sandbox_and_call_of_an_unknown_tool_nowhere() {
    let place = place();
    let call = |name: &str, input| Call { id: "1".to_owned(), name: name.to_owned(), input };
    let write = json!({"path": "a", "content": "x\u{1}\n".repeat(10)}).as_object().unwrap().clone();
    let run =
        async |call| tools::run(&call, SESSION, &place.sandbox, &CancellationToken::new()).await.unwrap();
    assert!(!run(call("Write", Ok(write.clone()))).await.is_error);
    let Told { text, is_error } =
        run(call("Read", Ok(json!({"path": "a"}).as_object().unwrap().clone()))).await;
    assert!(!is_error && text.lines().count() == 10, "{text}");
    for (name, input) in [
        ("Format\nDisk", Ok(write.clone())),
        ("bash", Ok(write.clone())),
        ("Bash", Ok(write)),
        ("Bash", Err("no JSON".to_owned())),
    ] {
        assert!(run(call(name, input)).await.is_error);
    }
}

/// A tmux server, which runs anything for whoever reaches its socket.
struct Terminal(PathBuf);

impl Terminal {
    fn start(socket: PathBuf) -> Self {
        let terminal = Self(socket);
        assert!(
            terminal.tmux(&["new-session", "-d", "sleep", "1000"]),
            "tmux is needed: apt-get install tmux"
        );
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> bool {
        let mut command = std::process::Command::new("tmux");
        command.arg("-S").arg(&self.0).args(arguments).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test]
async fn command_reaches_no_program_that_would_run_others_for_it() {
    let mut place = place();
    let terminal = Terminal::start(place.root.join("terminal"));
    let escaped = place.dir.path().join("escaped");
    let script = format!("tmux -S terminal run-shell 'touch {}'", escaped.display());
    let done = place.bash(&script).await;
    assert_ne!(done.end, End::Exited(0), "{}", done.output.text());
    assert!(!escaped.exists());
    // Where sockets are allowed, the same command escapes: it is the filter that stands against it.
    place.sandbox.policy.unix_sockets = true;
    assert_eq!(place.bash(&script).await.end, End::Exited(0));
    assert!(escaped.exists());
    drop(terminal);
}
