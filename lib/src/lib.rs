//! The town model of Nuketown.

mod problem;

pub use problem::Problem;
