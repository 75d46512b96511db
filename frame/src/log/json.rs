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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::escaped::Escaped;

    fn object(message: &str) -> Map<String, Value> {
        let mut out = String::new();
        line(&mut out, "2024-08-21 22:11:15", "INFO", message);
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
