//! Keeps the confined process from other programs of this machine.
//!
//! Landlock does not see who connects to a Unix socket that has a path (up to its ABI 8). On the other end stand programs of the
//! same user that run whatever they are told, unconfined: the user's systemd (`systemd-run --user`), tmux, a container engine.
//! So the confined process makes no such socket at all. `io_uring` is a second way to make one, past the filter.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// On x86-64, a system call is made under a second number too, with this bit (x32).
#[cfg(target_arch = "x86_64")]
const SECOND: &[i64] = &[0, 0x4000_0000];
#[cfg(not(target_arch = "x86_64"))]
const SECOND: &[i64] = &[0];

/// From here on, this process and all that it starts make no Unix socket. A pair of connected ones stays possible.
pub(super) fn deny_unix_sockets() -> Result<(), String> {
    let program = filter().map_err(|why| format!("cannot make a filter of system calls: {why}"))?;
    apply_filter(&program).map_err(|why| format!("cannot filter system calls: {why}"))
}

fn filter() -> Result<BpfProgram, BackendError> {
    let unix = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(libc::AF_UNIX.unsigned_abs()),
    )?;
    let mut rules = BTreeMap::new();
    for second in SECOND {
        rules.insert(libc::SYS_socket | second, vec![SeccompRule::new(vec![unix.clone()])?]);
        rules.insert(libc::SYS_io_uring_setup | second, Vec::new());
    }
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, std::env::consts::ARCH.try_into()?)?;
    filter.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_can_be_made_on_this_machine() {
        assert!(!filter().unwrap().is_empty());
    }
}
