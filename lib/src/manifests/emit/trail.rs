//! What was written for one object, to be copied for the next one of its kind.
//!
//! The objects of two agents differ in a few names. So the steps in which the first one is written are kept with their
//! text, and the next one is compared with them: what is the same is copied in one piece, and only a scalar that differs
//! is written anew.
//!
//! # Invariants
//!
//! - Steps decide the text. Each block has an end among them, so two values of different form differ in a step, and from
//!   there on nothing is copied.

/// One step of writing a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'t> {
    /// The name of a field. It is part of the program, so its address says which one it is.
    Field(&'static str),
    /// The key of an entry.
    Key(&'t str),
    /// The dash of an item.
    Item,
    /// A string.
    Text(&'t str),
    /// A scalar that never needs quotes.
    Plain(&'t str),
    /// The end of a block that is not empty.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Field,
    Key,
    Item,
    Text,
    Plain,
    End,
}

impl<'t> Step<'t> {
    /// Its kind, the address and length of a field's name, and the text that it brings.
    #[inline]
    fn parts(self) -> (Kind, (usize, usize), &'t [u8]) {
        match self {
            Self::Field(name) => (Kind::Field, (name.as_ptr().addr(), name.len()), b""),
            Self::Key(text) => (Kind::Key, (0, 0), text.as_bytes()),
            Self::Item => (Kind::Item, (0, 0), b""),
            Self::Text(text) => (Kind::Text, (0, 0), text.as_bytes()),
            Self::Plain(text) => (Kind::Plain, (0, 0), text.as_bytes()),
            Self::End => (Kind::End, (0, 0), b""),
        }
    }
}

/// A step that was taken.
#[derive(Debug)]
struct Taken {
    kind: Kind,
    /// The address and length of a field's name.
    field: (usize, usize),
    /// Where what it brought ends in [`Trail::brought`], and what was written in [`Trail::written`].
    brought: usize,
    written: usize,
}

/// The steps in which an object was written, and how far the present one has come on them.
#[derive(Debug, Default)]
pub(super) struct Trail {
    steps: Vec<Taken>,
    /// The keys and scalars, one behind the other, as they came.
    brought: Vec<u8>,
    /// All of the text.
    written: String,
    walk: Walk,
    /// Of an object that is on the trail: its next step, and where what that brings starts.
    next: usize,
    start: usize,
}

#[derive(Debug, Default)]
enum Walk {
    /// The object makes the trail; its text starts there.
    Making(usize),
    /// Its steps so far are the trail's; this much of the text is copied.
    Along(usize),
    /// It has left the trail, or there is none.
    #[default]
    Off,
}

/// The next step of what is not on the trail.
const NO_STEP: usize = usize::MAX;

impl Trail {
    /// Begins an object, the text of which starts at `place`.
    pub(super) fn begin(&mut self, place: usize) {
        let is_new = self.steps.is_empty();
        self.walk = if is_new { Walk::Making(place) } else { Walk::Along(0) };
        self.next = if is_new { NO_STEP } else { 0 };
        self.start = 0;
    }

    /// Whether `step` is the trail's next: then its text is copied later. Otherwise all text before it is in `out` now,
    /// and the caller writes the text of the step.
    #[inline]
    pub(super) fn has(&mut self, step: Step<'_>, out: &mut String) -> bool {
        let (kind, field, text) = step.parts();
        if let Some(taken) = self.steps.get(self.next)
            && taken.kind == kind
            && taken.field == field
            && taken.brought - self.start == text.len()
            && (text.is_empty() || self.brought.get(self.start..taken.brought) == Some(text))
        {
            self.next += 1;
            self.start = taken.brought;
            return true;
        }
        self.differs(kind, out);
        false
    }

    /// Goes on behind a step that is not the trail's.
    fn differs(&mut self, kind: Kind, out: &mut String) {
        let Walk::Along(copied) = self.walk else { return };
        let before = self.next.checked_sub(1).and_then(|last| self.steps.get(last));
        let before = before.map_or(0, |last| last.written);
        out.push_str(self.written.get(copied..before).unwrap_or_default());
        match self.steps.get(self.next) {
            // Another scalar in the same place: what follows stands as it did.
            Some(taken) if taken.kind == kind && matches!(kind, Kind::Key | Kind::Text | Kind::Plain) => {
                self.walk = Walk::Along(taken.written);
                self.next += 1;
                self.start = taken.brought;
            }
            _ => {
                self.walk = Walk::Off;
                self.next = NO_STEP;
            }
        }
    }

    /// Keeps a step whose text is in `out`, where the trail is being made.
    #[inline]
    pub(super) fn keep(&mut self, step: Step<'_>, out: &str) {
        if let Walk::Making(place) = self.walk {
            let (kind, field, text) = step.parts();
            self.brought.extend_from_slice(text);
            let (brought, written) = (self.brought.len(), out.len() - place);
            self.steps.push(Taken { kind, field, brought, written });
        }
    }

    /// Ends an object: all of its text is in `out` now.
    pub(super) fn end(&mut self, out: &mut String) {
        match self.walk {
            Walk::Making(place) => self.written.push_str(out.get(place..).unwrap_or_default()),
            Walk::Along(copied) => out.push_str(self.written.get(copied..).unwrap_or_default()),
            Walk::Off => {}
        }
    }
}
