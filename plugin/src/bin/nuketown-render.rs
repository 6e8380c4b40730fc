//! The `nuketown-render` command.

fn main() {}
