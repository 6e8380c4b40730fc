//! The service at a real Prosody, with slixmpp as the human.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

mod human;
// Its steps for the session's own tests are more than these need.
#[allow(dead_code, clippy::needless_pass_by_value, reason = "shared with the tests of sessions")]
#[path = "../session/server.rs"]
mod server;
mod story;
mod whole;
