//! The whole of it: the daemon as a process, a real Prosody, a real git repository, and a Messages API that follows a script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nuketown_xmpp_testing::Prosody;
use serde_json::json;
use tempfile::TempDir;

use crate::human::Human;
use crate::server::{KEY, Reply, Server, call, calls, done, next, text};
use crate::story::{home, town};

/// The daemon, until it is dropped; then it is killed without notice.
struct Daemon(Child);

impl Daemon {
    fn start(prosody: &Prosody, home: &Path) -> Self {
        let daemon = Command::new(env!("CARGO_BIN_EXE_nuketown-daemon"))
            .arg("--config")
            .arg(home)
            .arg("--state")
            .arg(home.join("state"))
            .env("SSL_CERT_FILE", prosody.authority())
            .env("HOME", home)
            .stderr(fs::File::options().create(true).append(true).open(home.join("log")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A home with the key of the API, and with a clone of the project.
fn agent(prosody: &Prosody, api: &Server) -> (TempDir, PathBuf) {
    let home = home(prosody, Prosody::PASSWORD);
    let key = home.path().join("api-key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let file = home.path().join("daemon.toml");
    let config = fs::read_to_string(&file).unwrap();
    let section = format!("[api]\nurl = \"{}\"\nkey_file = \"{}\"\n", api.url, key.display());
    fs::write(&file, config.replace("[api]\nurl = \"http://127.0.0.1:9\"\n", &section)).unwrap();
    let project = home.path().join("projects/nuketown");
    fs::create_dir_all(&project).unwrap();
    git(&project, &["init", "--quiet", "--initial-branch", "main"]);
    fs::write(project.join("README"), "A town.\n").unwrap();
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "begin"]);
    (home, project)
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=josh", "-c", "user.email=josh@6bit.com"])
        .args(arguments)
        .output()
        .expect("git is needed: apt-get install git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit() -> Reply {
    let command =
        "echo 'KERNEL==\"sd*\"' > udev.rules && git add . && git commit --quiet -m 'udev: block devices'";
    calls(vec![text("I write the rule."), call("t1", "Bash", json!({ "command": command }))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn line_in_a_chat_becomes_a_commit_and_a_summary_without_any_account() {
    let prosody = town("0.12");
    let api = Server::start(vec![next(commit()), next(done("The rule is there."))]).await;
    let (home, project) = agent(&prosody, &api);
    let _daemon = Daemon::start(&prosody, home.path());
    let mut josh = Human::online(&prosody, "josh@localhost/phone", "ada@localhost");
    josh.sees("presence chat Ready");
    josh.says("ada, work on nuketown -- fix udev block device handling");
    josh.sees("said Task 1: on it.");
    josh.sees("presence dnd Working: nuketown: fix udev block device handling");
    josh.sees("said Task 1: I write the rule.");
    let hash = || git(&project, &["log", "-1", "--format=%h"]);
    josh.sees("said Task 1 is done (less than $0.01). The rule is there.\\nBranch: main\\nCommit: ");
    josh.sees(&format!("Commit: {} udev: block devices", hash()));
    assert_eq!(git(&project, &["log", "-1", "--format=%an %s"]), "ada udev: block devices");
    josh.says("cost");
    josh.sees("said Today less than $0.01");
    api.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_killed_while_the_model_answers_goes_on_with_the_turn_in_flight() {
    let prosody = town("0.12");
    let cut = Reply::Stall(vec![text("The rule")], 200);
    let api = Server::start(vec![next(commit()), next(cut), next(done("The rule is there."))]).await;
    let (home, project) = agent(&prosody, &api);
    let mut josh = Human::online(&prosody, "josh@localhost/phone", "ada@localhost");
    let daemon = Daemon::start(&prosody, home.path());
    josh.sees("presence chat Ready");
    josh.says("ada, work on nuketown -- fix udev block device handling");
    josh.sees("said Task 1: on it.");
    api.stalling.notified().await;
    drop(daemon);
    let _daemon = Daemon::start(&prosody, home.path());
    josh.sees("said Task 1 is done");
    // The turn before was done once.
    assert_eq!(git(&project, &["rev-list", "--count", "HEAD"]), "2");
    api.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_project_is_asked_for_in_chat_and_cancelled_there() {
    let prosody = town("0.12");
    // The model that looks for repositories finds none, and then the human is asked.
    let api = Server::start(vec![next(done("I do not know it."))]).await;
    let (home, _) = agent(&prosody, &api);
    let _daemon = Daemon::start(&prosody, home.path());
    let mut josh = Human::online(&prosody, "josh@localhost/phone", "ada@localhost");
    josh.sees("presence chat Ready");
    josh.says("ada, work on moonshot -- land on it");
    josh.sees("said Task 1 asks: ");
    josh.sees("presence away Waiting for an answer");
    josh.says("cancel");
    josh.sees("said Task 1 was cancelled by josh@localhost.");
    api.finish_early();
}
