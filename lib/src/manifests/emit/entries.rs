//! The entries of maps, lists and structs, as serde hands them over.

use serde::{
    Serialize,
    ser::{self, Impossible},
};

use super::{Block, Place, YamlError, unsupported};

impl ser::SerializeMap for Block<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), YamlError> {
        key.serialize(Key(self))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.child(value, Place::Value(self.column))
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeStruct for Block<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), YamlError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeSeq for Block<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.item(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTuple for Block<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.item(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

/// Takes a key, which is a string.
struct Key<'k, 'e>(&'k mut Block<'e>);

/// Every other kind of key.
macro_rules! no_key {
    ($($method:ident($($argument:ty),*) -> $ok:ty),+ $(,)?) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, YamlError> {
            unsupported("a key that is no string")
        }
    )+};
}

impl ser::Serializer for Key<'_, '_> {
    type Ok = ();
    type Error = YamlError;
    type SerializeSeq = Impossible<(), YamlError>;
    type SerializeTuple = Impossible<(), YamlError>;
    type SerializeTupleStruct = Impossible<(), YamlError>;
    type SerializeTupleVariant = Impossible<(), YamlError>;
    type SerializeMap = Impossible<(), YamlError>;
    type SerializeStruct = Impossible<(), YamlError>;
    type SerializeStructVariant = Impossible<(), YamlError>;

    fn serialize_str(self, text: &str) -> Result<(), YamlError> {
        self.0.key(text)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), YamlError> {
        unsupported("a key that is no string")
    }

    no_key!(
        serialize_bool(bool) -> (),
        serialize_i8(i8) -> (),
        serialize_i16(i16) -> (),
        serialize_i32(i32) -> (),
        serialize_i64(i64) -> (),
        serialize_u8(u8) -> (),
        serialize_u16(u16) -> (),
        serialize_u32(u32) -> (),
        serialize_u64(u64) -> (),
        serialize_f32(f32) -> (),
        serialize_f64(f64) -> (),
        serialize_char(char) -> (),
        serialize_bytes(&[u8]) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (),
        serialize_seq(Option<usize>) -> Self::SerializeSeq,
        serialize_tuple(usize) -> Self::SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant,
        serialize_map(Option<usize>) -> Self::SerializeMap,
        serialize_struct(&'static str, usize) -> Self::SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant,
    );
}
