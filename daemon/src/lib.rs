//! The agent daemon: hears requests, keeps them in order, runs them, and says how it is.

pub mod task;
