//! nuketown-sudo under the real sudo, with real users: an agent who asks, an approver, and somebody else.
//!
//! The users, the sudoers rule and the configuration are made for the test and removed after it, so it runs as root. Its broker is
//! scripted, and fails on a line that is missing or too many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole program is a test, which the lints can only tell by the standard harness"
)]

mod broker;
mod commands;
mod forgeries;
mod replaced;
mod smuggled;
mod terminal;
mod world;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use world::World;

/// A test.
type Case = (&'static str, fn(&World));

/// Names the functions after themselves.
macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}
pub(crate) use cases;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each case changes what belongs to the whole process: its effective user, its users' files.
    arguments.test_threads = Some(1);
    let groups: [&[Case]; 5] =
        [commands::CASES, forgeries::CASES, replaced::CASES, smuggled::CASES, terminal::CASES];
    let named = |world: Option<Arc<World>>| {
        groups.iter().flat_map(|cases| cases.iter()).map(move |(name, case)| {
            let world = world.clone();
            let case = *case;
            Trial::test(*name, move || match world {
                Some(world) => {
                    case(&world);
                    Ok(())
                }
                None => Ok(()),
            })
        })
    };
    if arguments.list {
        return libtest_mimic::run(&arguments, named(None).collect()).exit_code();
    }
    match World::make() {
        Ok(world) => {
            let world = Arc::new(world);
            libtest_mimic::run(&arguments, named(Some(world)).collect()).exit_code()
        }
        Err(why) => {
            let trial = Trial::test("users_and_the_sudoers_rule_can_be_made", move || Err(why.into()));
            libtest_mimic::run(&Arguments::default(), vec![trial]).exit_code()
        }
    }
}
