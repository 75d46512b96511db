//! A row of bets.csv, written and read side by side, and the lines of a file that is read in slices.
//!
//! ```text
//! agency,first_name,last_name,document,birthdate,number CR LF
//! ```
//!
//! Written as Python's csv writer does: a column is quoted only where it holds `,` or `"` (a [`Bet`] has no
//! line breaks), and a quote in it is doubled. More is read than is written, since a file that is taken over was written
//! by others:
//!
//! - one row a line, LF or CRLF, at most [`MAX_ROW`] bytes, UTF-8 without control characters, no blank lines;
//! - six columns, each plain or quoted; a quote within a plain column is an ordinary character;
//! - agency: decimal digits, 1 to 4,294,967,295; number: 1 to 19 decimal digits;
//! - birthdate: a real day, `YYYY-MM-DD`; names and document: any text, empty too.
//!
//! Writing allocates nothing, reading only for a column with doubled quotes.

use std::borrow::Cow;
use std::fmt;

use frame::payload::{parse_number, write_number};
use frame::{Agency, Bet, Bets, Birthdate, Number, Text};
use memchr::memchr;

use crate::facts::MAX_AGENCIES;

/// The longest row that is read, in bytes, its line end not counted. Rows that are written here have at most 1,200.
pub const MAX_ROW: usize = 8 * 1024;

/// What the columns of a row are.
const COLUMNS: [&str; 6] = [
    "agency",
    "first_name",
    "last_name",
    "document",
    "birthdate",
    "number",
];

/// Appends a bet as a row.
pub fn write(bet: &Bet<'_>, out: &mut Vec<u8>) {
    write_number(out, bet.agency.get().into());
    out.push(b',');
    write_text(&bet.first_name, out);
    out.push(b',');
    write_text(&bet.last_name, out);
    out.push(b',');
    write_text(&bet.document, out);
    out.push(b',');
    out.extend_from_slice(bet.birthdate.as_bytes());
    out.push(b',');
    write_number(out, bet.number.get().into());
    out.extend_from_slice(b"\r\n");
}

/// Copies the next bet of a batch to the front of `out`, as the row that [`write`](fn@write) writes of it; returns how many bytes
/// the row has. `None`: the bet has to be read, and the bytes of `out` have no meaning.
#[inline]
pub fn copy(bets: &mut Bets<'_>, out: &mut [u8; Bets::ROOM]) -> Option<usize> {
    bets.copy_row(b"\r\n", out)
}

fn write_text<const MAX: usize>(text: &Text<'_, MAX>, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if text.is_plain() || !bytes.iter().any(|b| matches!(b, b',' | b'"')) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// A row that was read. Its existence says that the whole row keeps to the rules.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    pub agency: Agency,
    pub first_name: Cow<'a, [u8]>,
    pub last_name: Cow<'a, [u8]>,
    pub birthdate: Birthdate,
    pub document: Cow<'a, [u8]>,
    pub number: u64,
}

impl<'a> Row<'a> {
    /// Reads a line, its LF already taken off.
    ///
    /// # Errors
    /// The line is no row: what is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Self, RowFlaw> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_ROW {
            return Err(RowFlaw::TooLong);
        }
        let odd = match std::str::from_utf8(line) {
            Ok(text) => text.find(char::is_control),
            Err(e) => Some(e.valid_up_to()),
        };
        if let Some(at) = odd {
            return Err(RowFlaw::Text(column_at(line, at)));
        }
        let mut rest = Some(line);
        let mut next = |number| match column(&mut rest) {
            Err(RowFlaw::Quotes(_)) => Err(RowFlaw::Quotes(number)),
            read => read,
        };
        let agency = next(1)?;
        let (first_name, last_name) = (next(2)?, next(3)?);
        let document = next(4)?;
        let (birthdate, number) = (next(5)?, next(6)?);
        if rest.is_some() {
            return Err(RowFlaw::Columns);
        }
        Ok(Self {
            birthdate: Birthdate::parse(&birthdate).map_err(|_| RowFlaw::Birthdate)?,
            first_name,
            last_name,
            agency: parse_number(&agency)
                .and_then(|number| Agency::new(number.try_into().ok()?))
                .ok_or(RowFlaw::Agency)?,
            document,
            number: parse_number(&number).ok_or(RowFlaw::Number)?,
        })
    }
}

impl Row<'_> {
    /// The row as a bet; `None` where an agency could not send it: a file that was taken over may have such rows.
    pub fn to_bet(&self) -> Option<Bet<'_>> {
        Some(Bet {
            agency: self.agency,
            first_name: Text::parse(&*self.first_name).ok()?,
            last_name: Text::parse(&*self.last_name).ok()?,
            document: Text::parse(&*self.document).ok()?,
            birthdate: self.birthdate,
            number: Number::new(self.number.try_into().ok()?)?,
        })
    }
}

/// The number of the column to which the byte at `at` belongs.
fn column_at(line: &[u8], at: usize) -> usize {
    let (mut rest, mut number) = (Some(line), 1);
    while column(&mut rest).is_ok()
        && let Some(rest) = rest
        && line.len() - rest.len() <= at
    {
        number += 1;
    }
    number
}

/// Takes the next column off `rest`, which is `None` after the last one. A flaw of quotes has the column number 0: the
/// caller knows which column it is.
fn column<'a>(rest: &mut Option<&'a [u8]>) -> Result<Cow<'a, [u8]>, RowFlaw> {
    let line = rest.take().ok_or(RowFlaw::Columns)?;
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let (column, after) = match memchr(b',', line) {
            Some(comma) => (&line[..comma], Some(&line[comma + 1..])),
            None => (line, None),
        };
        *rest = after;
        return Ok(Cow::Borrowed(column));
    };
    let mut end = 0;
    let mut doubled = false;
    loop {
        end += memchr(b'"', &quoted[end..]).ok_or(RowFlaw::Quotes(0))?;
        match quoted.get(end + 1) {
            Some(b'"') => {
                doubled = true;
                end += 2;
            }
            Some(b',') => {
                *rest = Some(&quoted[end + 2..]);
                break;
            }
            Some(_) => return Err(RowFlaw::Quotes(0)),
            None => break,
        }
    }
    let column = &quoted[..end];
    Ok(if doubled {
        Cow::Owned(undouble(column))
    } else {
        Cow::Borrowed(column)
    })
}

fn undouble(column: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(column.len());
    let mut bytes = column.iter();
    while let Some(byte) = bytes.next() {
        text.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    text
}

/// Cuts a stream of slices into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that the last slice did not complete.
    partial: Vec<u8>,
    /// How many lines came before it.
    lines: u64,
}

impl Lines {
    /// Hands every line that this slice completes to `line`, without its LF. An error names the line, the first one is 1.
    pub(super) fn feed(
        &mut self,
        mut slice: &[u8],
        mut line: impl FnMut(&[u8]) -> Result<(), RowFlaw>,
    ) -> Result<(), (u64, RowFlaw)> {
        while let Some(length) = memchr(b'\n', slice) {
            let (head, rest) = (&slice[..length], &slice[length + 1..]);
            let whole = if self.partial.is_empty() {
                head
            } else {
                self.partial.extend_from_slice(head);
                &self.partial
            };
            self.lines += 1;
            line(whole).map_err(|flaw| (self.lines, flaw))?;
            self.partial.clear();
            slice = rest;
        }
        // One byte more than a row may have: the line may end with CR LF, and the LF is taken off.
        if self.partial.len() + slice.len() > MAX_ROW + 1 {
            return Err((self.lines + 1, RowFlaw::TooLong));
        }
        self.partial.extend_from_slice(slice);
        Ok(())
    }

    /// The file ends here.
    pub(super) fn end(&self) -> Result<(), (u64, RowFlaw)> {
        if self.partial.is_empty() {
            Ok(())
        } else {
            Err((self.lines + 1, RowFlaw::Unfinished))
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFlaw {
    /// Not six columns.
    Columns,
    /// A quote that nothing closes, or something between a closing one and the comma; the column's number.
    Quotes(usize),
    /// Bytes that are not UTF-8, or a control character; the column's number.
    Text(usize),
    /// No agency's number.
    Agency,
    /// No day of the calendar as `YYYY-MM-DD`.
    Birthdate,
    /// No whole number.
    Number,
    /// More than [`MAX_ROW`] bytes.
    TooLong,
    /// The file ends within it.
    Unfinished,
    /// It is of one agency more than the [`MAX_AGENCIES`] that a lottery knows.
    OneAgencyMore,
}

impl fmt::Display for RowFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns => f.write_str("has not six columns"),
            Self::Quotes(column) => {
                write!(
                    f,
                    "has a quote that does not enclose column {column}{}",
                    named(*column)
                )
            }
            Self::Text(column) => write!(
                f,
                "has a control character, or what is no UTF-8, in column {column}{}",
                named(*column)
            ),
            Self::Agency => write!(
                f,
                "has no agency from 1 to 4294967295 in column 1{}",
                named(1)
            ),
            Self::Birthdate => write!(f, "has no date YYYY-MM-DD in column 5{}", named(5)),
            Self::Number => write!(f, "has no number of 1 to 19 digits in column 6{}", named(6)),
            Self::TooLong => write!(f, "is longer than {MAX_ROW} bytes"),
            Self::Unfinished => f.write_str("has no line end"),
            Self::OneAgencyMore => {
                write!(
                    f,
                    "is of one agency more than the {MAX_AGENCIES} that a lottery knows"
                )
            }
        }
    }
}

/// The name of a column in parentheses, to stand behind its number.
fn named(column: usize) -> String {
    let name = column.checked_sub(1).and_then(|at| COLUMNS.get(at));
    name.map_or_else(String::new, |name| format!(" ({name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_whatever_is_quoted_and_however_the_line_ends() {
        for line in [
            &b"5,\"Juan \"\"Pepe\"\"\",x,\"1,\"\"2\",2024-02-29,464"[..],
            b"005,Juan \"Pepe\",x,\"1,\"\"2\",2024-02-29,0464\r",
            b"\"5\",\"\",\"\",\"1,\"\"2\",\"2024-02-29\",\"464\"",
        ] {
            let row = Row::parse(line).unwrap();
            assert_eq!(
                (row.agency.get(), &*row.document, row.number),
                (5, &b"1,\"2"[..], 464)
            );
        }
    }

    #[test]
    fn a_row_outside_the_rules_is_refused_with_its_flaw() {
        let long = format!("1,{},b,3,2000-01-01,5", "a".repeat(MAX_ROW));
        for (line, flaw) in [
            ("", RowFlaw::Columns),
            ("1,a,b,3,2000-01-01", RowFlaw::Columns),
            ("1,a,b,3,2000-01-01,5,", RowFlaw::Columns),
            ("1,a,b,\"3,2000-01-01,5", RowFlaw::Quotes(4)),
            ("1,a,\"b\" ,3,2000-01-01,5", RowFlaw::Quotes(3)),
            ("1,a,b\t,3,2000-01-01,5", RowFlaw::Text(3)),
            ("1,\"a,\"\"\",b,3\t,2000-01-01,5", RowFlaw::Text(4)),
            ("1,a,b\r,3,2000-01-01,5", RowFlaw::Text(3)),
            ("\t,a,b,3,2000-01-01,5", RowFlaw::Text(1)),
            ("1,a,b,3,2000-01-01,5\t", RowFlaw::Text(6)),
            ("0,a,b,3,2000-01-01,5", RowFlaw::Agency),
            ("4294967296,a,b,3,2000-01-01,5", RowFlaw::Agency),
            ("-1,a,b,3,2000-01-01,5", RowFlaw::Agency),
            ("1,a,b,3,2001-02-29,5", RowFlaw::Birthdate),
            ("1,a,b,3,20010201,5", RowFlaw::Birthdate),
            ("1,a,b,3,2000-01-01,5.0", RowFlaw::Number),
            ("1,a,b,3,2000-01-01,", RowFlaw::Number),
            (&long, RowFlaw::TooLong),
        ] {
            assert_eq!(Row::parse(line.as_bytes()).unwrap_err(), flaw, "{line:.40}");
        }
        assert_eq!(
            Row::parse(b"1,\xc3,b,3,2000-01-01,5").unwrap_err(),
            RowFlaw::Text(2)
        );
    }

    #[test]
    fn a_row_of_just_the_most_bytes_is_read_however_its_line_is_cut_and_one_more_is_too_long() {
        let row = |bytes| {
            let row = format!("1,{},b,3,2000-01-01,5", "a".repeat(bytes - 19));
            assert_eq!(row.len(), bytes);
            row.into_bytes()
        };
        assert!(Row::parse(&row(MAX_ROW)).is_ok());
        assert_eq!(Row::parse(&row(MAX_ROW + 1)), Err(RowFlaw::TooLong));

        let most = [&row(MAX_ROW)[..], b"\r\n"].concat();
        for cut in [0, 1, 10, MAX_ROW, MAX_ROW + 1] {
            let (mut lines, mut whole) = (Lines::default(), 0);
            for piece in [&most[..cut], &most[cut..]] {
                let count = |line: &[u8]| {
                    Row::parse(line)?;
                    whole += 1;
                    Ok(())
                };
                lines.feed(piece, count).unwrap();
            }
            assert_eq!((whole, lines.end()), (1, Ok(())), "cut at {cut}");
        }
        // What cannot become a row any more is not gathered.
        let endless = [b'a'; MAX_ROW + 2];
        for cut in [0, 1, 10, MAX_ROW + 1] {
            let mut lines = Lines::default();
            lines.feed(&endless[..cut], |_| Ok(())).unwrap();
            let refused = lines.feed(&endless[cut..], |_| Ok(()));
            assert_eq!(refused, Err((1, RowFlaw::TooLong)), "cut at {cut}");
        }
    }
}
