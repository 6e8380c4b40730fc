//! Lines of a bounded width, from which the text can be put together again.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::visible::CUT;

/// The column in which the text begins, behind its label.
const INDENT: usize = 9;

/// One line: its label, or blanks in place of it, and its text.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) text: String,
}

/// A labelled text in lines of at most `columns`. A line that is cut ends with [`CUT`], which no text holds; the next one
/// goes on exactly there.
pub(super) fn lines(label: &str, text: &str, columns: usize) -> Vec<Line> {
    let room = columns.saturating_sub(INDENT).max(2);
    let mut out: Vec<Line> = Vec::new();
    for part in cut(text, room) {
        let label = if out.is_empty() { label } else { "" };
        out.push(Line { label: format!("{label:>width$}  ", width = INDENT - 2), text: part });
    }
    out
}

/// Cuts behind a space where the line has one in its second half, else in the middle of a word.
fn cut(text: &str, room: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while rest.width() > room {
        let full = prefix(rest, room - 1);
        let at_space = full.rfind(' ').map(|at| at + 1).filter(|at| *at > full.len() / 2);
        let (line, after) = rest.split_at(at_space.unwrap_or(full.len()));
        out.push(format!("{line}{CUT}"));
        rest = after;
    }
    out.push(rest.to_owned());
    out
}

/// The longest beginning that takes at most so many columns, and at least one character. Marks stay with their letter.
fn prefix(text: &str, room: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(at, c)| {
        let width = c.width().unwrap_or(1);
        taken += width;
        taken > room && *at > 0 && width > 0
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}
