//! Kubernetes quantities, computed apart from the library: as fractions of 10^-9, in 128 bits.

use serde_json::Value;

const NANO: u128 = 1_000_000_000;

/// An amount in 10^-9 of its base unit.
pub(crate) type Nanos = u128;

/// The amount that a town or an object holds: a string or a plain number.
pub(crate) fn amount(value: &Value) -> Nanos {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        other => panic!("{other} is no quantity"),
    }
}

fn parse(text: &str) -> Nanos {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("0{whole}{fraction}").parse().unwrap();
    let decimals = i32::try_from(fraction.len()).unwrap();
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|u| *u == unit);
    let (factor, ten) = match (binary, unit) {
        (Some(power), _) => (1_u128 << (10 * (power + 1)), 0),
        (None, "") => (1, 0),
        (None, "n") => (1, -9),
        (None, "u") => (1, -6),
        (None, "m") => (1, -3),
        (None, "k") => (1, 3),
        (None, "M") => (1, 6),
        (None, "G") => (1, 9),
        (None, "T") => (1, 12),
        (None, "P") => (1, 15),
        (None, "E") => (1, 18),
        (None, exponent) => (1, exponent[1..].parse().unwrap()),
    };
    let power: i32 = ten - decimals;
    let scale = 10_u128.pow(power.unsigned_abs());
    if power < 0 { (digits * factor * NANO).div_ceil(scale) } else { digits * factor * NANO * scale }
}
