//! The human's side of one test: a desktop, a phone, and the broker that runs as the approver.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use nix::unistd::User;
use nuketown_xmpp::parsers::message::Message;
use nuketown_xmpp_testing::Prosody;

use crate::{
    broker::{Broker, Place},
    desktop::{Desktop, Part, until},
    peer::{Peer, body, corrects, id, prosody},
    world::{World, end_of},
};

const BROKER: &str = "josh@localhost/nuketown-broker";

// What is dropped first comes first: the broker before what it is connected to.
pub(crate) struct Home<'a> {
    world: &'a World,
    _broker: Broker,
    pub(crate) desktop: Desktop,
    pub(crate) phone: Peer,
    place: Place,
    _prosody: Prosody,
}

impl<'a> Home<'a> {
    /// With `more` at the top of the policy.
    pub(crate) fn new(world: &'a World, more: &str) -> Self {
        let prosody = prosody("13");
        let phone = Peer::start(&prosody, "josh@localhost/phone");
        let desktop = Desktop::start();
        let policy = format!(
            "approver = \"josh@localhost\"\n{more}\n[agents.ada]\nmay = [\"sudo\"]\npre_approved = [\"whoami\"]\n"
        );
        let place = Place::at(&prosody, "josh", "", &policy);
        furnish(world, &place, prosody.authority());
        belongs_to(&world.approver, place.directory.path());
        belongs_to(&world.approver, desktop.home.path());
        let run = world.base.join("run");
        chown(&run, Some(world.approver.uid.as_raw()), Some(world.approver.gid.as_raw())).unwrap();
        let mut broker = Broker::start(command(world, &place, &desktop));
        broker.says("online as");
        Self { world, _broker: broker, desktop, phone, place, _prosody: prosody }
    }

    /// The agent asks for a command.
    pub(crate) fn sudo(&self, arguments: &[&str]) -> Child {
        self.world.sudo(arguments).spawn().unwrap()
    }

    /// The question as the phone sees it, and its code, once the dialog is there, too.
    pub(crate) fn is_asked(&mut self) -> (Message, String) {
        let question = self.phone.sees();
        let text = body(&question);
        let code = text.split("Reply: yes ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let code = code.unwrap_or_else(|| panic!("no code in {text}")).to_owned();
        self.desktop.find(Part::Deny);
        (question, code)
    }

    pub(crate) fn phone_says(&mut self, text: &str) {
        self.phone.chats(BROKER, text);
    }

    /// The phone's question has become its outcome.
    pub(crate) fn is_corrected(&mut self, question: &Message, outcome: &str) {
        let message = self.phone.sees();
        assert_eq!(corrects(&message), Some(id(question)), "{message:?}");
        assert!(body(&message).contains(outcome), "{message:?}");
    }

    /// Approves with the mouse. An approval that comes too soon is asked for again, so it may take a second one.
    pub(crate) fn clicks_approve(&self) {
        until("approval by the dialog", || {
            self.desktop.click(Part::Tick);
            self.desktop.click(Part::Approve);
            let clicked = Instant::now();
            while clicked.elapsed() < Duration::from_secs(3) {
                if self.written().contains("\"event\":\"decided\"") {
                    return Some(());
                }
                std::thread::yield_now();
            }
            None
        });
    }

    /// The log as it is in the file: a record that is just being written is no fault.
    fn written(&self) -> String {
        fs::read_to_string(self.place.audit()).unwrap()
    }

    /// The end of the agent's command; the log verifies then, and has these events of requests in this order.
    pub(crate) fn ends(&self, child: Child, events: &[&str]) -> Output {
        let output = end_of(child);
        let recorded = self.place.recorded();
        let found: Vec<_> = recorded
            .lines()
            .filter_map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let event = value["event"].as_str().unwrap().to_owned();
                ["requested", "decided", "spent"].contains(&event.as_str()).then_some(event)
            })
            .collect();
        assert_eq!(found, events, "{recorded}");
        output
    }

    pub(crate) fn recorded(&self) -> String {
        self.place.recorded()
    }
}

/// Has the configuration name the real agent and the place where sudo looks, and copies what only root could read.
fn furnish(world: &World, place: &Place, authority: &Path) {
    let text = fs::read_to_string(place.path("broker.toml")).unwrap();
    let text = text
        .replace("dialog = \"never\"", "dialog = \"always\"")
        .replace(place.socket().to_str().unwrap(), world.socket().to_str().unwrap())
        .replace("uid = 0\n", &format!("uid = {}\n", world.agent.uid))
        .replace(authority.to_str().unwrap(), place.path("authority").to_str().unwrap());
    place.write("broker.toml", &text);
    fs::copy(authority, place.path("authority")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_nuketown-broker"), place.path("nuketown-broker")).unwrap();
}

fn command(world: &World, place: &Place, desktop: &Desktop) -> Command {
    let mut command = Command::new(place.path("nuketown-broker"));
    command
        .args(["run", "--config"])
        .arg(place.path("broker.toml"))
        .env_clear()
        .envs(desktop.environment())
        .current_dir(place.directory.path())
        .uid(world.approver.uid.as_raw())
        .gid(world.approver.gid.as_raw());
    command
}

/// Gives a directory and all that is in it to a user.
fn belongs_to(user: &User, path: &Path) {
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            belongs_to(user, &entry.unwrap().path());
        }
    }
}
