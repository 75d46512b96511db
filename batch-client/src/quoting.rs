//! Quotes in a row of CSV, as writers of CSV make them (RFC 4180): where such a row ends, and what its fields are.
//!
//! ```text
//! field  = quoted *blank | plain
//! quoted = '"' *( any byte but '"' | '""' ) '"'      may hold commas and line feeds
//! plain  = *( any byte but ',' and LF )              does not begin with '"', nor with blanks and a '"'
//! ```
//!
//! Whatever else has quotes is read as something, so that the rows after it are found, but is no valid row: its [`Flaw`]
//! says where and why. Most readers of CSV would take it, each as something else. Reads no file.

use std::fmt;
use std::ops::Range;

/// What is wrong with the quotes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is text behind the quote that closes the field.
    TextAfter,
    /// Blanks stand before the first quote.
    BlankBefore,
    /// The file ends before the field is closed.
    Unclosed,
}

impl fmt::Display for Flaw {
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
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    /// Where each field ends in `text`. It begins where the one before it ends.
    ends: Vec<usize>,
    flaw: Option<(usize, Flaw)>,
}

impl Fields {
    /// Divides a row, which is without its line end.
    pub(crate) fn read(&mut self, row: &[u8]) {
        self.text.clear();
        self.ends.clear();
        self.flaw = None;
        let mut at = Place::Begin;
        for byte in row {
            let before = at;
            at = before.after(*byte);
            match (before, at) {
                (_, Place::Begin) => self.end_field(before),
                // The quotes around a field, and the first one of two.
                (Place::Begin, Place::Quoted) | (Place::Quoted, Place::Quote) => {}
                (Place::Quote | Place::Closed, Place::Closed) => {}
                (Place::Quote | Place::Closed, Place::Plain) => {
                    self.flawed(Flaw::TextAfter);
                    self.text.push(*byte);
                }
                _ => self.text.push(*byte),
            }
        }
        self.end_field(at);
    }

    fn end_field(&mut self, at: Place) {
        match at {
            Place::Quoted => self.flawed(Flaw::Unclosed),
            Place::Plain => {
                let field = &self.text[self.range(self.ends.len())];
                let text = field.iter().find(|byte| !b" \t".contains(byte));
                if text == Some(&b'"') {
                    self.flawed(Flaw::BlankBefore);
                }
            }
            Place::Begin | Place::Quote | Place::Closed => {}
        }
        self.ends.push(self.text.len());
    }

    /// Notes a flaw of the field that is being read. The first one of a row counts.
    fn flawed(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert((self.ends.len(), flaw));
    }

    fn range(&self, index: usize) -> Range<usize> {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        begin..self.ends.get(index).copied().unwrap_or(self.text.len())
    }

    /// The fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|index| &self.text[self.range(index)])
    }

    /// The index of the first field whose quotes are wrong, and what is wrong with them.
    pub(crate) fn flaw(&self) -> Option<(usize, Flaw)> {
        self.flaw
    }
}

/// A place in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a field.
    Begin,
    /// In a field without quotes, or behind the text that stands behind closing quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote between quotes: it closes the field, or is the first one of two.
    Quote,
    /// Behind the blanks that stand behind closing quotes.
    Closed,
}

impl Place {
    /// The place behind this byte.
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

    fn read(row: &str) -> (Vec<String>, Option<(usize, Flaw)>) {
        let mut fields = Fields::default();
        // What was read before leaves nothing.
        fields.read(b"a,\"b,c\",\"");
        fields.read(row.as_bytes());
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
        (fields.iter().map(text).collect(), fields.flaw())
    }

    #[test]
    fn what_writers_of_csv_make_is_read_as_they_mean_it() {
        for (row, fields) in [
            ("", &[""][..]),
            ("a,\"b\"", &["a", "b"]),
            ("\"a,b\",\"\",\"\"\"\"", &["a,b", "", "\""]),
            ("\"a \"\"b\"\" c\" \t,d", &["a \"b\" c", "d"]),
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
            ("a,\"b\"c,d", (1, Flaw::TextAfter)),
            ("\"a \"b\" c\",d", (0, Flaw::TextAfter)),
            ("a,\"b\" \"c\"", (1, Flaw::TextAfter)),
            ("a,\"b\"\r,c", (1, Flaw::TextAfter)),
            ("a, \"b, c\"", (1, Flaw::BlankBefore)),
            ("\t\"a\",\"b\"c", (0, Flaw::BlankBefore)),
            ("a,b,\"c", (2, Flaw::Unclosed)),
            ("a,b,\"c\"\",d\n", (2, Flaw::Unclosed)),
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
