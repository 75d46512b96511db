//! The kinds of damage: the name and the sentence of each, and how those of a single text are recognised.
//!
//! In comes a name or a document that is allowed; out come the [`Kind`]s of damage that it shows. Birthdates and repeated rows
//! are recognised elsewhere, since a single text does not show them. No sentence holds a value of the file.

use std::fmt;

use frame::Count;

/// A way in which a value looks damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An invisible character inside a value.
    InvisibleCharacter,
    /// A value between quotes other than those of CSV.
    ForeignQuotes,
    /// UTF-8 that was decoded as another encoding.
    DecodedTwice,
    /// U+FFFD, which a decoder writes for bytes that it cannot decode.
    LostLetter,
    /// A value that a spreadsheet would run.
    Formula,
    /// An error of a spreadsheet, or the word of a database for "no value".
    NoValue,
    /// A document with the apostrophe by which spreadsheets mark a text.
    TextMark,
    /// A document that was stored as a number with decimals.
    DecimalDocument,
    /// A document with points, commas or blanks in it, in a file where others have none.
    GroupedDigits,
    /// A birthdate before 1880.
    EarlyBirthdate,
    /// A birthdate in the future.
    FutureBirthdate,
    /// Many rows that equal an earlier one.
    RepeatedRows,
}

/// Rows of a file whose values look damaged in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// How they look damaged.
    pub kind: Kind,
    /// The line in which the first of them begins, counted from 1.
    pub line: u64,
    /// The damaged column of that line, counted from 1.
    pub column: usize,
    /// How many rows there are.
    pub rows: HowMany,
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowMany {
    /// The exact number.
    Exactly(u64),
    /// An estimate from a sample.
    About(u64),
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::InvisibleCharacter,
        Self::ForeignQuotes,
        Self::DecodedTwice,
        Self::LostLetter,
        Self::Formula,
        Self::NoValue,
        Self::TextMark,
        Self::DecimalDocument,
        Self::GroupedDigits,
        Self::EarlyBirthdate,
        Self::FutureBirthdate,
        Self::RepeatedRows,
    ];

    /// Returns the name of the kind, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvisibleCharacter => "invisible_character",
            Self::ForeignQuotes => "foreign_quotes",
            Self::DecodedTwice => "decoded_twice",
            Self::LostLetter => "lost_letter",
            Self::Formula => "formula",
            Self::NoValue => "no_value",
            Self::TextMark => "text_mark",
            Self::DecimalDocument => "decimal_document",
            Self::GroupedDigits => "grouped_digits",
            Self::EarlyBirthdate => "early_birthdate",
            Self::FutureBirthdate => "future_birthdate",
            Self::RepeatedRows => "repeated_rows",
        }
    }

    /// Returns what looks damaged and what to do, as the rest of a sentence about the field.
    const fn sentence(self) -> &'static str {
        match self {
            Self::InvisibleCharacter => {
                "holds a character that nobody sees, such as a no-break space: replace it by a plain space, or delete it"
            }
            Self::ForeignQuotes => {
                "stands in quotes that are not those of CSV, such as a word processor's: delete them"
            }
            Self::DecodedTwice => {
                "looks as if it was decoded twice (ñ becomes Ã±): export the file again, and open it as UTF-8"
            }
            Self::LostLetter => {
                "has the sign for a letter that was lost (U+FFFD): export the file again, in UTF-8"
            }
            Self::Formula => {
                "begins with =, + or @, so a spreadsheet would run it: write the value itself"
            }
            Self::NoValue => {
                "is what a spreadsheet or a database writes in place of a value, such as #N/A or NULL: write the value"
            }
            Self::TextMark => "begins with an apostrophe, as spreadsheets mark a text: delete it",
            Self::DecimalDocument => {
                "is written as a number with decimals, such as 3.09E+07, so digits may be lost: export it as a text"
            }
            Self::GroupedDigits => {
                "has points, commas or blanks between its digits, and in other rows it has none: write all of them alike"
            }
            Self::EarlyBirthdate => "is before 1880: correct it",
            Self::FutureBirthdate => "is in the future: correct it",
            Self::RepeatedRows => {
                "equals an earlier row, as many others do: see whether a part of the file is in it twice"
            }
        }
    }
}

/// Displays what looks damaged, what to do, and the number of rows. Holds no value.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match (self.kind, self.column) {
            (Kind::RepeatedRows, _) => "the row",
            (_, 1) => "nombre",
            (_, 2) => "apellido",
            (_, 3) => "dni",
            _ => "nacimiento",
        };
        write!(f, "{subject} {} ({})", self.kind.sentence(), self.rows)
    }
}

impl HowMany {
    /// Returns the number.
    pub fn number(self) -> u64 {
        match self {
            Self::Exactly(number) | Self::About(number) => number,
        }
    }
}

impl fmt::Display for HowMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(_) => {}
            Self::About(_) => f.write_str("about ")?,
        }
        Count(self.number(), "row").fmt(f)
    }
}

/// The characters of Windows-1252 from 0x80 to 0x9F, which are not those of Unicode. 0 where there is none.
const FROM_0X80: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Calls `tell` with each kind of damage that a text has.
pub(super) fn text_kinds(text: &str, mut tell: impl FnMut(Kind)) {
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

/// Returns whether a text is an error of a spreadsheet: `#N/A`, `#¡VALOR!`, `#####`.
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

/// Returns whether a text begins and ends with quotes, or has one of the two and the other is in another column. A nickname
/// in quotes among other words is a part of a name, and D’Angelo and ’t Hooft are names.
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

/// Returns whether a text has the letters that two or three bytes of UTF-8 become where they are decoded as Windows-1252:
/// `MarÃ­a`, `Dâ€™Angelo`. In no language is one of the letters Â, Ã, Ä, Å followed by such a sign.
fn is_decoded_twice(text: &str) -> bool {
    let mut rest = text.chars();
    let mut before = ' ';
    while let Some(letter) = rest.next() {
        let mut next = rest.clone();
        let [second, third] = [next.next(), next.next()].map(|c| c.and_then(windows_1252));
        let twice = match letter {
            'Â' => matches!(second, Some(0xa0..=0xbf)),
            // Ã and a no-break space come from à. Behind a capital the word may just end with Ã.
            'Ã' => match second {
                Some(0xa0) => !before.is_uppercase(),
                second => matches!(second, Some(0x80..=0xbf)),
            },
            // A word in capitals may end with one of these letters and be followed by a dash or a quote.
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

/// Returns the byte of a character in Windows-1252; `None` for ASCII and for characters that it lacks.
fn windows_1252(c: char) -> Option<u8> {
    let place = FROM_0X80.iter().position(|known| *known == c && c != '\0');
    match place {
        Some(place) => Some(0x80 + place as u8),
        None => u8::try_from(u32::from(c)).ok().filter(|byte| *byte >= 0xa0),
    }
}

/// Returns whether a text has an invisible character.
fn has_invisible(text: &str) -> bool {
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let found = match c {
            '\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200b}' | '\u{200e}' | '\u{200f}' => true,
            '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' => true,
            '\u{2400}'..='\u{243f}' | '\u{feff}' => true,
            // The scripts of Persia and India use joiners.
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

/// The words that programs write for a missing document, in upper or lower case.
const NO_VALUES: [&str; 5] = ["NULL", "(NULL)", "NaN", "None", "undefined"];

/// Calls `tell` with each kind of damage of documents alone.
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

/// Returns whether a document was stored as a number: `3.0904E+07`, `3,0904E+07`, `3E+07`, `30904465.0`. `12E45` may be a
/// document.
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

/// Returns whether a text is digits in groups of three with the same sign between all groups: `30.904.465`.
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
