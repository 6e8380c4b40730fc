//! Any file as an audit log: read without harm in bounded memory, and never believed unless its hashes fit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuketown_broker::audit::Reader;

fuzz_target!(|file: &[u8]| {
    let mut reader = Reader::new(file);
    let whole = reader.by_ref().filter(|record| record.is_ok()).count() as u64;
    let summary = reader.summary();
    assert_eq!(summary.records, whole);
    assert!(summary.end + summary.torn <= file.len() as u64);
});
