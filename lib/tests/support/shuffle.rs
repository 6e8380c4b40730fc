//! JSON text whose attributes stand in any order, which `serde_json` by itself always sorts.

use std::fmt::Write as _;

use serde_json::Value;

/// The same value with the attributes of every object in an order that follows from `seed`.
pub(crate) fn shuffled(value: &Value, seed: u64) -> String {
    let mut text = String::new();
    let mut random = Random(seed);
    write(value, &mut random, &mut text);
    text
}

fn write(value: &Value, random: &mut Random, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            for last in (1..entries.len()).rev() {
                entries.swap(last, random.below(last + 1));
            }
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(text, "{comma}{}:", Value::String(key.clone())).unwrap();
                write(value, random, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, random, text);
            }
            text.push(']');
        }
        scalar => write!(text, "{scalar}").unwrap(),
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}
