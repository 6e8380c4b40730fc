//! Evaluates a flake and renders its town.
//!
//! # Layers
//!
//! `commands` does what the command line (`cli`) asks: it gets a town (`town`: from JSON, or from Nix by `flake`),
//! has it projected by the `nuketown` library, and gives the result to `output`. `report` and `progress` own standard
//! error. `cmp` is the same for Argo CD, as a program of its own (`nuketown-cmp`) that takes its arguments from variables.
//!
//! # Invariants
//!
//! - Standard output gets a whole result or nothing; files and directories likewise.
//! - Evaluation is only ever evaluation: nothing is built, locked or fetched that is not locked.

pub mod cli;
pub mod cmp;
pub mod commands;
pub mod failure;
pub mod flake;
pub mod output;
pub mod progress;
pub mod report;
pub mod town;
