//! Approvals: what an agent asks for, what a human decides, and how the two are kept together.
//!
//! Nothing here does I/O: the caller brings stanzas, random bytes and the clock, and shows what is rendered.
//!
//! # Expected flow
//!
//! [`stanza::read_message`] → [`Policy::decide`] → [`Book::open`] → [`render()`] → [`Book::on`] → [`Book::spend`] → a [`Permit`].
//!
//! # Invariants
//!
//! - No answer is a refusal: silence, a lost connection, a restart, a clock that jumps, a late or malformed answer all deny.
//! - An approval is for one [`Digest`], and is spent once.
//! - Two different commands never look the same.

mod book;
mod case;
pub mod chat;
mod command;
mod digest;
mod malformed;
mod names;
mod pattern;
pub mod policy;
mod program;
pub mod render;
mod request;
pub mod socket;
pub mod stanza;
#[cfg(test)]
mod testing;
mod visible;

pub use book::{Book, Closed, Entry, Key, Limits, Refusal, Terms};
pub use case::{
    Approver, CLOCK_TOLERANCE, Case, Channel, Denial, Effect, Event, GRANT_LIFE, Named, Now, Permit,
    SpendError, State,
};
pub use command::{ARGUMENTS_MAX, ARGV_BYTES_MAX, Argv};
pub use digest::{Code, Digest};
pub use malformed::Malformed;
pub use names::{AbsolutePath, Nonce, RequestId, UnixName};
pub use pattern::Pattern;
pub use policy::Policy;
pub use program::{ENVIRONMENT_BYTES_MAX, Environment, Identity, VARIABLES_MAX, Variable};
pub use render::render;
pub use request::{
    Delegate, EGRESS_MAX, Kind, Network, Payload, Prose, Request, Scale, Sudo, TASK_BYTES_MAX, Team,
};
pub use stanza::Answer;
pub use visible::prose as shown;
