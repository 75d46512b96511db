//! Numbers that are written in another form, and blanks that nobody sees.

use frame::{Birthdate, Number};

use super::finding::Finding;
use super::layout::Layout;

/// What most of the bad rows have as numbers, or around their values.
pub(super) fn find(layout: &Layout<'_>) -> Option<Finding> {
    if layout.most(|row| row.len() == 5 && has_odd_blanks(row)) {
        return Some(Finding::new(
            "its values have blanks around them that are not plain spaces",
            "replace those by nothing",
        ));
    }
    let number = |row: &[&[u8]]| row.len() == 5 && is_grouped(row[4]);
    layout.most(number).then(|| {
        Finding::new(
            "the number is written with a point, a comma or blanks in it",
            "write it with digits alone",
        )
    })
}

/// Whether the birthdate or the number is valid without the blanks of Unicode around it, and only without.
fn has_odd_blanks(row: &[&[u8]]) -> bool {
    let is_odd = |text: &[u8], is_valid: fn(&[u8]) -> bool| {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        let odd = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}');
        let bare = text.trim_matches(odd);
        bare.len() < text.len() && is_valid(bare.as_bytes())
    };
    is_odd(row[3], |text| Birthdate::parse(text).is_ok())
        || is_odd(row[4], |text| Number::parse(text).is_ok())
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
