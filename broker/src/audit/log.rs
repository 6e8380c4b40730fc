//! The log of a broker that runs.
//!
//! # Expected flow
//!
//! [`Log::open`], then [`Log::append`] for all that happens and [`Log::commit`] before anybody is told of it.
//!
//! # Invariants
//!
//! - One broker writes one log: it is locked as long as it is open.
//! - A commit that fails leaves none of its records behind; the next one begins where the last good one ended.

use std::{
    fs::{File, TryLockError},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nuketown::Problem;

use super::{Entry, Hash, Outcome, Reader, file, head, head::Head, read::Unfinished, record};

/// The most bytes of a broken end that are kept.
const TORN_MAX: u64 = 1024 * 1024;
/// How long a lock is waited for that nobody may hold any more.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// An open log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    head: File,
    /// As of the last commit.
    committed: Point,
    /// With what is appended since.
    point: Point,
    pending: Vec<u8>,
    /// Whether all that is written is on the disk.
    synced: bool,
    /// Whether a commit failed and may have left something behind.
    unclean: bool,
}

#[derive(Clone, Debug)]
struct Point {
    seq: u64,
    hash: Hash,
    end: u64,
}

/// What was found in a log that was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Requests that the broker before left open. They are recorded as denied.
    pub left_open: usize,
    /// The file with what was half written, if anything was.
    pub torn: Option<String>,
}

impl Log {
    /// Opens the log at `path` for this broker, reads it whole, and records its start. What a crash left behind is put in order:
    /// requests without an end are denied, and a broken end is put aside.
    ///
    /// # Errors
    ///
    /// The log cannot be written, another broker writes it, others could change it, or it is not to be believed.
    pub fn open(path: &Path, version: &str, now: Timestamp) -> Result<(Self, Opened), Problem> {
        file::check_directory(path)?;
        let log = file::open(path, true)?;
        lock(path, &log)?;
        let head_path = head::path_of(path);
        let head_file = file::open(&head_path, false)?;
        let known = head::read(&head_path).map_err(|damage| file::damaged(path, &damage))?;
        let (mut log, unfinished) = Self::read(path, log, head_file, known.as_ref())?;
        let torn = log.put_torn_end_aside()?;
        let mut opened = Opened { left_open: 0, torn: torn.as_ref().map(|(_, kept)| kept.clone()) };
        log.append(now, &Entry::Started { version: version.to_owned() })?;
        if let Some((torn, _)) = &torn {
            log.append(now, torn)?;
        }
        for (agent, id, digest) in unfinished.take() {
            let reason = "the broker was restarted".to_owned();
            log.append(now, &Entry::Decided { agent, id, digest, outcome: Outcome::Denied, reason })?;
            opened.left_open += 1;
        }
        log.commit()?;
        file::keep_name(path)?;
        Ok((log, opened))
    }

    /// Adds a record, which [`Log::commit`] writes.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn append(&mut self, now: Timestamp, entry: &Entry) -> Result<(), Problem> {
        let Point { seq, hash, .. } = &self.point;
        let (line, hash) = record::line(seq + 1, now, hash, entry).map_err(|error| {
            Problem::new("cannot write the audit log", format!("a record cannot be written: {error}"))
        })?;
        self.point = Point { seq: seq + 1, hash, end: self.point.end + line.len() as u64 };
        self.pending.extend_from_slice(line.as_bytes());
        Ok(())
    }

    /// Writes what was appended, and returns when it is on the disk.
    ///
    /// # Errors
    ///
    /// It is not, or not surely. What was appended is forgotten.
    pub fn commit(&mut self) -> Result<(), Problem> {
        self.put(true)
    }

    /// Writes what was appended, and leaves it to the system when it gets to the disk: enough where nothing is granted. The next
    /// [`Log::commit`] brings it there too.
    ///
    /// # Errors
    ///
    /// As [`Log::commit`].
    pub fn flush(&mut self) -> Result<(), Problem> {
        self.put(false)
    }

    fn put(&mut self, durable: bool) -> Result<(), Problem> {
        if self.pending.is_empty() && (self.synced || !durable) {
            return Ok(());
        }
        let result = self.write(durable);
        self.pending.clear();
        if result.is_ok() {
            self.committed = self.point.clone();
        } else {
            self.point = self.committed.clone();
            self.unclean = self.file.set_len(self.committed.end).is_err();
        }
        result
    }

    /// The number and the hash of the last record, for the system's journal.
    #[must_use]
    pub fn newest(&self) -> (u64, &Hash) {
        (self.committed.seq, &self.committed.hash)
    }

    fn read(
        path: &Path,
        file: File,
        head: File,
        known: Option<&Head>,
    ) -> Result<(Self, Unfinished), Problem> {
        let damaged = |damage| file::damaged(path, &damage);
        let source = file.try_clone().map_err(|error| file::cannot("read", path, &error))?;
        let mut reader = Reader::new(BufReader::new(source));
        let mut unfinished = Unfinished::default();
        let mut known_hash = None;
        for record in reader.by_ref() {
            let record = record.map_err(damaged)?;
            unfinished.see(&record.entry);
            if known.is_some_and(|head| head.seq == record.seq) {
                known_hash = Some(record.hash);
            }
        }
        let summary = reader.summary();
        head::agree(known, known_hash.as_ref(), summary.records).map_err(damaged)?;
        let point = Point { seq: summary.records, hash: summary.last.clone(), end: summary.end };
        let committed = point.clone();
        Ok((
            Self {
                path: path.to_owned(),
                file,
                head,
                committed,
                point,
                pending: Vec::new(),
                synced: true,
                unclean: false,
            },
            unfinished,
        ))
    }

    /// Copies what stands behind the last record into a file of its own, and only then cuts it off.
    fn put_torn_end_aside(&mut self) -> Result<Option<(Entry, String)>, Problem> {
        let cannot = |error| file::cannot("put the broken end aside of", &self.path, &error);
        let bytes = self.file.metadata().map_err(cannot)?.len().saturating_sub(self.committed.end);
        let mut kept = self.path.as_os_str().to_owned();
        kept.push(format!(".torn-{}", self.committed.seq + 1));
        let kept = PathBuf::from(kept);
        if bytes == 0 && !kept.exists() {
            return Ok(None);
        }
        let aside = file::open(&kept, false)?;
        // Else it is there already: a broker that was cut off here before it could say so.
        if bytes > 0 {
            let mut source = self.file.try_clone().map_err(cannot)?;
            source.seek(SeekFrom::Start(self.committed.end)).map_err(cannot)?;
            aside.set_len(0).map_err(cannot)?;
            io::copy(&mut source.take(TORN_MAX), &mut &aside).map_err(cannot)?;
            aside.sync_all().map_err(cannot)?;
            file::keep_name(&kept)?;
            self.file.set_len(self.committed.end).map_err(cannot)?;
        }
        let mut torn = Vec::new();
        let mut aside = &aside;
        aside.seek(SeekFrom::Start(0)).map_err(cannot)?;
        aside.take(TORN_MAX).read_to_end(&mut torn).map_err(cannot)?;
        let name = kept.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entry = Entry::Torn { bytes: torn.len() as u64, sha256: Hash::of(&torn), kept: name };
        Ok(Some((entry, kept.display().to_string())))
    }

    fn write(&mut self, durable: bool) -> Result<(), Problem> {
        let cannot = |error| file::cannot("write", &self.path, &error);
        if self.unclean {
            self.file.set_len(self.committed.end).map_err(cannot)?;
            self.unclean = false;
        }
        self.is_in_place()?;
        self.synced &= self.pending.is_empty();
        self.file.write_all(&self.pending).map_err(cannot)?;
        if !durable {
            // The head stays behind: after a loss of power it must not know of more than the log has.
            return Ok(());
        }
        self.file.sync_data().map_err(cannot)?;
        self.synced = true;
        let head = Head { seq: self.point.seq, hash: self.point.hash.clone() };
        head::write(&self.head, &head).map_err(cannot)
    }

    /// Whether the file is still the one at its path, and as long as it was left.
    fn is_in_place(&self) -> Result<(), Problem> {
        let cannot = |error| file::cannot("find", &self.path, &error);
        let wrong = |what: &str| {
            let cause = format!("{} {what} while the broker runs", self.path.display());
            Problem::new("the audit log is not to be believed", cause)
                .hint("stop the broker before you touch it")
        };
        let open = self.file.metadata().map_err(cannot)?;
        let named = self.path.symlink_metadata().map_err(cannot)?;
        if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
            return Err(wrong("was replaced"));
        }
        if open.len() != self.committed.end {
            return Err(wrong("was changed"));
        }
        Ok(())
    }
}

/// Locks the log. A process that was started by the one before holds its files too between `fork` and `exec`, so a lock may
/// outlive a broker for a moment: it is asked for again for a second.
fn lock(path: &Path, file: &File) -> Result<(), Problem> {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                let cause = format!("another broker writes {}", path.display());
                return Err(Problem::new("the audit log is in use", cause)
                    .hint("stop the other one, or give this one its own `audit`"));
            }
            Err(TryLockError::Error(error)) => return Err(file::cannot("lock", path, &error)),
        }
    }
}

#[cfg(test)]
mod tests;
