//! Files in another format, known by their first bytes or words.

use memchr::memmem;

use super::evidence::Evidence;
use super::finding::{Finding, Kind};
use crate::lines::BYTE_ORDER_MARK;

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
    (b"%PDF-", Kind::Document, "it is a PDF document", EXPORT),
    (
        b"{\\rtf",
        Kind::Document,
        "it is an RTF document",
        "save it as plain text in UTF-8",
    ),
    (b"<?xml", Kind::Xml, "it is XML", EXPORT),
];

const UNPACK: &str = "unpack it and give the CSV file that it holds";
const EXPORT: &str = "export the table from the program that made it, as CSV in UTF-8";

/// Returns what the first bytes of a file show.
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

/// Returns what the first words of a text show, where no row of the file is a bet.
pub(super) fn find_text(evidence: &Evidence) -> Option<Finding> {
    if evidence.has_bets {
        return None;
    }
    let head = &evidence.head[..];
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

/// So many bytes at the beginning of a text are looked at.
const WORDS: usize = 2 * 1024;

/// An object or a list, as JSON begins: no row of a bet begins so.
fn is_json(text: &[u8]) -> bool {
    let next = |rest: &[u8]| rest.trim_ascii_start().first().copied();
    match text {
        [b'{', rest @ ..] => next(rest) == Some(b'"'),
        [b'[', rest @ ..] => matches!(next(rest), Some(b'{' | b'[' | b'"')),
        _ => false,
    }
}

/// Spreadsheets are zip archives, whose first entries have known names.
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
