//! Any line of the broker's socket: read without harm, and what is read is written as something that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuketown_approval::socket::{FromBroker, FromClient};

fuzz_target!(|line: &[u8]| {
    if let Ok(read) = FromClient::from_line(line) {
        assert_eq!(FromClient::from_line(read.to_line().as_bytes()), Ok(read));
    }
    if let Ok(read) = FromBroker::from_line(line) {
        assert_eq!(FromBroker::from_line(read.to_line().as_bytes()), Ok(read));
    }
});
