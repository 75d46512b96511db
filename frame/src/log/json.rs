//! A log line as a JSON object.

use std::fmt::Write as _;

/// Appends the object, without a line break. Every value is a string, as the line in text has it.
pub(super) fn line(out: &mut String, time: &str, level: &str, message: &str) {
    out.push_str("{\"time\":");
    string(out, time);
    out.push_str(",\"level\":");
    string(out, level);
    let parts = || message.split(" | ").map(|part| part.split_once(": "));
    // A key that stands twice would hide a value from most readers.
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

fn string(out: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = write!(out, "{}", serde_json::Value::from(text));
}
