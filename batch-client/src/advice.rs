//! What a file is instead of an agency file, and how to save it right: one sentence, before the bad rows.
//!
//! ```text
//! Evidence -> format   another format or encoding: the rows say nothing
//!          -> layout   line ends, quotes around rows, delimiter, header, columns
//!          -> values   how birthdates, quotes, numbers and blanks are written in most of the bad rows (here)
//! ```
//!
//! In comes [`Evidence`]: the first bytes of the file, its first bad rows, and what all bad rows show together. Out comes
//! [`Advice`] where the bytes show what is wrong with the whole file, and nothing where only single rows are wrong. Decides
//! nothing about what is sent: a file with advice is refused all the same. No sentence holds a value of the file.

mod evidence;
mod finding;
mod format;
mod layout;

use std::fmt;

use frame::{Birthdate, Number};

use evidence::{COMPACT, DAY_FIRST, DAY_NUMBER, FORMS, MONTH_FIRST, WITH_TIME, form, is_date};
pub use evidence::{Clues, Evidence, HEAD, Quotes, SAMPLES, Sample};
pub use finding::{Finding, Kind};
use layout::Layout;
pub(crate) use layout::names_columns;

/// What is wrong with a whole file, and what to do. Displays as one sentence without the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// At least one.
    findings: Vec<Finding>,
    is_another: bool,
}

impl Advice {
    /// Returns what the evidence shows of the whole file.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let head = &evidence.head;
        let another = format::find(head).or_else(|| format::wide(head));
        let text = || {
            (!evidence.has_bets)
                .then(|| format::find_text(head))
                .flatten()
        };
        if let Some(finding) = another.or_else(text) {
            return Some(Self {
                findings: vec![finding],
                is_another: true,
            });
        }
        let layout = Layout::of(evidence);
        let mut findings: Vec<Finding> = layout.findings().collect();
        findings.extend(format::not_utf8(
            evidence.clues.encodings(),
            evidence.has_utf8,
        ));
        findings.extend(quotes(evidence));
        findings.extend(dates(&layout, &evidence.clues));
        findings.extend(numbers_and_blanks(&layout));
        (!findings.is_empty()).then_some(Self {
            findings,
            is_another: false,
        })
    }

    /// Returns everything that is wrong, at least one thing.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether the file is something else altogether, so that its rows say nothing.
    pub fn is_another_format(&self) -> bool {
        self.is_another
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        finding::sentence(&self.findings).fmt(f)
    }
}

/// The place of the birthdate, counted from 0.
const BIRTHDATE: usize = 3;

/// Returns the other form, or else the other column, in which most of the bad rows have their birthdate.
fn dates(layout: &Layout<'_>, clues: &Clues) -> Option<Finding> {
    let written = |name: &&str| {
        layout.most(|row| {
            let bet = layout.bet(row);
            bet.is_some_and(|bet| form(bet[BIRTHDATE]) == Some(name))
        })
    };
    let (divided, digits): (Vec<_>, Vec<_>) = FORMS
        .into_iter()
        .filter(written)
        .partition(|name| *name != COMPACT && *name != DAY_NUMBER);
    // Digits alone are a date only where no other column has one.
    let found = divided.first().map(|name| named(name, clues));
    found
        .or_else(|| misplaced(layout))
        .or_else(|| digits.first().map(|name| named(name, clues)))
}

fn named(form: &str, clues: &Clues) -> Finding {
    const YEAR_FIRST: &str = "write the year first: YYYY-MM-DD";
    let other = |what: &str| format!("the birthdate is not in the form YYYY-MM-DD but {what}");
    let place = DAY_FIRST.iter().position(|day_first| *day_first == form);
    let (what, fix) = match (form, place.map(|place| MONTH_FIRST[place])) {
        (WITH_TIME, _) => ("the birthdate has a time behind it".to_owned(), YEAR_FIRST),
        (DAY_NUMBER, _) => (
            "the birthdate is a spreadsheet's number of a day".to_owned(),
            YEAR_FIRST,
        ),
        (form, None) => (other(&format!("such as {form}")), YEAR_FIRST),
        (day_first, Some(month_first)) => match clues.orders() {
            [true, false] => (other(&format!("such as {day_first}")), YEAR_FIRST),
            [false, true] => (
                other(&format!("has the month first, such as {month_first}")),
                YEAR_FIRST,
            ),
            [true, true] => (
                other(&format!(
                    "such as {day_first} in some rows and {month_first} in others"
                )),
                "write the year first, YYYY-MM-DD, after finding out for each row which number is the month",
            ),
            [false, false] => (
                other(&format!(
                    "such as {day_first} or {month_first}, and no row shows which of them"
                )),
                "write the year first, YYYY-MM-DD, after finding out which number is the month",
            ),
        },
    };
    Finding::new(Kind::DateForm, what, fix)
}

fn misplaced(layout: &Layout<'_>) -> Option<Finding> {
    let elsewhere = |place: usize| {
        layout.most(|row| {
            let text = row.get(place).copied().unwrap_or_default();
            row.len() == 5 && is_date(text)
        })
    };
    let place = [0, 1, 2, 4].into_iter().find(|place| elsewhere(*place))?;
    Some(Finding::new(
        Kind::DateColumn,
        format!("the birthdate stands in column {} instead of 4", place + 1),
        "put the columns in the order name, surname, document, birthdate, number",
    ))
}

/// Returns what the quotes of the bad rows show.
fn quotes(evidence: &Evidence) -> Option<Finding> {
    // No field may hold a line feed. Quotes that hold one were not closed: they end at a quote of another row.
    let over_lines = |text: &[u8]| text.contains(&b'\n');
    let sample = evidence
        .samples
        .iter()
        .find(|sample| sample.quotes != Quotes::No && over_lines(&sample.text));
    if let Some(line) = sample.map(|sample| sample.line).or(evidence.endless) {
        return Some(Finding::new(
            Kind::OpenQuote,
            format!("a quote in line {line} is not closed in that line"),
            "close it, or delete it",
        ));
    }
    let blank_before = |text: &[u8]| {
        let columns = text.split(|b| *b == b',');
        columns
            .map(<[u8]>::trim_ascii_start)
            .zip(text.split(|b| *b == b','))
            .any(|(trimmed, column)| trimmed.len() < column.len() && trimmed.starts_with(b"\""))
    };
    let found = evidence
        .samples
        .iter()
        .any(|sample| blank_before(&sample.text));
    found.then(|| {
        Finding::new(
            Kind::BlankBeforeQuote,
            "it has blanks before quotes",
            "delete the blanks before quotes",
        )
    })
}

/// Returns what is wrong with the numbers of most of the bad rows, or with the characters around their values.
fn numbers_and_blanks(layout: &Layout<'_>) -> Option<Finding> {
    let most =
        |is_such: fn(&[&[u8]]) -> bool| layout.most(|row| layout.bet(row).is_some_and(is_such));
    if most(has_foreign_quotes) {
        return Some(Finding::new(
            Kind::ForeignQuotes,
            "its values stand in quotes that are not those of CSV, such as a word processor's",
            "delete these quotes",
        ));
    }
    if most(has_odd_blanks) {
        return Some(Finding::new(
            Kind::OddBlanks,
            "its values have blanks around them that are not plain spaces",
            "replace those by nothing",
        ));
    }
    most(|bet| is_grouped(bet[4])).then(|| {
        Finding::new(
            Kind::GroupedNumber,
            "the number is written with a point, a comma or blanks in it",
            "write it with digits alone",
        )
    })
}

/// Returns whether the birthdate or the number is valid without the quotes around it that are not those of CSV.
fn has_foreign_quotes(bet: &[&[u8]]) -> bool {
    is_valid_without(bet, |c| "“”„«»‘’‚'".contains(c))
}

/// Returns whether the birthdate or the number is valid without the blanks of Unicode around it, and only without.
fn has_odd_blanks(bet: &[&[u8]]) -> bool {
    is_valid_without(bet, |c| {
        c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}')
    })
}

/// Returns whether the birthdate or the number is valid without these characters at its ends, and only without.
fn is_valid_without(bet: &[&[u8]], is_odd: fn(char) -> bool) -> bool {
    let becomes = |text: &[u8], is_valid: fn(&[u8]) -> bool| {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        let bare = text.trim_matches(is_odd);
        bare.len() < text.len() && is_valid(bare.as_bytes())
    };
    becomes(bet[3], |text| Birthdate::parse(text).is_ok())
        || becomes(bet[4], |text| Number::parse(text).is_ok())
}

/// Returns whether a text is digits with points, commas, apostrophes or blanks between them.
fn is_grouped(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let between = |c: char| matches!(c, '.' | ',' | '\'') || c.is_whitespace();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.contains(between) && digits > 0 && text.chars().all(|c| c.is_ascii_digit() || between(c))
}
