//! A disk that fails while the draw is counted or stored: the store says so in the same turn, and takes nothing more.
//! A failed disk never passes for a full one.

use std::time::Instant;

use event_server::facts::Fact;
use event_server::store::files::{Durability, FileStore};
use event_server::store::{Draft as _, DrawToCount, Drawn, Event, Store as _, Wanted};
use frame::{Agency, Bet, Birthdate, Document, Name, Number};

use crate::store_disk::{Disk, Fault};

const WINNER: u32 = 7;

fn bet(document: usize) -> Bet<'static> {
    Bet {
        agency: Agency::new(1).unwrap(),
        first_name: Name::parse(b"Ana").unwrap(),
        last_name: Name::parse(b"Diaz").unwrap(),
        document: Document::parse(document.to_string().into_bytes()).unwrap(),
        birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
        number: Number::new(WINNER).unwrap(),
    }
}

/// Draws after `bets` bets; the disk fails after `operations` operations. `None`: it failed too late for the draw.
fn failed(bets: usize, operations: u64) -> Option<String> {
    let disk = Disk::new(operations);
    let (mut store, _) = FileStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    let no_facts = std::iter::empty::<Fact>;
    for document in 0..bets {
        // Just what the row takes, so that the draw needs more room in the log now and then.
        let mut draft = store.draft(30).unwrap();
        draft.row(&bet(document));
        let agency = Agency::new(1).unwrap();
        draft.stage(Fact::Bet { agency });
        store.commit(no_facts).unwrap();
    }
    disk.plan(operations, Fault::Error);
    let wanted = Wanted {
        count: Some(DrawToCount {
            until: None,
            winner: Number::new(WINNER).unwrap(),
        }),
        ..Wanted::default()
    };
    let failed = loop {
        if let Err(e) = store.advance(Instant::now(), wanted) {
            break e;
        }
        let counted = std::iter::from_fn(|| store.poll()).find_map(|event| match event {
            Event::Counted(drawn) => Some(drawn),
            _ => None,
        });
        if let Some(Drawn {
            position, winner, ..
        }) = counted
        {
            let staged = store
                .draft(0)
                .map(|draft| draft.stage(Fact::Drawn { position, winner }));
            match (staged, store.commit(no_facts)) {
                (_, Err(e)) => break e,
                (Err(e), Ok(())) => panic!("a failed disk passes for a full one: {e}"),
                (Ok(_), Ok(())) => return None,
            }
        }
    };
    assert!(disk.struck());
    let what = failed.to_string();
    // What a failed read has left untouched may still be closed in order.
    let goes_on = store.commit(no_facts).is_ok();
    assert!(
        what.contains("read") || !goes_on,
        "it goes on after: {what}"
    );
    Some(what)
}

#[test]
fn a_disk_that_fails_while_the_draw_is_stored_ends_the_store_in_that_commit() {
    let mut failures = Vec::new();
    for bets in 0..12 {
        failures.extend((0..12).filter_map(|operations| failed(bets, operations)));
    }
    for call in ["read", "write", "sync"] {
        let found = failures.iter().any(|failure| failure.contains(call));
        assert!(found, "no {call} of the draw has failed: {failures:?}");
    }
}
