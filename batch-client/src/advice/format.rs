//! Files that are not text, known by their first bytes.

use memchr::memmem;

use super::finding::Finding;

/// Says how to get an agency file out of a spreadsheet.
const SAVE_AS_CSV: &str = "open it in a spreadsheet program and save it as CSV in UTF-8";

/// The first bytes of a format, what it is, and what to do.
const FORMATS: [(&[u8], &str, &str); 12] = [
    (
        b"\x1f\x8b",
        "it is packed with gzip",
        "unpack it with gunzip",
    ),
    (b"BZh", "it is packed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ\0", "it is packed with xz", "unpack it with unxz"),
    (
        b"\x28\xb5\x2f\xfd",
        "it is packed with zstd",
        "unpack it with unzstd",
    ),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "it is a RAR archive", UNPACK),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "it is an Excel workbook (xls)",
        SAVE_AS_CSV,
    ),
    (
        b"%PDF-",
        "it is a PDF document",
        "export the table from the program that made it, as CSV in UTF-8",
    ),
    (
        b"{\\rtf",
        "it is an RTF document",
        "save it as plain text in UTF-8",
    ),
    (b"<!DOCTYPE", PAGE, DOWNLOAD),
    (b"<!doctype", PAGE, DOWNLOAD),
    (b"<html", PAGE, DOWNLOAD),
];

const UNPACK: &str = "unpack it and give the CSV file that it holds";
const PAGE: &str = "it is a web page";
const DOWNLOAD: &str = "download the file itself";

/// What the first bytes of a file show.
pub(super) fn find(head: &[u8]) -> Option<Finding> {
    if head.starts_with(b"PK\x03\x04") {
        return Some(zip(head));
    }
    let known = FORMATS.iter().find(|(magic, ..)| head.starts_with(magic));
    known.map(|(_, what, fix)| Finding::new(*what, *fix))
}

/// Spreadsheets are zip archives, whose first entries have known names.
fn zip(head: &[u8]) -> Finding {
    let holds = |name: &[u8]| memmem::find(head, name).is_some();
    if holds(b"[Content_Types].xml") || holds(b"xl/") {
        Finding::new("it is an Excel workbook (xlsx)", SAVE_AS_CSV)
    } else if holds(b"vnd.oasis.opendocument") {
        Finding::new("it is an OpenDocument file (ods)", SAVE_AS_CSV)
    } else {
        Finding::new("it is a zip archive", UNPACK)
    }
}
