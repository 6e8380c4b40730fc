//! Users, a sudoers rule, a configuration and a place of their own; all gone when this is dropped.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio, id},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Group, Pid, User, geteuid},
};

/// No step takes nearly as long; it only ends what would hang.
const BOUND: Duration = Duration::from_secs(60);

const CONFIG: &str = "/etc/nuketown/sudo.toml";

pub(crate) struct World {
    /// Who asks.
    pub(crate) agent: User,
    /// Who is asked.
    pub(crate) approver: User,
    /// As whom commands run, besides root.
    pub(crate) other: User,
    /// A group that nobody is in.
    pub(crate) group: Group,
    /// Root's place, where only root can change anything.
    pub(crate) base: PathBuf,
    undo: Undo,
}

/// What was made, removed in the order opposite to that of making.
#[derive(Default)]
struct Undo(Vec<Made>);

enum Made {
    User(String),
    Group(String),
    File(PathBuf),
    Folder(PathBuf),
}

impl World {
    pub(crate) fn make() -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("these tests make users and a sudoers rule: run them as root (in a container, say)"
                .to_owned());
        }
        for tool in
            ["/usr/bin/sudo", "/usr/sbin/useradd", "/usr/sbin/groupadd", "/usr/bin/script", "/usr/bin/mkfifo"]
        {
            if !Path::new(tool).exists() {
                return Err(format!("{tool} is missing; install it with: tools/setup test"));
            }
        }
        if Path::new(CONFIG).exists() {
            return Err(format!("{CONFIG} exists, and these tests need one of their own: move it away"));
        }
        let mut undo = Undo::default();
        let names = ["agent", "human", "other"].map(|role| format!("nt-{role}-{}", id()));
        let base = PathBuf::from(format!("/var/lib/nuketown-test-{}", id()));
        undo.folder(&base)?;
        let [agent, approver, other] = names.each_ref().map(|name| undo.user(name, &base));
        let group = undo.group(&format!("nt-group-{}", id()))?;
        let world = Self { agent: agent?, approver: approver?, other: other?, group, base, undo };
        world.furnish()
    }

    fn furnish(mut self) -> Result<Self, String> {
        for name in ["bin", "run", "fixed"] {
            self.undo.folder(&self.base.join(name))?;
        }
        let program = self.base.join("bin/nuketown-sudo");
        copy_program(Path::new(env!("CARGO_BIN_EXE_nuketown-sudo")), &program)?;
        symlink("nuketown-sudo", self.base.join("bin/sudo")).map_err(text)?;
        self.undo.file(&sudoers(), &self.rules(), 0o440)?;
        if !Path::new("/etc/nuketown").exists() {
            self.undo.folder(Path::new("/etc/nuketown"))?;
        }
        let config = self.config(&self.approver.uid.to_string());
        self.undo.file(Path::new(CONFIG), &config, 0o644)?;
        Ok(self)
    }

    fn config(&self, approver: &str) -> String {
        format!(
            "approver = {approver}\nsocket = \"{}\"\nsecure_path = \"{}:/usr/sbin:/usr/bin:/sbin:/bin\"\n",
            self.socket().display(),
            self.base.join("fixed").display()
        )
    }

    /// Does something under another configuration, written with this mode.
    pub(crate) fn configured(&self, config: &str, mode: u32, act: impl FnOnce()) {
        write(Path::new(CONFIG), config, mode).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(act));
        write(Path::new(CONFIG), &self.config(&self.approver.uid.to_string()), 0o644).unwrap();
        outcome.unwrap_or_else(|cause| resume_unwind(cause));
    }

    /// Does something with one more line of sudoers.
    pub(crate) fn with_sudoers(&self, line: &str, act: impl FnOnce()) {
        write(&sudoers(), &format!("{}{line}\n", self.rules()), 0o440).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(act));
        write(&sudoers(), &self.rules(), 0o440).unwrap();
        outcome.unwrap_or_else(|cause| resume_unwind(cause));
    }

    /// The agent's one rule, and what lets the real sudo, as root, do what it is compared in.
    fn rules(&self) -> String {
        let program = self.base.join("bin/nuketown-sudo");
        format!("{} ALL=(root) NOPASSWD: {}\nDefaults:root runcwd=*\n", self.agent.name, program.display())
    }

    /// The configuration, with this approver.
    pub(crate) fn approved_by(&self, approver: &str) -> String {
        self.config(approver)
    }

    /// Where the broker listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.base.join("run/socket")
    }

    /// The agent's home.
    pub(crate) fn home(&self) -> PathBuf {
        self.agent.dir.clone()
    }

    /// A new file of the agent's.
    pub(crate) fn agents_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home().join(name);
        // Under another name first, since a program that is open for writing cannot be executed.
        let new = path.with_extension("new");
        write(&new, content, 0o755).unwrap();
        chown(&new, Some(self.agent.uid.as_raw()), Some(self.agent.gid.as_raw())).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }

    /// A new file on `secure_path`, of root's.
    pub(crate) fn fixed_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.base.join("fixed").join(name);
        let new = path.with_extension("new");
        write(&new, content, 0o755).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }

    /// A file that only a command that runs would make.
    pub(crate) fn marker(&self) -> PathBuf {
        let path = self.base.join("run/marker");
        let _ = fs::remove_file(&path);
        path
    }

    /// `sudo` as the agent calls it: a login's environment, in the home.
    pub(crate) fn sudo(&self, arguments: &[&str]) -> Command {
        let mut command = self.as_agent(&self.base.join("bin/sudo"));
        command.args(arguments);
        command
    }

    /// A program as the agent runs it.
    pub(crate) fn as_agent(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.base.join("bin").display()))
            .env("HOME", self.home())
            .env("TERM", "dumb")
            .current_dir(self.home())
            .uid(self.agent.uid.as_raw())
            .gid(self.agent.gid.as_raw())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Starts a command and waits for its end.
pub(crate) fn finish(command: &mut Command) -> Output {
    let child = command.spawn().unwrap();
    end_of(child)
}

/// Waits for the end of a child, which is killed if it takes longer than anything does here.
pub(crate) fn end_of(child: Child) -> Output {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (done, is_done) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if is_done.recv_timeout(BOUND).is_err() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    watch.join().unwrap();
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Undo {
    fn folder(&mut self, path: &Path) -> Result<(), String> {
        fs::create_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.0.push(Made::Folder(path.to_owned()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(text)
    }

    fn file(&mut self, path: &Path, content: &str, mode: u32) -> Result<(), String> {
        write(path, content, mode).map_err(|error| format!("{}: {error}", path.display()))?;
        self.0.push(Made::File(path.to_owned()));
        Ok(())
    }

    fn user(&mut self, name: &str, base: &Path) -> Result<User, String> {
        let home = base.join(name);
        run(
            "/usr/sbin/useradd",
            &["-r", "-U", "-m", "-s", "/bin/sh", "-d", home.to_str().unwrap_or_default(), name],
        )?;
        self.0.push(Made::User(name.to_owned()));
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).map_err(text)?;
        User::from_name(name).ok().flatten().ok_or_else(|| format!("{name} was made and is not there"))
    }

    fn group(&mut self, name: &str) -> Result<Group, String> {
        run("/usr/sbin/groupadd", &["-r", name])?;
        self.0.push(Made::Group(name.to_owned()));
        Group::from_name(name).ok().flatten().ok_or_else(|| format!("{name} was made and is not there"))
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for made in self.0.drain(..).rev() {
            let _ = match made {
                Made::User(name) => run("/usr/sbin/userdel", &[&name]),
                Made::Group(name) => run("/usr/sbin/groupdel", &[&name]),
                Made::File(path) => fs::remove_file(path).map_err(text),
                Made::Folder(path) => fs::remove_dir_all(path).map_err(text),
            };
        }
    }
}

fn sudoers() -> PathBuf {
    PathBuf::from(format!("/etc/sudoers.d/nuketown-test-{}", id()))
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new(program).args(arguments).output().map_err(text)?;
    if done.status.success() { Ok(()) } else { Err(format!("{program}: {}", stderr(&done))) }
}

fn copy_program(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map_err(text)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).map_err(text)
}

fn write(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
fn text(error: io::Error) -> String {
    error.to_string()
}
