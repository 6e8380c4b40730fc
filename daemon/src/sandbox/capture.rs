//! The output of a process, of which a bounded part is kept: its beginning and its end.

use std::collections::VecDeque;

/// Output as it arrives.
#[derive(Clone, Debug)]
pub struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    /// Keeps `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest.iter().skip(rest.len().saturating_sub(self.half)));
        let surplus = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..surplus);
    }

    /// How many bytes there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What was kept, as text, with a note where something is left out.
    #[must_use]
    pub fn text(&self) -> String {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let (a, b) = self.tail.as_slices();
        let tail = [a, b].concat();
        if kept == self.total {
            return String::from_utf8_lossy(&[&self.head[..], &tail].concat()).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&tail));
        format!("{head}\n[… {} of {} bytes left out …]\n{tail}", self.total - kept, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_much_output_beginning_and_end_are_kept() {
        let mut capture = Capture::new(8);
        for piece in ["abc", "defgh", "ij", "klmnopqrst"] {
            capture.push(piece.as_bytes());
        }
        assert_eq!(capture.text(), "abcd\n[… 12 of 20 bytes left out …]\nqrst");
    }

    proptest! {
        #[test]
        fn little_output_is_kept_whole_and_much_within_bounds(pieces in proptest::collection::vec("[a-z]{0,20}", 0..20)) {
            let mut capture = Capture::new(64);
            for piece in &pieces {
                capture.push(piece.as_bytes());
            }
            let all = pieces.concat();
            if all.len() <= 64 {
                prop_assert_eq!(capture.text(), all);
            } else {
                prop_assert!(capture.head.len() + capture.tail.len() == 64);
                prop_assert!(capture.text().starts_with(&all[..32]) && capture.text().ends_with(&all[all.len() - 32..]));
            }
        }
    }
}
