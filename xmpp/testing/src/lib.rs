//! Real XMPP servers for tests.
//!
//! Each server runs on free loopback ports, with a directory and certificates of its own, as whoever runs the test, and is
//! killed by its own process id when it is dropped.

#![allow(clippy::expect_used, clippy::panic, reason = "all of this is part of tests, which fail that way")]

mod certificates;
mod ejabberd;
mod prosody;
mod server;

pub use certificates::Certificates;
pub use ejabberd::Ejabberd;
pub use prosody::{Prosody, VERSIONS};
pub use server::{Process, free_port};
