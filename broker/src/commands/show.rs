//! The audit log for people, and as JSON.

use std::{io::Write as _, path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use nuketown::Problem;
use serde::Serialize;

use crate::{
    audit::{Entry, Record, verify},
    cli::ShowArgs,
};

pub(super) fn show(args: &ShowArgs, path: &Path) -> Result<(), Problem> {
    let since = args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let summary = verify(path, |record| {
        if failed.is_none() && since.is_none_or(|since| record.time >= since) {
            let text = if args.json { json(record) } else { text(record) };
            failed = out.write_all(text.as_bytes()).err();
        }
    })?;
    let result = failed.map_or_else(|| out.flush(), Err);
    result.map_err(|error| super::output(&error))?;
    if summary.torn > 0 {
        crate::report::info(&format!("{} bytes at the end are no whole record", summary.torn));
    }
    Ok(())
}

/// Reads an instant, or a duration before now. Days have 24 hours.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let before = match days {
        Some(days) => days.checked_mul(24 * 3600).map(Duration::from_secs),
        None => text.parse::<SignedDuration>().ok().and_then(|before| Duration::try_from(before).ok()),
    };
    before.and_then(|before| now.checked_sub(before).ok()).ok_or_else(|| {
        let text = nuketown_approval::shown(text);
        Problem::new("--since is no time", format!("it is \"{text}\"; expected an instant or a duration"))
            .hint("write 2026-11-24T12:00:00Z, 90m, 2h or 7d")
    })
}

#[derive(Serialize)]
struct Shown<'r> {
    seq: u64,
    time: Timestamp,
    #[serde(flatten)]
    entry: &'r Entry,
    hash: &'r str,
}

fn json(record: &Record) -> String {
    let Record { seq, time, entry, hash } = record;
    let shown = Shown { seq: *seq, time: *time, entry, hash: hash.as_str() };
    // Text and numbers can always be written.
    let mut line = serde_json::to_string(&shown).unwrap_or_default();
    line.push('\n');
    line
}

fn text(record: &Record) -> String {
    let words = match &record.entry {
        Entry::Started { version } => format!("started     version {version}"),
        Entry::Torn { bytes, kept, .. } => format!("torn        {bytes} bytes, kept in {kept}"),
        Entry::Interrupted { cause } => format!("interrupted {cause}"),
        Entry::Requested { agent, by, id, code, until, shown, .. } => {
            format!("requested   {code} {id} by {agent} ({by}), until {until}\n    {}", shown.join("\n    "))
        }
        Entry::Refused { by, reason } => format!("refused     {by}: {reason}"),
        Entry::Flooded { by, times } => format!("flooded     {by}: {times} more refusals"),
        Entry::Ignored { from, about, reason } => format!("ignored     {about} from {from}: {reason}"),
        Entry::Decided { agent, id, outcome, reason, .. } => {
            let outcome = format!("{outcome:?}").to_lowercase();
            format!("{outcome:<11} {id} of {agent}: {reason}")
        }
        Entry::Spent { agent, id, .. } => format!("spent       {id} of {agent}"),
        Entry::Stopped {} => "stopped".to_owned(),
    };
    let lines: Vec<String> = words.lines().map(nuketown_approval::shown).collect();
    format!("{:>6} {:.0} {}\n", record.seq, record.time, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_an_instant_or_a_duration() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2026-11-24T11:00:00Z", "2026-11-24T11:00:00Z"),
            ("90m", "2026-11-24T10:30:00Z"),
            ("2h", "2026-11-24T10:00:00Z"),
            ("7d", "2026-11-17T12:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap(), at.parse::<Timestamp>().unwrap(), "{text}");
        }
        for bad in ["", "yesterday", "-2h", "99999999999999d", "2"] {
            assert!(since(bad, now).is_err(), "{bad}");
        }
    }
}
