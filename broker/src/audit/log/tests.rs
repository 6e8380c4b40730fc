//! A log that is opened, written, broken and opened again.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use tempfile::TempDir;

use super::*;
use crate::audit::{Record, verify};

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    (directory, path)
}

fn open(path: &Path) -> Result<(Log, Opened), Problem> {
    Log::open(path, "test", Timestamp::UNIX_EPOCH)
}

fn requested(id: &str) -> Entry {
    Entry::Requested {
        agent: "ada".to_owned(),
        by: "user ada".to_owned(),
        id: id.to_owned(),
        digest: "d".repeat(64),
        code: "K7Q4".to_owned(),
        until: Timestamp::UNIX_EPOCH,
        shown: vec!["run id".to_owned()],
    }
}

fn decided(id: &str, outcome: Outcome) -> Entry {
    Entry::Decided {
        agent: "ada".to_owned(),
        id: id.to_owned(),
        digest: "d".repeat(64),
        outcome,
        reason: "because".to_owned(),
    }
}

fn write(log: &mut Log, entry: &Entry) {
    log.append(Timestamp::UNIX_EPOCH, entry).unwrap();
    log.commit().unwrap();
}

fn records(path: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    verify(path, |record| records.push(record.clone())).unwrap();
    records
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn request_that_a_crash_left_open_is_recorded_as_denied_and_never_as_approved() {
    let (_directory, path) = place();
    let (mut log, _) = open(&path).unwrap();
    for entry in [
        requested("open"),
        requested("approved"),
        decided("approved", Outcome::Approved),
        requested("denied"),
        decided("denied", Outcome::Denied),
    ] {
        write(&mut log, &entry);
    }
    drop(log);
    let (_, opened) = open(&path).unwrap();
    assert_eq!(opened.left_open, 2);
    let denied: Vec<String> = records(&path)
        .into_iter()
        .skip(7)
        .map(|record| match record.entry {
            Entry::Decided { id, outcome: Outcome::Denied, reason, .. } => format!("{id}: {reason}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(denied, ["approved: the broker was restarted", "open: the broker was restarted"]);
}

#[test]
fn torn_last_line_is_kept_aside_and_said() {
    let (_directory, path) = place();
    let (mut log, _) = open(&path).unwrap();
    write(&mut log, &requested("a"));
    let (line, _) = record::line(3, Timestamp::UNIX_EPOCH, log.newest().1, &requested("b")).unwrap();
    drop(log);
    for cut in [1, line.len() / 2, line.len() - 1] {
        let before = fs::read(&path).unwrap();
        append(&path, &line.as_bytes()[..cut]);
        let (_, opened) = open(&path).unwrap();
        let kept = opened.torn.unwrap();
        assert_eq!(fs::read(&kept).unwrap(), &line.as_bytes()[..cut]);
        assert!(fs::read(&path).unwrap().starts_with(&before));
        let said = records(&path).into_iter().any(|record| {
            matches!(record.entry, Entry::Torn { bytes, ref sha256, .. }
                if bytes == cut as u64 && *sha256 == Hash::of(&line.as_bytes()[..cut]))
        });
        assert!(said);
    }
}

#[test]
fn broken_end_that_was_cut_off_before_it_was_said_is_said_later() {
    let (_directory, path) = place();
    drop(open(&path).unwrap());
    fs::write(path.with_extension("jsonl.torn-2"), "{\"se").unwrap();
    fs::set_permissions(path.with_extension("jsonl.torn-2"), Permissions::from_mode(0o600)).unwrap();
    let (_, opened) = open(&path).unwrap();
    assert!(opened.torn.unwrap().ends_with("audit.jsonl.torn-2"));
    assert!(matches!(records(&path)[2].entry, Entry::Torn { bytes: 4, .. }));
}

#[test]
fn second_broker_does_not_get_the_log() {
    let (_directory, path) = place();
    let first = open(&path).unwrap();
    assert_eq!(open(&path).unwrap_err().what, "the audit log is in use");
    drop(first);
    assert!(open(&path).is_ok());
}

#[test]
fn log_that_others_may_use_is_refused() {
    let (directory, path) = place();
    drop(open(&path).unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(open(&path).unwrap_err().cause.contains("mode 640"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(open(&path).unwrap_err().cause.contains("others may replace files"));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(open(&link).is_err());
}

#[test]
fn log_is_for_its_owner_alone() {
    let (_directory, path) = place();
    let _log = open(&path).unwrap();
    for file in [path.clone(), path.with_extension("jsonl.head")] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn cut_off_or_changed_log_is_not_continued() {
    let (_directory, path) = place();
    let (mut log, _) = open(&path).unwrap();
    write(&mut log, &requested("a"));
    drop(log);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    fs::write(&path, &whole[..first]).unwrap();
    assert!(open(&path).unwrap_err().cause.contains("its end was cut off"));
    let mut changed = whole.clone();
    changed[first + 20] ^= 1;
    fs::write(&path, &changed).unwrap();
    assert!(open(&path).unwrap_err().cause.contains("record 2"));
    fs::write(&path, &whole).unwrap();
    assert!(open(&path).is_ok());
}

#[test]
fn log_that_is_changed_replaced_or_removed_while_it_is_open_takes_no_more() {
    for harm in [
        |path: &Path| append(path, b"x"),
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path, "").unwrap();
        },
        |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap(),
    ] {
        let (_directory, path) = place();
        let (mut log, _) = open(&path).unwrap();
        harm(&path);
        log.append(Timestamp::UNIX_EPOCH, &requested("a")).unwrap();
        assert!(log.commit().is_err());
    }
}

#[test]
fn failed_commit_leaves_nothing_behind() {
    let (_directory, path) = place();
    let (mut log, _) = open(&path).unwrap();
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    log.append(Timestamp::UNIX_EPOCH, &requested("lost")).unwrap();
    assert!(log.commit().is_err());
    fs::rename(&aside, &path).unwrap();
    write(&mut log, &requested("kept"));
    let ids: Vec<String> = records(&path)
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Requested { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["kept"]);
}

/// The log of a request that went all the way, as it is on the disk after each commit.
fn whole_request(path: &Path) -> Vec<u8> {
    let (mut log, _) = open(path).unwrap();
    let spent = Entry::Spent { agent: "ada".to_owned(), id: "a".to_owned(), digest: "d".repeat(64) };
    for entry in [requested("a"), decided("a", Outcome::Approved), spent] {
        write(&mut log, &entry);
    }
    fs::read(path).unwrap()
}

#[test]
fn broker_that_is_killed_at_any_byte_of_any_record_denies_and_the_log_verifies() {
    let (directory, path) = place();
    let whole = whole_request(&path);
    let ends: Vec<usize> =
        whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    let mut seen = 0;
    for cut in 0..=whole.len() {
        let records = ends.iter().filter(|end| **end <= cut).count();
        // The head file is written after the log, so it is as far or one commit behind.
        for known in records.saturating_sub(1)..=records {
            fs::write(&path, &whole[..cut]).unwrap();
            let head = File::create(head::path_of(&path)).unwrap();
            if known > 0 {
                let last = &whole[..ends[known - 1]];
                let hash = Reader::new(last).last().unwrap().unwrap().hash;
                head::write(&head, &Head { seq: known as u64, hash }).unwrap();
            }
            let (log, opened) = open(&path).unwrap();
            drop(log);
            let is_open = (2..4).contains(&records);
            assert_eq!((cut, opened.left_open), (cut, usize::from(is_open)));
            assert_eq!(opened.torn.is_some(), !ends.contains(&cut) && cut > 0);
            let after = super::tests::records(&path);
            let approvals = |record: &Record| matches!(record.entry, Entry::Spent { .. });
            assert_eq!(after.iter().skip(records).filter(|record| approvals(record)).count(), 0);
            seen += 1;
            for kept in fs::read_dir(directory.path()).unwrap() {
                let kept = kept.unwrap().path();
                if kept.to_string_lossy().contains(".torn-") {
                    fs::remove_file(kept).unwrap();
                }
            }
        }
    }
    assert!(seen > whole.len());
}

#[test]
fn record_that_is_only_written_is_in_the_log_and_the_head_follows_with_the_next_commit() {
    let (_directory, path) = place();
    let (mut log, _) = open(&path).unwrap();
    log.append(Timestamp::UNIX_EPOCH, &requested("a")).unwrap();
    log.flush().unwrap();
    let known = || head::read(&head::path_of(&path)).unwrap().unwrap().seq;
    assert_eq!((records(&path).len(), known()), (2, 1));
    log.commit().unwrap();
    assert_eq!(known(), 2);
    assert!(verify(&path, |_| {}).is_ok());
}
