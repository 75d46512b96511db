//! A bet and its fields. Each is parsed once, at the edge; from then on a value that exists is valid.
//!
//! Comes from payload text or from the columns of a file, goes out as payload text. Never allocates but
//! for a value whose doubled quotes had to be undone.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use crate::error::{BetError, Field, Flaw};
use crate::payload::{self, Objects};
use crate::plain::Plain;

/// One bet: six valid fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bet<'a> {
    /// The agency that took it.
    pub agency: Agency,
    /// The bettor's first name, `nombre`.
    pub first_name: Name<'a>,
    /// The bettor's last name, `apellido`.
    pub last_name: Name<'a>,
    /// The bettor's document, `dni`.
    pub document: Document<'a>,
    /// The bettor's day of birth, `nacimiento`.
    pub birthdate: Birthdate,
    /// The number that was bet on, `numero`.
    pub number: Number,
}

impl<'a> Bet<'a> {
    /// Reads the next object of a payload as a bet; `None` after the last.
    ///
    /// Fields may stand in any order, unknown keys are ignored.
    ///
    /// # Errors
    /// The text leaves the grammar, or a field is missing, repeated (a name such as `A,agency:2` must not
    /// move a bet to agency 2) or not allowed.
    pub fn read(objects: &mut Objects<'a>) -> Result<Option<Self>, BetError> {
        match Self::read_as_written(objects) {
            Some(bet) => Ok(Some(bet)),
            None => Self::read_by_name(objects),
        }
    }

    /// The quick way, for a bet that stands as [`write`](Self::write) writes it, without quotes. For any
    /// other, and for one with a flaw, `None`, and nothing is read.
    fn read_as_written(objects: &mut Objects<'a>) -> Option<Self> {
        let mut ahead = objects.clone();
        let bet = Self {
            agency: Agency::parse(ahead.value_after(b"{agency:")?.bytes).ok()?,
            first_name: Name::from_plain(ahead.value_after(b",nombre:")?)?,
            last_name: Name::from_plain(ahead.value_after(b",apellido:")?)?,
            document: Document::from_plain(ahead.value_after(b",dni:")?)?,
            birthdate: Birthdate::parse(ahead.value_after(b",nacimiento:")?.bytes).ok()?,
            number: Number::parse(ahead.value_after(b",numero:")?.bytes).ok()?,
        };
        ahead.end()?;
        *objects = ahead;
        Some(bet)
    }

    /// Out of line, so that the quick way stays short.
    #[cold]
    fn read_by_name(objects: &mut Objects<'a>) -> Result<Option<Self>, BetError> {
        let (mut agency, mut first_name, mut last_name) = (None, None, None);
        let (mut document, mut birthdate, mut number) = (None, None, None);
        let found = objects.read(|key, value| match key {
            b"agency" => set(&mut agency, Field::Agency, Agency::parse(&value)),
            b"nombre" => set(&mut first_name, Field::FirstName, Name::parse(value)),
            b"apellido" => set(&mut last_name, Field::LastName, Name::parse(value)),
            b"dni" => set(&mut document, Field::Document, Document::parse(value)),
            b"nacimiento" => set(&mut birthdate, Field::Birthdate, Birthdate::parse(&value)),
            b"numero" => set(&mut number, Field::Number, Number::parse(&value)),
            _ => Ok(()),
        })?;
        if !found {
            return Ok(None);
        }
        Ok(Some(Self {
            agency: present(agency, Field::Agency)?,
            first_name: present(first_name, Field::FirstName)?,
            last_name: present(last_name, Field::LastName)?,
            document: present(document, Field::Document)?,
            birthdate: present(birthdate, Field::Birthdate)?,
            number: present(number, Field::Number)?,
        }))
    }

    /// Appends the bet as a payload object, its fields in the order of the protocol.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{agency:");
        payload::write_number(out, self.agency.get().into());
        out.extend_from_slice(b",nombre:");
        self.first_name.write(out);
        out.extend_from_slice(b",apellido:");
        self.last_name.write(out);
        out.extend_from_slice(b",dni:");
        self.document.write(out);
        out.extend_from_slice(b",nacimiento:");
        out.extend_from_slice(self.birthdate.as_bytes());
        out.extend_from_slice(b",numero:");
        payload::write_number(out, self.number.get().into());
        out.push(b'}');
    }
}

/// Fills the slot of a field that may stand once.
pub(crate) fn set<T>(
    slot: &mut Option<T>,
    field: Field,
    value: Result<T, Flaw>,
) -> Result<(), BetError> {
    if slot.is_some() {
        return Err(BetError::Field(field, Flaw::Repeated));
    }
    *slot = Some(value.map_err(|flaw| BetError::Field(field, flaw))?);
    Ok(())
}

/// The value of a field that must stand.
pub(crate) fn present<T>(slot: Option<T>, field: Field) -> Result<T, BetError> {
    slot.ok_or(BetError::Field(field, Flaw::Missing))
}

/// An agency's number, 1 to 4,294,967,295.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agency(NonZeroU32);

impl Agency {
    /// The agency of this number; none has 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Reads plain digits without a leading zero.
    ///
    /// # Errors
    /// [`Flaw::NotAgency`] for anything else.
    pub fn parse(digits: &[u8]) -> Result<Self, Flaw> {
        let number = match digits {
            [b'1'..=b'9', ..] => payload::parse_number(digits).and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        number.and_then(Self::new).ok_or(Flaw::NotAgency)
    }

    /// The number.
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
    bytes: Cow<'a, [u8]>,
    plain: bool,
}

/// A first or last name: 1 to 255 bytes.
pub type Name<'a> = Text<'a, 255>;

/// A document's number, kept as written (leading zeros too): 1 to 32 bytes.
pub type Document<'a> = Text<'a, 32>;

impl<'a, const MAX: usize> Text<'a, MAX> {
    /// Takes the text as it is, blanks included.
    ///
    /// # Errors
    /// It is empty, longer than `MAX` bytes, no UTF-8, or holds a control character.
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

    /// The quick way: takes the longest plain text that `bytes` begins with, where that is a valid one without
    /// blanks at its ends, and returns what follows it. What is not plain is for [`parse`](Self::parse) to judge.
    #[inline(always)]
    pub fn split_plain(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (text, rest) = Plain::split(bytes);
        let valid = Self::from_plain(text).filter(|_| !text.has_blank_end());
        Some((valid?, rest))
    }

    /// Takes a plain text without blanks at its ends; `None` where [`parse`](Self::parse) would refuse it.
    #[inline(always)]
    fn from_plain(text: Plain<'a>) -> Option<Self> {
        let valid = (1..=MAX).contains(&text.bytes.len()) && text.is_utf8();
        valid.then_some(Self {
            bytes: Cow::Borrowed(text.bytes),
            plain: true,
        })
    }

    /// Appends the text as a value of a payload.
    fn write(&self, out: &mut Vec<u8>) {
        if self.plain {
            out.extend_from_slice(&self.bytes);
        } else {
            payload::write_value(out, &self.bytes);
        }
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Never the default: what is no UTF-8 was refused.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Whether it stands without quotes in a payload and in a row of CSV, which most texts do. Others may
    /// too: they have to be looked at.
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
    /// Reads the form `YYYY-MM-DD`, every digit there.
    ///
    /// # Errors
    /// [`Flaw::NotDate`] for another form and for a day that no calendar has.
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
        // At most 99: the casts lose nothing.
        let (month, day) = (two(m1, m2) as i8, two(d1, d2) as i8);
        if year == 0 || jiff::civil::Date::new(year, month, day).is_err() {
            return Err(Flaw::NotDate);
        }
        Ok(Self(bytes))
    }

    /// The ten bytes of `YYYY-MM-DD`.
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

/// A number that can be bet on: 0 to 999,999,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u32);

impl Number {
    /// The largest one.
    pub const MAX: u32 = 999_999_999;

    /// The number, where it is not above [`Number::MAX`].
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Reads 1 to 9 decimal digits; leading zeros say nothing (`0464` is 464).
    ///
    /// # Errors
    /// [`Flaw::NotNumber`] for anything else.
    pub fn parse(digits: &[u8]) -> Result<Self, Flaw> {
        if digits.len() > 9 {
            return Err(Flaw::NotNumber);
        }
        let number = payload::parse_number(digits).and_then(|n| u32::try_from(n).ok());
        number.and_then(Self::new).ok_or(Flaw::NotNumber)
    }

    /// The number.
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

    const BET: &str =
        "{agency:1,nombre:Ana,apellido:Lorca,dni:012,nacimiento:2000-02-29,numero:0464}";

    fn read(payload: &str) -> Result<Option<Bet<'_>>, BetError> {
        Bet::read(&mut Objects::new(payload.as_bytes()))
    }

    #[test]
    fn fields_are_found_by_name_in_any_order_and_unknown_keys_ignored() {
        let shuffled = "{numero:464,x:1,nacimiento:2000-02-29, dni : 012,x:2,apellido:Lorca,nombre:Ana,agency:1}";
        let bet = read(shuffled).unwrap().unwrap();
        assert_eq!(read(BET), Ok(Some(bet.clone())));
        let mut out = Vec::new();
        bet.write(&mut out);
        assert_eq!(out, BET.replace("0464", "464").as_bytes());
    }

    #[test]
    fn the_quick_way_takes_what_is_written_and_reads_what_the_long_way_reads() {
        let written = BET.replace("0464", "464");
        assert!(Bet::read_as_written(&mut Objects::new(written.as_bytes())).is_some());
        let two = [BET, BET].join("|").into_bytes();
        for seed in 0..50_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut payload = two.clone();
            for _ in 0..rng.u8(..4) {
                let at = rng.usize(..payload.len());
                let byte = *rng.choice(b"{}:,|\" \t0Az\x1f\x7f\xc2\x85\xc3").unwrap();
                payload.splice(
                    at..at + rng.usize(..2),
                    [byte].into_iter().take(rng.usize(..2)),
                );
            }
            let (mut quick, mut long) = (Objects::new(&payload), Objects::new(&payload));
            for _ in 0..3 {
                let read = Bet::read(&mut quick);
                assert_eq!(read, Bet::read_by_name(&mut long), "seed {seed}");
                if read.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_missing_and_a_repeated_field_are_named() {
        for field in [
            Field::Agency,
            Field::FirstName,
            Field::LastName,
            Field::Document,
            Field::Birthdate,
            Field::Number,
        ] {
            let without = BET.replace(&format!("{}:", field.name()), "other:");
            assert_eq!(read(&without), Err(BetError::Field(field, Flaw::Missing)));
            let start = BET.find(field.name()).unwrap();
            let pair = BET[start..].split([',', '}']).next().unwrap();
            let twice = BET.replacen('{', &format!("{{{pair},"), 1);
            assert_eq!(read(&twice), Err(BetError::Field(field, Flaw::Repeated)));
        }
    }

    #[test]
    fn each_field_is_refused_outside_its_bounds_and_taken_at_them() {
        let (name, document) = ("é".repeat(127) + "e", "9".repeat(32));
        for (old, new) in [
            ("agency:1", "agency:4294967295"),
            ("nombre:Ana", &format!("nombre:{name}")),
            ("dni:012", &format!("dni:{document}")),
            ("2000-02-29", "0001-01-01"),
            ("2000-02-29", "9999-12-31"),
            ("numero:0464", "numero:999999999"),
            ("numero:0464", "numero:0"),
        ] {
            assert!(read(&BET.replace(old, new)).is_ok(), "{new}");
        }
        for (old, new, flaw) in [
            ("agency:1", "agency:0", Flaw::NotAgency),
            ("agency:1", "agency:01", Flaw::NotAgency),
            ("agency:1", "agency:+1", Flaw::NotAgency),
            ("agency:1", "agency:4294967296", Flaw::NotAgency),
            ("agency:1", "agency:", Flaw::NotAgency),
            ("nombre:Ana", "nombre:", Flaw::Empty),
            ("nombre:Ana", &format!("nombre:{name}x"), Flaw::TooLong(255)),
            ("nombre:Ana", "nombre:A\nna", Flaw::Control),
            ("nombre:Ana", "nombre:Áñ\u{85}", Flaw::Control),
            ("apellido:Lorca", "apellido:\"\"", Flaw::Empty),
            ("dni:012", "dni:\0", Flaw::Control),
            ("dni:012", &format!("dni:{document}9"), Flaw::TooLong(32)),
            ("2000-02-29", "1999-02-29", Flaw::NotDate),
            ("2000-02-29", "1999-2-3", Flaw::NotDate),
            ("2000-02-29", "99-01-01", Flaw::NotDate),
            ("2000-02-29", "0000-01-01", Flaw::NotDate),
            ("2000-02-29", "2000-13-01", Flaw::NotDate),
            ("2000-02-29", "2000/02/29", Flaw::NotDate),
            ("numero:0464", "numero:", Flaw::NotNumber),
            ("numero:0464", "numero:-1", Flaw::NotNumber),
            ("numero:0464", "numero:0000000001", Flaw::NotNumber),
        ] {
            let Err(BetError::Field(_, found)) = read(&BET.replace(old, new)) else {
                panic!("{new} is taken")
            };
            assert_eq!(found, flaw, "{new}");
        }
        assert_eq!(Name::parse(&b"\xc3"[..]), Err(Flaw::NotUtf8));
    }
}
