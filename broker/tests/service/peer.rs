//! A Prosody with the module that routes requests, and clients of it that are not ours.

use std::{
    collections::VecDeque,
    io::Write,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::Receiver,
};

use nuketown_xmpp::parsers::{message::Message, minidom::Element};
use nuketown_xmpp_testing::Prosody;

use crate::broker::{PATIENCE, lines_of};

pub(crate) const NS: &str = "urn:nuketown:approval";

/// A server with the accounts of these tests.
pub(crate) fn prosody(version: &'static str) -> Prosody {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/prosody");
    let settings = format!(
        "plugin_paths = {{ \"{}\" }}\n\
         modules_enabled = {{ \"roster\", \"saslauth\", \"tls\", \"disco\", \"carbons\", \"ping\", \"smacks\", \"offline\", \
         \"nuketown_approval\" }}\n\
         log = {{ {{ levels = {{ min = \"debug\" }}, to = \"console\" }} }}\n",
        module.display()
    );
    Prosody::start_with(version, &["josh", "ada", "vox", "eve", "liver"], &settings)
}

/// A client that the test drives.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// What came before it was online, as from the offline store.
    early: VecDeque<String>,
    jid: String,
}

impl Peer {
    /// Logs in, and waits until it is online.
    pub(crate) fn start(prosody: &Prosody, jid: &str) -> Self {
        Self::with_priority(prosody, jid, 0)
    }

    pub(crate) fn with_priority(prosody: &Prosody, jid: &str, priority: i8) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/tools/venv/bin/python");
        assert!(python.exists(), "there is no {}; run tools/setup test", python.display());
        let mut child = Command::new(python)
            .arg("-B")
            .arg(root.join("tests/service/client.py"))
            .args([jid, &prosody.port().to_string()])
            .arg(prosody.authority())
            .arg(priority.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, lines) = (child.stdin.take().unwrap(), lines_of(child.stdout.take().unwrap()));
        let mut peer = Self { child, input, lines, early: VecDeque::new(), jid: jid.to_owned() };
        peer.send(Prosody::PASSWORD);
        let mut early = VecDeque::new();
        loop {
            match peer.line() {
                line if line == "online" => break,
                line => early.push_back(line),
            }
        }
        peer.early = early;
        peer
    }

    /// Sends a line of XML.
    pub(crate) fn send(&mut self, xml: &str) {
        writeln!(self.input, "{}", xml.replace('\n', "&#10;")).unwrap();
    }

    /// Says something in a chat.
    pub(crate) fn chats(&mut self, to: &str, text: &str) {
        self.send(&format!("<message to='{to}' type='chat'><body>{text}</body></message>"));
    }

    fn line(&mut self) -> String {
        if let Some(line) = self.early.pop_front() {
            return line;
        }
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{} sees nothing: {error}", self.jid))
    }

    /// The next message, without copies of what others of the same account were told, and without its own ones that came back
    /// from a session that is gone.
    pub(crate) fn sees(&mut self) -> Message {
        let mut line = self.line();
        while is_copy(&line) || line.contains("type=\\\"error") {
            line = self.line();
        }
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let xml = value["message"].as_str().unwrap_or_else(|| panic!("{} sees {line}", self.jid));
        let head = xml.split('>').next().unwrap_or_default();
        let named = head.contains("xmlns=\"jabber:client\"");
        let xml = xml.replacen("<message", "<message xmlns='jabber:client'", usize::from(!named));
        Message::try_from(xml.parse::<Element>().unwrap_or_else(|error| panic!("{xml}: {error}"))).unwrap()
    }

    /// Waits until what was sent before has been seen by that session: it answers in order.
    pub(crate) fn was_heard_by(&mut self, jid: &str) {
        self.send(&format!("ping {jid}"));
        let mut line = self.line();
        while is_copy(&line) || line.contains("type=\\\"error") {
            line = self.line();
        }
        assert!(line.contains("\"pong\""), "{} sees {line}", self.jid);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_copy(line: &str) -> bool {
    line.contains("<received xmlns=\\\"urn:xmpp:carbons:2")
        || line.contains("<sent xmlns=\\\"urn:xmpp:carbons:2")
}

/// The one payload of the protocol in a message.
pub(crate) fn payload(message: &Message) -> &Element {
    let mut ours = message.payloads.iter().filter(|payload| payload.ns() == NS);
    let payload = ours.next().unwrap_or_else(|| panic!("no payload in {message:?}"));
    assert!(ours.next().is_none());
    payload
}

pub(crate) fn body(message: &Message) -> &str {
    message.bodies.values().next().unwrap_or_else(|| panic!("no body in {message:?}"))
}

/// The text of a child of a payload.
pub(crate) fn child(payload: &Element, name: &str) -> String {
    payload.get_child(name, NS).map_or(String::new(), Element::text)
}

/// The id of the message that this one corrects.
pub(crate) fn corrects(message: &Message) -> Option<String> {
    let replace =
        message.payloads.iter().find(|payload| payload.is("replace", "urn:xmpp:message-correct:0"))?;
    replace.attr("id").map(str::to_owned)
}

pub(crate) fn id(message: &Message) -> String {
    message.id.as_ref().unwrap().0.clone()
}
