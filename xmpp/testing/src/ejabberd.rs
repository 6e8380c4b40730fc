//! ejabberd, the other server that many towns have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Certificates;
use crate::server::{Process, free_port};

/// Printed once the ports are open and the accounts exist.
const SIGN: &str = "ejabberd is ready for the test";

/// An ejabberd for the domain `localhost`, with rooms at `rooms.localhost`.
///
/// Its data outlives the process, so it can be killed and started again, on the same ports.
#[derive(Debug)]
pub struct Ejabberd {
    directory: TempDir,
    certificates: Certificates,
    port: u16,
    direct_port: u16,
    process: Option<Process>,
}

impl Ejabberd {
    /// Every account's password.
    pub const PASSWORD: &str = "correct horse";

    /// Starts an ejabberd with these accounts.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn start(accounts: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("nuketown-ejabberd-").tempdir().expect("a directory");
        let certificates = Certificates::new(directory.path(), &["localhost", "rooms.localhost"]);
        let (port, direct_port) = (free_port(), free_port());
        let mut server = Self { directory, certificates, port, direct_port, process: None };
        server.write("ejabberd.yml", &server.config());
        server.write("start.erl", &start(accounts));
        server.restart();
        server
    }

    /// Kills it, if it runs, and starts it again on the same ports with the same data.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn restart(&mut self) {
        self.kill();
        // It becomes the server: the process id is the same.
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/ejabberd"));
        command.stdin(Stdio::null()).arg(self.directory.path());
        self.process = Some(Process::start(&mut command, &[SIGN.to_owned()]));
    }

    /// Kills it without notice, as a crash would. Its helpers end with it, since their pipes do.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// The port for clients that start TLS in the stream.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port for clients that start with TLS.
    #[must_use]
    pub fn direct_port(&self) -> u16 {
        self.direct_port
    }

    /// The server's process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The authority that clients trust, as a PEM file.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    fn config(&self) -> String {
        let Certificates { certificate, key, .. } = &self.certificates;
        let listener = |port: u16, encryption: &str| {
            format!(
                "  - port: {port}\n    ip: 127.0.0.1\n    module: ejabberd_c2s\n    max_stanza_size: 262144\n    {encryption}: true\n"
            )
        };
        format!(
            "hosts: [localhost]\n\
             loglevel: info\n\
             certfiles: ['{}', '{}']\n\
             acme: {{ auto: false }}\n\
             auth_method: internal\n\
             auth_password_format: plain\n\
             listen:\n{}{}\
             modules:\n\
             {}",
            certificate.display(),
            key.display(),
            listener(self.port, "starttls_required"),
            listener(self.direct_port, "tls"),
            ["mod_carboncopy", "mod_disco", "mod_offline", "mod_ping", "mod_roster", "mod_stream_mgmt"]
                .map(|module| format!("  {module}: {{}}\n"))
                .concat()
                + "  mod_muc: { host: rooms.localhost }\n",
        )
    }

    fn write(&self, name: &str, content: &str) {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(path, content).expect("a file of the test's own");
    }
}

/// What the server evaluates at each start. Accounts that exist stay as they are.
fn start(accounts: &[&str]) -> String {
    let register = |account: &&str| {
        format!(
            "ejabberd_auth:try_register(<<{account:?}>>, <<\"localhost\">>, <<{:?}>>),\n",
            Ejabberd::PASSWORD
        )
    };
    format!(
        "{{ok, _}} = application:ensure_all_started(ejabberd),\n{}io:format(\"{SIGN}~n\").\n",
        accounts.iter().map(register).collect::<String>()
    )
}
