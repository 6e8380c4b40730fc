//! A client of somebody else's making: slixmpp.

use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use nuketown_xmpp::Disco;
use nuketown_xmpp_testing::{Process, Prosody, VERSIONS};

use crate::client::{Client, body, chat};
use crate::{Place, config};

/// The client, and what keeps it alive.
pub(crate) fn foreign(server: &impl Place, jid: &str) -> (Process, ChildStdin) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/tools/venv/bin/python");
    assert!(python.exists(), "there is no {}; run tools/setup test", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(root.join("tests/real/foreign.py")).arg(jid).arg(server.port().to_string());
    command.arg(server.authority()).stdin(Stdio::piped());
    let mut process = Process::start(&mut command, &[]);
    let mut input = process.input().unwrap();
    writeln!(input, "{}", server.password()).unwrap();
    process.wait_for("online");
    (process, input)
}

#[tokio::test]
async fn foreign_client_talks_with_the_session_and_verifies_its_capabilities() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["josh"]);
        let _phone = foreign(&prosody, "josh@localhost/phone");
        let mut serving = config(&prosody, "josh@localhost/broker");
        serving.disco = Disco { features: vec!["urn:example:work".into()], ..Disco::default() };
        let mut broker = Client::online(&serving).await;
        for text in ["hello", "<b>&amp; \u{1f980} \u{202e}"] {
            broker.handle.send(chat("josh@localhost/phone", text)).await.unwrap();
            assert_eq!(body(&broker.message().await), format!("echo: {text}"));
        }
        broker.handle.send(chat("josh@localhost/phone", "features josh@localhost/broker")).await.unwrap();
        let features = broker.message().await;
        let features: Vec<_> = body(&features).split(' ').collect();
        assert!(
            features.contains(&"urn:example:work") && features.contains(&"urn:xmpp:ping"),
            "{features:?}"
        );
    }
}
