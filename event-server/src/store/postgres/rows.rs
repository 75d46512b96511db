//! The bets of a group as the database takes them: each is written once, in the message in which it is sent.
//!
//! ```text
//! message    'd' | length i32 | tuple | tuple | …             one after the other, about 64 KiB each
//!
//! tuple      7 i16 | 4 agency i32 | 8 seq i64 | n first_name | n last_name | n document | 4 birthdate i32 | 4 number i32
//! ```
//!
//! Messages are CopyData (PostgreSQL's manual, "Message Formats"), tuples those of a binary COPY (COPY, "Binary Format"). All
//! numbers are big-endian. Each field has its length before it, an i32; a date is a number of days since 2000-01-01.
//!
//! Bets of all agencies lie together in the order in which they came. [`Rows`] are being written; [`SealedRows`] are shared
//! with the stream that sends them, and stay until their commit is done: where it fails, each agency's are sent alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use frame::{Agency, Bet};

/// A message that has this many bytes gets no further tuple: the server works on one while the next is on its way.
const MESSAGE: usize = 64 * 1024;

/// Bytes of a message before its tuples: its type and its length, which counts itself.
const HEADER: usize = 5;

const TYPE: usize = 1;

const COLUMNS: u16 = 7;

/// Where an agency's number lies in a tuple.
const AGENCY: usize = 6;

/// Rows that are being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    /// Where the last message begins. Its length is not written yet.
    last: usize,
}

/// The end of the rows at one moment: those behind it can be discarded.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowsEnd {
    length: usize,
    last: usize,
}

impl Rows {
    /// No rows; they will be written into the memory of this buffer.
    pub(super) fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            bytes: buffer,
            last: 0,
        }
    }

    /// Bytes of all messages.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the tuple of a bet that is its agency's bet number `seq`, counted from 0. `agency` fits into an i32.
    pub(super) fn push(&mut self, bet: &Bet<'_>, seq: u64) {
        self.make_room();
        let tuples = &mut self.bytes;
        let mut head = [0; 22];
        head[..2].copy_from_slice(&COLUMNS.to_be_bytes());
        head[2..6].copy_from_slice(&4_u32.to_be_bytes());
        head[AGENCY..10].copy_from_slice(&bet.agency.get().to_be_bytes());
        head[10..14].copy_from_slice(&8_u32.to_be_bytes());
        head[14..].copy_from_slice(&seq.to_be_bytes());
        tuples.extend_from_slice(&head);
        for text in [
            bet.first_name.as_bytes(),
            bet.last_name.as_bytes(),
            bet.document.as_bytes(),
        ] {
            // It has 255 bytes at most.
            tuples.extend_from_slice(&(text.len() as u32).to_be_bytes());
            tuples.extend_from_slice(text);
        }
        let mut tail = [0; 16];
        tail[..4].copy_from_slice(&4_u32.to_be_bytes());
        tail[4..8].copy_from_slice(&days(bet.birthdate.as_bytes()).to_be_bytes());
        tail[8..12].copy_from_slice(&4_u32.to_be_bytes());
        tail[12..].copy_from_slice(&bet.number.get().to_be_bytes());
        tuples.extend_from_slice(&tail);
    }

    /// Begins a message where there is none, or the last one is full.
    fn make_room(&mut self) {
        if self.bytes.is_empty() || self.bytes.len() - self.last >= MESSAGE {
            self.close();
            self.last = self.bytes.len();
            self.bytes.extend_from_slice(&[b'd', 0, 0, 0, 0]);
        }
    }

    /// Writes the length of the last message.
    fn close(&mut self) {
        let end = self.bytes.len();
        if end > 0 {
            let length = (end - self.last - TYPE) as u32;
            self.bytes[self.last + TYPE..self.last + HEADER].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The end of the last tuple.
    pub(super) fn end(&self) -> RowsEnd {
        RowsEnd {
            length: self.bytes.len(),
            last: self.last,
        }
    }

    /// Discards all tuples behind this end.
    pub(super) fn truncate(&mut self, end: RowsEnd) {
        self.bytes.truncate(end.length);
        self.last = end.last;
    }

    /// Takes out the tuples of an agency.
    pub(super) fn remove(&mut self, agency: Agency) {
        self.close();
        let mut rest = Self::default();
        let others = tuples(&self.bytes).filter(|(owner, _)| *owner != Some(agency));
        others.for_each(|(_, tuple)| rest.push_tuple(tuple));
        *self = rest;
    }

    fn push_tuple(&mut self, tuple: &[u8]) {
        self.make_room();
        self.bytes.extend_from_slice(tuple);
    }

    /// Completes the rows: no more are written.
    pub(super) fn seal(mut self) -> SealedRows {
        self.close();
        SealedRows(Arc::new(self.bytes))
    }
}

/// Rows that are complete. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedRows(Arc<Vec<u8>>);

impl SealedRows {
    /// Returns them as whole messages one after the other: all that stands between the beginning and the end of a COPY.
    pub fn messages(&self) -> &Arc<Vec<u8>> {
        &self.0
    }

    /// Returns the tuple of each bet with its agency, in the order in which they were written.
    pub fn tuples(&self) -> impl Iterator<Item = (Agency, &[u8])> {
        tuples(&self.0).filter_map(|(agency, tuple)| Some((agency?, tuple)))
    }

    /// The rows of each agency, copied.
    pub(super) fn split(&self) -> BTreeMap<Agency, Self> {
        let mut agencies: BTreeMap<Agency, Rows> = BTreeMap::new();
        for (agency, tuple) in self.tuples() {
            agencies.entry(agency).or_default().push_tuple(tuple);
        }
        let sealed = |(agency, rows): (Agency, Rows)| (agency, rows.seal());
        agencies.into_iter().map(sealed).collect()
    }

    /// The memory, where nobody else shares the rows any more.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        Arc::into_inner(self.0)
    }
}

/// The tuples in whole messages, each with its agency.
fn tuples(messages: &[u8]) -> impl Iterator<Item = (Option<Agency>, &[u8])> {
    let (mut rest, mut message) = (messages, &[][..]);
    std::iter::from_fn(move || {
        if message.is_empty() {
            let length = number(rest.get(TYPE..HEADER)?);
            (message, rest) = rest[HEADER..].split_at(length + TYPE - HEADER);
        }
        let length = (0..COLUMNS).fold(2, |at, _| at + 4 + number(&message[at..at + 4]));
        let (tuple, others) = message.split_at(length);
        message = others;
        let agency = number(&tuple[AGENCY..AGENCY + 4]) as u32;
        Some((Agency::new(agency), tuple))
    })
}

/// A big-endian number.
fn number(bytes: &[u8]) -> usize {
    (bytes.iter()).fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Days from 2000-01-01 to a day of the Gregorian calendar, year 1 to 9999. Years are counted from March 1, so that a
/// leap day is the last of its year.
fn days(date: &[u8; 10]) -> i32 {
    /// Days from March 1 of year 0 to 2000-01-01.
    const EPOCH: i32 = 730_425;
    let number =
        |digits: &[u8]| (digits.iter()).fold(0, |sum, digit| 10 * sum + i32::from(digit - b'0'));
    let (year, month, day) = (number(&date[..4]), number(&date[5..7]), number(&date[8..]));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let months = (153 * month + 2) / 5;
    365 * year + leap_days + months + day - 1 - EPOCH
}

/// A bet for tests to which it is one like any other.
#[cfg(test)]
pub(super) fn any_bet(agency: frame::Agency) -> Bet<'static> {
    Bet {
        agency,
        first_name: frame::Name::parse(b"Ana").unwrap(),
        last_name: frame::Name::parse(b"Paz").unwrap(),
        document: frame::Document::parse(b"1").unwrap(),
        birthdate: frame::Birthdate::parse(b"2000-01-01").unwrap(),
        number: frame::Number::new(7574).unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::{Birthdate, Document, Name, Number};

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    fn bet(number: u32, name: &str) -> Bet<'_> {
        Bet {
            agency: agency(number),
            first_name: Name::parse(name.as_bytes()).unwrap(),
            last_name: Name::parse(b"Paz").unwrap(),
            document: Document::parse(b"30904465").unwrap(),
            birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
            number: Number::new(7574).unwrap(),
        }
    }

    #[test]
    fn a_bet_is_the_tuple_that_a_binary_copy_takes() {
        let mut rows = Rows::default();
        rows.push(&bet(3, "Ana"), 0x0102);
        let tuple = b"\0\x07\0\0\0\x04\0\0\0\x03\0\0\0\x08\0\0\0\0\0\0\x01\x02\
            \0\0\0\x03Ana\0\0\0\x03Paz\0\0\0\x0830904465\0\0\0\x04\0\0\0\x3b\0\0\0\x04\0\0\x1d\x96";
        let header = [b'd', 0, 0, 0, tuple.len() as u8 + 4];
        let messages = [&header[..], tuple].concat();
        assert_eq!(**rows.seal().messages(), messages);
    }

    #[test]
    fn rows_are_whole_messages_of_about_64_kib_whatever_was_discarded_or_taken_out() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let mut rows = Rows::default();
            let mut expected: Vec<(u32, u64)> = Vec::new();
            for _ in 0..rng.usize(..30) {
                let (end, owner, count) = (rows.end(), rng.u32(1..4), rng.u64(..400));
                let name = "x".repeat(rng.usize(1..200));
                (0..count).for_each(|seq| rows.push(&bet(owner, &name), seq));
                match rng.u8(..8) {
                    0 => rows.truncate(end),
                    1 => {
                        rows.remove(agency(owner));
                        expected.retain(|(other, _)| *other != owner);
                    }
                    _ => expected.extend((0..count).map(|seq| (owner, seq))),
                }
            }
            let rows = rows.seal();
            let mut rest = &rows.messages()[..];
            while let Some(header) = rest.first_chunk::<HEADER>() {
                let length = TYPE + number(&header[TYPE..]);
                assert!(header[0] == b'd' && length > HEADER, "an empty message");
                assert!(length < MESSAGE + 1024);
                rest = &rest[length..];
                assert!(rest.is_empty() || length >= MESSAGE, "a short message");
            }
            let seq = |tuple: &[u8]| number(&tuple[14..22]) as u64;
            let of = |rows: &SealedRows| -> Vec<(u32, u64)> {
                let tuples = rows.tuples();
                tuples
                    .map(|(owner, tuple)| (owner.get(), seq(tuple)))
                    .collect()
            };
            assert_eq!(of(&rows), expected);
            for (owner, alone) in rows.split() {
                let mut own = expected.clone();
                own.retain(|(other, _)| *other == owner.get());
                assert_eq!(of(&alone), own);
            }
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_goes() {
        for (date, count) in [
            (b"2000-01-01", 0),
            (b"2000-02-29", 59),
            (b"2000-03-01", 60),
            (b"1999-12-31", -1),
            (b"1970-01-01", -10_957),
            (b"0001-01-01", -730_119),
            (b"1900-02-28", -36_466),
            (b"1900-03-01", -36_465),
            (b"9999-12-31", 2_921_939),
        ] {
            assert_eq!(days(date), count, "{date:?}");
        }
    }
}
