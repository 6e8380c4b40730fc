//! The elements of `urn:nuketown:approval` as they stand in XML: texts, not yet values.
//!
//! Unknown attributes are errors everywhere, and so is any element inside of a text: `l<b/>s` is not `ls`.

#![expect(clippy::option_option, reason = "the derived builders hold optional children so")]

use minidom::Element;
use xso::{AsXml, FromXml};

use super::NAMESPACE;

macro_rules! text_elements {
    ($($type:ident = $name:tt),* $(,)?) => { $(
        #[derive(FromXml, AsXml, Debug)]
        #[xml(namespace = NAMESPACE, name = $name, on_unknown_child = Fail, on_unknown_attribute = Fail)]
        pub(super) struct $type {
            #[xml(text)]
            pub(super) text: String,
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self { text }
            }
        }
    )* };
}

text_elements! {
    Agent = "agent", Kind = "kind", Timeout = "timeout", Command = "command", Arg = "arg", Program = "program", User = "user",
    Group = "group", Task = "task", Agents = "agents", From_ = "from", To = "to", Egress = "egress", Duration = "duration",
    Identity = "identity", Env = "env", Cwd = "cwd", Host = "host", DigestText = "digest", Expires = "expires", NonceText = "nonce", ResultText = "result",
    Reason = "reason",
}

/// `<argv><arg/>…</argv>`: the arguments one by one.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = NAMESPACE, name = "argv", on_unknown_child = Fail, on_unknown_attribute = Fail)]
pub(super) struct ArgvElement {
    #[xml(child(n = ..))]
    pub(super) args: Vec<Arg>,
}

/// `<approval/>`. What its kind needs is checked later.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = NAMESPACE, name = "approval", on_unknown_attribute = Fail)]
pub(super) struct Approval {
    #[xml(attribute)]
    pub(super) id: String,
    #[xml(child)]
    pub(super) agent: Agent,
    #[xml(child)]
    pub(super) kind: Kind,
    #[xml(child(default))]
    pub(super) command: Option<Command>,
    #[xml(child(default))]
    pub(super) argv: Option<ArgvElement>,
    #[xml(child(default))]
    pub(super) program: Option<Program>,
    #[xml(child(default))]
    pub(super) identity: Option<Identity>,
    #[xml(child(n = ..))]
    pub(super) env: Vec<Env>,
    #[xml(child(default))]
    pub(super) user: Option<User>,
    #[xml(child(default))]
    pub(super) group: Option<Group>,
    #[xml(child(default))]
    pub(super) task: Option<Task>,
    #[xml(child(default))]
    pub(super) agents: Option<Agents>,
    #[xml(child(default))]
    pub(super) from: Option<From_>,
    #[xml(child(default))]
    pub(super) to: Option<To>,
    #[xml(child(n = ..))]
    pub(super) egress: Vec<Egress>,
    #[xml(child(default))]
    pub(super) duration: Option<Duration>,
    #[xml(child(default))]
    pub(super) timeout: Option<Timeout>,
    #[xml(child(default))]
    pub(super) cwd: Option<Cwd>,
    #[xml(child(default))]
    pub(super) host: Option<Host>,
    #[xml(child(default))]
    pub(super) nonce: Option<NonceText>,
    #[xml(child(default))]
    pub(super) expires: Option<Expires>,
    #[xml(child(default))]
    pub(super) digest: Option<DigestText>,
    #[xml(element(n = ..))]
    pub(super) others: Vec<Element>,
}

/// `<approval-response/>`.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = NAMESPACE, name = "approval-response", on_unknown_attribute = Fail)]
pub(super) struct ApprovalResponse {
    #[xml(attribute)]
    pub(super) id: String,
    #[xml(child)]
    pub(super) result: ResultText,
    #[xml(child(default))]
    pub(super) digest: Option<DigestText>,
    #[xml(child(default))]
    pub(super) reason: Option<Reason>,
    #[xml(element(n = ..))]
    pub(super) others: Vec<Element>,
}

/// `<approval-ack/>`.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = NAMESPACE, name = "approval-ack", on_unknown_attribute = Fail)]
pub(super) struct ApprovalAck {
    #[xml(attribute)]
    pub(super) id: String,
    #[xml(element(n = ..))]
    pub(super) others: Vec<Element>,
}

/// `<approval-cancel/>`.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = NAMESPACE, name = "approval-cancel", on_unknown_attribute = Fail)]
pub(super) struct ApprovalCancel {
    #[xml(attribute)]
    pub(super) id: String,
    #[xml(element(n = ..))]
    pub(super) others: Vec<Element>,
}
