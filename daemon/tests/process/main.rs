//! The two programs as processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const DAEMON: &str = env!("CARGO_BIN_EXE_nuketown-daemon");
const CLIENT: &str = env!("CARGO_BIN_EXE_nuketown");
/// For systemd's part of a start; no test waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The files of an agent without an account.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().display();
    let identity = format!(
        "name = \"ada\"\nrole = \"software\"\nemail = \"ada@town.example\"\ndescription = \"\"\n\
         domain = \"town.example\"\nmodel = \"workstation\"\nhome = \"{path}\"\npersist = []\n"
    );
    let daemon = format!(
        "approval_timeout = 120\ntown_file = \"{path}/town.toml\"\n[api]\nurl = \"http://127.0.0.1:9\"\n\
         [bootstrap]\nmodel = \"m\"\n[headless]\ntimeout = 60\n[sudo]\nenable = false\npre_approved = []\n"
    );
    fs::write(home.path().join("identity.toml"), identity).unwrap();
    fs::write(home.path().join("daemon.toml"), daemon).unwrap();
    fs::write(home.path().join("town.toml"), "[agents]\n").unwrap();
    home
}

struct Daemon {
    child: Child,
    home: TempDir,
    systemd: UnixDatagram,
}

impl Daemon {
    /// Started, and ready as it says to systemd.
    fn start(home: TempDir, options: &[&str]) -> Self {
        let notify = home.path().join("notify");
        drop(fs::remove_file(&notify));
        let systemd = UnixDatagram::bind(&notify).unwrap();
        systemd.set_read_timeout(Some(PATIENCE)).unwrap();
        // systemd names the process that it watches.
        let child = Command::new("sh")
            .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\"", DAEMON])
            .arg("--config")
            .arg(home.path())
            .arg("--state")
            .arg(home.path().join("state"))
            .args(options)
            .env("NOTIFY_SOCKET", &notify)
            .env("WATCHDOG_USEC", "400000")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut daemon = Self { child, home, systemd };
        assert!(daemon.told("READY=1"), "{}", daemon.log());
        daemon
    }

    /// Whether systemd is told this within its patience.
    fn told(&self, what: &str) -> bool {
        let mut message = [0; 256];
        while let Ok(read) = self.systemd.recv(&mut message) {
            if String::from_utf8_lossy(&message[..read]).lines().any(|line| line == what) {
                return true;
            }
        }
        false
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("state/socket")
    }

    fn ask(&self, words: &[&str]) -> Output {
        Command::new(CLIENT).arg("--socket").arg(self.socket()).args(words).output().unwrap()
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn log(&mut self) -> String {
        drop(self.child.kill());
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            drop(stderr.read_to_string(&mut log));
        }
        log
    }

    /// Ends it as systemd does.
    fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(home: &Path) -> Output {
    Command::new(DAEMON).arg("--check").arg("--config").arg(home).output().unwrap()
}

#[test]
fn check_says_all_that_is_wrong_and_starts_nothing() {
    let home = home();
    let output = check(home.path());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", error(&output));
    let file = home.path().join("daemon.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("approver = \"@\"\n{text}key_file = \"x\"\n")).unwrap();
    let output = check(home.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("unknown field `key_file`"), "{}", error(&output));
    fs::write(&file, format!("approver = \"@\"\n{text}")).unwrap();
    assert!(error(&check(home.path())).contains("approver is \"@\""));
    assert!(!home.path().join("state").exists());
}

#[test]
fn daemon_tells_systemd_that_it_is_ready_lives_and_stops() {
    let mut daemon = Daemon::start(home(), &[]);
    assert!(daemon.told("WATCHDOG=1") && daemon.told("WATCHDOG=1"));
    assert!(daemon.terminate().success());
    assert!(daemon.told("STOPPING=1"));
    assert!(!daemon.socket().exists());
}

#[test]
fn second_daemon_on_the_same_state_does_not_start() {
    let daemon = Daemon::start(home(), &[]);
    let output = Command::new(DAEMON)
        .arg("--config")
        .arg(daemon.home.path())
        .arg("--state")
        .arg(daemon.home.path().join("state"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("another daemon uses the state directory"), "{}", error(&output));
    // The first one's socket is still there.
    daemon.says(&["health", "live"]);
}

#[test]
fn command_line_asks_for_tasks_and_lists_them() {
    let daemon = Daemon::start(home(), &[]);
    assert!(daemon.says(&["status"]).contains("presence  chat: Ready"));
    assert_eq!(daemon.says(&["task", "--headless", "fix", "it"]), "Task 1: on it.\n");
    let mut follower = Command::new(CLIENT);
    follower.arg("--socket").arg(daemon.socket()).args(["logs", "--follow", "1"]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(follower.stdout.take().unwrap()).read_line(&mut line).unwrap();
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert!(line.contains("task 1 Task 1 failed: "), "{line}");
    let history = daemon.says(&["history"]);
    assert!(history.starts_with("TASK  STATE   ACCEPTED") && history.contains("fix it ("), "{history}");
    let json: serde_json::Value = serde_json::from_str(&daemon.says(&["history", "--json"])).unwrap();
    assert_eq!(json["tasks"][0]["state"], "failed");
    assert!(daemon.says(&["cost"]).contains("$0.00"));
    let output = daemon.ask(&["cancel", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(error(&output), "error: that is not possible\n  cause: task 1 is failed already\n");
    let output = daemon.ask(&["attach"]);
    assert!(error(&output).contains("the agent is not working on anything"), "{}", error(&output));
}

#[test]
fn client_without_a_daemon_says_what_to_do() {
    let output = Command::new(CLIENT).args(["--socket", "/nonexistent/socket", "status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(error(&output).contains("hint: is nuketown-daemon running"), "{}", error(&output));
}

#[test]
fn probes_succeed_on_a_daemon_that_lives_and_is_ready() {
    let daemon = Daemon::start(home(), &[]);
    assert_eq!(daemon.says(&["health", "live"]), "");
    assert_eq!(daemon.says(&["health", "ready"]), "");
}

#[test]
fn logs_are_json_where_that_is_wanted_and_metrics_are_told() {
    let metrics = "unix:METRICS";
    let home = home();
    let place = metrics.replace("METRICS", &home.path().join("metrics").display().to_string());
    let mut daemon = Daemon::start(home, &["--log-format", "json", "--metrics", &place]);
    daemon.says(&["task", "--headless", "x"]);
    let mut stream = UnixStream::connect(daemon.home.path().join("metrics")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.contains("\nnuketown_tasks_accepted_total 1\n"), "{told}");
    daemon.terminate();
    let log = daemon.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "task accepted"), "{log}");
}

#[test]
fn hostile_lines_on_the_socket_harm_their_sender_alone() {
    let daemon = Daemon::start(home(), &[]);
    let answer = |line: &[u8]| {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        // The daemon may close before all is written.
        drop(stream.write_all(line));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer
    };
    assert!(answer(b"{\"type\":\"launch\"}\n").contains("unknown variant"));
    assert!(answer(b"\n").contains("cannot be read"));
    assert_eq!(answer(b"{\"type\":\"status\"}"), "", "no line is no request");
    assert_eq!(answer(b"\xff\xfe\n"), "");
    assert_eq!(answer(&vec![b'x'; 1_000_000]), "");
    daemon.says(&["status"]);
}

#[test]
fn manager_that_does_not_read_does_not_stop_the_daemon() {
    let daemon = Daemon::start(home(), &[]);
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"full", daemon.home.path().join("notify")).is_ok() {}
    // The daemon has to tell that it lives five times a second, meanwhile too.
    for _ in 0..100 {
        assert!(daemon.ask(&["status"]).status.success());
    }
}

#[test]
fn another_user_of_the_machine_is_refused() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test becomes another user, which only root may; run it as root"
    );
    let daemon = Daemon::start(home(), &[]);
    // Opened wide, so that nothing but the daemon itself refuses.
    for (path, mode) in [
        (daemon.home.path().to_owned(), 0o755),
        (daemon.home.path().join("state"), 0o755),
        (daemon.socket(), 0o666),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let copy = daemon.home.path().join("nuketown");
    // By another process: a program that a test running beside this one has open for writing cannot be started (ETXTBSY), and
    // whatever that one starts has its files for a moment.
    assert!(Command::new("cp").arg(CLIENT).arg(&copy).status().unwrap().success());
    let output = Command::new(&copy)
        .uid(65_534)
        .arg("--socket")
        .arg(daemon.socket())
        .args(["task", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert!(error(&output).contains("you are user 65534"), "{}", error(&output));
    assert!(!daemon.says(&["history"]).contains("accepted"));
}

#[test]
fn completions_and_manual_pages_are_made_from_the_command_line() {
    let made = |words: &[&str]| {
        let output = Command::new(CLIENT).args(words).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(made(&["completions", "bash"]).contains("complete -F _nuketown"));
    assert!(made(&["man"]).contains(".TH nuketown 1"));
    assert!(made(&["man", "--daemon"]).contains("nuketown-daemon"));
}
