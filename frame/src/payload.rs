//! The text of a payload: objects of `key:value` pairs, read and written side by side.
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
//! Works on bytes and borrows from them: a value is owned only where doubled quotes had to be undone.
//! Whether a value is UTF-8 is for the field to say. Never looks at what a key means.

use std::borrow::Cow;

use crate::error::PayloadError;
use crate::plain::Plain;

/// A cursor over the objects of a payload.
///
/// ```
/// use frame::{PayloadError, payload::Objects};
///
/// let mut objects = Objects::new(b"{agency:1}|{agency: \"2\" ,x:}");
/// let mut seen = Vec::new();
/// while objects.read(|key, value| Ok::<_, PayloadError>(seen.push((key, value.into_owned()))))? {}
/// assert_eq!(seen, [(&b"agency"[..], b"1".to_vec()), (b"agency", b"2".to_vec()), (b"x", b"".to_vec())]);
/// # Ok::<_, PayloadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    /// Bytes of the whole payload.
    length: usize,
    /// What is unread. Between reads it begins with an object's `{`, or nothing is left.
    rest: &'a [u8],
    done: bool,
}

impl<'a> Objects<'a> {
    /// A cursor at the first object.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            length: bytes.len(),
            rest: bytes,
            done: false,
        }
    }

    /// Reads the next object and hands its pairs to `pair`, in their order; `false` after the last object.
    ///
    /// # Errors
    /// What `pair` returns, or where the text leaves the grammar. The cursor is of no use after either.
    pub fn read<E: From<PayloadError>>(
        &mut self,
        mut pair: impl FnMut(&'a [u8], Cow<'a, [u8]>) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.done {
            return Ok(false);
        }
        if !self.skip(b"{") {
            return Err(self.error("'{'").into());
        }
        self.skip_blanks();
        if !self.skip(b"}") {
            loop {
                let key = self.key()?;
                let value = self.value()?;
                pair(key, value)?;
                if self.skip(b"}") {
                    break;
                }
                if !self.skip(b",") {
                    return Err(self.error("',' or '}' after a value").into());
                }
            }
        }
        if self.leave() {
            Ok(true)
        } else {
            Err(self.error("'|' or the end after an object").into())
        }
    }

    /// Reads what `before` says, then a value that stands as [`ObjectWriter`] writes it without quotes.
    /// Whoever knows what an object should look like reads it faster so than by its keys; on `None`
    /// the cursor is of no use, and the object may still be a good one.
    #[inline(always)]
    pub(crate) fn value_after<const N: usize>(&mut self, before: &[u8; N]) -> Option<Plain<'a>> {
        if !self.skip(before) {
            return None;
        }
        let (value, rest) = Plain::split(self.rest);
        self.rest = rest;
        (!value.has_blank_end()).then_some(value)
    }

    /// Reads the end of an object whose pairs were read by [`value_after`](Self::value_after).
    #[inline]
    pub(crate) fn end(&mut self) -> Option<()> {
        (self.skip(b"}") && self.leave()).then_some(())
    }

    /// Steps from an object's end to the next object or to the payload's end; `false` where neither is.
    fn leave(&mut self) -> bool {
        self.done = self.rest.is_empty();
        self.done || self.skip(b"|")
    }

    fn key(&mut self) -> Result<&'a [u8], PayloadError> {
        let key = trim(self.take_until(|b| b == b':' || ends_value(b)));
        if self.rest.first() != Some(&b':') {
            return Err(self.error("':' after a key"));
        }
        if key.is_empty() {
            return Err(self.error("a key before ':'"));
        }
        self.skip(b":");
        Ok(key)
    }

    /// Leaves the cursor at the byte that ends the pair, which must be ',' or '}'.
    fn value(&mut self) -> Result<Cow<'a, [u8]>, PayloadError> {
        self.skip_blanks();
        if let [b'"', text @ ..] = self.rest {
            return self.quoted(text);
        }
        Ok(Cow::Borrowed(trim(self.take_until(ends_value))))
    }

    /// Reads a quoted value; `text` is what follows its opening quote.
    fn quoted(&mut self, text: &'a [u8]) -> Result<Cow<'a, [u8]>, PayloadError> {
        let mut end = 0;
        let mut doubled = false;
        loop {
            let Some(quote) = memchr::memchr(b'"', &text[end..]) else {
                return Err(self.error("a closing '\"'"));
            };
            end += quote;
            if text.get(end + 1) != Some(&b'"') {
                break;
            }
            doubled = true;
            end += 2;
        }
        let inner = &text[..end];
        self.rest = &text[end + 1..];
        self.skip_blanks();
        Ok(if doubled {
            Cow::Owned(undouble(inner))
        } else {
            Cow::Borrowed(inner)
        })
    }

    /// Reads these bytes, if they are the next.
    #[inline]
    fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let rest = self.rest.strip_prefix(bytes);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn take_until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|b| ends(*b));
        let (taken, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn error(&self, expected: &'static str) -> PayloadError {
        PayloadError {
            at: self.length - self.rest.len(),
            expected,
        }
    }
}

/// Whether a plain value ends before this byte.
fn ends_value(byte: u8) -> bool {
    matches!(byte, b',' | b'|' | b'{' | b'}')
}

/// Reads a payload that is one object.
///
/// # Errors
/// What `pair` returns, or where the text leaves the grammar; a second object does.
pub fn read_object<'a, E: From<PayloadError>>(
    payload: &'a [u8],
    pair: impl FnMut(&'a [u8], Cow<'a, [u8]>) -> Result<(), E>,
) -> Result<(), E> {
    let mut objects = Objects::new(payload);
    objects.read(pair)?;
    if objects.done {
        Ok(())
    } else {
        Err(objects.error("the end after one object").into())
    }
}

/// Reads the values of a `a|b|c` list: quoted or plain, any number of them.
///
/// # Errors
/// What `value` returns, or where the text leaves the grammar.
pub fn read_list<'a, E: From<PayloadError>>(
    list: &'a [u8],
    mut value: impl FnMut(Cow<'a, [u8]>) -> Result<(), E>,
) -> Result<(), E> {
    if trim(list).is_empty() {
        return Ok(());
    }
    let mut cursor = Objects::new(list);
    loop {
        value(cursor.value()?)?;
        if cursor.rest.is_empty() {
            return Ok(());
        }
        if !cursor.skip(b"|") {
            return Err(cursor.error("'|' or the end after a value").into());
        }
    }
}

/// Writes one object, pair by pair.
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Begins an object at the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Appends a pair; the value is quoted where it must be.
    #[must_use]
    pub fn pair(mut self, key: &str, value: &[u8]) -> Self {
        self.key(key);
        write_value(self.out, value);
        self
    }

    /// Appends a pair whose value is a whole number.
    #[must_use]
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        write_number(self.out, value);
        self
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b':');
    }
}

/// Whether a value must be quoted: programs that do not know quotes cannot be sent it.
pub fn needs_quotes(value: &[u8]) -> bool {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    value.first().is_some_and(|b| *b == b'"' || blank(b))
        || value.last().is_some_and(blank)
        || value.iter().any(|b| ends_value(*b))
}

/// Appends a value, quoted only where it must be.
pub fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    if !needs_quotes(value) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for (i, piece) in value.split(|b| *b == b'"').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece);
    }
    out.push(b'"');
}

/// Appends a whole number in decimal digits, without allocating.
pub fn write_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Reads 1 to 19 plain decimal digits: no sign, no blank.
pub fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0')),
    )
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn undouble(inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        value.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    value.extend_from_slice(rest);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn what_the_grammar_allows_is_read() {
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
    fn what_leaves_the_grammar_is_an_error_at_its_byte() {
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
    }
}
