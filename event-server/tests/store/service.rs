//! The store with files as the service uses it: what it is asked in each turn of the loop.

use std::time::Instant;

use event_server::facts::Fact;
use event_server::store::files::{Durability, FileName, FileStore};
use event_server::store::{Draft as _, DrawToCount, Event, Store as _, Wake, Wanted};
use frame::{Batch, Number};

use crate::store_disk::{Disk, DiskFiles};
use crate::turn::{ROW, agency, bet};

/// Bytes staged for a turn with which the rest of the connections waits for the next one.
const FULL: usize = 4 * 1024 * 1024;

fn open(disk: &Disk) -> (FileStore<DiskFiles>, u64) {
    let (store, recovery) = FileStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    (store, recovery.turns)
}

fn stage(store: &mut FileStore<DiskFiles>, bets: usize) {
    let mut draft = store.draft(bets * ROW.len()).unwrap();
    (0..bets).for_each(|_| draft.row(&bet()));
    draft.stage(Fact::Bet { agency: agency() });
}

#[test]
fn a_store_is_full_with_four_mib_staged_and_wants_a_turn_while_something_is_staged_or_counted() {
    let disk = Disk::new(1);
    let (mut store, _) = open(&disk);
    assert_eq!(store.wake(), Wake::Never);
    let almost = (FULL - 100) / ROW.len();
    stage(&mut store, almost);
    assert!(!store.is_full(None));
    assert_eq!(store.wake(), Wake::Now);
    stage(&mut store, 10);
    assert!(store.is_full(None) && store.is_full(Some(agency())));
    store.commit(std::iter::empty::<Fact>).unwrap();
    assert!(!store.is_full(None));
    assert_eq!(store.wake(), Wake::Never);

    let winner = Number::new(7).unwrap();
    let count = DrawToCount {
        until: None,
        winner,
    };
    let wanted = Wanted {
        count: Some(count),
        ..Wanted::default()
    };
    let mut slices = 0;
    loop {
        store.advance(Instant::now(), wanted).unwrap();
        slices += 1;
        if std::iter::from_fn(|| store.poll()).any(|event| matches!(event, Event::Counted(_))) {
            break;
        }
        assert_eq!(store.wake(), Wake::Now, "nobody would count the rest");
    }
    assert!(slices > 5, "only {slices} slices");
    assert_eq!(store.wake(), Wake::Never);
}

#[test]
fn a_store_says_whether_it_has_rows_and_leaves_a_checkpoint_at_its_end() {
    let disk = Disk::new(1);
    let (mut store, _) = open(&disk);
    store
        .draft(0)
        .unwrap()
        .stage(Fact::Finished { agency: agency() });
    store.commit(std::iter::empty::<Fact>).unwrap();
    assert!(!store.has_rows());
    stage(&mut store, 1);
    store.commit(std::iter::empty::<Fact>).unwrap();
    assert!(store.has_rows());
    store.close(std::iter::empty()).unwrap();
    let (store, turns) = open(&disk);
    assert_eq!((turns, store.has_rows()), (0, true));
}

#[test]
fn copied_bets_are_counted_one_by_one_and_all_of_their_rows_are_stored() {
    let disk = Disk::new(1);
    let (mut store, _) = open(&disk);
    let mut payload = Vec::new();
    for number in 0..10 {
        if number > 0 {
            payload.push(b'|');
        }
        bet().write(&mut payload);
    }
    let batch = Batch::new(&payload);
    let mut unread = batch.bets();
    let mut draft = store.draft(payload.len()).unwrap();
    let (mut read, mut copied) = (0, 0);
    while let Some(bet) = unread.next() {
        draft.row(&bet.unwrap());
        read += 1;
        copied += draft.copy(&mut unread);
    }
    assert!(copied > 5, "{copied} of 10 are copied");
    assert_eq!(read + copied, 10);
    draft.stage(Fact::Bet { agency: agency() });
    store.commit(std::iter::empty::<Fact>).unwrap();
    let rows = b"1,A,B,1234,1999-03-17,7\r\n".repeat(10);
    assert_eq!(disk.bytes(FileName::Bets).unwrap(), rows);
}
