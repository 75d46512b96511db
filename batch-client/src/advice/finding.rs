//! One thing that is wrong with a whole file, and what to do about it.

use std::fmt;

/// What is wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A compressed file or an archive.
    Packed,
    /// A spreadsheet in its own format.
    Spreadsheet,
    /// A document with layout: PDF or RTF.
    FormattedDocument,
    /// A web page.
    WebPage,
    /// JSON.
    Json,
    /// SQL statements.
    Sql,
    /// XML.
    Xml,
    /// An encoding with two or four bytes for each letter.
    WideEncoding,
    /// Another encoding than UTF-8.
    NotUtf8,
    /// Carriage returns alone at the ends of lines.
    LineEnds,
    /// Another delimiter than commas.
    Delimiter,
    /// A first line that tells a spreadsheet the delimiter.
    DelimiterNote,
    /// A first line that names the columns.
    Header,
    /// More or fewer columns than five.
    Columns,
    /// A column before the name.
    ColumnBefore,
    /// A comma at the end of each row.
    CommaAtEnd,
    /// Commas in names.
    CommaInName,
    /// Rows that are in quotes as a whole.
    QuotedRows,
    /// A quote that is not closed.
    OpenQuote,
    /// Blanks before quotes.
    BlankBeforeQuote,
    /// Quotes that are not those of CSV.
    ForeignQuotes,
    /// Dates in another form.
    DateForm,
    /// Dates in another column.
    DateColumn,
    /// Blanks around values that are not plain spaces.
    OddBlanks,
    /// Numbers with points, commas or blanks in them.
    GroupedNumber,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 25] = [
        Self::Packed,
        Self::Spreadsheet,
        Self::FormattedDocument,
        Self::WebPage,
        Self::Json,
        Self::Sql,
        Self::Xml,
        Self::WideEncoding,
        Self::NotUtf8,
        Self::LineEnds,
        Self::Delimiter,
        Self::DelimiterNote,
        Self::Header,
        Self::Columns,
        Self::ColumnBefore,
        Self::CommaAtEnd,
        Self::CommaInName,
        Self::QuotedRows,
        Self::OpenQuote,
        Self::BlankBeforeQuote,
        Self::ForeignQuotes,
        Self::DateForm,
        Self::DateColumn,
        Self::OddBlanks,
        Self::GroupedNumber,
    ];

    /// Returns the name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packed => "packed",
            Self::Spreadsheet => "spreadsheet",
            Self::FormattedDocument => "document",
            Self::WebPage => "web_page",
            Self::Json => "json",
            Self::Sql => "sql",
            Self::Xml => "xml",
            Self::WideEncoding => "wide_encoding",
            Self::NotUtf8 => "not_utf8",
            Self::LineEnds => "line_ends",
            Self::Delimiter => "delimiter",
            Self::DelimiterNote => "delimiter_note",
            Self::Header => "header",
            Self::Columns => "columns",
            Self::ColumnBefore => "column_before",
            Self::CommaAtEnd => "comma_at_end",
            Self::CommaInName => "comma_in_name",
            Self::QuotedRows => "quoted_rows",
            Self::OpenQuote => "open_quote",
            Self::BlankBeforeQuote => "blank_before_quote",
            Self::ForeignQuotes => "foreign_quotes",
            Self::DateForm => "date_form",
            Self::DateColumn => "date_column",
            Self::OddBlanks => "odd_blanks",
            Self::GroupedNumber => "grouped_number",
        }
    }
}

/// One thing that is wrong. Displays as a sentence, `WHAT: FIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of it.
    pub kind: Kind,
    /// What is wrong, as a clause about the file.
    what: String,
    /// What to do, as an order.
    fix: String,
}

impl Finding {
    pub(super) fn new(kind: Kind, what: impl Into<String>, fix: impl Into<String>) -> Self {
        let (what, fix) = (what.into(), fix.into());
        Self { kind, what, fix }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.fix)
    }
}

/// Returns all findings as one sentence.
pub(super) fn sentence(findings: &[Finding]) -> String {
    let what = listed(findings.iter().map(|finding| finding.what.as_str()));
    let fix = listed(findings.iter().map(|finding| finding.fix.as_str()));
    format!("{what}: {fix}")
}

/// `a`, `a and b`, `a, b and c`.
fn listed<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let last = parts.len().saturating_sub(1);
    let mut text = String::new();
    for (index, part) in parts.enumerate() {
        text += match index {
            0 => "",
            _ if index == last => " and ",
            _ => ", ",
        };
        text += part;
    }
    text
}
