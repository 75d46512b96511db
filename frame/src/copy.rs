//! The fields of a bet, copied in one pass from one form of text to another.
//!
//! ```text
//! {agency:5,nombre:Ana,apellido:Lorca,dni:012,nacimiento:2000-02-29,numero:464}    an object of a payload
//! 5,               Ana,         Lorca,    012,           2000-02-29,       464     columns of CSV
//! ```
//!
//! Nearly all bets have fields that are the same bytes in both forms: each is checked and copied sixteen bytes at a time, by
//! the checks with which a [`Bet`](crate::Bet) is read. A bet with anything else is not copied: fields in another order,
//! quotes, blanks, zeros before a number, a text that is not valid, or too few bytes behind it for a whole chunk. Then nothing
//! is said of it: whoever copies reads it as a [`Bet`](crate::Bet), and that decides. So what is copied is what reading and
//! writing would give.
//!
//! In come bytes, and room for the copy; out goes how many of both were used. Allocates nothing.

use std::io::Write;

use crate::fields::{Agency, Birthdate, Document, Name, Text};
use crate::plain::{CHUNK, Plain, common_start, leading_digits};

/// The bytes between the fields of a form, after the first name.
trait Form {
    /// The bytes before the last name, the document, the birthdate and the number.
    const BEFORE: [&'static [u8]; 4];
}

/// An object of a payload, as [`Bet::write`](crate::Bet::write) writes it.
struct Object;

impl Form for Object {
    const BEFORE: [&'static [u8]; 4] = [b",apellido:", b",dni:", b",nacimiento:", b",numero:"];
}

/// Columns of CSV.
struct Columns;

impl Form for Columns {
    const BEFORE: [&'static [u8]; 4] = [b","; 4];
}

/// The bytes before the first name, in every bet of an agency.
#[derive(Clone, Copy, Debug)]
struct Lead {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl Lead {
    /// The most bytes; `{agency:4294967295,nombre:` has 26.
    const MOST: usize = 2 * CHUNK;

    fn of_object(agency: Agency) -> Self {
        Self::new("{agency:", agency, ",nombre:")
    }

    fn of_row(agency: Agency) -> Self {
        Self::new("", agency, ",")
    }

    fn new(before: &str, agency: Agency, behind: &str) -> Self {
        let mut bytes = [0; Self::MOST];
        let mut space = &mut bytes[..];
        // There is room for the longest one.
        let _ = write!(space, "{before}{agency}{behind}");
        let length = Self::MOST - space.len();
        Self { bytes, length }
    }
}

/// Copies objects of an agency's bets as rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromObject {
    object: Lead,
    row: Lead,
}

impl FromObject {
    /// Creates a copier of this agency's bets.
    pub(crate) fn new(agency: Agency) -> Self {
        Self {
            object: Lead::of_object(agency),
            row: Lead::of_row(agency),
        }
    }

    /// Copies the object that `objects` begin with to the front of `out`, as a row of six columns, of which the agency is the
    /// first one, and the bytes `end`. Returns how many bytes the object has, and how many the row. On `None` the bytes of
    /// `out` have no meaning.
    #[inline(always)]
    pub(crate) fn row<const N: usize>(
        &self,
        objects: &[u8],
        end: &'static [u8; N],
        out: &mut [u8],
    ) -> Option<(usize, usize)> {
        let (from, room) = (objects, out.len());
        let copy = Copy { from, out }.lead(&self.object, &self.row)?;
        let copy = copy.fields::<Object, Columns>()?.between(b"}", end)?;
        Some((objects.len() - copy.from.len(), room - copy.out.len()))
    }
}

/// Copies columns of CSV as objects of an agency's bets.
#[derive(Clone, Copy, Debug)]
pub struct FromColumns {
    object: Lead,
}

impl FromColumns {
    /// Creates a copier that makes bets of this agency.
    pub fn new(agency: Agency) -> Self {
        Self {
            object: Lead::of_object(agency),
        }
    }

    /// Room for an object: it has 623 bytes at most, and a few bytes after it are written, too.
    pub const ROOM: usize = 704;

    /// Copies the first name, last name, document, birthdate and number that `columns` begin with to the front of `out`, as
    /// an object; returns how many bytes the columns have, and how many the object. On `None` the bytes of `out` have no
    /// meaning. What follows the number is any byte but a digit.
    #[inline(always)]
    pub fn object(&self, columns: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
        let (from, room) = (columns, out.len());
        let copy = Copy { from, out }.put_lead(&self.object)?;
        let copy = copy.fields::<Columns, Object>()?.between(b"", b"}")?;
        Some((columns.len() - copy.from.len(), room - copy.out.len()))
    }
}

/// A copy under way: the bytes that are not read yet, and the room that is left. A step returns `None` where the next bytes
/// are not what it copies.
struct Copy<'a, 'o> {
    from: &'a [u8],
    out: &'o mut [u8],
}

impl<'a, 'o> Copy<'a, 'o> {
    /// Moves past these numbers of bytes of the input and of the room.
    #[inline(always)]
    fn advance(self, read: usize, written: usize) -> Option<Self> {
        Some(Self {
            from: self.from.get(read..)?,
            out: self.out.get_mut(written..)?,
        })
    }

    #[inline(always)]
    fn lead(self, from: &Lead, to: &Lead) -> Option<Self> {
        if common_start(self.from.first_chunk()?, &from.bytes) < from.length {
            return None;
        }
        self.advance(from.length, 0)?.put_lead(to)
    }

    #[inline(always)]
    fn put_lead(self, lead: &Lead) -> Option<Self> {
        *self.out.first_chunk_mut()? = lead.bytes;
        self.advance(0, lead.length)
    }

    /// Copies all fields but the agency, and what is between them.
    #[inline(always)]
    fn fields<From: Form, To: Form>(self) -> Option<Self> {
        self.text::<{ Name::MAX }>()?
            .between(From::BEFORE[0], To::BEFORE[0])?
            .text::<{ Name::MAX }>()?
            .between(From::BEFORE[1], To::BEFORE[1])?
            .text::<{ Document::MAX }>()?
            .between(From::BEFORE[2], To::BEFORE[2])?
            .birthdate()?
            .between(From::BEFORE[3], To::BEFORE[3])?
            .number()
    }

    /// Reads the bytes `from`, and writes the bytes `to`.
    #[inline(always)]
    fn between(self, from: &'static [u8], to: &'static [u8]) -> Option<Self> {
        if !self.from.starts_with(from) {
            return None;
        }
        self.out.get_mut(..to.len())?.copy_from_slice(to);
        self.advance(from.len(), to.len())
    }

    #[inline(always)]
    fn text<const MAX: usize>(self) -> Option<Self> {
        let (text, from, out) = Plain::copy(self.from, self.out)?;
        let is_valid = Text::<MAX>::allows(&text) && !text.has_blank_end();
        is_valid.then_some(Self { from, out })
    }

    #[inline(always)]
    fn birthdate(self) -> Option<Self> {
        let (date, from) = Birthdate::split(self.from)?;
        let (place, out) = self.out.split_first_chunk_mut()?;
        *place = *date.as_bytes();
        Some(Self { from, out })
    }

    /// Copies a number: one to nine digits without a leading zero.
    #[inline(always)]
    fn number(self) -> Option<Self> {
        let digits: &[u8; CHUNK] = self.from.first_chunk()?;
        let count = leading_digits(digits);
        if !(1..=9).contains(&count) || digits[0] == b'0' && count > 1 {
            return None;
        }
        *self.out.first_chunk_mut()? = *digits;
        self.advance(count, count)
    }
}
