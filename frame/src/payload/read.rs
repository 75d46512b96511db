//! Reading a payload: its objects one after another, lists of values, and numbers.

use std::borrow::Cow;

use super::write::{ends_value, is_blank};
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
    /// The bytes that were not read. Between two reads they begin with the next object, or are empty.
    rest: &'a [u8],
    /// The last object was read.
    done: bool,
}

impl<'a> Objects<'a> {
    /// Creates a cursor before the first object.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            length: bytes.len(),
            rest: bytes,
            done: false,
        }
    }

    /// Reads the next object and passes its pairs to `pair`, in their order; `false` after the last object.
    ///
    /// # Errors
    /// The error of `pair`, or the place where the text does not follow the grammar. The cursor cannot be used after
    /// an error.
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

    /// Reads the bytes `before`, then a value in the form that [`write_value`](super::write_value) gives it without
    /// quotes. Reading an object this way, in the usual order of its keys, is faster than by its keys. On `None` the
    /// object may still be valid, but this cursor cannot be used any more: work on a clone.
    #[inline(always)]
    pub(crate) fn value_after<const N: usize>(&mut self, before: &[u8; N]) -> Option<Plain<'a>> {
        if !self.skip(before) {
            return None;
        }
        let (value, rest) = Plain::split(self.rest);
        self.rest = rest;
        (!value.has_blank_end()).then_some(value)
    }

    /// Reads the bytes `before`, then a value of another form, which `split` reads and whose rest it returns. Otherwise as
    /// [`value_after`](Self::value_after).
    #[inline(always)]
    pub(crate) fn split_after<const N: usize, T>(
        &mut self,
        before: &[u8; N],
        split: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>,
    ) -> Option<T> {
        let (value, rest) = split(self.rest.strip_prefix(before)?)?;
        self.rest = rest;
        Some(value)
    }

    /// Reads the end of an object whose values were read by [`value_after`](Self::value_after).
    #[inline]
    pub(crate) fn end(&mut self) -> Option<()> {
        (self.skip(b"}") && self.leave()).then_some(())
    }

    /// The bytes that were not read: they begin with the next object, or are empty.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Moves past the next object, which has so many bytes and was read elsewhere; `false`, and nothing changes, where
    /// neither another object nor the end of the payload follows.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) -> bool {
        let mut ahead = self.clone();
        ahead.rest = &ahead.rest[bytes..];
        let left = ahead.leave();
        if left {
            *self = ahead;
        }
        left
    }

    /// Moves from the end of an object to the next object or to the end of the payload; `false` where neither follows.
    #[inline]
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

    /// Reads a value. The next byte is then the one after it, which the caller checks.
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

    /// Reads these bytes, if they are next; returns whether they are.
    #[inline]
    fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let rest = self.rest.strip_prefix(bytes);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        while let [first, rest @ ..] = self.rest
            && is_blank(*first)
        {
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

/// Reads a payload that is one object.
///
/// # Errors
/// The error of `pair`, or the place where the text does not follow the grammar. A second object is an error too.
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

/// Reads the values of a list such as `a|b|c`: quoted or plain, any number of them.
///
/// # Errors
/// The error of `value`, or the place where the text does not follow the grammar.
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

/// Reads 1 to 19 decimal digits, without signs or blanks; `None` for anything else.
pub fn parse_number(digits: &[u8]) -> Option<u64> {
    let (number, rest) = split_number(digits)?;
    rest.is_empty().then_some(number)
}

/// Reads the decimal digits that `bytes` begin with, and returns the bytes after them; `None` where they are not 1 to 19.
#[inline]
pub(crate) fn split_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut rest) = (0_u64, bytes);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        // Only more digits than are allowed make a number that does not fit.
        number = number.wrapping_mul(10).wrapping_add((digit - b'0').into());
        rest = after;
    }
    let digits = bytes.len() - rest.len();
    (1..=19).contains(&digits).then_some((number, rest))
}

/// Removes the blanks at both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Replaces each two quotes by one.
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
