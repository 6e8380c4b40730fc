//! How an agent's windows look: the same on every machine and every day, so that a human learns it.
//!
//! # Invariants
//!
//! - A colour can be seen on white as well as on black (WCAG 2.1, success criterion 1.4.11 asks for a contrast of 3:1).
//! - It carries no meaning alone: the name stands in the title and in the first line, and the frame has a pattern besides.

use std::fmt;

use nuketown::values::AgentName;
use sha2::{Digest as _, Sha256};

/// Hues that a human tells apart side by side.
const HUES: u16 = 24;

/// The relative luminance of every colour: 4.7:1 against black, 4.5:1 against white.
const LUMINANCE: f64 = 0.183;

/// A colour and a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Red, green, blue (sRGB).
    pub colour: [u8; 3],
    /// The frame's pattern.
    pub edge: Edge,
}

/// Patterns of a frame, by their names in CSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// One thick line.
    Solid,
    /// Two lines.
    Double,
    /// A broken line.
    Dashed,
}

impl Look {
    /// The look of an agent's windows, by its name alone.
    #[must_use]
    pub fn of(agent: &AgentName) -> Self {
        let hash = Sha256::digest(agent.to_string());
        let edge = match hash[2] % 3 {
            0 => Edge::Solid,
            1 => Edge::Double,
            _ => Edge::Dashed,
        };
        Self { colour: colour(u16::from_be_bytes([hash[0], hash[1]]) % HUES), edge }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Solid => "solid",
            Self::Double => "double",
            Self::Dashed => "dashed",
        })
    }
}

/// The brightest colour of a hue that is not above [`LUMINANCE`], by halving: luminance grows with brightness.
fn colour(hue: u16) -> [u8; 3] {
    let (mut dark, mut bright) = (0.0, 1.0);
    for _ in 0..16 {
        let middle = f64::midpoint(dark, bright);
        if luminance(rgb(hue, middle)) > LUMINANCE {
            bright = middle;
        } else {
            dark = middle;
        }
    }
    rgb(hue, dark)
}

/// HSL to sRGB with a saturation of 0.75 (CSS Color 4, section 7.1).
fn rgb(hue: u16, lightness: f64) -> [u8; 3] {
    const SATURATION: f64 = 0.75;
    let degrees = f64::from(hue) * 360.0 / f64::from(HUES);
    [0.0, 8.0, 4.0].map(|n| {
        let k = (n + degrees / 30.0) % 12.0;
        let amplitude = SATURATION * lightness.min(1.0 - lightness);
        let value = lightness - amplitude * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0 and 255")]
        let byte = (value * 255.0).round() as u8;
        byte
    })
}

/// WCAG 2.1, "relative luminance".
fn luminance(colour: [u8; 3]) -> f64 {
    let [r, g, b] = colour.map(|byte| {
        let c = f64::from(byte) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn look(name: &str) -> Look {
        Look::of(&name.parse().unwrap())
    }

    #[test]
    fn every_colour_is_seen_on_white_and_on_black_and_all_differ() {
        let colours: BTreeSet<[u8; 3]> = (0..HUES).map(colour).collect();
        assert_eq!(colours.len(), usize::from(HUES));
        for colour in colours {
            let luminance = luminance(colour);
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{colour:?} on white");
            assert!((luminance + 0.05) / 0.05 >= 4.0, "{colour:?} on black");
        }
    }

    /// A human has learnt them: a change is a change of the product.
    #[test]
    fn look_of_a_name_never_changes() {
        assert_eq!(look("ada"), look("ada"));
        let looks: Vec<String> = ["ada", "vox", "liver", "gateway"]
            .map(|name| {
                let Look { colour: [r, g, b], edge } = look(name);
                format!("{name} #{r:02x}{g:02x}{b:02x} {edge}")
            })
            .into();
        assert_eq!(
            looks,
            ["ada #1e77d1 double", "vox #658012 double", "liver #e02957 solid", "gateway #d71fa9 double"]
        );
    }
}
