//! Texts of which the form needs no decision: single words, and text of several lines.

/// Whether a text is a word such as `nuketown-ada` or `/agents/ada-2`: it starts with a letter or a slash and has a hyphen,
/// so it is no number, date or keyword of any version of YAML, and has no character that means anything inside of it.
///
/// Most scalars that differ between agents are such words.
pub(super) fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/');
    let starts_well = bytes.first().is_some_and(|first| matches!(first, b'a'..=b'z' | b'/'));
    starts_well && bytes.contains(&b'-') && bytes.iter().all(is_inner)
}

/// Whether a text has several lines of printable ASCII, of which the first tells the indentation of all.
///
/// Such a text is a literal block as it stands (YAML 1.2, section 8.1.2): there is no quoting to decide on. Not those
/// that end with several line breaks, which need to be kept expressly.
pub(super) fn is_ordinary(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts_well = bytes.first().is_some_and(|first| !matches!(first, b' ' | b'\n'));
    starts_well
        && bytes.contains(&b'\n')
        && !bytes.ends_with(b"\n\n")
        // Counted to the end, many bytes at a time, which takes less than to look whether to stop at each.
        && bytes.iter().filter(|byte| !matches!(byte, b' '..=b'~' | b'\n')).count() == 0
}

/// Appends an ordinary text as a literal block, for a block whose column is `indent`.
pub(super) fn append(text: &str, indent: usize, out: &mut String) {
    let lines = text.strip_suffix('\n');
    out.push_str(if lines.is_some() { "|" } else { "|-" });
    push_lines(lines.unwrap_or(text), indent + 2, out);
}

/// Appends a formatted scalar of several lines, all but the first of them further in by `indent`.
pub(super) fn shift(formatted: &str, indent: usize, out: &mut String) {
    let (first, rest) = formatted.split_once('\n').unwrap_or((formatted, ""));
    out.push_str(first);
    push_lines(rest, indent, out);
}

fn push_lines(lines: &str, indent: usize, out: &mut String) {
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            push_indent(out, indent);
            out.push_str(line);
        }
    }
}

pub(super) fn push_indent(out: &mut String, columns: usize) {
    const SPACES: &str = "                                                                ";
    let mut left = columns;
    while left > 0 {
        let now = left.min(SPACES.len());
        out.push_str(SPACES.get(..now).unwrap_or_default());
        left -= now;
    }
}
