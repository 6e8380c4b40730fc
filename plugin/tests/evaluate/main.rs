//! The evaluation of flakes by a real Nix: the one in PATH and, if there is one, a newer one.
//!
//! Each case evaluates in a process of its own, because the environment is part of what is tested. This program is that
//! process as well (`__evaluate`), and the launcher of Nix (`__launch`), which is why it has a `main`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the whole program is a test, which the lints can only tell by the standard harness"
)]

mod bounds;
mod confinement;
mod driver;
mod hosts;
mod jobs;
#[path = "../support/program.rs"]
mod program;
mod references;
mod surroundings;
mod terminal;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use world::Nix;

/// A test, run once with each version of Nix.
type Case = (&'static str, fn(&Nix));

/// Names the functions after themselves.
macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}
pub(crate) use cases;

fn main() -> ExitCode {
    nuketown_plugin::flake::launch_if_asked();
    if let Some(code) = driver::evaluate_if_asked() {
        return code;
    }
    let groups: [(&str, &[Case]); 7] = [
        ("references", references::CASES),
        ("hosts", hosts::CASES),
        ("jobs", jobs::CASES),
        ("confinement", confinement::CASES),
        ("bounds", bounds::CASES),
        ("surroundings", surroundings::CASES),
        ("terminal", terminal::CASES),
    ];
    let mut trials = Vec::new();
    for nix in Nix::all() {
        for (group, cases) in groups {
            for (name, case) in cases {
                let nix = nix.clone();
                let case = *case;
                trials.push(Trial::test(format!("{}::{group}::{name}", nix.version()), move || {
                    case(&nix);
                    Ok(())
                }));
            }
        }
    }
    if trials.is_empty() {
        trials.push(Trial::test("nix_is_installed", || {
            Err("there is no nix in PATH; install with: make setup".into())
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
