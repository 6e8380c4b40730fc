//! The human, who is a process of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use nuketown_xmpp_testing::{Process, Prosody};

pub(crate) struct Human {
    process: Process,
    input: ChildStdin,
}

impl Human {
    /// Online as `jid`, in a chat with `agent`.
    pub(crate) fn online(prosody: &Prosody, jid: &str, agent: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/tools/venv/bin/python");
        assert!(python.exists(), "there is no {}; run tools/setup test", python.display());
        let mut command = Command::new(python);
        command.arg("-B").arg(root.join("tests/real/human.py")).arg(jid).arg(prosody.port().to_string());
        command.arg(prosody.authority()).arg(agent).stdin(Stdio::piped());
        let mut process = Process::start(&mut command, &[]);
        let mut input = process.input().unwrap();
        writeln!(input, "{}", Prosody::PASSWORD).unwrap();
        process.wait_for("online");
        Self { process, input }
    }

    pub(crate) fn says(&mut self, text: &str) {
        writeln!(self.input, "{text}").unwrap();
    }

    /// Waits until it has printed this, now or before.
    pub(crate) fn sees(&mut self, text: &str) {
        self.process.wait_for(text);
    }
}
