//! Numbers with a unit and a range: user ids, ports, seconds.

use super::Malformed;

/// Gives a newtype around an integer its range check, (de)serialising and JSON Schema.
macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident($repr:ty), $min:expr, $max:expr, $expected:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name($repr);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> $repr {
                self.0
            }

            /// Makes a value from a constant that is known to be in range.
            pub(crate) const fn constant(value: $repr) -> Self {
                assert!(value >= $min && value <= $max);
                Self(value)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Malformed;

            fn try_from(value: i64) -> Result<Self, Self::Error> {
                <$repr>::try_from(value)
                    .ok()
                    .filter(|v| ($min..=$max).contains(v))
                    .map(Self)
                    .ok_or_else(|| Malformed::new($expected))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                i64::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let (min, max): ($repr, $repr) = ($min, $max);
                schemars::json_schema!({ "type": "integer", "minimum": min, "maximum": max })
            }
        }
    };
}

ranged! {
    /// A Unix user id of a human or an agent: 1000 to 60000, the range of login.defs(5). Below are root and the
    /// system's own users.
    Uid(u32), 1000, 60000, "expected a user id from 1000 to 60000; the ids below belong to root and the system"
}

ranged! {
    /// A TCP or UDP port, 1 to 65535.
    Port(u16), 1, u16::MAX, "expected a port from 1 to 65535"
}

ranged! {
    /// A duration in whole seconds, from one second to one year.
    Seconds(u32), 1, 31_536_000, "expected whole seconds from 1 to 31536000 (one year)"
}

ranged! {
    /// How long a human has for an answer, 5 to 3600 seconds.
    ApprovalTimeout(u32), 5, 3600, "expected whole seconds from 5 to 3600"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_of_root_and_of_system_users_is_refused() {
        for bad in [i64::MIN, -1, 0, 1, 999, 60001, 65534, i64::MAX] {
            assert!(Uid::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Uid::try_from(1000).map(Uid::get), Ok(1000));
        assert_eq!(Uid::try_from(60000).map(Uid::get), Ok(60000));
    }

    #[test]
    fn port_zero_is_no_port() {
        assert!(Port::try_from(0).is_err());
        assert!(Port::try_from(65536).is_err());
        assert_eq!(Port::try_from(65535).map(Port::get), Ok(65535));
    }
}
