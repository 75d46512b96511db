//! The values of the configuration, and how each is read from its text. `None` means that the text is not allowed.

use std::path::PathBuf;
use std::time::Duration;

use frame::Agency;
use frame::log::{Format, Level};

use crate::duration::GoDuration;

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

pub(super) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

pub(super) fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "resume" => Some(Protocol::Resume),
        "plain" => Some(Protocol::Plain),
        _ => None,
    }
}

pub(super) fn format(text: &str) -> Option<Format> {
    match text {
        "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        _ => None,
    }
}

pub(super) fn level(text: &str) -> Option<Level> {
    Level::ALL
        .into_iter()
        .find(|level| level.name().eq_ignore_ascii_case(text))
}
