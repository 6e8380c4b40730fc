//! The agent daemon: hears requests, keeps them in order, runs them, and says how it is.
//!
//! # Expected flow
//!
//! A message or a line on the local socket → [`request`] or [`wire`] → [`service`] accepts a task in the [`store`] → a
//! [`runner`] works on it → what it reports goes to the requester, and into [`presence`].
//!
//! # Invariants
//!
//! - Only the approver, the town's agents and the owner of the socket are heard ([`peer`]).
//! - A task that was accepted runs once or is reported as interrupted, whenever the daemon is killed.

pub mod api;
pub mod bootstrap;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod metrics;
pub mod peer;
pub mod presence;
pub mod process;
pub mod request;
pub mod runner;
pub mod sandbox;
pub mod service;
pub mod session;
pub mod sessions;
pub mod socket;
pub mod store;
pub mod task;
pub mod tools;
pub mod wire;
pub mod words;
