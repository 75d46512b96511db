//! What a row is that was never meant to be a bet, where its columns show that: a header, a line of sums, and what other
//! programs add to a file. Looked at only where a row is no bet. Knows no file and no other row.

use super::error::Fault;
use crate::advice::names_columns;
use crate::lines::BYTE_ORDER_MARK;

/// Control-Z, with which DOS ended a text.
const END_OF_TEXT: u8 = 0x1a;

/// How many columns a bet has.
const COLUMNS: usize = 5;

/// With what a line of sums begins.
const SUMS: [&str; 6] = ["total", "subtotal", "suma", "sum", "cantidad", "count"];

/// What a row is instead of a bet. Its columns come without the blanks around them. `whole`: the row is one value in
/// quotes.
pub(super) fn find(columns: &[&[u8]], whole: bool) -> Option<Fault> {
    let first = columns.first()?;
    let (first, marked) = match first.strip_prefix(BYTE_ORDER_MARK) {
        Some(first) => (first, true),
        None => (*first, false),
    };
    let is_note = |text: &[u8]| text.eq_ignore_ascii_case(b"sep=");
    if is_end_mark(columns) {
        Some(Fault::EndMark)
    } else if columns.len() > 1 && columns.iter().all(|column| column.is_empty()) {
        Some(Fault::NoValues)
    } else if columns.len() <= 2 && first.get(..4).is_some_and(is_note) {
        Some(Fault::DelimiterNote)
    } else if names_columns(columns) {
        Some(Fault::Header)
    } else if is_sums(columns) {
        Some(Fault::Sums)
    } else if whole && first.split(|b| *b == b',').count() >= COLUMNS {
        Some(Fault::QuotedRow)
    } else {
        marked.then_some(Fault::ByteOrderMark)
    }
}

/// `Total,,,,26936` and `,,,,26936`: the columns of a bet without its birthdate.
fn is_sums(columns: &[&[u8]]) -> bool {
    let is_named = |column: &&[u8]| {
        let text = String::from_utf8_lossy(column).to_lowercase();
        let word = text.split(|c: char| !c.is_alphabetic()).next();
        word.is_some_and(|word| SUMS.contains(&word))
    };
    let count = columns.len();
    let empty = columns.iter().filter(|column| column.is_empty()).count();
    let is_number = |column: &&[u8]| !column.is_empty() && column.iter().all(u8::is_ascii_digit);
    let last_alone = count > 2 && empty + 1 == count && columns.last().is_some_and(is_number);
    let named = (count <= 2 || empty >= 2) && columns.iter().any(is_named);
    let dated = columns.get(3).is_some_and(|date| date.len() == 10);
    (last_alone || named) && !dated && count <= COLUMNS + 1
}

/// Whether the row ends with Control-Z, behind which other bytes may fill up a block.
fn is_end_mark(columns: &[&[u8]]) -> bool {
    let last = columns.last().copied().unwrap_or_default();
    let filled = last.iter().rev().take_while(|b| **b == 0).count();
    last[..last.len() - filled].last() == Some(&END_OF_TEXT)
}
