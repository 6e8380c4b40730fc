//! What somebody wants, read from chat.

mod grammar;

pub use grammar::{Heard, Place, hear};
