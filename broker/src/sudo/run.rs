//! The privileged half: from the flags to the command that runs.

use std::{
    convert::Infallible,
    env,
    ffi::{CString, OsStr, OsString},
    fs::File,
    io::Read as _,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    sys::stat::{Mode, umask},
    unistd::{getresgid, getresuid, initgroups, setresgid, setresuid},
};
use nuketown::Problem;
use nuketown_approval::{Argv, Environment, Nonce, Payload, Sudo, shown, socket::Ask};

use super::{
    account::Target,
    caller::Caller,
    config::Config,
    conversation::Conversation,
    directory::Directory,
    environment::environment,
    flags::{Run, Shell},
    program::Program,
    session::{Ended, Session, acting_as, connect_as},
    words,
};

/// The longest that any policy waits for a human, in seconds.
const TIMEOUT_MAX: u64 = 3600;

/// Everything that is executed, held from before the question.
struct Prepared {
    caller: Caller,
    target: Target,
    directory: Directory,
    program: Program,
    argv: Argv,
    environment: Environment,
}

/// Asks, and becomes the command; comes back only with the reason why not.
pub(super) fn privileged(run: &Run, config: &Config) -> Result<String, Ended> {
    let prepared = prepare(run, config)?;
    let ask = prepared.ask(run, config)?;
    let stream = connect_as(&prepared.caller, &config.socket, config.approver)?;
    let mut session = Session::new(stream)?;
    let tell = |waiting: &_| {
        if !run.non_interactive {
            words::say(&words::waiting(waiting, run.bell));
        }
    };
    let most = Duration::from_secs(config.timeout.map_or(TIMEOUT_MAX, |timeout| timeout.get().into()));
    let patience = (!run.non_interactive).then_some(most);
    let outcome = session.converse(Conversation::new(ask), tell, || prepared.check(), patience);
    session.close();
    outcome?;
    match prepared.execute(config)? {}
}

fn prepare(run: &Run, config: &Config) -> Result<Prepared, Problem> {
    let caller = Caller::from_environment()?;
    let target = Target::find(run, &caller)?;
    let here = Directory::open(Path::new("."))?;
    let is_path = run.command.first().is_some_and(|command| command.as_bytes().contains(&b'/'));
    let is_relative = is_path && run.command.first().is_some_and(|command| !Path::new(command).is_absolute());
    if run.directory.is_some() && is_relative && run.shell.is_none() {
        let cause = "with -D it is not clear whether the path begins here or there";
        return Err(
            Problem::new("a relative path cannot be run with -D", cause).hint("give the absolute path")
        );
    }
    // As the target: -D and -i go nowhere that the command could not go itself.
    let open_as_target = |path: &Path| acting_as(target.uid, target.gid, || Directory::open(path))?;
    let directory = match (&run.directory, run.shell) {
        (Some(directory), _) => open_as_target(&here.path().join(directory))?,
        (None, Some(Shell::Login)) => open_as_target(&target.home)?,
        (None, _) => here,
    };
    let (file, argv) = command(run, &caller, &target);
    let argv = Argv::new(argv.into_iter().map(OsString::into_vec).collect())?;
    let environment = Environment::new(run.variables.clone())?;
    let program = Program::find(&file, directory.path(), &config.secure_path)?;
    Ok(Prepared { caller, target, directory, program, argv, environment })
}

/// The file to run, and the arguments as sudo(8) gives them to it.
fn command(run: &Run, caller: &Caller, target: &Target) -> (OsString, Vec<OsString>) {
    let (shell, name) = match run.shell {
        None => return (run.command.first().cloned().unwrap_or_default(), run.command.clone()),
        Some(Shell::Own) => (&caller.shell, caller.shell.clone().into_os_string()),
        Some(Shell::Login) => (&target.shell, login_name(&target.shell)),
    };
    let mut argv = vec![name];
    if !run.command.is_empty() {
        argv.extend([OsString::from("-c"), for_shell(&run.command)]);
    }
    (shell.clone().into_os_string(), argv)
}

/// `-bash`: the dash tells a shell that it is a login shell.
fn login_name(shell: &Path) -> OsString {
    let mut name = OsString::from("-");
    name.push(shell.file_name().unwrap_or(shell.as_os_str()));
    name
}

/// Arguments as one line for a shell: every byte but letters, digits, `_`, `-` and `$` behind a backslash, as sudo has it.
fn for_shell(command: &[OsString]) -> OsString {
    let mut line = Vec::new();
    for (index, argument) in command.iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        for &byte in argument.as_bytes() {
            if !byte.is_ascii_alphanumeric() && !b"_-$".contains(&byte) {
                line.push(b'\\');
            }
            line.push(byte);
        }
    }
    OsString::from_vec(line)
}

impl Prepared {
    fn ask(&self, run: &Run, config: &Config) -> Result<Ask, Problem> {
        Ok(Ask {
            payload: Payload::Sudo(Sudo {
                argv: self.argv.clone(),
                program: Some(self.program.path.clone()),
                identity: Some(self.program.identity),
                environment: self.environment.clone(),
                user: self.target.name.clone(),
                group: self.target.group.clone(),
            }),
            cwd: Some(self.directory.to_absolute()?),
            nonce: nonce()?,
            timeout: config.timeout,
            non_interactive: run.non_interactive,
        })
    }

    fn check(&self) -> Result<(), Problem> {
        self.program.check()?;
        self.directory.check()
    }

    /// Becomes the command. Nothing else is left of this process then.
    fn execute(&self, config: &Config) -> Result<Infallible, Problem> {
        let variables = self.variables(config);
        self.directory.enter()?;
        // sudo's default umask, 0022, added to the caller's.
        let own = umask(Mode::from_bits_truncate(0o022));
        umask(own | Mode::from_bits_truncate(0o022));
        self.become_target()?;
        let file = self.program.to_execute()?;
        let mut command = Command::new(file);
        let arguments = self.argv.arguments().iter().map(|argument| OsStr::from_bytes(argument));
        command.arg0(OsStr::from_bytes(self.argv.program())).args(arguments.skip(1)).env_clear();
        for entry in &variables {
            let bytes = entry.as_bytes();
            let at = bytes.iter().position(|&b| b == b'=').unwrap_or(bytes.len());
            let (name, value) = bytes.split_at(at);
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..).unwrap_or_default()));
        }
        // Restores SIGPIPE and the signal mask, too.
        let error = command.exec();
        let program = String::from_utf8_lossy(self.argv.program()).into_owned();
        Err(Problem::new(format!("{} cannot be executed", shown(&program)), error.to_string()))
    }

    fn variables(&self, config: &Config) -> Vec<CString> {
        let inherited: Vec<(OsString, OsString)> = env::vars_os().collect();
        let inherited = inherited.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        let arguments = self.argv.arguments().get(1..).unwrap_or_default();
        let command = [self.program.path.as_bytes(), b" ", &arguments.join(&b' ')].concat();
        let command = if arguments.is_empty() { self.program.path.as_bytes().to_vec() } else { command };
        environment(inherited, &config.secure_path, &self.caller, &self.target, &command, &self.environment)
    }

    fn become_target(&self) -> Result<(), Problem> {
        let Target { name, uid, gid, .. } = &self.target;
        let (uid, gid) = (*uid, *gid);
        let wrong = |cause: &str| Problem::new(format!("this process cannot become {name}"), cause);
        let c_name = CString::new(name.as_str()).map_err(|_| wrong("the name holds NUL"))?;
        initgroups(&c_name, gid)
            .and_then(|()| setresgid(gid, gid, gid))
            .and_then(|()| setresuid(uid, uid, uid))
            .map_err(|errno| wrong(errno.desc()))?;
        let (users, groups) = getresuid()
            .and_then(|users| getresgid().map(|groups| (users, groups)))
            .map_err(|errno| wrong(errno.desc()))?;
        let is_it = [users.real, users.effective, users.saved] == [uid; 3]
            && [groups.real, groups.effective, groups.saved] == [gid; 3];
        if is_it { Ok(()) } else { Err(wrong("the system has kept another user or group")) }
    }
}

fn nonce() -> Result<Nonce, Problem> {
    let mut bytes = [0; 16];
    File::open(PathBuf::from("/dev/urandom"))
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Problem::new("there is no randomness", error.to_string()))?;
    Ok(Nonce(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(run: &Run) -> (String, Vec<String>) {
        let target = Target { shell: "/bin/bash".into(), ..Target::for_test("root", 0) };
        let (file, argv) = command(run, &Caller::for_test("ada", 1), &target);
        let text = |word: OsString| word.into_string().unwrap();
        (text(file), argv.into_iter().map(text).collect())
    }

    #[test]
    fn shells_get_their_command_as_sudo_gives_it() {
        let command = ["echo", "a b", "$HOME;'", ""].map(OsString::from).to_vec();
        let run = Run { command, ..Run::default() };
        assert_eq!(
            words(&run),
            ("echo".to_owned(), ["echo", "a b", "$HOME;'", ""].map(String::from).to_vec())
        );
        let line = "echo a\\ b $HOME\\;\\' ";
        let own = words(&Run { shell: Some(Shell::Own), ..run.clone() });
        assert_eq!(own, ("/bin/sh".to_owned(), ["/bin/sh", "-c", line].map(String::from).to_vec()));
        let login = words(&Run { shell: Some(Shell::Login), ..run });
        assert_eq!(login, ("/bin/bash".to_owned(), ["-bash", "-c", line].map(String::from).to_vec()));
        let bare = words(&Run { shell: Some(Shell::Login), ..Run::default() });
        assert_eq!(bare, ("/bin/bash".to_owned(), vec!["-bash".to_owned()]));
    }
}
