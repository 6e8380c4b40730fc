//! `Read`.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{RESULT_MAX, beneath::Root};

/// How many lines are shown, and at most.
const LINES: (usize, usize) = (2000, 5000);
/// The most that is shown of a line, in characters.
const LINE_MAX: usize = 2000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

pub(super) fn read(root: &Root, asked: &Asked) -> Result<String, String> {
    let content = root.read(&asked.path)?;
    if content.contains(&0) {
        return Err(format!("{} is no text: it has {} bytes, some of them zero", asked.path, content.len()));
    }
    let content = String::from_utf8_lossy(&content);
    let total = content.lines().count();
    let first = asked.offset.unwrap_or(1).max(1);
    let count = asked.limit.unwrap_or(LINES.0).min(LINES.1);
    let mut shown = String::new();
    let mut last = first - 1;
    for line in content.lines().skip(first - 1).take(count) {
        if shown.len() > RESULT_MAX - 4 * LINE_MAX {
            break;
        }
        last += 1;
        let cut = line.char_indices().nth(LINE_MAX).map_or("", |_| " [… line cut …]");
        let line: String = line.chars().take(LINE_MAX).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "{last:>6}\t{line}{cut}");
    }
    match (total, last < first) {
        (0, _) => Ok("(the file is empty)".to_owned()),
        (_, true) => Err(format!("{} has only {total} lines", asked.path)),
        _ if last < total => Ok(format!("{shown}[… lines {} to {total} not shown; use offset …]", last + 1)),
        _ => Ok(shown),
    }
}
