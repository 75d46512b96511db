//! The forms in which programs write dates, beside the one of the agency file.

use frame::Birthdate;

/// A date in the right form, with a time behind it.
pub(super) const WITH_TIME: &str = "a date and a time";

/// A date as spreadsheets store it: the number of days since the end of 1899.
pub(super) const DAY_NUMBER: &str = "the number of a day";

/// A date without anything between its parts.
pub(super) const COMPACT: &str = "YYYYMMDD";

/// The names of the forms that begin with the day or the month, in the order of [`MONTH_FIRST`].
pub(super) const DAY_FIRST: [&str; 6] = [
    "DD/MM/YYYY",
    "DD-MM-YYYY",
    "DD.MM.YYYY",
    "DD/MM/YY",
    "DD-MM-YY",
    "DD.MM.YY",
];

/// The same forms with the month first.
pub(super) const MONTH_FIRST: [&str; 6] = [
    "MM/DD/YYYY",
    "MM-DD-YYYY",
    "MM.DD.YYYY",
    "MM/DD/YY",
    "MM-DD-YY",
    "MM.DD.YY",
];

/// The names of all forms that [`form`] knows.
pub(super) const FORMS: [&str; 12] = [
    DAY_FIRST[0],
    DAY_FIRST[1],
    DAY_FIRST[2],
    DAY_FIRST[3],
    DAY_FIRST[4],
    DAY_FIRST[5],
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    COMPACT,
    "YYYY-M-D",
    WITH_TIME,
    DAY_NUMBER,
];

/// Which number of a date is the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

impl Order {
    /// Returns the order of a date of the forms [`DAY_FIRST`]; `None` where it is of no such form, and where both numbers
    /// may be the month.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let form = form(text).filter(|form| DAY_FIRST.contains(form));
        form?;
        let mut parts = text.split(|b| b"/-.".contains(b));
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u8>().ok();
        match (number()?, number()?) {
            (13..=31, 1..=12) => Some(Self::DayFirst),
            (1..=12, 13..=31) => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

/// Returns whether a text is a date and nothing else: digits alone may be any number.
pub(super) fn is_date(text: &[u8]) -> bool {
    let digits = text.iter().all(u8::is_ascii_digit);
    Birthdate::parse(text).is_ok() || (!digits && form(text).is_some())
}

/// Returns the name of another form of dates that a text has. Which of two numbers is the month is not looked at: it is
/// named as with the day first.
pub(super) fn form(text: &[u8]) -> Option<&'static str> {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if let Some((date, time)) = text.split_at_checked(10)
        && Birthdate::parse(date).is_ok()
        && matches!(time, [b' ' | b'T', ..])
    {
        return Some(WITH_TIME);
    }
    let separator = text.iter().copied().find(|b| b"/-.".contains(b));
    let Some(separator) = separator else {
        return match text.len() {
            8 if digits(text) => Some(COMPACT),
            // From 1927 to 2173, as spreadsheets count days.
            5 if digits(text) => Some(DAY_NUMBER),
            _ => None,
        };
    };
    let parts: Vec<&[u8]> = text.split(|b| *b == separator).collect();
    if !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    match (&lengths[..], separator) {
        ([1 | 2, 1 | 2, 4], b'/') => Some("DD/MM/YYYY"),
        ([1 | 2, 1 | 2, 4], b'-') => Some("DD-MM-YYYY"),
        ([1 | 2, 1 | 2, 4], _) => Some("DD.MM.YYYY"),
        ([1 | 2, 1 | 2, 2], b'/') => Some("DD/MM/YY"),
        ([1 | 2, 1 | 2, 2], b'-') => Some("DD-MM-YY"),
        ([1 | 2, 1 | 2, 2], _) => Some("DD.MM.YY"),
        ([4, 1 | 2, 1 | 2], b'/') => Some("YYYY/MM/DD"),
        ([4, 1 | 2, 1 | 2], b'.') => Some("YYYY.MM.DD"),
        ([4, 1, 1 | 2] | [4, 2, 1], _) => Some("YYYY-M-D"),
        _ => None,
    }
}
