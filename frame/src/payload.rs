//! The text of a payload: objects of `key:value` pairs. `read` reads them, `write` writes them.
//!
//! ```text
//! payload = object *( "|" object )
//! object  = "{" [ pair *( "," pair ) ] "}"
//! pair    = key ":" value                    ; blanks (space, tab) around key and value are trimmed
//! value   = quoted | plain
//! plain   = *( any byte but , | { } )        ; does not begin with '"'
//! quoted  = '"' *( any byte but '"' | '""' ) '"'
//! ```
//!
//! Works on bytes and borrows from them: a value is owned only where doubled quotes were replaced by single ones.
//! Does not check that a value is UTF-8: that depends on its field. Never looks at what a key means.

mod read;
mod write;

pub(crate) use read::split_number;
pub use read::{Objects, parse_number, read_list, read_object};
pub use write::{ObjectWriter, needs_quotes, write_number, write_value};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PayloadError;
    use proptest::prelude::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn read_all(payload: &[u8]) -> Result<Vec<Pairs>, PayloadError> {
        let mut objects = Objects::new(payload);
        let mut all = Vec::new();
        loop {
            let mut pairs = Pairs::new();
            let more = objects.read(|key, value| {
                pairs.push((key.to_vec(), value.into_owned()));
                Ok::<_, PayloadError>(())
            })?;
            if !more {
                return Ok(all);
            }
            all.push(pairs);
        }
    }

    #[test]
    fn a_payload_that_follows_the_grammar_is_read() {
        for (text, pairs) in [
            ("{}", vec![]),
            ("{a:1}", vec![("a", "1")]),
            ("{ a\t: 1 ,b:}", vec![("a", "1"), ("b", "")]),
            ("{a:x:y\"z}", vec![("a", "x:y\"z")]),
            ("{a:\"1,2|{3}\" }", vec![("a", "1,2|{3}")]),
            ("{a:\"\"\"q\"\"\"}", vec![("a", "\"q\"")]),
            ("{a:\" \"}", vec![("a", " ")]),
        ] {
            let expected: Pairs = pairs
                .iter()
                .map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec()))
                .collect();
            assert_eq!(read_all(text.as_bytes()), Ok(vec![expected]), "{text}");
        }
    }

    #[test]
    fn a_payload_that_does_not_follow_the_grammar_is_an_error_at_its_byte() {
        for (text, at) in [
            ("", 0),
            ("x", 0),
            ("{", 1),
            ("{a", 2),
            ("{a}", 2),
            ("{a:1", 4),
            ("{:1}", 1),
            ("{a:1,}", 5),
            ("{a:1}}", 5),
            ("{a:1} ", 5),
            ("{a:1}|", 6),
            ("{a:1|b:2}", 4),
            ("{a:{b}", 3),
            ("{a:\"1}", 3),
            ("{a:\"1\"2}", 6),
        ] {
            assert_eq!(read_all(text.as_bytes()).unwrap_err().at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![
            any::<u8>(), proptest::sample::select(&b"{}:,|\" \ta1"[..])], 0..200)) {
            let _ = read_all(&bytes);
            let _ = read_object(&bytes, |_, _| Ok::<_, PayloadError>(()));
            let _ = read_list(&bytes, |_| Ok::<_, PayloadError>(()));
        }

        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"{}:,|\" \t"[..])], 1..20), 1..5)) {
            let mut out = Vec::new();
            let mut writer = ObjectWriter::new(&mut out);
            for value in &values {
                writer = writer.pair("k", value);
            }
            writer.end();
            let pairs: Pairs = values.iter().map(|v| (b"k".to_vec(), v.clone())).collect();
            prop_assert_eq!(read_all(&out), Ok(vec![pairs]));

            out.clear();
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b'|');
                }
                write_value(&mut out, value);
            }
            let mut read = Vec::new();
            read_list(&out, |value| {
                read.push(value.into_owned());
                Ok::<_, PayloadError>(())
            }).unwrap();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn numbers_are_written_as_their_digits(n in 0..=9_999_999_999_999_999_999u64) {
            let mut out = Vec::new();
            write_number(&mut out, n);
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), n.to_string());
            prop_assert_eq!(parse_number(&out), Some(n));
        }

        #[test]
        fn a_number_ends_before_the_first_byte_that_is_no_digit(
            digits in "[0-9]{0,22}",
            rest in "([^0-9][ -~]{0,3})?",
        ) {
            let text = format!("{digits}{rest}");
            let number = (1..=19).contains(&digits.len()).then(|| digits.parse().unwrap());
            prop_assert_eq!(split_number(text.as_bytes()), number.map(|n| (n, rest.as_bytes())));
            prop_assert_eq!(parse_number(text.as_bytes()), number.filter(|_| rest.is_empty()));
        }
    }
}
