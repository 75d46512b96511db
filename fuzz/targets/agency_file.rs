//! An agency file is read as the csv crate reads it from one piece of memory, however the reader cuts it, except that a
//! row with quotes that no writer of CSV makes is refused; its batches are its bets, each batch as large as both bounds allow.

#![no_main]

use std::io::{self, Read};
use std::sync::Arc;

use batch_client::batch::{Batches, Blocks, MAX_REPORTED, Scan, Summary, Verdict};
use batch_client::blocks::SMALLEST;
use batch_client::rows::{BadRow, Fault, MAX_ROW, QuoteFlaw, RowError};
use frame::{Agency, Field, MAX_CLIENT_FRAME, Request, UploadId};
use fuzz::input::{self, Controls};
use fuzz::reference::{self, Bet};
use libfuzzer_sys::fuzz_target;

const BOM: &[u8] = b"\xef\xbb\xbf";

const COLUMNS: [Field; 5] = [
    Field::FirstName,
    Field::LastName,
    Field::Document,
    Field::Birthdate,
    Field::Number,
];

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, file) = input::split(bytes, 24 * 1024);
    let number = controls.choose(&[1, 7, u32::MAX]);
    let agency = Agency::new(number).expect("no agency is 0");
    let plain = controls.below(2) == 1;
    let max_amount = controls.choose(&[86, 1, 2, 5, u32::MAX]);
    let checked = rows(&file, number, plain);

    let pieces = Pieces {
        file: &file,
        controls: controls.clone(),
    };
    let mut scan = Scan::new(pieces.clone(), agency, plain);
    let verdict = loop {
        let some = controls.piece();
        if let Some(verdict) = scan.advance(some).expect("reading memory does not fail") {
            break verdict;
        }
    };
    let hash = blake3::hash(&file);
    let upload = UploadId(hash.as_bytes()[..16].try_into().expect("16 bytes"));
    let smallest = Blocks::of(&file[..], SMALLEST).expect("reading memory does not fail");
    let mut bad: Vec<BadRow> = checked.iter().filter_map(|row| row.clone().err()).collect();
    if bad.is_empty() {
        let bets = checked.len() as u64;
        assert_eq!(verdict, Verdict::Good(Summary { bets, upload }, smallest));
    } else {
        let count = bad.len() as u64;
        bad.truncate(MAX_REPORTED);
        let Verdict::Bad {
            first,
            count: found,
        } = verdict
        else {
            panic!("{bad:?} are taken for bets");
        };
        assert_eq!((found, first.len()), (count, bad.len()));
        for (found, expected) in first.iter().zip(&bad) {
            assert!(
                is_as_expected(found, expected),
                "{found:?}, not {expected:?}"
            );
        }
    }

    let blocks = Blocks::of(&file[..], controls.piece().min(SMALLEST));
    let blocks = Arc::new(blocks.expect("reading memory does not fail"));
    let mut batches = Batches::new(pieces, blocks, agency, max_amount);
    // Quotes are the scan's to look for.
    let rows = rows(&file, number, false);
    let skip = controls.below(rows.len() + 2);
    match batches.skip(skip as u64) {
        Ok(skipped) => assert_eq!(skipped, skip <= rows.len()),
        Err(RowError::TooLong { .. }) => return assert!(is_cut_short(&rows, skip)),
        Err(e) => panic!("{e:?}"),
    }
    let mut sent = skip;
    loop {
        match batches.next_batch() {
            Ok(Some((batch, count))) => {
                let until = sent + count as usize;
                let bets: Vec<Bet> = rows[sent..until].iter().flatten().cloned().collect();
                assert_eq!(
                    bets.len(),
                    count as usize,
                    "a batch with a row that is no bet"
                );
                assert_eq!(batch.payload(), reference::payload(&bets));
                let mut frame = Vec::new();
                Request::Batch(batch).encode(&mut frame);
                assert!(frame.len() <= MAX_CLIENT_FRAME && count <= max_amount);
                if let Some(Ok(next)) = rows.get(until) {
                    let with_next =
                        frame.len() + 1 + reference::payload(std::slice::from_ref(next)).len();
                    assert!(
                        count == max_amount || with_next > MAX_CLIENT_FRAME,
                        "closed early"
                    );
                }
                sent = until;
            }
            Ok(None) => {
                assert!(sent >= rows.len());
                return;
            }
            Err(e) => {
                assert!(rows[sent..].iter().any(Result::is_err), "{e:?}");
                return;
            }
        }
    }
});

/// Whether a row is bad for the expected reason, or is called something else than a bet: what that is, other tests say.
fn is_as_expected(found: &BadRow, expected: &BadRow) -> bool {
    if found.fault.is_no_bet() || found.fault == Fault::QuotedRow {
        (found.line, found.column) == (expected.line, 1)
    } else {
        found == expected
    }
}

/// Whether one of the first `skip` rows is too long.
fn is_cut_short(rows: &[Result<Bet, BadRow>], skip: usize) -> bool {
    let too_long =
        |row: &Result<Bet, BadRow>| matches!(row, Err(bad) if bad.fault == Fault::TooLong);
    rows.iter().take(skip).any(too_long)
}

/// The file in pieces of the sizes that the controls say.
#[derive(Clone)]
struct Pieces<'a> {
    file: &'a [u8],
    controls: Controls<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let most = self.controls.piece();
        let most = most.min(space.len());
        self.file.read(&mut space[..most])
    }
}

/// What each row of the file is.
fn rows(file: &[u8], agency: u32, plain: bool) -> Vec<Result<Bet, BadRow>> {
    let mut file = file.to_vec();
    if !file.is_empty() && !file.ends_with(b"\n") {
        file.push(b'\n');
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(&file[..]);
    let bad = |line, column, fault| BadRow {
        line,
        column,
        fault,
    };
    let mut rows = Vec::new();
    let mut record = csv::ByteRecord::new();
    let (mut end, mut line) = (0, 1);
    while reader
        .read_byte_record(&mut record)
        .expect("reading memory does not fail")
    {
        let text = &file[end..reader.position().byte() as usize];
        // Empty lines before a row are no part of it, nor is a byte order mark before them.
        let marked = text.strip_prefix(BOM).filter(|_| end == 0);
        let row = marked.unwrap_or(text);
        let empty = row.iter().take_while(|b| **b == b'\n').count();
        let row = &row[empty..];
        let begin = line + empty as u64;
        if row.len() > MAX_ROW {
            rows.push(Err(bad(begin, 1, Fault::TooLong)));
            return rows;
        }
        if !trimmed(row.strip_suffix(b"\n").unwrap_or(row)).is_empty() {
            let last = record.len() - 1;
            let columns = record.iter().enumerate().map(|(index, column)| {
                if index == last {
                    trimmed(column)
                } else {
                    blanks_off(column)
                }
            });
            let columns: Vec<&[u8]> = columns.collect();
            let row = match misquoted(row) {
                Some((column, flaw)) => Err((column, Fault::Quoting(flaw))),
                None if columns[0].starts_with(BOM) => Err((1, Fault::ByteOrderMark)),
                None => self::row(&columns, agency, plain),
            };
            rows.push(row.map_err(|(column, fault)| bad(begin, column, fault)));
        }
        end += text.len();
        line += text.iter().filter(|b| **b == b'\n').count() as u64;
    }
    rows
}

/// The last column of a row, without blanks and the CR of the row's end.
fn trimmed(column: &[u8]) -> &[u8] {
    blanks_off(column.strip_suffix(b"\r").unwrap_or(column))
}

fn blanks_off(column: &[u8]) -> &[u8] {
    let blank = |b: &u8| b" \t".contains(b);
    let begin = column.iter().take_while(|b| blank(b)).count();
    let column = &column[begin..];
    let end = column.iter().rev().take_while(|b| blank(b)).count();
    &column[..column.len() - end]
}

/// The first column of a row whose quotes no writer of CSV makes, and what is wrong with them. Takes one field after the
/// other from the front.
fn misquoted(row: &[u8]) -> Option<(usize, QuoteFlaw)> {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    let mut rest = row.strip_suffix(b"\r").unwrap_or(row);
    for column in 1.. {
        let blanks = rest.iter().take_while(|b| b" \t".contains(b)).count();
        if rest.starts_with(b"\"") {
            rest = &rest[1..];
            loop {
                let Some(at) = rest.iter().position(|b| *b == b'"') else {
                    return Some((column, QuoteFlaw::Unclosed));
                };
                rest = &rest[at + 1..];
                match rest {
                    [b'"', after @ ..] => rest = after,
                    _ => break,
                }
            }
            while let [b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            if !matches!(rest, [] | [b',', ..]) {
                return Some((column, QuoteFlaw::TextAfter));
            }
        } else if rest[blanks..].starts_with(b"\"") {
            return Some((column, QuoteFlaw::BlankBefore));
        }
        let comma = rest.iter().position(|b| *b == b',')?;
        rest = &rest[comma + 1..];
    }
    None
}

fn row(columns: &[&[u8]], agency: u32, plain: bool) -> Result<Bet, (usize, Fault)> {
    let [first_name, last_name, document, birthdate, number] = *columns else {
        let column = columns.len().min(COLUMNS.len()) + 1;
        return Err((column, Fault::Columns(columns.len())));
    };
    let text = |column: &[u8], max| reference::text(column.to_vec(), max);
    let bet = (|| {
        Ok(Bet {
            agency,
            first_name: text(first_name, 255).ok_or(1_usize)?,
            last_name: text(last_name, 255).ok_or(2_usize)?,
            document: text(document, 32).ok_or(3_usize)?,
            birthdate: reference::birthdate(birthdate.to_vec()).ok_or(4_usize)?,
            number: reference::number(number).ok_or(5_usize)?,
        })
    })();
    let bet = bet.map_err(|column| (column, fault(column, columns[column - 1])))?;
    if plain && let Some(at) = columns.iter().position(|column| is_quoted(column)) {
        return Err((at + 1, Fault::Quotes(COLUMNS[at])));
    }
    Ok(bet)
}

/// Why a column holds no value of its kind.
fn fault(column: usize, text: &[u8]) -> Fault {
    use frame::Flaw::{Control, Empty, NotDate, NotNumber, NotUtf8, TooLong};
    let max = if column == 3 { 32 } else { 255 };
    let flaw = match column {
        4 => NotDate,
        5 => NotNumber,
        _ if text.is_empty() => Empty,
        _ if text.len() > max => TooLong(max),
        _ if std::str::from_utf8(text).is_err() => NotUtf8,
        _ => Control,
    };
    Fault::Field(COLUMNS[column - 1], flaw)
}

/// Whether a value without blanks at its ends is quoted in a payload.
fn is_quoted(value: &[u8]) -> bool {
    value.starts_with(b"\"") || value.iter().any(|b| b",|{}".contains(b))
}
