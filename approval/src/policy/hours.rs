//! Hours of the local day in which nobody is asked.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use crate::{Kind, Malformed};

/// A minute of the local day: `07:30`. The caller knows the time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// The minute at this hour and minute; None from 24:00 on.
    #[must_use]
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self(u16::from(hour) * 60 + u16::from(minute)))
    }
}

impl FromStr for Minute {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let two = |text: &str| -> Option<u8> {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Self::new(two(hour)?, two(minute)?))
            .ok_or_else(|| Malformed::new("the time", text, "expected HH:MM from 00:00 to 23:59"))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// From one minute, included, to another, excluded; past midnight where the second is the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Hours")]
pub struct QuietHours {
    from: Minute,
    to: Minute,
    except: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: String,
    to: String,
    #[serde(default)]
    except: Vec<Kind>,
}

impl TryFrom<Hours> for QuietHours {
    type Error = Malformed;

    fn try_from(hours: Hours) -> Result<Self, Self::Error> {
        let minute = |place: &str, text: &str| {
            text.parse().map_err(|why: Malformed| Malformed { place: place.to_owned(), ..why })
        };
        let (from, to): (Minute, Minute) = (minute("from", &hours.from)?, minute("to", &hours.to)?);
        if from == to {
            // A whole day or no time at all: whoever wrote it meant one of them.
            return Err(Malformed::new("to", &hours.to, "expected another minute than that of from"));
        }
        Ok(Self { from, to, except: hours.except })
    }
}

impl QuietHours {
    /// Whether nobody is asked for this kind at this minute.
    #[must_use]
    pub fn hold(&self, kind: Kind, at: Minute) -> bool {
        let within = if self.from < self.to {
            (self.from..self.to).contains(&at)
        } else {
            at >= self.from || at < self.to
        };
        within && !self.except.contains(&kind)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}
