//! The audit log: what was asked, answered and decided, so that nobody can change it afterwards unseen.
//!
//! One record is one line of JSON. Each names the hash of the one before it, and its own hash covers all that it says.
//!
//! # Invariants
//!
//! - What was committed is on the disk: [`Log::commit`] returns after `fdatasync(2)`. Nothing is granted before.
//! - A record that is changed, removed or put elsewhere breaks the chain, and a log that was cut off at its end is shorter than
//!   the head file beside it says.
//! - What a crash left half written is kept in a file of its own, and the log says so.
//!
//! # Limits
//!
//! There is no secret in the chain: whoever may write both files can write another history. So the service says the newest hash
//! whenever it starts and stops, for the system's journal to keep.

mod file;
mod head;
mod log;
mod read;
mod record;

pub use log::{Log, Opened};
pub use read::{Damage, Reader, Summary, verify};
pub use record::{Entry, Hash, Outcome, Record};
