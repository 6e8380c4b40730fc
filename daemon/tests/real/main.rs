//! The service at a real Prosody, with slixmpp as the human.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

mod human;
mod story;
