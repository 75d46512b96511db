//! What looks damaged in any text, as in a name, and what a spreadsheet or a database has made of a document.

use super::kind::Kind;

/// The characters of Windows-1252 from 0x80 to 0x9F, which are not those of Unicode. 0 where there is none.
const FROM_0X80: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Tells each kind of damage that a text has.
pub(super) fn kinds(text: &str, mut tell: impl FnMut(Kind)) {
    if text.starts_with(['=', '+', '@']) {
        tell(Kind::Formula);
    }
    if is_error(text) {
        tell(Kind::NoValue);
    }
    if stands_in_quotes(text) {
        tell(Kind::ForeignQuotes);
    }
    if text.contains('\u{fffd}') {
        tell(Kind::LostLetter);
    }
    if is_decoded_twice(text) {
        tell(Kind::DecodedTwice);
    } else if has_invisible(text) {
        tell(Kind::InvisibleCharacter);
    }
}

/// `#N/A`, `#¡VALOR!`, `#####`.
fn is_error(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|error| {
        let words = error
            .chars()
            .all(|c| c.is_uppercase() || "/0!?¡¿#".contains(c));
        let ended = ["/A", "/D", "!", "?", "#"]
            .iter()
            .any(|end| error.ends_with(end));
        words && ended
    })
}

/// Whether a text begins and ends with quotes, or the other one of the two is in another column. A nickname in quotes
/// beside other words is a name, and so are D’Angelo and ’t Hooft.
fn stands_in_quotes(text: &str) -> bool {
    let is_double = |c: char| matches!(c, '“' | '”' | '„' | '‟' | '«' | '»');
    let mut inside = text.chars();
    let (first, last) = (inside.next(), inside.next_back());
    let (Some(first), Some(last)) = (first, last) else {
        return text.chars().all(is_double);
    };
    let alone = !inside.as_str().contains(is_double);
    match (is_double(first), is_double(last)) {
        (true, true) => true,
        (true, false) | (false, true) => alone,
        (false, false) => matches!(
            (first, last),
            ('‘' | '‚' | '‛', '’' | '‘') | ('‹', '›') | ('›', '‹') | ('\'', '\'')
        ),
    }
}

/// Whether a text has the letters with which two or three bytes of UTF-8 are shown where they are read as Windows-1252:
/// `MarÃ­a`, `Dâ€™Angelo`. In no language one of the letters Â, Ã, Ä, Å stands before such a sign.
fn is_decoded_twice(text: &str) -> bool {
    let mut rest = text.chars();
    let mut before = ' ';
    while let Some(letter) = rest.next() {
        let mut next = rest.clone();
        let [second, third] = [next.next(), next.next()].map(|c| c.and_then(windows_1252));
        let twice = match letter {
            'Â' => matches!(second, Some(0xa0..=0xbf)),
            // À is followed by a no-break space then; behind a capital that may be one that belongs there.
            'Ã' => match second {
                Some(0xa0) => !before.is_uppercase(),
                second => matches!(second, Some(0x80..=0xbf)),
            },
            // Dashes and quotes may stand behind the last letter of a word in capitals.
            'Ä' | 'Å' => matches!(second, Some(0x80..=0x90 | 0x95 | 0x98..=0xbf)),
            'â' => second == Some(0x80) && matches!(third, Some(0x80..=0xbf)),
            'ï' => second == Some(0xbb) && third == Some(0xbf),
            _ => false,
        };
        if twice {
            return true;
        }
        before = letter;
    }
    false
}

/// The byte of a character in Windows-1252, for those that are not ASCII.
fn windows_1252(c: char) -> Option<u8> {
    let place = FROM_0X80.iter().position(|known| *known == c && c != '\0');
    match place {
        Some(place) => Some(0x80 + place as u8),
        None => u8::try_from(u32::from(c)).ok().filter(|byte| *byte >= 0xa0),
    }
}

fn has_invisible(text: &str) -> bool {
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let found = match c {
            '\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200b}' | '\u{200e}' | '\u{200f}' => true,
            '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' => true,
            '\u{2400}'..='\u{243f}' | '\u{feff}' => true,
            // Joiners belong to the scripts of Persia and India.
            '\u{200c}' | '\u{200d}' => {
                let after = rest.clone().next().unwrap_or(' ');
                before.is_ascii() || after.is_ascii()
            }
            _ => false,
        };
        if found {
            return true;
        }
        before = c;
    }
    false
}

/// What a document is where nobody gave one, in any case.
const NO_VALUES: [&str; 5] = ["NULL", "(NULL)", "NaN", "None", "undefined"];

/// Tells each kind of damage that a document has beside those of any text.
pub(super) fn document_kinds(document: &str, mut tell: impl FnMut(Kind)) {
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
