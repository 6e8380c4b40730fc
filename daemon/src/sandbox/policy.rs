//! What a sandbox allows, and what is to run in it.

use std::path::{Path, PathBuf};

use nuketown::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What can be read everywhere: programs, libraries, configuration that holds no secret for an ordinary user, the kernel's
/// files. `/proc` shows no other process's environment or memory: Landlock forbids to trace across its borders.
pub(super) const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr",
    "/etc",
    "/opt",
    "/nix",
    "/proc",
    "/sys",
    "/run/current-system",
    "/run/opengl-driver",
    "/run/wrappers",
    "/run/systemd/resolve",
    "/run/nscd",
    "/var/log",
    "/var/empty",
];

/// Devices that are read and written.
pub(super) const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Whether a sandbox may be used on a kernel without Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// No: nothing runs there.
    Required,
    /// Yes: only the agent's own user account confines it then. The file tools stay inside of the workspace even so.
    WhereAvailable,
}

/// What a sandbox allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The workspace: the current directory, and writable. The file tools see nothing else.
    pub root: PathBuf,
    /// Further directories that are writable.
    pub writable: Vec<PathBuf>,
    /// Further files and directories that are readable, beside those of the system.
    pub readable: Vec<PathBuf>,
    /// Whether it needs the kernel's help.
    pub confinement: Confinement,
    /// Whether Unix sockets may be used. On the other end there can be programs that run anything for this user.
    pub unix_sockets: bool,
}

impl Policy {
    /// The same, if it keeps each of `secrets` (files or directories) unreadable.
    ///
    /// # Errors
    ///
    /// One of them stands where the sandbox reads. To run it would show the secret to a model.
    pub fn hiding(self, secrets: &[PathBuf]) -> Result<Self, Problem> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let system = SYSTEM.iter().map(Path::new);
        let own = self.writable.iter().chain(&self.readable).map(PathBuf::as_path);
        let seen: Vec<PathBuf> = system.chain(own).chain([self.root.as_path()]).map(real).collect();
        for secret in secrets {
            let secret = real(secret);
            if let Some(place) =
                seen.iter().find(|place| secret.starts_with(place) || place.starts_with(&secret))
            {
                return Err(Problem::new(
                    "no session can run: it could read a secret",
                    format!("{} stands in {}, which sessions read", secret.display(), place.display()),
                )
                .hint("keep secrets in /run/secrets, and name them in daemon.toml"));
            }
        }
        Ok(self)
    }
}

/// What is to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Action {
    /// A program, with nothing on its standard input and both outputs in one.
    Run {
        /// Its file, or its name on the `PATH`.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// A tool of this program that reads or writes files.
    Tool {
        /// Its name.
        name: String,
        /// Its arguments.
        input: Map<String, Value>,
    },
}

impl Action {
    /// The program with these arguments.
    pub fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Run {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(ToOwned::to_owned).collect(),
        }
    }
}

/// Both, as they are handed to the process that is to run them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) policy: Policy,
    pub(super) action: Action,
}

/// How a supervised process ended: the one line that its supervisor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Report {
    Exited(i32),
    Signalled(i32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(root: &Path) -> Policy {
        Policy {
            root: root.to_owned(),
            writable: vec![],
            readable: vec![],
            confinement: Confinement::Required,
            unix_sockets: false,
        }
    }

    #[test]
    fn sandbox_that_could_read_a_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (root, secrets) = (dir.path().join("work"), dir.path().join("secrets"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&secrets).unwrap();
        std::fs::write(secrets.join("key"), "k").unwrap();
        std::fs::write(root.join("key"), "k").unwrap();
        std::os::unix::fs::symlink(root.join("key"), secrets.join("link")).unwrap();
        assert!(policy(&root).hiding(&[secrets.join("key"), secrets.clone()]).is_ok());
        for bad in [
            root.join("key"),
            root.join("not/yet/there"),
            secrets.join("link"),
            dir.path().to_owned(),
            "/etc/key".into(),
        ] {
            assert!(policy(&root).hiding(std::slice::from_ref(&bad)).is_err(), "{}", bad.display());
        }
        let reading = Policy { readable: vec![secrets.clone()], ..policy(&root) };
        assert!(reading.hiding(&[secrets.join("key")]).is_err());
    }
}
