//! The fields of a bet. Each is parsed once, where it comes in; from then on a value that exists is valid.
//!
//! In comes the text of a value, from a payload or from a column of a file; out goes the same text. Allocates
//! nothing.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use crate::error::{BetError, Field, Flaw};
use crate::payload;
use crate::plain::Plain;

/// Puts the value of a field into its place; a field may stand only once.
pub(crate) fn set<T>(
    place: &mut Option<T>,
    field: Field,
    value: Result<T, Flaw>,
) -> Result<(), BetError> {
    if place.is_some() {
        return Err(BetError::Field(field, Flaw::Repeated));
    }
    *place = Some(value.map_err(|flaw| BetError::Field(field, flaw))?);
    Ok(())
}

/// Returns the value of a field that must not be missing.
pub(crate) fn present<T>(place: Option<T>, field: Field) -> Result<T, BetError> {
    place.ok_or(BetError::Field(field, Flaw::Missing))
}

/// An agency's number, 1 to 4,294,967,295.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agency(NonZeroU32);

impl Agency {
    /// Returns the agency with this number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Reads plain digits without a leading zero.
    ///
    /// # Errors
    /// [`Flaw::NotAgency`] for anything else.
    pub fn parse(digits: &[u8]) -> Result<Self, Flaw> {
        match Self::split(digits) {
            Some((agency, [])) => Ok(agency),
            _ => Err(Flaw::NotAgency),
        }
    }

    /// Reads the digits that `bytes` begin with, and returns the bytes after them; `None` where [`parse`](Self::parse)
    /// would refuse the digits.
    #[inline]
    pub(crate) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.first() == Some(&b'0') {
            return None;
        }
        let (number, rest) = payload::split_number(bytes)?;
        Some((Self::new(number.try_into().ok()?)?, rest))
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Agency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 1 to `MAX` bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text<'a, const MAX: usize> {
    /// Valid UTF-8.
    bytes: Cow<'a, [u8]>,
    /// See [`is_plain`](Self::is_plain).
    plain: bool,
}

/// A first or last name: 1 to 255 bytes.
pub type Name<'a> = Text<'a, 255>;

/// A document's number, kept as written (leading zeros too): 1 to 32 bytes.
pub type Document<'a> = Text<'a, 32>;

impl<'a, const MAX: usize> Text<'a, MAX> {
    /// The most bytes that it may have.
    pub const MAX: usize = MAX;

    /// Takes the text as it is, blanks included.
    ///
    /// # Errors
    /// It is empty, is longer than `MAX` bytes, is not UTF-8, or holds a control character.
    pub fn parse(value: impl Into<Cow<'a, [u8]>>) -> Result<Self, Flaw> {
        let bytes = value.into();
        if bytes.is_empty() {
            return Err(Flaw::Empty);
        }
        if bytes.len() > MAX {
            return Err(Flaw::TooLong(MAX));
        }
        let plain = match Plain::whole(&bytes) {
            Some(text) if text.is_utf8() => !text.has_blank_end(),
            _ => {
                let text = std::str::from_utf8(&bytes).map_err(|_| Flaw::NotUtf8)?;
                if text.chars().any(char::is_control) {
                    return Err(Flaw::Control);
                }
                false
            }
        };
        Ok(Self { bytes, plain })
    }

    /// Splits `bytes` behind the longest plain text that they begin with. `None` where that text is
    /// not valid or has a blank at an end; [`parse`](Self::parse) may still accept it.
    #[inline(always)]
    pub fn split_plain(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (text, rest) = Plain::split(bytes);
        let valid = Self::from_plain(text).filter(|_| !text.has_blank_end());
        Some((valid?, rest))
    }

    /// Takes a plain text, which must have no blank at its ends; `None` where [`parse`](Self::parse) would refuse it.
    #[inline(always)]
    pub(crate) fn from_plain(text: Plain<'a>) -> Option<Self> {
        Self::allows(&text).then_some(Self {
            bytes: Cow::Borrowed(text.bytes),
            plain: true,
        })
    }

    /// Returns whether a plain text, which has no blank at its ends, is valid.
    #[inline(always)]
    pub(crate) fn allows(text: &Plain<'_>) -> bool {
        (1..=MAX).contains(&text.bytes.len()) && text.is_utf8()
    }

    /// Appends the text as a value of a payload.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.plain {
            out.extend_from_slice(&self.bytes);
        } else {
            payload::write_value(out, &self.bytes);
        }
    }

    /// Returns the text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        // This never gives the default: a text that is not UTF-8 was refused.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Returns whether the text is known to need no quotes in a payload and in a row of CSV. Where this is `false`, it may
    /// still need none: its bytes have to be checked.
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

impl<const MAX: usize> fmt::Debug for Text<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A real calendar date of the years 1 to 9999, as its text `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Birthdate([u8; 10]);

impl Birthdate {
    /// Reads the form `YYYY-MM-DD`, with all its digits.
    ///
    /// # Errors
    /// [`Flaw::NotDate`] for another form and for a date that does not exist.
    #[inline(always)]
    pub fn parse(text: &[u8]) -> Result<Self, Flaw> {
        let bytes: [u8; 10] = text.try_into().map_err(|_| Flaw::NotDate)?;
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else {
            return Err(Flaw::NotDate);
        };
        let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Flaw::NotDate);
        }
        let two = |tens, ones| 10 * (tens - b'0') + (ones - b'0');
        let year = 100 * i16::from(two(y1, y2)) + i16::from(two(y3, y4));
        // Both are at most 99, so they fit into an i8.
        let (month, day) = (two(m1, m2) as i8, two(d1, d2) as i8);
        // Most days are in every month.
        let is_day = (1..=12).contains(&month) && (1..=28).contains(&day)
            || jiff::civil::Date::new(year, month, day).is_ok();
        if year == 0 || !is_day {
            return Err(Flaw::NotDate);
        }
        Ok(Self(bytes))
    }

    /// Reads the ten bytes that `bytes` begin with, and returns the bytes after them; `None` where [`parse`](Self::parse)
    /// would refuse them.
    #[inline(always)]
    pub(crate) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (text, rest) = bytes.split_first_chunk::<10>()?;
        Some((Self::parse(text).ok()?, rest))
    }

    /// Returns the ten bytes of `YYYY-MM-DD`.
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

/// A number that can be bet on: 0 to 999,999,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u32);

impl Number {
    /// The largest number.
    pub const MAX: u32 = 999_999_999;

    /// Returns the number; `None` above [`Number::MAX`].
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Reads 1 to 9 decimal digits; leading zeros do not count (`0464` is 464).
    ///
    /// # Errors
    /// [`Flaw::NotNumber`] for anything else.
    pub fn parse(digits: &[u8]) -> Result<Self, Flaw> {
        match Self::split(digits) {
            Some((number, [])) => Ok(number),
            _ => Err(Flaw::NotNumber),
        }
    }

    /// Reads the digits that `bytes` begin with, and returns the bytes after them; `None` where [`parse`](Self::parse)
    /// would refuse the digits.
    #[inline]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = payload::split_number(bytes)?;
        let number = Self::new(number.try_into().ok()?)?;
        (bytes.len() - rest.len() <= 9).then_some((number, rest))
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_shown_as_it_is_and_known_to_be_plain_where_no_byte_of_it_has_a_meaning() {
        for (text, is_plain) in [
            ("Ñandú", true),
            ("María de la Paz", true),
            ("a,b", false),
            ("\"", false),
            (" a", false),
            ("a ", false),
        ] {
            let name = Name::parse(text.as_bytes()).unwrap();
            assert_eq!((name.as_str(), name.is_plain()), (text, is_plain));
            assert_eq!(format!("{name:?}"), format!("{text:?}"));
        }
    }

    #[test]
    fn a_plain_text_is_split_off_where_it_is_valid_and_has_no_blank_at_an_end() {
        let split = |bytes: &'static [u8]| {
            let (name, rest) = Name::split_plain(bytes)?;
            assert!(name.is_plain());
            Some((name.as_str().to_owned(), rest))
        };
        assert_eq!(split(b"Ana,Paz"), Some(("Ana".to_owned(), &b",Paz"[..])));
        assert_eq!(split(b"Ana"), Some(("Ana".to_owned(), &b""[..])));
        for refused in [
            &b",Paz"[..],
            b" Ana,",
            b"Ana ,",
            b"",
            b"\xff,",
            &[b'x'; 256],
        ] {
            assert_eq!(split(refused), None, "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_split_off_where_its_digits_alone_would_be_read(
            digits in "0{0,2}[0-9]{0,11}",
            rest in "(,[0-9]{0,3})?",
        ) {
            let text = format!("{digits}{rest}");
            let (bytes, rest) = (text.as_bytes(), rest.as_bytes());
            let agency = digits.parse().ok().and_then(Agency::new).filter(|_| !digits.starts_with('0'));
            prop_assert_eq!(Agency::split(bytes), agency.map(|agency| (agency, rest)));
            prop_assert_eq!(Agency::parse(digits.as_bytes()).ok(), agency);
            let number = digits.parse().ok().and_then(Number::new).filter(|_| digits.len() <= 9);
            prop_assert_eq!(Number::split(bytes), number.map(|number| (number, rest)));
            prop_assert_eq!(Number::parse(digits.as_bytes()).ok(), number);
        }

        #[test]
        fn a_date_is_split_off_where_its_ten_bytes_alone_would_be_read(
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            rest in "[0-9,]{0,3}",
        ) {
            let text = format!("{date}{rest}");
            let parsed = Birthdate::parse(date.as_bytes()).ok();
            prop_assert_eq!(Birthdate::split(text.as_bytes()), parsed.map(|date| (date, rest.as_bytes())));
            prop_assert_eq!(Birthdate::split(&date.as_bytes()[..9]), None);
        }
    }
}
