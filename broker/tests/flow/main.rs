//! The whole flow of an approval, all of it real: sudo, the program in its place, the broker's process as a second Unix user, a
//! dialog on a desktop, Prosody, and slixmpp as the human's phone.
//!
//! The users and the sudoers rule are made for the test and removed after it, so it runs as root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole program is a test, which the lints can only tell by the standard harness"
)]

#[allow(dead_code, reason = "the service's own tests use all of it")]
#[path = "../service/broker.rs"]
mod broker;
#[allow(dead_code, reason = "the dialog's own tests use all of it")]
#[path = "../dialog/desktop.rs"]
mod desktop;
mod home;
mod orders;
#[allow(dead_code, reason = "the service's own tests use all of it")]
#[path = "../service/peer.rs"]
mod peer;
#[allow(dead_code, reason = "sudo's own tests use all of it")]
#[path = "../sudo/world.rs"]
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
    // All brokers listen where the one configuration of sudo says.
    arguments.test_threads = Some(1);
    let named = |world: Option<Arc<World>>| {
        orders::CASES.iter().map(move |(name, case)| {
            let world = world.clone();
            Trial::test(*name, move || {
                if let Some(world) = world {
                    case(&world);
                }
                Ok(())
            })
        })
    };
    if arguments.list {
        return libtest_mimic::run(&arguments, named(None).collect()).exit_code();
    }
    match World::make() {
        Ok(world) => libtest_mimic::run(&arguments, named(Some(Arc::new(world))).collect()).exit_code(),
        Err(why) => {
            let trial = Trial::test("users_and_the_sudoers_rule_can_be_made", move || Err(why.into()));
            libtest_mimic::run(&Arguments::default(), vec![trial]).exit_code()
        }
    }
}
