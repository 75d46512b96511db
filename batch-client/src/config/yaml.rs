//! The configuration file as names with values. The only file that names `serde_yaml` and `serde`.
//!
//! In comes the text of a file; out come its [`Entry`]s in the order of the file, each with its path as a name with dots. A
//! repeated key comes twice: the caller decides what that means. Knows no key.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::Number;

/// Some editors write it at the beginning of a file in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The most bytes of a file: some hundred times the size of a file with all keys.
const MAX_BYTES: usize = 64 * 1024;

/// The most brackets that a file may open: keys are nested three deep, and the time of the parser grows with the square of
/// the depth.
const MAX_BRACKETS: usize = 100;

/// A name with dots, and its value.
pub(super) type Entry = (String, Value);

/// A single value of the file, as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// A number, `true` or `false`: the text is the shortest one for it, and may not be the one in the file.
    Scalar(String),
}

/// Reads the names and values of a file, those without a value left out.
///
/// # Errors
/// The text is too long or nested too deep, is not YAML, is not a mapping, or has something else than a single value at a
/// name. The error is part of a sentence.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    check_size(text)?;
    let tree: Option<Tree> = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    let mut entries = Vec::new();
    match tree {
        None | Some(Tree::Nothing) => {}
        Some(Tree::Mapping(mapping)) => flatten("", mapping, &mut entries)?,
        Some(_) => return Err("it is not a list of keys and values".to_owned()),
    }
    Ok(entries)
}

/// Refuses a text on which the parser would work for long.
fn check_size(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!(
            "it has more than {MAX_BYTES} bytes: it is no configuration of this program; the agency's file belongs in batch.file"
        ));
    }
    // Brackets in quotes and comments count, too: no configuration has a hundred of them.
    if text.matches(['{', '[']).count() > MAX_BRACKETS {
        return Err(format!(
            "it opens more than {MAX_BRACKETS} brackets: it is no configuration of this program"
        ));
    }
    Ok(())
}

fn flatten(name: &str, mapping: Vec<(Tree, Tree)>, entries: &mut Vec<Entry>) -> Result<(), String> {
    for (key, value) in mapping {
        let Tree::Text(key) = key else {
            return Err(format!("a key below \"{name}\" is not a text"));
        };
        let dot = if name.is_empty() { "" } else { "." };
        let name = format!("{name}{dot}{key}");
        match value {
            Tree::Nothing => {}
            Tree::Text(value) => entries.push((name, Value::Text(value))),
            Tree::Scalar(value) => entries.push((name, Value::Scalar(value))),
            Tree::Mapping(mapping) => flatten(&name, mapping, entries)?,
            Tree::Other => return Err(format!("{name} is not a single value")),
        }
    }
    Ok(())
}

/// A node of the file. `serde_yaml` has such a type, but that refuses a repeated key.
enum Tree {
    Nothing,
    Text(String),
    /// A number, `true` or `false`.
    Scalar(String),
    Mapping(Vec<(Tree, Tree)>),
    /// A list, or a value with a tag.
    Other,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Node)
    }
}

struct Node;

impl<'de> Visitor<'de> for Node {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Number::from(value).to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = access.next_entry()? {
            mapping.push(entry);
        }
        Ok(Tree::Mapping(mapping))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::Other)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Tree, A::Error> {
        let (IgnoredAny, value) = access.variant()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Tree::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_with_dots_and_in_their_order_and_those_without_a_value_are_left_out() {
        let text = "\u{feff}b:\n  c: 1\n  d: {e: true, f: ~}\na.g: \"x\"\nb.c: 1.50\nh:\n";
        let pair = |(name, value): (&str, &str)| {
            let text = value.to_owned();
            let value = match value {
                "x" => Value::Text(text),
                _ => Value::Scalar(text),
            };
            (name.to_owned(), value)
        };
        let expected = [
            ("b.c", "1"),
            ("b.d.e", "true"),
            ("a.g", "x"),
            ("b.c", "1.5"),
        ];
        assert_eq!(entries(text).unwrap(), expected.map(pair));
        for nothing in ["", "\u{feff}", "# nothing\n", "---\n", "~"] {
            assert_eq!(entries(nothing).unwrap(), [], "{nothing:?}");
        }
    }

    #[test]
    fn anything_but_keys_with_single_values_is_refused() {
        for (text, reason) in [
            ("- a", "it is not a list of keys and values"),
            ("a", "it is not a list of keys and values"),
            ("a: [1]", "a is not a single value"),
            ("a: {b: !x 1}", "a.b is not a single value"),
            ("a: {1: 2}", "a key below \"a\" is not a text"),
        ] {
            assert_eq!(entries(text).unwrap_err(), reason, "{text}");
        }
        assert!(entries("a: {").is_err() && entries("a: 1\n---\nb: 2").is_err());
    }
    #[test]
    fn a_file_that_the_parser_would_read_for_long_is_refused_before() {
        for text in [
            "{a: ".repeat(75_000),
            "{a: ".repeat(10_000),
            "[".repeat(60_000),
            "{a: #}\n".repeat(8_000),
            "&a [*a, *a]\n".repeat(5_000),
            "# words\n".repeat(10_000),
        ] {
            let reason = entries(&text).unwrap_err();
            assert!(
                reason.contains("it is no configuration of this program"),
                "{reason}"
            );
        }
    }

    #[test]
    fn the_parser_reads_everything_else_at_once() {
        let began = std::time::Instant::now();
        for text in [
            "- ".repeat(30_000),
            "? ".repeat(30_000),
            "a: \"".to_owned() + &"\\\n".repeat(30_000),
            "a: ".to_owned() + &"&a ".repeat(20_000),
            (0..350).map(|depth| " ".repeat(depth) + "a:\n").collect(),
            "a: b\n".repeat(13_000),
            "'".repeat(60_000),
            "a:\n".to_owned() + &"\n".repeat(60_000),
            "a: |\n".to_owned() + &" x\n".repeat(20_000),
        ] {
            assert!(check_size(&text).is_ok());
            let _ = entries(&text);
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
