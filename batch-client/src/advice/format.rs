//! Files in another format, and text in another encoding than UTF-8.
//!
//! In come the first bytes of a file, and the texts of its bad rows that are not UTF-8; out comes a [`Finding`]. A format is
//! known by its first bytes or words. An encoding is known by its byte order mark, by its zero bytes, or because the letters
//! make sense in no other one.

use memchr::memmem;

use super::finding::{Finding, Kind};
use crate::rows::lines::BYTE_ORDER_MARK;

/// Says how to get an agency file out of a spreadsheet.
const SAVE_AS_CSV: &str = "open it in a spreadsheet program and save it as CSV in UTF-8";

/// The first bytes of a format, its kind, what it is, and what to do. None of them is the beginning of a name.
const FORMATS: [(&[u8], Kind, &str, &str); 9] = [
    (
        b"\x1f\x8b",
        Kind::Packed,
        "it is packed with gzip",
        "unpack it with gunzip",
    ),
    (
        b"\xfd7zXZ\0",
        Kind::Packed,
        "it is packed with xz",
        "unpack it with unxz",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        Kind::Packed,
        "it is packed with zstd",
        "unpack it with unzstd",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        Kind::Packed,
        "it is a 7z archive",
        UNPACK,
    ),
    (b"Rar!\x1a\x07", Kind::Packed, "it is a RAR archive", UNPACK),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Kind::Spreadsheet,
        "it is an Excel workbook (xls)",
        SAVE_AS_CSV,
    ),
    (
        b"%PDF-",
        Kind::FormattedDocument,
        "it is a PDF document",
        EXPORT,
    ),
    (
        b"{\\rtf",
        Kind::FormattedDocument,
        "it is an RTF document",
        "save it as plain text in UTF-8",
    ),
    (b"<?xml", Kind::Xml, "it is XML", EXPORT),
];

const UNPACK: &str = "unpack it and give the CSV file that it holds";
const EXPORT: &str = "export the table from the program that made it, as CSV in UTF-8";

/// Returns the format that the first bytes of a file show.
pub(super) fn find(head: &[u8]) -> Option<Finding> {
    if head.starts_with(b"PK\x03\x04") {
        return Some(zip(head));
    }
    if let [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] = head
        && rest.starts_with(b"1AY&SY")
    {
        let what = "it is packed with bzip2";
        return Some(Finding::new(Kind::Packed, what, "unpack it with bunzip2"));
    }
    let known = FORMATS.iter().find(|(magic, ..)| head.starts_with(magic));
    known.map(|(_, kind, what, fix)| Finding::new(*kind, *what, *fix))
}

/// Returns what the first words of a text show. To be asked only where no row of the file is a bet: a name may be one of
/// these words.
pub(super) fn find_text(head: &[u8]) -> Option<Finding> {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let text = text.trim_ascii_start();
    if is_json(text) {
        return Some(Finding::new(Kind::Json, "it is JSON", EXPORT));
    }
    let upper = text[..text.len().min(WORDS)].to_ascii_uppercase();
    let begins = |words: &[&str]| words.iter().any(|word| upper.starts_with(word.as_bytes()));
    if begins(&["<!DOCTYPE HTML", "<HTML", "<HEAD", "<TABLE"]) {
        let fix = "download the file itself";
        return Some(Finding::new(Kind::WebPage, "it is a web page", fix));
    }
    let holds = |words: &[u8]| memmem::find(&upper, words).is_some();
    let inserts = holds(b"INSERT INTO ") || holds(b"CREATE TABLE ");
    let sql = begins(&["INSERT INTO ", "CREATE TABLE ", "BEGIN;"])
        || (begins(&["--", "/*", "SET "]) && (inserts || holds(b" DUMP")))
        || (begins(&["COPY "]) && holds(b" FROM STDIN"));
    sql.then(|| Finding::new(Kind::Sql, "it is a list of orders in SQL", EXPORT))
}

/// How many bytes at the beginning of a text are searched for words.
const WORDS: usize = 2 * 1024;

/// Returns whether a text begins as an object or a list of JSON does, which no bet does.
fn is_json(text: &[u8]) -> bool {
    let next = |rest: &[u8]| rest.trim_ascii_start().first().copied();
    match text {
        [b'{', rest @ ..] => next(rest) == Some(b'"'),
        [b'[', rest @ ..] => matches!(next(rest), Some(b'{' | b'[' | b'"')),
        _ => false,
    }
}

/// Returns what a zip archive is: a spreadsheet is one whose first entries have known names.
fn zip(head: &[u8]) -> Finding {
    let holds = |name: &[u8]| memmem::find(head, name).is_some();
    if holds(b"[Content_Types].xml") || holds(b"xl/") {
        Finding::new(
            Kind::Spreadsheet,
            "it is an Excel workbook (xlsx)",
            SAVE_AS_CSV,
        )
    } else if holds(b"vnd.oasis.opendocument") {
        Finding::new(
            Kind::Spreadsheet,
            "it is an OpenDocument file (ods)",
            SAVE_AS_CSV,
        )
    } else {
        Finding::new(Kind::Packed, "it is a zip archive", UNPACK)
    }
}

/// Finds encodings with two or four bytes for each letter. The byte order mark shows them, or else the zero bytes that are
/// beside each ASCII letter.
pub(super) fn wide(head: &[u8]) -> Option<Finding> {
    let (name, encoding) = match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => ("UTF-32", "UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("UTF-16", "UTF-16"),
        _ => ("UTF-16 without a byte order mark", unmarked(head)?),
    };
    let what = format!("its text is in {name}");
    Some(Finding::new(
        Kind::WideEncoding,
        what,
        save_as_utf8(encoding),
    ))
}

/// Returns the name of UTF-16 without a byte order mark: most letters have a zero byte, all of them on the same side.
fn unmarked(head: &[u8]) -> Option<&'static str> {
    let pairs = head.chunks_exact(2);
    let count = pairs.len();
    let (big, little) = pairs.fold((0, 0), |(big, little), pair| match pair {
        [0, letter] if *letter != 0 => (big + 1, little),
        [letter, 0] if *letter != 0 => (big, little + 1),
        _ => (big, little),
    });
    match (big, little) {
        (0, little) if little > count / 2 => Some("UTF-16LE"),
        (big, 0) if big > count / 2 => Some("UTF-16BE"),
        _ => None,
    }
}

/// Returns the finding for rows that are not UTF-8, given the encodings that they may have. An encoding is named only where
/// it is the only one left. `has_utf8`: whether other rows of the file have letters in UTF-8.
pub(super) fn not_utf8(candidates: Option<&Candidates>, has_utf8: bool) -> Option<Finding> {
    let candidates = candidates?;
    if has_utf8 {
        // Converting the whole file would damage the rows that are already in UTF-8.
        return Some(Finding::new(
            Kind::NotUtf8,
            "some of its rows are in UTF-8 and some are not",
            "save those that are not in UTF-8, too, or join the files that it was made from once all of them are in UTF-8",
        ));
    }
    Some(match candidates.only() {
        Some(encoding) => Finding::new(
            Kind::NotUtf8,
            format!(
                "its text is not in UTF-8 but most likely in {}",
                encoding.name
            ),
            save_as_utf8(encoding.iconv),
        ),
        None => Finding::new(
            Kind::NotUtf8,
            "its text is not in UTF-8",
            "save it in UTF-8 with the program that made it (in a spreadsheet: CSV UTF-8)",
        ),
    })
}

/// Says how to save UTF-8, for someone with a spreadsheet and for someone with a shell.
fn save_as_utf8(encoding: &str) -> String {
    format!(
        "save it in UTF-8 (in a spreadsheet: CSV UTF-8; in a shell: iconv -f {encoding} -t UTF-8)"
    )
}

/// An encoding with one byte for each letter.
#[derive(Debug)]
pub(super) struct Encoding {
    /// Its name for people.
    name: &'static str,
    /// Its name for iconv.
    iconv: &'static str,
    /// The characters of the bytes from 0x80 on. Only those in [`LETTERS`] have to be right; a byte without a character that
    /// can be shown has `·`.
    characters: &'static str,
}

/// The encodings that spreadsheets and databases write for the languages around this lottery.
const ENCODINGS: [Encoding; 3] = [
    Encoding {
        name: "Latin-1 or Windows-1252",
        iconv: "WINDOWS-1252",
        characters: "\
            €·‚ƒ„…†‡ˆ‰Š‹Œ·Ž··‘’“”•–—˜™š›œ·žŸ·¡¢£¤¥¦§¨©ª«¬·®¯°±²³´µ¶·¸¹º»¼½¾¿\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    },
    Encoding {
        name: "code page 850, of DOS",
        iconv: "CP850",
        characters: "\
            ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
            └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´·±‗¾¶§÷¸°¨·¹³²■·",
    },
    Encoding {
        name: "MacRoman",
        iconv: "MACINTOSH",
        characters: "\
            ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø\
            ¿¡¬√ƒ≈∆«»…·ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ·ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
    },
];

/// The letters beyond ASCII that names have in the languages around this lottery, and two that follow numbers.
const LETTERS: &str = "áéíóúüñÁÉÍÓÚÜÑàèìòùÀÈÌÒÙâêîôûÂÊÎÔÛãõÃÕçÇäëïöÄËÏÖßªº";

/// The most letters beyond ASCII that follow each other in a word of these languages.
const IN_A_ROW: usize = 2;

/// Which encodings a text may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidates([bool; ENCODINGS.len()]);

impl Default for Candidates {
    fn default() -> Self {
        Self([true; ENCODINGS.len()])
    }
}

impl Candidates {
    /// Rules out the encodings in which this text makes no sense.
    pub(super) fn see(&mut self, text: &[u8]) {
        let mut row = 0;
        for (at, byte) in text.iter().enumerate() {
            row = if byte.is_ascii() { 0 } else { row + 1 };
            if row > IN_A_ROW {
                self.0 = [false; ENCODINGS.len()];
            }
            if let Some(place) = byte.checked_sub(0x80) {
                let before = at.checked_sub(1).map_or(b',', |at| text[at]);
                let after = text.get(at + 1).copied().unwrap_or(b',');
                for (possible, encoding) in self.0.iter_mut().zip(&ENCODINGS) {
                    let letter = encoding.characters.chars().nth(place.into());
                    *possible &= letter.is_some_and(|letter| fits(before, letter, after));
                }
            }
        }
    }

    /// Returns the encoding, where only one is left.
    fn only(&self) -> Option<&'static Encoding> {
        let mut possible = ENCODINGS
            .iter()
            .zip(self.0)
            .filter(|(_, possible)| *possible);
        let first = possible.next();
        first
            .filter(|_| possible.next().is_none())
            .map(|(encoding, _)| encoding)
    }
}

/// Returns whether a letter may be between these bytes: a capital does not follow a small letter, and a small letter is not
/// followed by a capital. An apostrophe is next to a capital, as in D’Angelo.
fn fits(before: u8, letter: char, after: u8) -> bool {
    if letter == '’' {
        return before.is_ascii_uppercase() || after.is_ascii_uppercase();
    }
    let among_capitals = after.is_ascii_uppercase();
    LETTERS.contains(letter)
        && !(letter.is_uppercase() && before.is_ascii_lowercase())
        && !(letter.is_lowercase() && among_capitals)
}
