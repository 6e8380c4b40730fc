//! The Anthropic Messages API: asking a model, and hearing its answer as a stream.
//!
//! Written against the API's documentation of November 2026 (platform.claude.com: "Messages", "Streaming messages", "Errors",
//! "Prompt caching") and version 2023-06-01 of its protocol.
//!
//! # Invariants
//!
//! - The key is sent to the configured address only: redirects are not followed, and plain HTTP is for this machine alone.
//! - What the API sends is hostile input: it is bounded, and shown in visible characters only.

mod answer;
mod client;
mod failure;
mod price;
mod retry;
pub mod sse;

pub use answer::{ANSWER_MAX, Answer, Assembly, BLOCKS_MAX, Call, Stop, StreamError};
pub use client::Client;
pub use failure::Failure;
pub(crate) use failure::visible;
pub use price::{MicroDollars, Price, Usage, dollars};
pub use retry::Patience;
