//! Amounts of CPU, memory, storage and devices, as Kubernetes writes them.
//!
//! The grammar and the canonical form are those of `k8s.io/apimachinery/pkg/api/resource.Quantity`. The canonical
//! form is what the API server stores, so a manifest that uses it shows no difference after it was applied.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::Malformed;

/// A non-negative Kubernetes quantity, exact to 10^-9, at most 2^63 - 1 of the base unit.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// The amount in 10^-9 of the base unit (cores, bytes, devices).
    nanos: u128,
    format: Format,
}

/// How the amount is written; a sum takes the format of its first summand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

const NANO: u128 = 1_000_000_000;
/// The largest amount that the API server takes, 2^63 - 1.
const MAX_NANOS: u128 = (i64::MAX as u128) * NANO;

/// Suffixes by 1024, from large to small.
const BINARY: [(&str, u128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// Suffixes by 1000, as powers of ten, from large to small.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

impl Quantity {
    /// Nothing at all.
    pub const ZERO: Self = Self { nanos: 0, format: Format::Decimal };

    /// A whole number of the base unit.
    #[must_use]
    pub const fn whole(count: u32) -> Self {
        Self { nanos: count as u128 * NANO, format: Format::Decimal }
    }

    /// A number of gibibytes.
    #[must_use]
    pub const fn gibibytes(count: u32) -> Self {
        Self { nanos: (count as u128) * (1 << 30) * NANO, format: Format::Binary }
    }

    /// Whether the amount is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether the amount has no fraction: devices and bytes cannot be divided.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.nanos.is_multiple_of(NANO)
    }

    /// The sum, or [`None`] above what the API server takes.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        let nanos = self.nanos.checked_add(other.nanos).filter(|n| *n <= MAX_NANOS)?;
        Some(Self { nanos, format })
    }

    /// The difference, or [`None`] where `other` is larger.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_sub(other.nanos)?, format })
    }
}

/// By amount: `1024Mi` equals `1Gi`.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed =
            || Malformed::new("expected a Kubernetes quantity such as \"500m\", \"2\", \"4Gi\" or \"1.5G\"");
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (digits, scale) = decimal(number).ok_or_else(malformed)?;
        let too_large = || Malformed::new("a quantity is at most 2^63 - 1 of its base unit");
        if let Some((_, unit)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            let nanos = digits.checked_mul(*unit).and_then(|d| shift(d, 9 - scale)).ok_or_else(too_large)?;
            return Self { nanos, format: Format::Binary }.bounded();
        }
        let (exponent, format) = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
            Some((_, exponent)) => (*exponent, Format::Decimal),
            None => (exponent(suffix).ok_or_else(malformed)?, Format::Exponent),
        };
        let nanos = shift(digits, 9 + exponent - scale).ok_or_else(too_large)?;
        Self { nanos, format }.bounded()
    }
}

impl Quantity {
    fn bounded(self) -> Result<Self, Malformed> {
        if self.nanos > MAX_NANOS {
            return Err(Malformed::new("a quantity is at most 2^63 - 1 of its base unit"));
        }
        Ok(self)
    }
}

/// `12.50` gives 1250 and the number of decimals, 2. At most 30 digits, so that it fits.
fn decimal(number: &str) -> Option<(u128, i32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || fraction.contains('.') {
        return None;
    }
    Some((digits.parse().ok()?, i32::try_from(fraction.len()).ok()?))
}

/// `e3`, `E-3`, `e+3`: the exponent, within what can matter.
fn exponent(suffix: &str) -> Option<i32> {
    let text = suffix.strip_prefix(['e', 'E'])?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|e| (-30..=30).contains(e))
}

/// `digits` times ten to the `by`, rounded up as the API server does where precision is lost.
fn shift(digits: u128, by: i32) -> Option<u128> {
    let factor = 10_u128.checked_pow(by.unsigned_abs())?;
    if by >= 0 { digits.checked_mul(factor) } else { Some(digits.div_ceil(factor)) }
}

/// The canonical form: no fraction, the largest suffix that keeps the amount exact.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.is_whole() {
            let amount = self.nanos / NANO;
            return match BINARY.iter().find(|(_, unit)| amount.is_multiple_of(*unit)) {
                Some((suffix, unit)) => write!(f, "{}{suffix}", amount / unit),
                // The API server writes a binary amount below 1024 without a suffix.
                None => write!(f, "{amount}"),
            };
        }
        let exponent_of = |(_, exponent): &&(&str, i32)| {
            10_u128
                .checked_pow((exponent + 9).unsigned_abs())
                .is_some_and(|unit| self.nanos.is_multiple_of(unit))
        };
        let (suffix, exponent) = DECIMAL.iter().find(exponent_of).copied().unwrap_or(("n", -9));
        let amount = self.nanos / 10_u128.pow((exponent + 9).unsigned_abs());
        match (self.format, exponent) {
            (Format::Exponent, 0) => write!(f, "{amount}"),
            (Format::Exponent, _) => write!(f, "{amount}e{exponent}"),
            _ => write!(f, "{amount}{suffix}"),
        }
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A string, or a plain number as Nix writes it (`cpu = 2;`, `cpu = 0.5;`).
impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl serde::de::Visitor<'_> for Visitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes quantity such as \"500m\", \"2\" or \"4Gi\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "number"],
            "pattern": "^[0-9]*\\.?[0-9]*([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
            "minimum": 0,
            "examples": ["500m", "2", "4Gi"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Quantity>().unwrap().to_string()
    }

    /// From apimachinery's own documentation and tests of `Quantity`.
    #[test]
    fn canonical_form_is_the_api_servers() {
        for (text, expected) in [
            ("1.5", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("100e-3", "100e-3"),
            ("0", "0"),
            ("0Gi", "0"),
            ("0.5Ki", "512"),
            ("100Ki", "100Ki"),
            (".5", "500m"),
            ("5.", "5"),
            ("0.1Ki", "102400m"),
            ("1E", "1E"),
            ("1n", "1n"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_quantity_is_refused() {
        for bad in [
            "", ".", "1.2.3", "Gi", "1gi", "1 Gi", " 1", "-1", "+1", "1ki", "1K", "1Gib", "1e", "1e+", "two",
            "1e99", "９",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad:?}");
        }
        assert!("9223372036854775808".parse::<Quantity>().is_err());
        assert!("8Ei".parse::<Quantity>().is_err());
        assert!("9223372036854775807".parse::<Quantity>().is_ok());
    }

    #[test]
    fn amounts_are_compared_and_added_exactly() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(q("1Gi"), q("1073741824"));
        assert!(q("999m") < q("1"));
        assert_eq!(q("500m").checked_add(q("1.5")), Some(q("2")));
        assert_eq!(q("7Ei").checked_add(q("7Ei")), None);
        assert_eq!(q("10Gi").checked_add(q("50Gi")).map(|s| s.to_string()).as_deref(), Some("60Gi"));
    }

    proptest::proptest! {
        #[test]
        fn canonical_form_reads_back_as_the_same_amount(text in "[0-9]{0,9}\\.?[0-9]{0,9}(Ki|Mi|Gi|Ti|n|u|m|k|M|G|T|e-?[0-9])?") {
            if let Ok(quantity) = text.parse::<Quantity>() {
                let again: Quantity = quantity.to_string().parse().unwrap();
                proptest::prop_assert_eq!(quantity, again);
                proptest::prop_assert_eq!(again.to_string(), quantity.to_string());
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
