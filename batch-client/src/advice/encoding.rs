//! Text in another encoding than UTF-8.

use super::finding::Finding;

/// Says how to save UTF-8, for someone with a spreadsheet and for someone with a shell.
fn save_as_utf8(encoding: &str) -> String {
    format!(
        "save it in UTF-8 (in a spreadsheet: CSV UTF-8; in a shell: iconv -f {encoding} -t UTF-8)"
    )
}

/// Finds encodings with two or four bytes for each letter. The mark at the beginning shows them, or else the zeros that
/// the letters of English have in them.
pub(super) fn wide(head: &[u8]) -> Option<Finding> {
    let (name, encoding) = match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => ("UTF-32", "UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("UTF-16", "UTF-16"),
        _ => ("UTF-16 without a byte order mark", unmarked(head)?),
    };
    let what = format!("its text is in {name}");
    Some(Finding::new(what, save_as_utf8(encoding)))
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

/// Rows that are not UTF-8. Nearly all such files have one byte for each letter, as older programs for Windows write.
pub(super) fn not_utf8<'a>(mut rows: impl Iterator<Item = &'a [u8]>) -> Option<Finding> {
    rows.any(|row| std::str::from_utf8(row).is_err()).then(|| {
        Finding::new(
            "its text is not in UTF-8 but most likely in Latin-1 or Windows-1252",
            save_as_utf8("WINDOWS-1252"),
        )
    })
}
