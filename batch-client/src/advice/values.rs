//! How values are written in most of the bad rows: birthdates in another form or in another column, quotes that are never
//! closed or are none because a blank stands before them, numbers in another form, and blanks that nobody sees.

use frame::{Birthdate, Number};

use super::date_form::{
    COMPACT, DAY_FIRST, DAY_NUMBER, FORMS, MONTH_FIRST, WITH_TIME, form, is_date,
};
use super::evidence::{Clues, Evidence, Quotes};
use super::finding::{Finding, Kind};
use super::layout::Layout;

/// The place of the birthdate, counted from 0.
const BIRTHDATE: usize = 3;

/// Returns what most of the bad rows have as a birthdate, or where they have it.
pub(super) fn dates(layout: &Layout<'_>, clues: &Clues) -> Option<Finding> {
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
pub(super) fn quotes(evidence: &Evidence) -> Option<Finding> {
    // No field may hold a line feed. A quoted one that does goes on to the next quote, which belongs to another row.
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

/// Returns what most of the bad rows have as numbers, or around their values.
pub(super) fn numbers_and_blanks(layout: &Layout<'_>) -> Option<Finding> {
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

/// Whether the birthdate or the number is valid without the quotes around it that are not those of CSV.
fn has_foreign_quotes(bet: &[&[u8]]) -> bool {
    is_valid_without(bet, |c| "“”„«»‘’‚'".contains(c))
}

/// Whether the birthdate or the number is valid without the blanks of Unicode around it, and only without.
fn has_odd_blanks(bet: &[&[u8]]) -> bool {
    is_valid_without(bet, |c| {
        c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}')
    })
}

/// Whether the birthdate or the number is valid without these characters at its ends, and only without.
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

/// Digits with points, apostrophes or blanks between them.
fn is_grouped(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let between = |c: char| matches!(c, '.' | ',' | '\'') || c.is_whitespace();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.contains(between) && digits > 0 && text.chars().all(|c| c.is_ascii_digit() || between(c))
}
