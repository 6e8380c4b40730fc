//! Prosody, the XMPP server that Nuketown deploys.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Certificates;
use crate::server::{Process, free_port};

/// The versions that are served, as tools/prosody calls them.
pub const VERSIONS: [&str; 2] = ["0.12", "13"];

/// A Prosody for the domain `localhost`, with rooms at `rooms.localhost`.
///
/// Its data outlives the process, so it can be killed and started again, on the same ports.
#[derive(Debug)]
pub struct Prosody {
    version: &'static str,
    directory: TempDir,
    certificates: Certificates,
    port: u16,
    direct_port: u16,
    process: Option<Process>,
}

impl Prosody {
    /// Every account's password.
    pub const PASSWORD: &str = "correct horse";

    /// Starts a Prosody of this version with these accounts.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn start(version: &'static str, accounts: &[&str]) -> Self {
        Self::start_with(version, accounts, "")
    }

    /// Starts a Prosody of this version with these accounts, and with `settings` at the end of the global section of its
    /// configuration.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn start_with(version: &'static str, accounts: &[&str], settings: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("nuketown-prosody-").tempdir().expect("a directory");
        let certificates = Certificates::new(directory.path(), &["localhost", "rooms.localhost"]);
        let (port, direct_port) = (free_port(), free_port());
        let mut server = Self { version, directory, certificates, port, direct_port, process: None };
        let config = server.config(settings);
        std::fs::write(server.config_file(), config).expect("a file of the test's own");
        std::fs::create_dir(server.directory.path().join("certs")).expect("a directory of the test's own");
        for account in accounts {
            server.add_account(account, Self::PASSWORD);
        }
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
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/prosody"));
        command.stdin(Stdio::null()).arg(self.version).arg("--config").arg(self.config_file());
        let signs = [format!("Activated service 'c2s' on [127.0.0.1]:{}", self.port)];
        self.process = Some(Process::start(&mut command, &signs));
    }

    /// Kills it without notice, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Adds an account, or changes its password. Only before a start does this surely take effect.
    ///
    /// # Panics
    ///
    /// The file cannot be written.
    pub fn add_account(&self, name: &str, password: &str) {
        let accounts = self.directory.path().join("data/localhost/accounts");
        std::fs::create_dir_all(&accounts).expect("a directory of the test's own");
        let data = format!("return {{ [\"password\"] = {password:?}; }};\n");
        std::fs::write(accounts.join(format!("{name}.dat")), data).expect("a file of the test's own");
    }

    /// Waits until the log has a line with `text`.
    ///
    /// # Panics
    ///
    /// It does not run, or there is no such line for a minute.
    pub fn wait_for_log(&mut self, text: &str) {
        self.process.as_mut().expect("a running server").wait_for(text);
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

    fn config_file(&self) -> PathBuf {
        self.directory.path().join("prosody.cfg.lua")
    }

    fn config(&self, settings: &str) -> String {
        let directory = self.directory.path().display();
        let Certificates { certificate, key, .. } = &self.certificates;
        let mut config = format!(
            "pidfile = \"{directory}/prosody.pid\"\n\
             data_path = \"{directory}/data\"\n\
             -- Refused for root otherwise; a test runs as whoever runs it.\n\
             run_as_root = true\n\
             interfaces = {{ \"127.0.0.1\" }}\n\
             c2s_ports = {{ {} }}\n\
             c2s_direct_tls_ports = {{ {} }}\n\
             s2s_ports = {{ }}\n\
             http_ports = {{ }}\n\
             https_ports = {{ }}\n\
             modules_enabled = {{ \"roster\", \"saslauth\", \"tls\", \"disco\", \"carbons\", \"ping\", \"smacks\", \"offline\" }}\n\
             modules_disabled = {{ \"s2s\" }}\n\
             authentication = \"internal_plain\"\n\
             storage = \"internal\"\n\
             c2s_require_encryption = true\n\
             ssl = {{ certificate = \"{}\"; key = \"{}\" }}\n\
             c2s_direct_tls_ssl = {{ certificate = \"{}\"; key = \"{}\" }}\n\
             -- Without this each answer waits for 40 ms.\n\
             network_settings = {{ nagle = false }}\n\
             log = {{ {{ levels = {{ min = \"info\" }}, to = \"console\" }} }}\n",
            self.port,
            self.direct_port,
            certificate.display(),
            key.display(),
            certificate.display(),
            key.display(),
        );
        let _ = write!(
            config,
            "{settings}\n\
             VirtualHost \"localhost\"\n\
             Component \"rooms.localhost\" \"muc\"\n\
             muc_room_locking = false\n"
        );
        config
    }
}
