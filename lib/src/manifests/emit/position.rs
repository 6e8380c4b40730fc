//! How serde-saphyr writes a scalar at a place.

use serde::{Serialize, ser};

use super::YamlError;

/// Where a scalar stands.
#[derive(Clone, Copy)]
pub(super) enum Position {
    Key = 0,
    Value = 1,
    Item = 2,
}

impl Position {
    /// What stands before and behind a scalar.
    pub(super) const fn around(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => ("", ":"),
            Self::Value | Self::Item => (" ", "\n"),
        }
    }

    /// The scalar as serde-saphyr writes it there, without what stands around it.
    pub(super) fn format<'s>(self, text: &str, scratch: &'s mut String) -> Result<&'s str, YamlError> {
        scratch.clear();
        let (before, after) = match self {
            Self::Key => {
                serde_saphyr::to_fmt_writer(scratch, &Pair(text, 0))?;
                ("", ": 0\n")
            }
            Self::Value => {
                serde_saphyr::to_fmt_writer(scratch, &Pair("k", text))?;
                ("k: ", "\n")
            }
            Self::Item => {
                serde_saphyr::to_fmt_writer(scratch, &[text])?;
                ("- ", "\n")
            }
        };
        let inner = scratch.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        // A key of several lines has a form of its own (YAML 1.2, section 8.2.2), which no object here needs.
        inner
            .filter(|inner| !(matches!(self, Self::Key) && inner.contains('\n')))
            .ok_or_else(|| YamlError::Unsupported(format!("{scratch:?}")))
    }
}

/// A map of one entry.
struct Pair<'k, V>(&'k str, V);

impl<V: Serialize> Serialize for Pair<'_, V> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        ser::SerializeMap::serialize_entry(&mut map, self.0, &self.1)?;
        ser::SerializeMap::end(map)
    }
}
