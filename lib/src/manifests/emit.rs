//! Objects as block-style YAML, with the scalars and their quoting by serde-saphyr.
//!
//! A town repeats the same few hundred scalars for each agent, and deciding how a scalar must be quoted is most of the
//! work of writing it. So each is formatted once, by serde-saphyr, and remembered; only the layout, which is dashes and
//! indentation, is written here, and the one form that needs no decision: text of several lines of printable ASCII.
//!
//! # Invariants
//!
//! - The text is the one that `serde_saphyr::to_string` gives (`text_is_that_of_serde_saphyr` holds it to that).

mod block;
mod entries;
mod literal;
mod position;
mod trail;

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    mem::Discriminant,
};

use serde::{
    Serialize,
    ser::{self, Impossible},
};

use super::Object;
use block::{Block, Kind};
use position::Position;
use trail::{Step, Trail};

/// A value has no YAML form, or none that this emitter knows. It does not happen for the objects of this library.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// serde-saphyr refused a scalar.
    #[error("cannot write a scalar as YAML")]
    Scalar(#[from] serde_saphyr::ser_error::Error),
    /// A kind of value that Kubernetes objects do not have.
    #[error("cannot write {0} as YAML")]
    Unsupported(String),
}

impl ser::Error for YamlError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Unsupported(message.to_string())
    }
}

/// Writes values one after the other, and remembers the scalars that it has seen, and one value of each kind.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    trails: Vec<(Option<Discriminant<Object>>, Trail)>,
    /// That of the value which is being written.
    trail: Trail,
    /// Formatted map keys, values behind a key, and items of a list: where a scalar stands decides on its quotes, and on
    /// what is around it, which is remembered with it.
    known: [HashMap<Box<str>, Box<str>, foldhash::fast::FixedState>; 3],
    /// Formatted names of fields, by the address and length of the name: it is part of the program, and so at hand
    /// without reading it.
    fields: HashMap<(usize, usize), Box<str>, foldhash::fast::FixedState>,
    /// Where scalars are formatted.
    scratch: String,
}

/// Longer scalars are rarely repeated.
const REMEMBERED_LENGTH: usize = 64;
/// Bounds the memory of an emitter: a town of 10,000 agents has ten times as many different scalars.
const REMEMBERED_COUNT: usize = 4096;

impl Emitter {
    /// Appends a value to `out`. Values of one kind should look alike: then they are written faster. `None` is the kind of all
    /// that is no [`Object`].
    pub(super) fn append<T: Serialize>(
        &mut self,
        value: &T,
        kind: Option<Discriminant<Object>>,
        out: &mut String,
    ) -> Result<(), YamlError> {
        let known = self.trails.iter().position(|(other, _)| *other == kind);
        self.trail = known.map(|known| self.trails.swap_remove(known).1).unwrap_or_default();
        self.trail.begin(out.len());
        value.serialize(Node { emitter: self, out, place: Place::Root })?;
        self.trail.end(out);
        self.trails.push((kind, std::mem::take(&mut self.trail)));
        Ok(())
    }

    /// Appends the name of a field, with its colon.
    fn field(&mut self, name: &'static str, out: &mut String) -> Result<(), YamlError> {
        let place = (name.as_ptr().addr(), name.len());
        if let Some(formatted) = self.fields.get(&place) {
            out.push_str(formatted);
            return Ok(());
        }
        let formatted = format!("{}:", Position::Key.format(name, &mut self.scratch)?);
        out.push_str(&formatted);
        self.fields.insert(place, formatted.into());
        Ok(())
    }

    /// Appends a scalar as it stands at `position`, with what is around it. One of several lines is shifted to `indent`.
    fn scalar(
        &mut self,
        text: &str,
        position: Position,
        indent: usize,
        out: &mut String,
    ) -> Result<(), YamlError> {
        let is_short = text.len() <= REMEMBERED_LENGTH;
        if is_short && literal::is_word(text) {
            let (before, after) = position.around();
            out.push_str(before);
            out.push_str(text);
            out.push_str(after);
            return Ok(());
        }
        let known = &mut self.known[position as usize];
        if let (true, Some(formatted)) = (is_short, known.get(text)) {
            out.push_str(formatted);
            return Ok(());
        }
        let (before, after) = position.around();
        if !matches!(position, Position::Key) && literal::is_ordinary(text) {
            out.push_str(before);
            literal::append(text, indent, out);
            out.push_str(after);
            return Ok(());
        }
        let formatted = position.format(text, &mut self.scratch)?;
        if formatted.contains('\n') {
            out.push_str(before);
            literal::shift(formatted, indent, out);
            out.push_str(after);
            return Ok(());
        }
        let formatted = format!("{before}{formatted}{after}");
        out.push_str(&formatted);
        if is_short && known.len() < REMEMBERED_COUNT {
            known.insert(text.into(), formatted.into());
        }
        Ok(())
    }
}

/// Where a value stands. The column is that of its key or dash.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Value(usize),
    Item(usize),
}

/// One value to write.
struct Node<'e> {
    emitter: &'e mut Emitter,
    out: &'e mut String,
    place: Place,
}

impl<'e> Node<'e> {
    /// A scalar that never needs quotes.
    fn plain(self, text: &str) {
        let step = Step::Plain(text);
        if self.emitter.trail.has(step, self.out) {
            return;
        }
        if !matches!(self.place, Place::Root) {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.out.push('\n');
        self.emitter.trail.keep(step, self.out);
    }

    fn block(self, kind: Kind) -> Block<'e> {
        let column = match (self.place, kind) {
            (Place::Root, _) => 0,
            // A list stands under its key, not further in.
            (Place::Value(column), Kind::List) => column,
            (Place::Value(column) | Place::Item(column), _) => column + 2,
        };
        Block { node: self, kind, column, is_empty: true }
    }
}

fn unsupported<T>(what: &str) -> Result<T, YamlError> {
    Err(YamlError::Unsupported(what.to_owned()))
}

/// Integers need no quotes.
macro_rules! plain {
    ($($method:ident($kind:ty)),+ $(,)?) => {$(
        fn $method(self, value: $kind) -> Result<(), YamlError> {
            let mut digits = std::mem::take(&mut self.emitter.scratch);
            digits.clear();
            write!(digits, "{value}").map_err(<YamlError as ser::Error>::custom)?;
            Node { emitter: self.emitter, out: self.out, place: self.place }.plain(&digits);
            self.emitter.scratch = digits;
            Ok(())
        }
    )+};
}

impl<'e> ser::Serializer for Node<'e> {
    type Ok = ();
    type Error = YamlError;
    type SerializeSeq = Block<'e>;
    type SerializeTuple = Block<'e>;
    type SerializeTupleStruct = Impossible<(), YamlError>;
    type SerializeTupleVariant = Impossible<(), YamlError>;
    type SerializeMap = Block<'e>;
    type SerializeStruct = Block<'e>;
    type SerializeStructVariant = Impossible<(), YamlError>;

    fn serialize_bool(self, value: bool) -> Result<(), YamlError> {
        self.plain(if value { "true" } else { "false" });
        Ok(())
    }

    plain!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
    );

    fn serialize_str(self, text: &str) -> Result<(), YamlError> {
        let (position, column) = match self.place {
            // The objects of a stream are never bare scalars.
            Place::Root => return unsupported("a bare scalar"),
            Place::Value(column) => (Position::Value, column),
            Place::Item(column) => (Position::Item, column),
        };
        let step = Step::Text(text);
        if !self.emitter.trail.has(step, self.out) {
            self.emitter.scalar(text, position, column, self.out)?;
            self.emitter.trail.keep(step, self.out);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), YamlError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), YamlError> {
        self.plain("null");
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), YamlError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), YamlError> {
        let mut map = self.block(Kind::Map);
        map.key(variant)?;
        map.child(value, Place::Value(map.column))?;
        map.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Block<'e>, YamlError> {
        Ok(self.block(Kind::List))
    }

    fn serialize_tuple(self, _: usize) -> Result<Block<'e>, YamlError> {
        Ok(self.block(Kind::List))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Block<'e>, YamlError> {
        Ok(self.block(Kind::Map))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Block<'e>, YamlError> {
        Ok(self.block(Kind::Map))
    }

    fn serialize_f32(self, _: f32) -> Result<(), YamlError> {
        unsupported("a fraction")
    }

    fn serialize_f64(self, _: f64) -> Result<(), YamlError> {
        unsupported("a fraction")
    }

    fn serialize_char(self, _: char) -> Result<(), YamlError> {
        unsupported("a character")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), YamlError> {
        unsupported("bytes")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), YamlError> {
        unsupported("a unit struct")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, YamlError> {
        unsupported("a tuple struct")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, YamlError> {
        unsupported("a tuple variant")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, YamlError> {
        unsupported("a struct variant")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn emitted(value: &Value) -> String {
        emitted_one_after_the_other(&[value])
    }

    fn emitted_one_after_the_other(values: &[&Value]) -> String {
        let (mut emitter, mut out) = (Emitter::default(), String::new());
        for value in values {
            emitter.append(value, None, &mut out).unwrap();
        }
        out
    }

    /// The value with its scalar at `at` changed to `scalar`, or its block there emptied, counted in the order of writing.
    fn changed(value: &Value, at: &mut usize, scalar: &Value) -> Value {
        let here = *at == 0;
        *at = at.wrapping_sub(1);
        match value {
            Value::Array(items) if !here => {
                items.iter().map(|item| changed(item, at, scalar)).collect::<Vec<_>>().into()
            }
            Value::Object(map) if !here => Value::Object(
                map.iter().map(|(key, value)| (key.clone(), changed(value, at, scalar))).collect(),
            ),
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            _ if here => scalar.clone(),
            other => other.clone(),
        }
    }

    /// Values as Kubernetes objects hold them, with scalars that YAML readers are easily wrong about.
    fn values() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null),
            "[ -~]{0,12}|[a-z:# ,-]{0,120}|(\\PC|\n| |\t){0,30}".prop_map(Value::from),
            "([ -~]{0,9}\n){1,4}[ -~]{0,9}\n{0,2}".prop_map(Value::from),
            "[a-z0-9/.-]{1,9}|[a-z/][a-z0-9/.-]{0,40}-[a-z0-9/.-]{0,40}".prop_map(Value::from),
            prop::sample::select(vec![
                "yes",
                "12:30",
                "1_000",
                "2026-11-24",
                "~",
                "0x1f",
                "a\n",
                "\n",
                " a\n b\n\n",
                "# a\nb",
                "- a"
            ])
            .prop_map(Value::from),
        ];
        let inner = scalar.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(
                    "[a-z.:/ -]{0,12}|[a-z/][a-z0-9/.-]{0,9}-[a-z0-9/.-]{0,60}|yes|on|12",
                    inner,
                    0..5
                )
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-zA-Z0-9./-]{1,12}", inner, 0..5)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn text_is_that_of_serde_saphyr(value in values()) {
            prop_assert_eq!(emitted(&value), serde_saphyr::to_string(&value).unwrap());
        }

        #[test]
        fn text_does_not_depend_on_what_was_written_before(
            first in values(),
            mut at in 0_usize..12,
            scalar in prop_oneof![Just(json!("yes")), Just(json!(true)), Just(json!([])), Just(json!("a\nb"))],
            other in values(),
        ) {
            let second = changed(&first, &mut at, &scalar);
            let all = [&first, &second, &first, &other, &second];
            let apart: String = all.iter().map(|value| serde_saphyr::to_string(value).unwrap()).collect();
            prop_assert_eq!(emitted_one_after_the_other(&all), apart);
        }
    }

    #[test]
    fn scalar_that_was_seen_before_is_written_the_same_again() {
        let value = json!({ "a": ["yes", "yes"], "yes": "yes", "b": { "yes": ["yes", { "yes": "yes" }] } });
        assert_eq!(emitted(&value), serde_saphyr::to_string(&value).unwrap());
    }
}
