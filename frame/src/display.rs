//! Texts from outside and numbers, as they are shown to people and to programs that read lines: in the log, over HTTP, on
//! standard output and standard error.

use std::fmt::{self, Write as _};

/// A text from outside, or a message that may hold one. Displays with everything escaped that could make it look like something else:
///
/// - control characters, so line breaks and the escape sequences of terminals (`\n`, `\u{1b}`);
/// - characters that change the direction of the text around them, or that cannot be seen (`\u{202e}`, `\u{200b}`);
/// - `|`, which divides the parts of a log line (`\x7c`);
/// - the backslash itself (`\\`), so that nothing else looks like an escaped character.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written to it.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Self(f) = self;
        let mut rest = text;
        while let Some(at) = rest.find(is_escaped) {
            let (plain, odd) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = odd.chars();
            match chars.next() {
                Some('|') => f.write_str("\\x7c")?,
                Some(c) => write!(f, "{}", c.escape_default())?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// Returns whether [`Escaped`] escapes a character.
fn is_escaped(c: char) -> bool {
    c == '|' || c == '\\' || is_hidden(c)
}

/// Returns whether a character is a control character, cannot be seen, or changes the direction of the text around it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // The soft hyphen, and what joins or fills.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Marks, embeddings, overrides and isolates of direction; line and paragraph separators.
            | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Blanks of no width, joiners, invisible operators, the byte order mark.
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            // Annotations, and the tags of plane 14.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the same JSON with every invisible character escaped, as `\u202e`. Its readers get the same values.
///
/// `json` has been written by a JSON writer, so that control characters, quotes and backslashes are escaped already.
pub fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // A line break between two tokens is not a part of a string.
        if is_hidden(c) && !c.is_ascii() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A number with a noun, as people write them: `1 bet`, `2 bets`. The noun is in the singular, and its plural ends in `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escaped_text_cannot_break_a_line_or_a_part_or_pass_for_another() {
        let text =
            Escaped("a|b\nc\u{1b}[1m\u{2028}é\\n\u{202e}\u{200b}x\u{feff}\u{e0041}").to_string();
        assert_eq!(
            text,
            "a\\x7cb\\nc\\u{1b}[1m\\u{2028}é\\\\n\\u{202e}\\u{200b}x\\u{feff}\\u{e0041}"
        );
        let plain = "[CLIENT 1] Message N°1: Ñandú, ¿qué? 30904465";
        assert_eq!(Escaped(plain).to_string(), plain);
    }

    #[test]
    fn of_json_only_what_is_invisible_within_a_string_is_escaped() {
        let json = "{\n\t\"nombre\": \"Ñandú\u{202e}\u{e0041}\"\n}";
        let escaped = "{\n\t\"nombre\": \"Ñandú\\u202e\\udb40\\udc41\"\n}";
        assert_eq!(escape_json(json), escaped);
    }

    #[test]
    fn one_is_singular_and_every_other_number_plural() {
        let text = |count| Count(count, "column").to_string();
        assert_eq!(
            [0, 1, 2, 11, 101].map(text),
            [
                "0 columns",
                "1 column",
                "2 columns",
                "11 columns",
                "101 columns"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_hidden_character_is_shown_and_every_backslash_begins_an_escape(text in any::<String>()) {
            let shown = Escaped(&text).to_string();
            prop_assert!(!shown.contains(is_hidden) && !shown.contains('|'), "{}", shown);
            let (found, odd) = (shown.matches('\\').count(), text.matches(is_escaped).count());
            // A backslash is shown as two.
            prop_assert_eq!(found, odd + text.matches('\\').count());
        }

        #[test]
        fn escaped_json_has_the_same_value_and_no_hidden_character(text in any::<String>()) {
            let json = serde_json::Value::from(format!("{text}\u{202e}\u{e0041}")).to_string();
            let escaped = escape_json(&json);
            prop_assert!(!escaped.contains(is_hidden), "{}", escaped);
            let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
            prop_assert_eq!(read.to_string(), json);
        }
    }
}
