//! Documents that a spreadsheet or a database has changed.

use super::kind::Kind;

/// What a document is where nobody gave one, in any case.
const NO_VALUES: [&str; 5] = ["NULL", "(NULL)", "NaN", "None", "undefined"];

/// Tells each kind of damage that a document has beside those of any text.
pub(super) fn kinds(document: &str, mut tell: impl FnMut(Kind)) {
    if document.starts_with('\'') {
        tell(Kind::TextMark);
    }
    if is_decimal(document) {
        tell(Kind::DecimalDocument);
    }
    if is_grouped(document) {
        tell(Kind::GroupedDigits);
    }
    if NO_VALUES
        .iter()
        .any(|name| name.eq_ignore_ascii_case(document))
    {
        tell(Kind::NoValue);
    }
}

/// `3.0904E+07`, `3,0904E+07`, `3E+07`, `30904465.0`: a number that was a document. `12E45` may be a document.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let decimal = |text: &str| {
        let parts = text.split_once(['.', ',']);
        parts.is_some_and(|(whole, rest)| digits(whole) && digits(rest))
    };
    match text.split_once(['E', 'e']) {
        Some((number, exponent)) => {
            let signed = exponent.strip_prefix(['+', '-']);
            (digits(number) && signed.is_some_and(digits))
                || (decimal(number) && digits(signed.unwrap_or(exponent)))
        }
        None => text
            .strip_suffix('0')
            .and_then(|text| text.strip_suffix(['.', ',']))
            .is_some_and(digits),
    }
}

/// `30.904.465`: digits in threes with one and the same sign between them.
fn is_grouped(text: &str) -> bool {
    let Some(sign) = text.chars().find(|c| !c.is_ascii_digit()) else {
        return false;
    };
    let mut groups = text.split(sign);
    let first = groups.next().unwrap_or_default();
    matches!(sign, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}')
        && (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
}
