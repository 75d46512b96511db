//! A payload is read as the grammar says, and what was read and is written again is read as the same.

#![no_main]

use frame::payload::{self, Objects};
use frame::{Batch, BetError, Documents, PayloadError};
use fuzz::reference::{self, Bet, Pairs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (_, text) = fuzz::input::split(bytes, 4_096);
    check_objects(&text);
    check_bets(&text);
    check_list(&text);
    check_number(&text);
});

fn check_objects(text: &[u8]) {
    let (expected, well_formed) = reference::objects(text);
    let mut objects = Objects::new(text);
    let mut read = Vec::new();
    let end = loop {
        let mut pairs = Pairs::new();
        match objects.read(|key, value| {
            pairs.push((key.to_vec(), value.into_owned()));
            Ok::<_, PayloadError>(())
        }) {
            Ok(true) => read.push(pairs),
            Ok(false) => break None,
            Err(e) => break Some(e),
        }
    };
    assert_eq!(read, expected);
    assert_eq!(end.is_none(), well_formed, "{end:?}");
    assert!(end.is_none_or(|e| e.at <= text.len()));
    let mut one = Pairs::new();
    let alone = payload::read_object(text, |key, value| {
        one.push((key.to_vec(), value.into_owned()));
        Ok::<_, PayloadError>(())
    });
    assert_eq!(alone.ok().map(|()| one), reference::one_object(text));
}

fn check_bets(text: &[u8]) {
    let batch = Batch::new(text);
    let mut read = Vec::new();
    let mut failed = None;
    let mut written = Vec::new();
    for (i, bet) in batch.bets().enumerate() {
        assert!(failed.is_none(), "a bet after an error");
        match bet {
            Ok(bet) => {
                if i > 0 {
                    written.push(b'|');
                }
                bet.write(&mut written);
                read.push(Bet::from(&bet));
            }
            Err(e) => {
                assert_eq!(e.bet, i + 1);
                failed = Some(e);
            }
        }
    }
    let (expected, all) = reference::bets(text);
    assert_eq!(read, expected);
    assert_eq!(failed.is_none(), all, "{failed:?}");
    assert_eq!(written, reference::payload(&read));
    let again: Result<Vec<Bet>, _> = Batch::new(&written)
        .bets()
        .map(|bet| bet.map(|bet| Bet::from(&bet)))
        .collect();
    if !read.is_empty() {
        assert_eq!(again, Ok(read));
    }
}

fn check_list(text: &[u8]) {
    let mut values = Vec::new();
    let read = payload::read_list(text, |value| {
        values.push(value.into_owned());
        Ok::<_, PayloadError>(())
    });
    let expected = reference::list(text);
    assert_eq!(read.is_ok().then_some(&values), expected.as_ref());
    let documents: Result<Vec<String>, BetError> = Documents::new(text)
        .to_vec()
        .map(|documents| documents.into_iter().map(|d| d.into_owned()).collect());
    let expected: Option<Vec<String>> = expected.and_then(|values| {
        let texts = values.into_iter().map(String::from_utf8);
        texts.collect::<Result<_, _>>().ok()
    });
    assert_eq!(documents.ok(), expected);

    let values: Vec<&[u8]> = text.split(|b| *b == 0).filter(|v| !v.is_empty()).collect();
    let mut written = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            written.push(b'|');
        }
        payload::write_value(&mut written, value);
    }
    let values: Vec<Vec<u8>> = values.into_iter().map(<[u8]>::to_vec).collect();
    assert_eq!(reference::list(&written), Some(values));
}

fn check_number(text: &[u8]) {
    assert_eq!(payload::parse_number(text), reference::count(text));
}
