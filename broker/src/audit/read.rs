//! Reading a log from its beginning, record by record, with every hash checked.
//!
//! Memory is bounded whatever the file holds.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
};

use nuketown::Problem;

use super::{Entry, Hash, Record, file, head, record};

/// The longest line, in bytes: more than the largest request takes, all of it escaped.
const LINE_MAX: u64 = 1024 * 1024;

/// Why a log is not to be believed from some place on.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A record is not what it should be.
    #[error("record {seq}, at byte {offset}, {why}")]
    Record {
        /// Its number by its place.
        seq: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The log is shorter than it was.
    #[error("it ends with record {found}, and had record {known}: its end was cut off")]
    Shortened {
        /// The last record that is there.
        found: u64,
        /// The last one that was.
        known: u64,
    },
    /// The head file and the log tell two stories.
    #[error("record {seq} has another hash than the head file has for it: the log was replaced")]
    Replaced {
        /// The record's number.
        seq: u64,
    },
    /// The head file is not one.
    #[error("the head file beside it cannot be read: {0}")]
    Head(String),
    /// The system does not give it out.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What a whole log comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many records.
    pub records: u64,
    /// The hash of the last one.
    pub last: Hash,
    /// Where the last record ends, in bytes.
    pub end: u64,
    /// Bytes behind that, which are no whole record: a crash, or a broker that is writing just now.
    pub torn: u64,
}

/// Reads records one by one; ends after the first damage.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    summary: Summary,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning of a log.
    pub fn new(source: R) -> Self {
        Self { source, summary: Summary { records: 0, last: Hash::none(), end: 0, torn: 0 }, over: false }
    }

    /// What was read up to now.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn record(&mut self) -> Result<Option<Record>, Damage> {
        let mut line = Vec::new();
        let read = (&mut self.source).take(LINE_MAX).read_until(b'\n', &mut line)? as u64;
        if line.pop_if(|last| *last == b'\n').is_none() {
            if read == LINE_MAX {
                return Err(self.damage(format!("is longer than {LINE_MAX} bytes")));
            }
            self.summary.torn = read;
            return Ok(None);
        }
        let seq = self.summary.records + 1;
        let record = record::read(&line, seq, &self.summary.last).map_err(|why| self.damage(why))?;
        self.summary.records = seq;
        self.summary.last = record.hash.clone();
        self.summary.end += read;
        Ok(Some(record))
    }

    fn damage(&self, why: String) -> Damage {
        Damage::Record { seq: self.summary.records + 1, offset: self.summary.end, why }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.record().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Reads the whole log at `path`, gives each record to `each`, and compares its end with the head file.
///
/// A broker may be writing to it meanwhile.
///
/// # Errors
///
/// The log cannot be read or is not to be believed.
pub fn verify(path: &Path, mut each: impl FnMut(&Record)) -> Result<Summary, Problem> {
    let damaged = |damage: &Damage| file::damaged(path, damage);
    // Before the log, which only grows: a head that is read later could be ahead of the log that was read.
    let known = head::read(&head::path_of(path)).map_err(|why| damaged(&why))?;
    let source = File::open(path).map_err(|error| file::cannot("open", path, &error))?;
    let mut known_hash = None;
    let mut reader = Reader::new(BufReader::new(source));
    for record in reader.by_ref() {
        let record = record.map_err(|damage| damaged(&damage))?;
        if known.as_ref().is_some_and(|head| head.seq == record.seq) {
            known_hash = Some(record.hash.clone());
        }
        each(&record);
    }
    let summary = reader.summary().clone();
    head::agree(known.as_ref(), known_hash.as_ref(), summary.records).map_err(|damage| damaged(&damage))?;
    Ok(summary)
}

/// The requests that some log leaves without an end, as agent, id and digest. Bounded by what a broker holds open.
#[derive(Debug, Default)]
pub(super) struct Unfinished(BTreeMap<(String, String), String>);

impl Unfinished {
    pub(super) fn see(&mut self, entry: &Entry) {
        match entry {
            Entry::Requested { agent, id, digest, .. } => {
                self.0.insert((agent.clone(), id.clone()), digest.clone());
            }
            Entry::Decided { agent, id, outcome, .. } if *outcome != super::Outcome::Approved => {
                self.0.remove(&(agent.clone(), id.clone()));
            }
            Entry::Spent { agent, id, .. } => {
                self.0.remove(&(agent.clone(), id.clone()));
            }
            _ => {}
        }
    }

    pub(super) fn take(self) -> impl Iterator<Item = (String, String, String)> {
        self.0.into_iter().map(|((agent, id), digest)| (agent, id, digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn log(records: u64) -> Vec<String> {
        let mut prev = Hash::none();
        let mut lines = Vec::new();
        for seq in 1..=records {
            let entry = Entry::Refused { by: "ada".to_owned(), reason: format!("reason {seq}") };
            let (line, hash) = record::line(seq, Timestamp::UNIX_EPOCH, &prev, &entry).unwrap();
            prev = hash;
            lines.push(line);
        }
        lines
    }

    fn records(text: &[u8]) -> (usize, Option<Damage>, Summary) {
        let mut reader = Reader::new(text);
        let mut whole = 0;
        let mut damage = None;
        for record in reader.by_ref() {
            match record {
                Ok(_) => whole += 1,
                Err(why) => damage = Some(why),
            }
        }
        (whole, damage, reader.summary().clone())
    }

    #[test]
    fn whole_log_is_read_to_its_end() {
        let text = log(5).concat();
        let (whole, damage, summary) = records(text.as_bytes());
        assert_eq!((whole, summary.records, summary.torn), (5, 5, 0));
        assert_eq!(summary.end, text.len() as u64);
        assert!(damage.is_none());
    }

    #[test]
    fn removed_reordered_and_repeated_records_are_found() {
        for order in [vec![0, 2], vec![1, 0, 2], vec![0, 0, 1], vec![1, 2], vec![0, 2, 1]] {
            let lines = log(3);
            let text: String = order.iter().map(|&at| lines[at].as_str()).collect();
            assert!(records(text.as_bytes()).1.is_some(), "{order:?}");
        }
    }

    #[test]
    fn line_without_an_end_is_torn_and_one_that_never_ends_is_refused() {
        let mut text = log(2).concat();
        text.push_str("{\"seq\":3,");
        let (whole, damage, summary) = records(text.as_bytes());
        assert_eq!((whole, summary.torn, damage.is_none()), (2, 9, true));
        let endless = vec![b'x'; usize::try_from(LINE_MAX).unwrap() + 10];
        assert!(records(&endless).1.unwrap().to_string().contains("longer than"));
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_harm(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (_, _, summary) = records(&text);
            prop_assert_eq!(summary.records, 0);
        }

        #[test]
        fn changed_byte_anywhere_is_found_or_tears_the_end(at in 0..2000_usize, to in any::<u8>()) {
            let text = log(4).concat().into_bytes();
            let mut changed = text.clone();
            let at = at % changed.len();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let (whole, damage, summary) = records(&changed);
            prop_assert!(damage.is_some() || (summary.torn > 0 && whole < 4), "byte {}", at);
        }

        #[test]
        fn cut_off_log_is_a_shorter_one_or_torn(cut in 0..2000_usize) {
            let text = log(4).concat().into_bytes();
            let cut = cut % text.len();
            let (whole, damage, summary) = records(&text[..cut]);
            prop_assert!(damage.is_none() && whole < 4);
            prop_assert_eq!(summary.end + summary.torn, cut as u64);
        }
    }
}
