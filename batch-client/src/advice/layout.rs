//! How the bad rows are laid out: the ends of lines, the delimiter, a header, the number of columns.

use super::date_form::is_date;
use super::evidence::{Evidence, SAMPLES};
use super::finding::Finding;

/// How many columns an agency file has.
const COLUMNS: usize = 5;

/// The bad rows, divided by the delimiter that the file most likely has.
pub(super) struct Layout<'a> {
    /// Without the header.
    rows: Vec<&'a [u8]>,
    delimiter: Delimiter,
    /// The line ends are carriage returns alone.
    old_ends: bool,
    header: bool,
    /// How many columns every bad row has, where that is not five.
    columns: Option<usize>,
    /// Whether other rows of the file are bets.
    has_bets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Comma,
    Byte(u8, &'static str),
    Blanks,
}

const OTHERS: [Delimiter; 3] = [
    Delimiter::Byte(b';', "semicolons"),
    Delimiter::Byte(b'\t', "tabs"),
    Delimiter::Byte(b'|', "vertical bars"),
];

impl Delimiter {
    fn columns(self, row: &[u8]) -> Vec<&[u8]> {
        let byte = match self {
            Self::Comma => b',',
            Self::Byte(byte, _) => byte,
            Self::Blanks => b' ',
        };
        let columns = row.split(|b| *b == byte).map(trim);
        match self {
            Self::Blanks => columns.filter(|column| !column.is_empty()).collect(),
            _ => columns.collect(),
        }
    }

    /// The delimiter with which most rows have columns enough, where commas give too few.
    fn of(rows: &[&[u8]]) -> Self {
        let few = |row: &[u8]| Self::Comma.columns(row).len() < COLUMNS;
        let fits = |delimiter: &Self| {
            let enough = |row: &[u8]| few(row) && delimiter.columns(row).len() >= COLUMNS;
            most(rows, enough)
        };
        let blanks = || {
            let bet = |row: &[u8]| {
                let columns = Self::Blanks.columns(row);
                let digits = |column: &[u8]| column.iter().any(u8::is_ascii_digit);
                let last = columns.iter().rev().take(3);
                columns.len() >= COLUMNS && last.copied().all(digits)
            };
            most(rows, |row| few(row) && bet(row))
        };
        match OTHERS.into_iter().find(fits) {
            Some(delimiter) => delimiter,
            None if blanks() => Self::Blanks,
            None => Self::Comma,
        }
    }
}

impl<'a> Layout<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let head = &evidence.head[..];
        let old_ends = head.contains(&b'\r') && !head.contains(&b'\n');
        let mut rows: Vec<&[u8]> = if old_ends {
            let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            let rows = head.split(|b| *b == b'\r');
            rows.filter(|row| !row.is_empty()).take(SAMPLES).collect()
        } else {
            evidence
                .samples
                .iter()
                .map(|sample| &sample.text[..])
                .collect()
        };
        let first = old_ends || evidence.samples.first().is_some_and(|sample| sample.first);
        let delimiter = Delimiter::of(&rows);
        let header = first && rows.first().is_some_and(|row| is_header(row, delimiter));
        if header {
            rows.remove(0);
        }
        let counts: Vec<usize> = rows
            .iter()
            .map(|row| delimiter.columns(row).len())
            .collect();
        let same = counts
            .first()
            .filter(|first| counts.iter().all(|count| count == *first));
        let columns = same.copied().filter(|count| *count != COLUMNS);
        Self {
            rows,
            delimiter,
            old_ends,
            header,
            columns: columns.filter(|count| *count > 1 && delimiter != Delimiter::Blanks),
            has_bets: evidence.has_bets,
        }
    }

    /// The bad rows as the file has them, without the header.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rows.iter().copied()
    }

    /// Whether more than half of the bad rows, the header left out, are such. A row is given as its columns.
    pub(super) fn most(&self, is_such: impl Fn(&[&[u8]]) -> bool) -> bool {
        most(&self.rows, |row| is_such(&self.delimiter.columns(row)))
    }

    /// What the layout shows.
    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> {
        [self.ends(), self.delimited(), self.header(), self.counted()]
            .into_iter()
            .flatten()
    }

    fn ends(&self) -> Option<Finding> {
        self.old_ends.then(|| {
            Finding::new(
                "its lines end with a carriage return alone",
                "save it with line feeds at the ends of lines",
            )
        })
    }

    fn delimited(&self) -> Option<Finding> {
        let name = match self.delimiter {
            Delimiter::Comma => return None,
            Delimiter::Byte(_, name) => name,
            Delimiter::Blanks => "blanks",
        };
        Some(Finding::new(
            format!("its columns are divided by {name}"),
            "save it with commas between the columns",
        ))
    }

    fn header(&self) -> Option<Finding> {
        self.header
            .then(|| Finding::new("its first line is a header", "delete the first line"))
    }

    fn counted(&self) -> Option<Finding> {
        let count = self.columns?;
        let last_is_empty = |row: &[&[u8]]| row.last().is_some_and(|last| last.is_empty());
        let has_one_before = |row: &[&[u8]]| row.get(4).is_some_and(|text| is_date(text));
        Some(if count == COLUMNS + 1 && self.most(last_is_empty) {
            Finding::new("its rows end with a comma", "delete that comma in each row")
        } else if count == COLUMNS + 1 && self.most(has_one_before) && !self.has_bets {
            Finding::new(
                "its rows have a column before the name",
                "delete that column",
            )
        } else if count == COLUMNS + 1 && self.most(has_one_before) {
            Finding::new(
                "a name holds a comma in some rows",
                "write such a name in double quotes",
            )
        } else if !self.has_bets {
            let fix = "give each row name, surname, document, birthdate and number";
            Finding::new(format!("its rows have {count} columns instead of 5"), fix)
        } else {
            return None;
        })
    }
}

/// Whether a row names columns: four or more of them have a text, and none has a digit.
fn is_header(row: &[u8], delimiter: Delimiter) -> bool {
    let columns = delimiter.columns(row);
    let named = columns.iter().filter(|column| !column.is_empty()).count();
    let texts = !row.iter().any(|b| b.is_ascii_digit() || *b < b'\t');
    row.starts_with(b"sep=") || (named >= COLUMNS - 1 && texts)
}

/// Whether more than half of the rows are such, and at least one is.
fn most<'a>(rows: &[&'a [u8]], is_such: impl Fn(&'a [u8]) -> bool) -> bool {
    let count = rows.iter().filter(|row| is_such(row)).count();
    2 * count > rows.len()
}

/// Removes blanks, quotes and the CR of the end of a line from both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'"', rest @ ..] | [rest @ .., b' ' | b'\t' | b'\r' | b'"'] =
        text
    {
        text = rest;
    }
    text
}
