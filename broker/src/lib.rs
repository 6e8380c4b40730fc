//! The human's side of approvals.

pub mod dialog;
pub mod sudo;
