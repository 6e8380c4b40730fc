//! The plugin as Argo CD runs it, on real repositories, with a real Nix.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod archive;
#[path = "../support/command.rs"]
mod command;
mod evaluator;
mod generate;
mod hostile;
mod kills;
#[path = "../support/program.rs"]
mod program;
mod published;
mod repository;
mod server;
mod sharing;
