//! Sessions on real parts: a scripted Messages API server, real git remotes on disk, the real sandbox, real tmux.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_pass_by_value, reason = "values are written where they are used")]

mod api;
mod bootstrap;
mod headless;
mod hostile;
mod interactive;
mod server;
mod town;
