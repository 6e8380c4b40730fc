//! `sudo` for an agent: each command is asked about, and runs as it was approved.

use std::process::ExitCode;

fn main() -> ExitCode {
    nuketown_broker::sudo::main()
}
