//! The agency file as batches: all rows in their order, and the bounds of each batch.

use std::sync::Arc;

use batch_client::batch::{Batches, Blocks, MAX_REPORTED, Scan, Summary, Verdict};
use batch_client::blocks::SMALLEST;
use batch_client::rows::Rows;
use frame::copy::FromColumns;
use frame::{Agency, MAX_CLIENT_FRAME, Request, UploadId};

fn agency() -> Agency {
    Agency::new(4_294_967_295).unwrap()
}

/// A random file, and its bets as payload objects.
fn file(rng: &mut fastrand::Rng, rows: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut file = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    let longest = [1, 10, 255][rng.usize(..3)];
    for _ in 0..rows {
        let mut name = || -> String {
            let letter = ["a", "ñ", ",", "}", "\""][rng.usize(..5)];
            let length = rng.usize(1..=longest) / letter.len();
            letter.repeat(length.max(1))
        };
        let (first, last) = (name(), name());
        let number = rng.u32(..10_000).to_string();
        file.write_record([&*first, &last, "30904465", "1999-03-17", &number])
            .unwrap();
    }
    let file = file.into_inner().unwrap();
    let mut reader = Rows::new(&file[..]);
    let mut objects = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        let mut object = Vec::new();
        row.bet(agency()).unwrap().write(&mut object);
        objects.push(object);
    }
    assert_eq!(objects.len(), rows);
    (file, objects)
}

#[test]
fn batches_are_the_rows_in_order_and_each_is_as_large_as_both_bounds_allow() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let rows = rng.usize(..400);
        let (bytes, objects) = file(&mut rng, rows);
        let max_amount = [1, 2, 86, 1_000_000][rng.usize(..4)];
        let skip = rng.usize(..=rows);

        let blocks = Blocks::of(&bytes[..], rng.usize(1..100_000)).unwrap();
        let mut batches = Batches::new(&bytes[..], Arc::new(blocks), agency(), max_amount);
        assert!(batches.skip(skip as u64).unwrap());
        let mut rest = &objects[skip..];
        while let Some((batch, bets)) = batches.next_batch().unwrap() {
            let (now, later) = rest.split_at(bets as usize);
            assert_eq!(batch.payload(), now.join(&b"|"[..]));
            let mut frame = Vec::new();
            Request::Batch(batch).encode(&mut frame);
            assert!(frame.len() <= MAX_CLIENT_FRAME && bets <= max_amount);
            if let Some(next) = later.first() {
                assert!(
                    bets == max_amount || frame.len() + 1 + next.len() > MAX_CLIENT_FRAME,
                    "a batch of {bets} bets and {} bytes is closed too early",
                    frame.len()
                );
            }
            rest = later;
        }
        assert!(rest.is_empty());

        let mut scan = Scan::new(&bytes[..], agency(), false);
        let verdict = loop {
            if let Some(verdict) = scan.advance(7).unwrap() {
                break verdict;
            }
        };
        let hash = blake3::hash(&bytes);
        let upload = UploadId(hash.as_bytes()[..16].try_into().unwrap());
        let bets = rows as u64;
        let blocks = Blocks::of(&bytes[..], SMALLEST).unwrap();
        assert_eq!(verdict, Verdict::Good(Summary { bets, upload }, blocks));
    }
}

/// A few rows, some of which are not usual or not valid.
fn odd_file(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut file = [&b""[..], b"\xef\xbb\xbf"][usize::from(rng.u8(..9) == 0)].to_vec();
    let names = [
        "Ana",
        "María de los Ángeles",
        "Ñ",
        "a{b",
        "€uro",
        " x",
        "abcdefghijklmnop",
    ];
    for _ in 0..rng.usize(2..12) {
        let name = names[rng.usize(..names.len())].repeat(rng.usize(1..4));
        let number = [rng.u32(..2_000_000_000).to_string(), "0464".to_owned()];
        let number = &number[usize::from(rng.u8(..9) == 0)];
        let end = ["\n", "\r\n", "\n\n"][rng.usize(..3)];
        file.extend_from_slice(format!("{name},Paz,30904465,1999-03-17,{number}{end}").as_bytes());
    }
    for _ in 0..rng.u8(..3) {
        let at = rng.usize(..file.len());
        let byte = *rng.choice(b",\"\n\r \t0-\x00\x7f\xc2\x85\xc3\xef").unwrap();
        let instead = [byte].into_iter().take(rng.usize(..2));
        file.splice(at..at + rng.usize(..2), instead);
    }
    file
}

#[test]
fn a_row_is_copied_as_reading_and_writing_it_gives_or_not_at_all() {
    let copy = FromColumns::new(agency());
    let (mut copied, mut object) = (0, [0; FromColumns::ROOM]);
    for seed in 0..10_000 {
        let file = odd_file(&mut fastrand::Rng::with_seed(seed));
        let (mut copying, mut reading) = (Rows::new(&file[..]), Rows::new(&file[..]));
        // Before the first look, nothing of the file is in the buffer.
        let mut look = true;
        loop {
            let written = match look {
                true => None,
                false => copying.copy_next(&copy, &mut object),
            };
            look = false;
            let read = reading
                .next_row()
                .map(|row| row.map(|row| (row.line(), row.bet(agency()))));
            if let Some(length) = written {
                let mut expected = Vec::new();
                let (_, bet) = read.expect("a row").expect("a row");
                bet.expect("a valid one").write(&mut expected);
                assert_eq!(object[..length], expected, "seed {seed}");
                copied += 1;
                continue;
            }
            let row = copying
                .next_row()
                .map(|row| row.map(|row| (row.line(), row.bet(agency()))));
            assert_eq!(format!("{row:?}"), format!("{read:?}"), "seed {seed}");
            if !matches!(read, Ok(Some(_))) {
                break;
            }
        }
    }
    assert!(copied > 5_000, "{copied}");
}

#[test]
fn no_more_rows_are_skipped_than_the_file_has() {
    let row = &b"Ana,Lorca,1,2000-01-01,1\n"[..];
    let blocks = Arc::new(Blocks::of(row, SMALLEST).unwrap());
    let skip = |rows| Batches::new(row, Arc::clone(&blocks), agency(), 1).skip(rows);
    assert!(skip(1).unwrap() && !skip(2).unwrap());
}

#[test]
fn the_first_hundred_bad_rows_are_reported_and_all_are_counted() {
    let mut file = "Ana,Lorca,1,2000-01-01,1\n".to_owned();
    file += &"Ana,Lorca,1,2000-01-01,\n".repeat(150);
    let Verdict::Bad { first, count } = Scan::new(file.as_bytes(), agency(), false)
        .advance(usize::MAX)
        .unwrap()
        .unwrap()
    else {
        panic!("the file is accepted")
    };
    assert_eq!((first.len(), count), (MAX_REPORTED, 150));
    assert_eq!((first[99].line, first[99].column), (101, 5));
}

#[test]
fn a_row_that_needs_quotes_is_bad_only_for_a_plain_server() {
    let file = b"\"Ana, h.\",Lorca,1,2000-01-01,1\n";
    for plain in [false, true] {
        let verdict = Scan::new(&file[..], agency(), plain).advance(2).unwrap();
        assert_eq!(matches!(verdict, Some(Verdict::Bad { .. })), plain);
    }
}
