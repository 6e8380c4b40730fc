//! The supervisor: starts the confined process, and lets nothing survive it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, setsid, wait,
};

use super::{CONFINE, policy::Report};

/// The largest order, in bytes: a file that a model writes stands in it.
const ORDER_MAX: u64 = 32 * 1024 * 1024;

pub(super) fn supervise() -> Result<(), String> {
    let failed = |what: &'static str| move |why: Errno| format!("cannot {what}: {why}");
    setsid().map_err(failed("start a session"))?;
    set_child_subreaper(Some(getpid())).map_err(failed("become the reaper"))?;
    let mut order = Vec::new();
    std::io::stdin()
        .lock()
        .take(ORDER_MAX)
        .read_until(b'\n', &mut order)
        .map_err(|why| format!("cannot read the order: {why}"))?;
    if order.pop() != Some(b'\n') {
        return Err("the order is not whole".to_owned());
    }
    let child = start(&order)?;
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    std::thread::spawn(move || {
        // Nothing more is ever sent; whatever ends the wait is the end.
        let _ = std::io::stdin().read(&mut [0; 1]);
        cut.store(true, Ordering::SeqCst);
        end_descendants();
    });
    let report = reap(child, &is_cut)?;
    let line = serde_json::to_string(&report).map_err(|why| why.to_string())?;
    writeln!(std::io::stderr(), "{line}").map_err(|why| format!("cannot report: {why}"))
}

fn start(order: &[u8]) -> Result<Pid, String> {
    let cannot = |why: std::io::Error| format!("cannot start the confined process: {why}");
    let mut child =
        Command::new("/proc/self/exe").arg(CONFINE).stdin(Stdio::piped()).spawn().map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(order).map_err(cannot)?;
    }
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| "the confined process has no id".to_owned())
}

/// Waits until nothing is left, and ends what is left as soon as `child` is over or the lifeline is cut.
///
/// Whatever a dying process leaves behind becomes our child, so every descendant is reaped here sooner or later, and each time
/// the remaining ones are ended. There are no descendants once there are no children.
fn reap(child: Pid, is_cut: &AtomicBool) -> Result<Report, String> {
    let mut report = None;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => report = Some(ended(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return report.ok_or_else(|| "the confined process was lost".to_owned()),
            Err(why) => return Err(format!("cannot wait: {why}")),
        }
        if report.is_some() || is_cut.load(Ordering::SeqCst) {
            end_descendants();
        }
    }
}

fn ended(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, Some(signal)) => Report::Signalled(signal),
        (None, None) => Report::Exited(i32::from(super::FAILED)),
    }
}

/// Sends SIGKILL to the process `root` and to all that descends from it, as of now.
pub(crate) fn end_tree(root: i32) {
    let parents = parents();
    let ends = |pid: &&i32| **pid == root || descends(**pid, root, &parents);
    parents.keys().filter(ends).for_each(|pid| end(*pid));
}

/// The same for all that descends from this process.
fn end_descendants() {
    let parents = parents();
    let own = getpid().as_raw_nonzero().get();
    let ends = |pid: &&i32| **pid != own && descends(**pid, own, &parents);
    parents.keys().filter(ends).for_each(|pid| end(*pid));
}

fn end(pid: i32) {
    // One that is gone already is what was wanted.
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
}

fn descends(mut pid: i32, from: i32, parents: &BTreeMap<i32, i32>) -> bool {
    // The table is no snapshot, so there could be a circle in it.
    for _ in 0..parents.len() {
        match parents.get(&pid) {
            Some(&parent) if parent == from => return true,
            Some(&parent) => pid = parent,
            None => return false,
        }
    }
    false
}

/// The parent of each process that can be seen.
fn parents() -> BTreeMap<i32, i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, parent(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The parent in a line of `/proc/PID/stat` (proc(5)). The name before it may hold any characters, parentheses too.
fn parent(stat: &[u8]) -> Option<i32> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    std::str::from_utf8(&stat[after_name..]).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parent_is_found_behind_any_name() {
        assert_eq!(parent(b"12 (a) b) S 7 1 1 0"), Some(7));
        assert_eq!(parent(b"12 (\xff\n1 (x) S 3 ) R 8 1"), Some(8));
    }

    #[test]
    fn own_parent_is_the_one_that_the_system_names() {
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();
        assert_eq!(parents().get(&own), Some(&parent));
    }

    #[test]
    fn circle_in_the_table_is_no_endless_search() {
        let table = BTreeMap::from([(2, 3), (3, 2), (4, 1)]);
        assert!(!descends(2, 1, &table) && descends(4, 1, &table));
    }

    proptest! {
        #[test]
        fn any_line_has_a_parent_or_none(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parent(&line);
        }
    }
}
