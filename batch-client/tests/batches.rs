//! The agency file as batches: all rows in their order, and the bounds of each batch.

use std::sync::Arc;

use batch_client::batch::{Batches, Blocks, MAX_REPORTED, Scan, Summary, Verdict};
use batch_client::blocks::SMALLEST;
use batch_client::rows::Rows;
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
