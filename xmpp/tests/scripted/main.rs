//! Sessions at a server that misbehaves, or that nobody should trust.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

#[path = "../support/client.rs"]
mod client;
mod ends;
mod login;
mod peer;
mod resumption;
