//! The human's side of approvals: who asks is authenticated, the human is asked over every channel, the first answer wins, and
//! nothing is granted that is not recorded.
//!
//! ```text
//!  local     ──────▶ ┐                        ┌ ───▶ desktop (dialog)
//!  phone     ──────▶ ┤ engine ─▶ audit ─▶ say ┤
//!  (agents elsewhere)└                        └ ───▶ phone (the human's chat, the human's broker)
//! ```
//!
//! # Invariants
//!
//! - The [`engine`] is the only one that decides, one input after the other.
//! - Silence, an error, a crash, a restart and a log that cannot be written all deny.

pub mod audit;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod desktop;
pub mod dialog;
pub mod engine;
pub mod local;
pub mod phone;
pub mod report;
pub mod service;
pub mod sudo;
