//! One line of the log: its level, its time, its form as text or as a JSON object.

use std::fmt::Write as _;

use tracing::Metadata;

/// The `target` of an event that ends the program. Its level is written as CRITICAL.
pub const CRITICAL: &str = "critical";

/// The lowest level that is written, as the configurations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details for finding a fault.
    Debug,
    /// Ordinary events.
    Info,
    /// Neither program writes lines of this level: the same as WARNING.
    Notice,
    /// Unusual events.
    Warning,
    /// Errors.
    Error,
    /// Errors that end the program.
    Critical,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 6] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// Returns the level's name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    pub(super) fn of(metadata: &Metadata<'_>) -> Self {
        match *metadata.level() {
            _ if metadata.target() == CRITICAL => Self::Critical,
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warning,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Time, level and message.
    #[default]
    Text,
    /// One JSON object a line, with the same parts: `time`, `level`, and each `key: value` of the message, all of them
    /// strings. A message that does not consist of such parts is the value of `message`.
    Json,
}

/// Puts time and level before messages. Keeps the text of the last second, which most lines share.
#[derive(Debug)]
pub(super) struct Stamp {
    format: Format,
    /// The Unix time in seconds whose text is `time`.
    second: i64,
    time: String,
    /// The message of a line, where the line is made from it.
    message: String,
}

impl Stamp {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            second: i64::MIN,
            time: String::new(),
            message: String::new(),
        }
    }

    /// Appends a line of this moment, whose message `write` appends to what it is given.
    pub(super) fn append(
        &mut self,
        out: &mut String,
        level: Level,
        write: impl FnOnce(&mut String),
    ) {
        let now = jiff::Timestamp::now();
        if now.as_second() != self.second {
            self.second = now.as_second();
            self.time = now
                .to_zoned_datetime(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string();
        }
        match self.format {
            Format::Text => {
                // Writing to a String does not fail.
                let _ = write!(out, "{} {:<8} ", self.time, level.name());
                write(out);
            }
            Format::Json => {
                self.message.clear();
                write(&mut self.message);
                append_json(out, &self.time, level.name(), &self.message);
            }
        }
        out.push('\n');
    }
}

/// Appends a line as a JSON object, without a line break. Every value is a string, as the line in text has it.
fn append_json(out: &mut String, time: &str, level: &str, message: &str) {
    out.push_str("{\"time\":");
    string(out, time);
    out.push_str(",\"level\":");
    string(out, level);
    let parts = || message.split(" | ").map(|part| part.split_once(": "));
    // A repeated key would hide a value from most readers.
    let mut keys = vec!["time", "level"];
    let distinct = parts().all(|part| {
        part.is_some_and(|(key, _)| {
            let new = !keys.contains(&key);
            keys.push(key);
            new
        })
    });
    let whole = [Some(("message", message))];
    let parts = parts().filter(|_| distinct);
    let whole = whole.into_iter().filter(|_| !distinct);
    for (key, value) in whole.chain(parts).flatten() {
        out.push(',');
        string(out, key);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

/// Appends a JSON string.
fn string(out: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = write!(out, "{}", serde_json::Value::from(text));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::display::Escaped;

    fn object(message: &str) -> Map<String, Value> {
        let mut out = String::new();
        append_json(&mut out, "2024-08-21 22:11:15", "INFO", message);
        assert!(!out.contains('\n'), "{out:?}");
        match serde_json::from_str(&out) {
            Ok(Value::Object(object)) => object,
            other => panic!("{out}: {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn each_part_of_a_line_is_a_member_whatever_its_value(
            action in "[a-z_]{1,20}",
            values in prop::collection::btree_map("[a-z_]{4,12}x", any::<String>(), 0..6),
        ) {
            let mut message = format!("action: {action} | result: success");
            for (key, value) in &values {
                let _ = write!(message, " | {key}: {}", Escaped(value));
            }
            let mut expected = BTreeMap::from([
                ("time".to_owned(), "2024-08-21 22:11:15".to_owned()),
                ("level".to_owned(), "INFO".to_owned()),
                ("action".to_owned(), action),
                ("result".to_owned(), "success".to_owned()),
            ]);
            let values = values.iter();
            expected.extend(values.map(|(key, value)| (key.clone(), Escaped(value).to_string())));
            let members = object(&message).into_iter();
            let told: BTreeMap<String, String> = members
                .map(|(key, value)| (key, value.as_str().unwrap().to_owned()))
                .collect();
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn a_message_of_any_other_form_is_told_whole(message in any::<String>()) {
            let object = object(&message);
            let parts: Vec<&str> = message.split(" | ").collect();
            if parts.iter().any(|part| !part.contains(": ")) {
                prop_assert_eq!(&object["message"], &Value::from(message));
            }
            prop_assert!(object.len() >= 3);
        }
    }

    #[test]
    fn a_key_that_stands_twice_hides_nothing() {
        let message = "action: a | result: fail | error: x | error: y";
        assert_eq!(object(message)["message"], message);
    }
}
