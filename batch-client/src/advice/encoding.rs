//! Text in another encoding than UTF-8.

use super::finding::{Finding, Kind};

/// Finds encodings with two or four bytes for each letter. The mark at the beginning shows them, or else the zeros that
/// the letters of English have in them.
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

/// Text in UTF-16 without a mark: most of its letters have a zero byte, all at the same side.
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

/// Finds rows that are not UTF-8, given what encodings they may be in. An encoding is named only where their letters make
/// sense in no other one. `has_utf8`: whether other rows of the file have letters in UTF-8.
pub(super) fn not_utf8(candidates: Option<&Candidates>, has_utf8: bool) -> Option<Finding> {
    let candidates = candidates?;
    if has_utf8 {
        // To convert the whole file would damage the rows that are right.
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
    /// As people call it.
    name: &'static str,
    /// As iconv calls it.
    iconv: &'static str,
    /// The characters of the bytes from 0x80 on. Those that are not in [`LETTERS`] may be any other.
    characters: &'static str,
}

/// Those that spreadsheets and databases for this lottery's languages write.
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

/// More letters beyond ASCII in a row are of no word in these languages.
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
    /// Looks at text in one of the encodings.
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

    /// The only encoding that is possible.
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

/// Whether a letter may stand between these bytes: no capital stands behind a small letter, and no small letter among
/// capitals. An apostrophe stands behind a capital or before one, as in D’Angelo.
fn fits(before: u8, letter: char, after: u8) -> bool {
    if letter == '’' {
        return before.is_ascii_uppercase() || after.is_ascii_uppercase();
    }
    let among_capitals = after.is_ascii_uppercase();
    LETTERS.contains(letter)
        && !(letter.is_uppercase() && before.is_ascii_lowercase())
        && !(letter.is_lowercase() && among_capitals)
}
