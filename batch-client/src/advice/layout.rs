//! How the bad rows are laid out: the ends of lines, quotes around rows, the delimiter, a header, the number of columns.

use super::evidence::{Evidence, Quotes, SAMPLES, is_date};
use super::finding::{Finding, Kind};
use crate::rows::lines::BYTE_ORDER_MARK;

/// How many columns an agency file has.
const COLUMNS: usize = 5;

/// One column too many.
const MORE: usize = COLUMNS + 1;

/// The bad rows, divided by the delimiter that the file most likely has.
pub(super) struct Layout<'a> {
    /// Without those before the first bet, and without rows whose quotes are not closed.
    rows: Vec<&'a [u8]>,
    delimiter: Delimiter,
    /// The line ends are carriage returns alone.
    old_ends: bool,
    /// Most rows are in quotes as a whole.
    quoted: bool,
    /// The first line tells a spreadsheet the delimiter.
    note: bool,
    /// The line after that, or the first one, names the columns.
    header: bool,
    /// How many columns every bad row has, where that is not five.
    columns: Option<usize>,
    /// Where rows with one column too many have it.
    extra: Option<Extra>,
    /// Whether other rows of the file are bets.
    has_bets: bool,
}

/// The place of the extra column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    BeforeName,
    AtEnd,
    /// There is no extra column: a name holds a comma.
    InName,
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

    /// Returns the delimiter with which most rows have enough columns, where commas give too few.
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
        let samples = &evidence.samples[..];
        let old_ends = head.contains(&b'\r') && !head.contains(&b'\n');
        let mut rows: Vec<&[u8]> = if old_ends {
            let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
            let rows = head.split(|b| *b == b'\r');
            rows.filter(|row| !row.is_empty()).take(SAMPLES).collect()
        } else {
            let closed = samples
                .iter()
                .filter(|sample| Some(sample.line) != evidence.endless);
            let texts = closed.map(|sample| &sample.text[..]);
            texts.filter(|text| !text.contains(&b'\n')).collect()
        };
        let whole = samples
            .iter()
            .filter(|sample| sample.quotes == Quotes::Around);
        let quoted = 2 * whole.count() > samples.len();
        let delimiter = Delimiter::of(&rows);
        let first = old_ends || samples.first().is_some_and(|sample| sample.first);
        let note = first && rows.first().is_some_and(|row| is_note(row));
        if note {
            rows.remove(0);
        }
        let begins = first && rows.first().is_some_and(|row| is_header(row, delimiter));
        let header = begins && (!note || old_ends || samples[1].line == samples[0].line + 1);
        if header {
            rows.remove(0);
        }
        let count = |row: &&[u8]| delimiter.columns(row).len();
        let first_count = rows.first().map(count);
        let same = first_count.filter(|first| rows.iter().all(|row| count(row) == *first));
        let columns = same.filter(|count| *count != COLUMNS);
        let columns = columns.filter(|count| *count > 1 && delimiter != Delimiter::Blanks);
        let mut layout = Self {
            rows,
            delimiter,
            old_ends,
            quoted,
            note,
            header,
            columns,
            extra: None,
            has_bets: evidence.has_bets,
        };
        layout.extra = layout.find_extra();
        layout
    }

    /// Returns the five columns of a row that has them, and perhaps one more before or after them.
    pub(super) fn bet<'r>(&self, row: &'r [&'r [u8]]) -> Option<&'r [&'r [u8]]> {
        match (row.len(), self.extra) {
            (COLUMNS, _) => Some(row),
            (MORE, Some(Extra::BeforeName)) => Some(&row[1..]),
            (MORE, Some(Extra::AtEnd)) => Some(&row[..COLUMNS]),
            _ => None,
        }
    }

    fn find_extra(&self) -> Option<Extra> {
        if self.columns != Some(MORE) {
            return None;
        }
        let last_is_empty = |row: &[&[u8]]| row.last().is_some_and(|last| last.is_empty());
        let dated = |row: &[&[u8]]| row.get(4).is_some_and(|text| is_date(text));
        if self.most(last_is_empty) {
            Some(Extra::AtEnd)
        } else if !self.most(dated) {
            None
        } else if self.has_bets {
            Some(Extra::InName)
        } else {
            Some(Extra::BeforeName)
        }
    }

    /// Returns whether more than half of the bad rows, the header left out, are such. A row is given as its columns.
    pub(super) fn most(&self, is_such: impl Fn(&[&[u8]]) -> bool) -> bool {
        most(&self.rows, |row| is_such(&self.delimiter.columns(row)))
    }

    /// Returns what the layout shows.
    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> {
        [
            self.ends(),
            self.quoted(),
            self.delimited(),
            self.noted(),
            self.header(),
            self.counted(),
        ]
        .into_iter()
        .flatten()
    }

    fn ends(&self) -> Option<Finding> {
        self.old_ends.then(|| {
            Finding::new(
                Kind::LineEnds,
                "its lines end with a carriage return alone",
                "save it with line feeds at the ends of lines",
            )
        })
    }

    fn quoted(&self) -> Option<Finding> {
        self.quoted.then(|| {
            Finding::new(
                Kind::QuotedRows,
                "its rows are in quotes as a whole",
                "delete the quotes at both ends of each row",
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
            Kind::Delimiter,
            format!("its columns are divided by {name}"),
            "save it with commas between the columns",
        ))
    }

    fn noted(&self) -> Option<Finding> {
        self.note.then(|| {
            Finding::new(
                Kind::DelimiterNote,
                "its first line tells a spreadsheet the delimiter (sep=)",
                "delete the first line",
            )
        })
    }

    fn header(&self) -> Option<Finding> {
        let (what, fix) = if self.note {
            ("its second line is a header", "the second one")
        } else {
            ("its first line is a header", "delete the first line")
        };
        self.header.then(|| Finding::new(Kind::Header, what, fix))
    }

    fn counted(&self) -> Option<Finding> {
        let count = self.columns?;
        Some(match self.extra {
            Some(Extra::AtEnd) => Finding::new(
                Kind::CommaAtEnd,
                "its rows end with a comma",
                "delete that comma in each row",
            ),
            Some(Extra::BeforeName) => Finding::new(
                Kind::ColumnBefore,
                "its rows have a column before the name",
                "delete that column",
            ),
            Some(Extra::InName) => Finding::new(
                Kind::CommaInName,
                "a name holds a comma in some rows",
                "write such a name in double quotes",
            ),
            None if self.has_bets => return None,
            None => Finding::new(
                Kind::Columns,
                format!("its rows have {count} columns instead of 5"),
                "give each row name, surname, document, birthdate and number",
            ),
        })
    }
}

/// Returns whether a row tells a spreadsheet the delimiter.
fn is_note(row: &[u8]) -> bool {
    row.len() <= 6 && row.starts_with(b"sep=")
}

/// Returns whether the first row names columns: some have names that columns have, or four or more of them have a text, and none
/// has a digit.
fn is_header(row: &[u8], delimiter: Delimiter) -> bool {
    let columns = delimiter.columns(row);
    let named = columns.iter().filter(|column| !column.is_empty()).count();
    let texts = !row.iter().any(|b| b.is_ascii_digit() || *b < b'\t');
    names_columns(&columns) || (named >= COLUMNS - 1 && texts)
}

/// Returns whether more than half of the rows are such, and at least one is.
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

/// The beginnings of the names of columns, in the languages of this lottery and of its programs.
const NAMES: [&str; 22] = [
    "nombre",
    "apellido",
    "document",
    "dni",
    "nacimiento",
    "fecha",
    "numero",
    "número",
    "nro",
    "name",
    "first",
    "last",
    "surname",
    "birth",
    "date",
    "number",
    "agenc",
    "pasaporte",
    "cuil",
    "cuit",
    "cedula",
    "cédula",
];

/// How many columns with such names make a header: so many are no coincidence.
const ENOUGH: usize = 3;

/// Returns whether a row, given as its columns, names columns: three of them have names that columns have, and none has a
/// digit.
pub(crate) fn names_columns(columns: &[&[u8]]) -> bool {
    let digits = |column: &&[u8]| column.iter().any(u8::is_ascii_digit);
    let is_name = |column: &&&[u8]| {
        let text = column.strip_prefix(BYTE_ORDER_MARK).unwrap_or(column);
        let text = String::from_utf8_lossy(text).to_lowercase();
        NAMES.iter().any(|name| text.starts_with(name))
    };
    !columns.iter().any(digits) && columns.iter().filter(is_name).count() >= ENOUGH
}
