//! Numbers that are written in another form, and blanks that nobody sees.

use frame::{Birthdate, Number};

use super::finding::{Finding, Kind};
use super::layout::Layout;

/// What most of the bad rows have as numbers, or around their values.
pub(super) fn find(layout: &Layout<'_>) -> Option<Finding> {
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
