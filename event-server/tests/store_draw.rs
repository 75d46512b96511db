//! A disk that fails while the draw is counted or recorded: the store says so in the same call, and takes nothing more.
//! A failed disk never passes for a full one.

mod store_disk;

use event_server::fact::Fact;
use event_server::store::local::{Durability, LocalStore};
use event_server::store::{Draft as _, DrawStep, Store as _};
use frame::{Agency, Bet, Birthdate, Document, Name, Number};

use store_disk::{Disk, Fault};

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

/// Draws after so many bets, with a failure of the disk after so many operations. `None`: it came too late for the draw.
fn failed(bets: usize, operations: u64) -> Option<String> {
    let disk = Disk::new(operations);
    let (mut store, _) = LocalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    let no_facts = std::iter::empty::<Fact>;
    for document in 0..bets {
        // Just what the row takes, so that the draw needs more room in the log now and then.
        let mut draft = store.draft(30).unwrap();
        draft.row(&bet(document));
        let agency = Agency::new(1).unwrap();
        draft.seal(Fact::Bet { agency });
        store.commit(no_facts).unwrap();
    }
    disk.plan(operations, Fault::Error);
    loop {
        match store.draw(true, Number::new(WINNER).unwrap()) {
            Ok(DrawStep::Unfinished) => {}
            Ok(DrawStep::Done(_)) => return None,
            Ok(DrawStep::NoSpace(e)) => panic!("a failed disk passes for a full one: {e}"),
            Err(e) => {
                assert!(disk.struck());
                let what = e.to_string();
                // What a failed read has left untouched may still be closed in order.
                let goes_on = store.commit(no_facts).is_ok();
                assert!(
                    what.contains("read") || !goes_on,
                    "it goes on after: {what}"
                );
                return Some(what);
            }
        }
    }
}

#[test]
fn a_disk_that_fails_while_the_draw_is_recorded_ends_the_store_in_that_call() {
    let mut failures = Vec::new();
    for bets in 0..12 {
        failures.extend((0..12).filter_map(|operations| failed(bets, operations)));
    }
    for call in ["read", "write", "sync"] {
        let found = failures.iter().any(|failure| failure.contains(call));
        assert!(found, "no {call} of the draw has failed: {failures:?}");
    }
}
