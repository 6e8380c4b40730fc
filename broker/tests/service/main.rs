//! The service as a whole: its own process, a real Prosody, slixmpp as the human's phone, as agents and as strangers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

mod broker;
mod crash;
mod desk;
mod failures;
mod forgeries;
mod load;
mod local;
mod peer;
mod phone;
mod relay;
