//! The keys of the configuration: their names, defaults and allowed values, and how each value is read from its text.
//!
//! A function that reads a value returns `None` where the text is not allowed; [`Key::allowed`] says in words what is.
//! Durations have the form of Go's [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration), as `100ms`, `1.5h` and
//! `1m30s`, without the minus sign, since no duration here is negative. The length is the one that Go computes, rounded down to
//! whole nanoseconds. Knows no file and no environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use frame::Agency;
use frame::log::{Format, Level};

/// What the names of the client's environment variables begin with.
pub const PREFIX: &str = "CLI_";

/// One key, as the documentation describes it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Its value where nothing sets it.
    pub(super) default: Option<&'static str>,
    /// The values that it may have, in words.
    pub(super) allowed: &'static str,
}

impl Key {
    /// Returns whether any text may be its value, so that a number in the file may have been written otherwise.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.name, "server.address" | "batch.file" | "trace.file")
            || self.name.starts_with("server.tls.")
    }
}

/// Returns the environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

/// All keys.
pub(super) const KEYS: [Key; 19] = [
    Key {
        name: "id",
        default: None,
        allowed: "a whole number from 1 to 4294967295",
    },
    Key {
        name: "server.address",
        default: Some("server:12345"),
        allowed: "host:port, or several of them with commas between; nothing stands before the host, IPv6 stands in brackets, and the port is from 1 to 65535",
    },
    Key {
        name: "server.protocol",
        default: Some("resume"),
        allowed: "resume or plain",
    },
    Key {
        name: "server.timeout",
        default: Some("10s"),
        allowed: "a duration such as 10s, from 1ms to 24h",
    },
    Key {
        name: "server.retry",
        default: Some("5m"),
        allowed: "a duration such as 5m, from 0s to 8760h",
    },
    Key {
        name: "server.tls.ca",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.cert",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.key",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "loop.amount",
        default: Some("5"),
        allowed: "a whole number from 0 to 4294967295",
    },
    Key {
        name: "loop.period",
        default: Some("5s"),
        allowed: "a duration such as 100ms, 1.5h or 1m30s, from 0s to 8760h",
    },
    Key {
        name: "log.level",
        default: Some("INFO"),
        allowed: "DEBUG, INFO, NOTICE, WARNING, ERROR or CRITICAL",
    },
    Key {
        name: "log.format",
        default: Some("text"),
        allowed: "text or json",
    },
    Key {
        name: "trace.file",
        default: Some(""),
        allowed: "the path of a file",
    },
    Key {
        name: "trace.maxBytes",
        default: Some("268435456"),
        allowed: "a whole number from 65536 to 4294967295",
    },
    Key {
        name: "batch.maxAmount",
        default: Some("86"),
        allowed: "a whole number from 1 to 1000000",
    },
    Key {
        name: "batch.window",
        default: Some("64"),
        allowed: "a whole number from 1 to 1024",
    },
    Key {
        name: "batch.file",
        default: Some("/data/agency.csv"),
        allowed: "the path of a file",
    },
    Key {
        name: "batch.allowEmpty",
        default: Some("false"),
        allowed: "true or false",
    },
    Key {
        name: "batch.strict",
        default: Some("false"),
        allowed: "true or false",
    },
];

/// What each of the keys of mutual TLS may be.
pub(super) const TLS_FILE: &str = "the path of a file; mutual TLS needs all of server.tls.ca, server.tls.cert and server.tls.key, or none";

/// What a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// All types of messages, with resumed uploads.
    Resume,
    /// Types 1 to 6, one request per connection.
    Plain,
}

/// Reads the number of an agency.
pub(super) fn agency(text: &str) -> Option<Agency> {
    Agency::parse(text.as_bytes()).ok()
}

/// Reads a whole number within these bounds.
pub(super) fn number(text: &str, min: u32, max: u32) -> Option<u32> {
    let number = frame::payload::parse_number(text.as_bytes())?;
    u32::try_from(number)
        .ok()
        .filter(|n| (min..=max).contains(n))
}

/// Reads one of Go's durations, within these bounds.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Option<GoDuration> {
    GoDuration::parse(text).filter(|d| (min..=max).contains(&d.length()))
}

/// Reads the path of a file, which is not empty.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// Reads `true` or `false`, in upper or lower case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

/// Reads the name of a protocol.
pub(super) fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "resume" => Some(Protocol::Resume),
        "plain" => Some(Protocol::Plain),
        _ => None,
    }
}

/// Reads the name of a format of the log.
pub(super) fn format(text: &str) -> Option<Format> {
    match text {
        "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// Reads the name of a level of the log, in upper or lower case.
pub(super) fn level(text: &str) -> Option<Level> {
    Level::ALL
        .into_iter()
        .find(|level| level.name().eq_ignore_ascii_case(text))
}

/// A length of time, and the text from which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoDuration {
    text: String,
    length: Duration,
}

impl GoDuration {
    /// Reads one or more decimal numbers, each with its unit: `h`, `m`, `s`, `ms`, `us` or `ns`. A bare `0`
    /// needs none. `None` for anything else, and for a duration that is too long for Go (292 years).
    pub fn parse(text: &str) -> Option<Self> {
        let length = length(text.strip_prefix('+').unwrap_or(text))?;
        Some(Self {
            text: text.to_owned(),
            length,
        })
    }

    /// Returns how long it is.
    pub fn length(&self) -> Duration {
        self.length
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads the numbers with their units, without a sign, and returns their sum.
fn length(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    loop {
        let (nanoseconds, after) = part(rest)?;
        total = total
            .checked_add(nanoseconds)
            .filter(|n| i64::try_from(*n).is_ok())?;
        if after.is_empty() {
            return Some(Duration::from_nanos(total));
        }
        rest = after;
    }
}

/// Reads one number with its unit; returns it in nanoseconds, and the text after it.
fn part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = rest.split_at(
        rest.find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len()),
    );
    let unit = nanoseconds(unit)?;
    // Digits after the eighteenth are less than a nanosecond in every unit.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let scale = 10u128.pow(fraction.len() as u32);
    // The fraction is less than a unit, and all of it less than 2^102.
    let fraction = digits_value(fraction)? * unit / scale;
    let part = digits_value(whole)?
        .checked_mul(unit)?
        .checked_add(fraction)?;
    Some((u64::try_from(part).ok()?, rest))
}

/// Splits a text after the digits that it begins with.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Returns the number that digits stand for, 0 for none; `None` where it is too large.
fn digits_value(digits: &str) -> Option<u128> {
    if digits.is_empty() {
        Some(0)
    } else {
        digits.parse().ok()
    }
}

/// Returns how many nanoseconds a unit has.
fn nanoseconds(unit: &str) -> Option<u128> {
    match unit {
        "ns" => Some(1),
        // Unicode has two signs for micro.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_that_go_accepts_is_read_as_go_reads_it() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.001h", 3_603_600_000_000),
            ("0.3333333333333333333333h", 1_199_999_999_999),
            ("2us3ns", 2_003),
            ("2\u{b5}s", 2_000),
            ("2\u{3bc}s", 2_000),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            let read = GoDuration::parse(text).map(|d| d.length());
            assert_eq!(read, Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn every_text_that_go_refuses_is_refused() {
        for text in [
            "",
            "5",
            "s",
            ".s",
            "-5s",
            "++5s",
            "5 s",
            "5sec",
            "1d",
            "5s ",
            "1e3s",
            "9223372036854775808ns",
            "2562048h",
            "99999999999999999999999999999999999999999h",
            // In nanoseconds, the largest number of 128 bits and a little more.
            "340282366920938463463374607431768211.999us",
        ] {
            assert_eq!(GoDuration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_was_written() {
        assert_eq!(GoDuration::parse("01m90s").unwrap().to_string(), "01m90s");
    }
}
