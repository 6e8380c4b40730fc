//! Which characters a human sees as themselves.
//!
//! Everything else is written as an escape: what moves the cursor, changes the order of others (UAX #9), joins itself to
//! its neighbour, is shown as nothing or as just another space.

use unicode_bidi::{BidiClass, bidi_class};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Ends a line that was cut inside a word. So it never stands for itself.
pub(crate) const CUT: char = '↩';

/// How many combining marks may follow each other in prose: Vietnamese and Hebrew take three, a tower of marks takes more
/// and covers the line above.
const MARKS_MAX: usize = 3;

/// Whether a character in a command is shown as itself: an ASCII character or a space, else a letter, number, sign or symbol
/// that is written from left to right and stands alone.
///
/// Right-to-left letters are not: they would change the order of the arguments around them without any control character.
pub(crate) fn in_command(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    stands_alone(c) && !runs_right_to_left(c)
}

/// Prose with everything that is not shown as itself replaced by `\u{…}`, and `\` by `\\`.
///
/// Prose stands on lines of its own, so it may be written from right to left and with combining marks.
#[must_use]
pub fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // How many marks the letter before may still carry.
    let mut marks_left = 0;
    for c in text.chars() {
        let carried = marks_left > 0 && is_mark(c);
        marks_left = if carried {
            marks_left - 1
        } else if c.is_alphabetic() {
            MARKS_MAX
        } else {
            0
        };
        match c {
            '\\' => out.push_str("\\\\"),
            c if carried || in_command(c) || (!c.is_ascii() && stands_alone(c)) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark && !is_ignorable(c)
}

/// A value as a message about it repeats it: in quotes, on one line, cut at 60 characters with `…`.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let head: String = text.chars().take(SHOWN_MAX).collect();
    let more = if text.chars().nth(SHOWN_MAX).is_some() { "…" } else { "" };
    format!("\"{}{more}\"", prose(&head))
}

fn stands_alone(c: char) -> bool {
    use GeneralCategoryGroup as Group;
    matches!(c.general_category_group(), Group::Letter | Group::Number | Group::Punctuation | Group::Symbol)
        && !is_ignorable(c)
        && c != CUT
}

fn runs_right_to_left(c: char) -> bool {
    !matches!(
        bidi_class(c),
        BidiClass::L | BidiClass::EN | BidiClass::ES | BidiClass::ET | BidiClass::CS | BidiClass::ON
    )
}

/// Characters that are shown as nothing or as a space although their category does not say so: the rest of
/// `Default_Ignorable_Code_Point` (Unicode `DerivedCoreProperties.txt`), the blank Braille pattern and the null note head.
fn is_ignorable(c: char) -> bool {
    c.general_category() == GeneralCategory::Format
        || matches!(
            c,
            '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{1d159}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UAX #9, table "Explicit directional formatting characters", and the implicit marks.
    const BIDI: [char; 12] = [
        '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
        '\u{2069}', '\u{200e}', '\u{200f}', '\u{61c}',
    ];

    #[test]
    fn bidirectional_controls_are_never_shown_as_themselves() {
        for c in BIDI {
            assert!(!in_command(c), "{c:?}");
            assert!(!prose(&format!("a{c}b")).contains(c), "{c:?}");
        }
    }

    #[test]
    fn every_character_that_shows_nothing_or_a_space_is_escaped() {
        for c in ('\0'..=char::MAX).filter(|&c| c != ' ') {
            if c.is_control() || c.is_whitespace() || is_ignorable(c) {
                assert!(!in_command(c), "{c:?}");
                assert!(!prose(&format!("a{c}b")).contains(c), "{c:?}");
            }
        }
        for c in ['\u{200b}', '\u{feff}', '\u{ad}', '\u{a0}', '\u{3000}', '\u{3164}', '\u{2800}', '\u{e0041}']
        {
            assert!(!in_command(c), "{c:?}");
        }
    }

    #[test]
    fn unassigned_private_and_combining_characters_are_escaped_in_a_command() {
        for c in ['\u{378}', '\u{e000}', '\u{10ffff}', '\u{301}', '\u{20dd}', '\u{338}', 'א', 'ا', '٣', CUT]
        {
            assert!(!in_command(c), "{c:?}");
        }
        for c in ['ä', 'п', '漢', '€', '–', '✓'] {
            assert!(in_command(c), "{c:?}");
        }
    }

    #[test]
    fn prose_is_readable_in_every_script_but_is_no_tower_of_marks() {
        for text in ["Überprüfe die API", "סקור את הממשק", "समीक्षा", "e\u{301}te\u{301}"]
        {
            assert_eq!(prose(text), text);
        }
        assert_eq!(prose("a\u{301}\u{301}\u{301}\u{301}"), "a\u{301}\u{301}\u{301}\\u{301}");
        assert_eq!(prose("\u{301}a\n"), "\\u{301}a\\u{a}");
    }
}
