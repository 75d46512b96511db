//! Quotes in a row of CSV, as writers of CSV make them (RFC 4180): where such a row ends, and what its fields are.
//!
//! ```text
//! field  = quoted *blank | plain
//! quoted = '"' *( any byte but '"' | '""' ) '"'      may hold commas and line feeds
//! plain  = *( any byte but ',' and LF )              does not begin with '"', nor with blanks and a '"'
//! ```
//!
//! A row with other quotes is no valid row: its [`QuoteFlaw`] says where and why. It is still divided somehow, so that the rows
//! after it are found. Most readers of CSV would accept it, and each would read something else. Reads no file.

use std::fmt;
use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, Terminator};

/// What is wrong with the quotes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteFlaw {
    /// There is text after the quote that closes the field.
    TextAfter,
    /// Blanks stand before the first quote.
    BlankBefore,
    /// The file ends before the field is closed.
    Unclosed,
}

impl fmt::Display for QuoteFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TextAfter => {
                "there is text behind the quote that closes the value: inside of quotes write each quote twice"
            }
            Self::BlankBefore => "there are blanks before the quote: delete them",
            Self::Unclosed => "the quote is never closed: close it, or delete it",
        })
    }
}

/// Where the row at the front of a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowEnd {
    /// At the line feed at this place.
    At(usize),
    /// Not in this text, at whose end quotes are open.
    InQuotes,
    /// Not in this text.
    Beyond,
}

/// Finds the end of the row at the front of `text`.
pub(crate) fn row_end(text: &[u8]) -> RowEnd {
    let mut place = Place::Begin;
    for (at, byte) in text.iter().enumerate() {
        place = place.after(*byte);
        if place == Place::Begin && *byte == b'\n' {
            return RowEnd::At(at);
        }
    }
    match place {
        Place::Quoted => RowEnd::InQuotes,
        _ => RowEnd::Beyond,
    }
}

/// The fields of a row with quotes, without their quotes.
#[derive(Debug)]
pub(crate) struct Fields {
    reader: csv::Reader<OneRow>,
    record: ByteRecord,
    flaw: Option<(usize, QuoteFlaw)>,
}

impl Default for Fields {
    fn default() -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(OneRow::default());
        Self {
            reader,
            record: ByteRecord::new(),
            flaw: None,
        }
    }
}

impl Fields {
    /// Divides a row, which comes without its line end. No other row may follow one whose quotes are never closed.
    pub(crate) fn read(&mut self, row: &[u8]) {
        self.flaw = find_flaw(row);
        self.reader.get_mut().set(row);
        let read = self.reader.read_byte_record(&mut self.record);
        read.expect("a row of any bytes is read from memory");
    }

    /// Returns the fields in their order. A field keeps the blanks after its quotes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.record.iter()
    }

    /// Returns the index of the first field whose quotes are wrong, and what is wrong with them.
    pub(crate) fn flaw(&self) -> Option<(usize, QuoteFlaw)> {
        self.flaw
    }
}

/// Finds the first field of a row whose quotes are wrong. The csv crate reads such a field as something that nobody may
/// have meant.
fn find_flaw(row: &[u8]) -> Option<(usize, QuoteFlaw)> {
    let (mut index, mut only_blanks) = (0, true);
    let mut place = Place::Begin;
    for byte in row {
        let before = place;
        place = before.after(*byte);
        match (before, place) {
            (_, Place::Begin) => {
                index += 1;
                only_blanks = true;
            }
            (Place::Quote | Place::Closed, Place::Plain) => {
                return Some((index, QuoteFlaw::TextAfter));
            }
            (_, Place::Plain) if *byte == b'"' && only_blanks => {
                return Some((index, QuoteFlaw::BlankBefore));
            }
            _ => only_blanks &= b" \t".contains(byte),
        }
    }
    (place == Place::Quoted).then_some((index, QuoteFlaw::Unclosed))
}

/// The row that the csv crate reads next, with the line feed that ends it.
#[derive(Debug)]
struct OneRow {
    text: Vec<u8>,
    /// How many bytes of it were given.
    given: usize,
}

impl Default for OneRow {
    /// An empty line, which is no row: the csv crate removes a byte order mark from the first bytes that it is given.
    fn default() -> Self {
        let text = vec![b'\n'];
        Self { text, given: 0 }
    }
}

impl OneRow {
    fn set(&mut self, row: &[u8]) {
        // What was not given yet is the empty line.
        self.text.drain(..self.given);
        self.given = 0;
        self.text.extend_from_slice(row);
        self.text.push(b'\n');
    }
}

impl Read for OneRow {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = (&self.text[self.given..]).read(space)?;
        self.given += count;
        Ok(count)
    }
}

/// A place in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a field.
    Begin,
    /// In a field without quotes, or in text that follows closing quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: it closes the field, or is the first one of two.
    Quote,
    /// After blanks that follow closing quotes.
    Closed,
}

impl Place {
    /// The place after this byte.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) | (Self::Begin | Self::Quote, b'"') => Self::Quoted,
            (_, b',' | b'\n') => Self::Begin,
            (Self::Quote | Self::Closed, b' ' | b'\t') => Self::Closed,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &str) -> (Vec<String>, Option<(usize, QuoteFlaw)>) {
        let mut fields = Fields::default();
        // What was read before leaves nothing.
        fields.read(b"a,\"b,c\",\"\"x");
        fields.read(row.as_bytes());
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
        (fields.iter().map(text).collect(), fields.flaw())
    }

    #[test]
    fn what_writers_of_csv_make_is_read_as_they_mean_it() {
        for (row, fields) in [
            ("a,\"b\"", &["a", "b"][..]),
            ("\"a,b\",\"\",\"\"\"\"", &["a,b", "", "\""]),
            ("\"a \"\"b\"\" c\" \t,d", &["a \"b\" c \t", "d"]),
            ("\"a\nb\",c", &["a\nb", "c"]),
            ("O\"Higgins,a \"b\" c,", &["O\"Higgins", "a \"b\" c", ""]),
        ] {
            let fields = fields.iter().map(|field| field.to_string()).collect();
            assert_eq!(read(row), (fields, None), "{row}");
        }
    }

    #[test]
    fn what_no_writer_of_csv_makes_has_a_flaw_at_its_field() {
        for (row, flaw) in [
            ("a,\"b\"c,d", (1, QuoteFlaw::TextAfter)),
            ("\"a \"b\" c\",d", (0, QuoteFlaw::TextAfter)),
            ("a,\"b\" \"c\"", (1, QuoteFlaw::TextAfter)),
            ("a,\"b\"\r,c", (1, QuoteFlaw::TextAfter)),
            ("a, \"b, c\"", (1, QuoteFlaw::BlankBefore)),
            ("\t\"a\",\"b\"c", (0, QuoteFlaw::BlankBefore)),
            ("a,b,\"c", (2, QuoteFlaw::Unclosed)),
            ("a,b,\"c\"\",d\n", (2, QuoteFlaw::Unclosed)),
        ] {
            assert_eq!(read(row).1, Some(flaw), "{row}");
        }
    }

    #[test]
    fn a_row_ends_with_the_first_line_feed_outside_of_quotes() {
        for (text, end) in [
            ("a,\"b\"\nc", RowEnd::At(5)),
            ("\"a\n\"\"\n\"\n", RowEnd::At(7)),
            ("a\"\n\"", RowEnd::At(2)),
            ("\"a\"b\"\n\"", RowEnd::At(5)),
            ("\"a\n", RowEnd::InQuotes),
            ("\"a\"\"\n", RowEnd::InQuotes),
            ("a,\"b\"", RowEnd::Beyond),
        ] {
            assert_eq!(row_end(text.as_bytes()), end, "{text}");
        }
    }
}
