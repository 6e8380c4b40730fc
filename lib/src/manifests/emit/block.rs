//! The layout of maps and lists: dashes, indentation, line breaks.

use serde::Serialize;

use super::{Node, Place, Position, Step, YamlError, literal::push_indent};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Map,
    List,
}

/// A map or list of which the entries are being written.
pub(super) struct Block<'e> {
    pub(super) node: Node<'e>,
    pub(super) kind: Kind,
    pub(super) column: usize,
    pub(super) is_empty: bool,
}

impl Block<'_> {
    /// Goes to the place of the next entry.
    fn next(&mut self) {
        let first = std::mem::replace(&mut self.is_empty, false);
        match (first, self.node.place) {
            // The first entry stands behind the dash of its parent.
            (true, Place::Item(_)) => self.node.out.push(' '),
            (true, Place::Value(_)) => {
                self.node.out.push('\n');
                push_indent(self.node.out, self.column);
            }
            _ => push_indent(self.node.out, self.column),
        }
    }

    /// Writes one step and what stands before it, unless it is the trail's.
    fn step(
        &mut self,
        step: Step<'_>,
        write: impl FnOnce(&mut Node<'_>, usize) -> Result<(), YamlError>,
    ) -> Result<(), YamlError> {
        if self.node.emitter.trail.has(step, self.node.out) {
            self.is_empty = false;
            return Ok(());
        }
        self.next();
        write(&mut self.node, self.column)?;
        self.node.emitter.trail.keep(step, self.node.out);
        Ok(())
    }

    pub(super) fn key(&mut self, key: &str) -> Result<(), YamlError> {
        self.step(Step::Key(key), |node, column| node.emitter.scalar(key, Position::Key, column, node.out))
    }

    pub(super) fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), YamlError> {
        self.step(Step::Field(name), |node, _| node.emitter.field(name, node.out))?;
        self.child(value, Place::Value(self.column))
    }

    pub(super) fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.step(Step::Item, |node, _| {
            node.out.push('-');
            Ok(())
        })?;
        self.child(value, Place::Item(self.column))
    }

    pub(super) fn child<T: Serialize + ?Sized>(&mut self, value: &T, place: Place) -> Result<(), YamlError> {
        value.serialize(Node { emitter: self.node.emitter, out: self.node.out, place })
    }

    pub(super) fn close(self) {
        if self.is_empty {
            self.node.plain(if self.kind == Kind::Map { "{}" } else { "[]" });
        } else if !self.node.emitter.trail.has(Step::End, self.node.out) {
            self.node.emitter.trail.keep(Step::End, self.node.out);
        }
    }
}
