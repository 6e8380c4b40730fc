//! The values that options hold, each parsed once at the edge into a type of its own.
//!
//! # Invariants
//!
//! - A value of one of these types is well formed; nothing behind the edge checks it again.
//! - What is refused says what was expected, so that the message can stand behind the option's path and value.

mod address;
mod endpoint;
mod image;
mod name;
mod number;
mod persist;
mod quantity;

pub use address::{BareJid, GitUrl, HttpUrl};
pub use endpoint::{Destination, Egress, HostName, HostPort, Protocol};
pub use image::{ImageReference, ImageTag, Registry, StorePath};
pub use name::{
    AgentName, AwsRegion, AwsRoleArn, FileName, GcpServiceAccount, LabelKey, LabelValue, MailAddress,
    NamespaceName, ObjectName, PreviewSlug, RepoName, SecretName, TierName,
};
pub use number::{ApprovalTimeout, Port, Seconds, Uid};
pub use persist::PersistPath;
pub use quantity::Quantity;

/// Why a text is not the value it should be.
///
/// Reads after "`agents.ada.uid` is 0;": a clause that says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Gives a newtype around a `String` its parsing, printing, (de)serialising and JSON Schema.
///
/// `check` is a `fn(&str) -> Result<(), Malformed>`; `pattern` is the schema's regular expression (ECMA 262),
/// which may accept more than `check` but never less.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, check = $check:path, pattern = $pattern:expr, example = $example:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        $crate::values::text_traits!($name, $pattern, $example);
    };
}

/// The traits that every type with a text form shares: `Display` by `as_str`, `Deserialize` by `FromStr`.
macro_rules! text_traits {
    ($name:ident, $pattern:expr, $example:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

pub(crate) use {text_traits, text_type};
