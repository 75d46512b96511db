//! Why no bet could be stored: a full disk under the store in files.

use std::time::Instant;

use event_server::facts::{Fact, Source};
use event_server::store::files::{Durability, FileStore};
use event_server::store::{
    Commit, Draft as _, Event, RETRY_PAUSE, Store as _, Ticket, Wake, Wanted,
};
use frame::MessageId;

use crate::common::{agency, bet, one};
use crate::store_disk::{Disk, DiskFiles};

/// Stages a batch of this number of bets; returns whether there was room.
fn stage(store: &mut FileStore<DiskFiles>, bets: u32) -> bool {
    let text = bet(1, "1", false);
    let frame::Request::Bet(bet) = one(&text) else {
        panic!("no bet");
    };
    let Ok(mut draft) = store.draft(200 * bets as usize) else {
        return false;
    };
    (0..bets).for_each(|_| draft.row(&bet));
    draft.stage(Fact::Batch {
        agency: agency(1),
        source: Source::Plain,
        id: MessageId([0; 16]),
        bets,
    });
    true
}

/// The bets of the commit that was just done, and its ticket.
fn committed(store: &mut FileStore<DiskFiles>) -> (u64, Ticket) {
    let told = (store.poll(), store.poll());
    let (
        Some(Event::Stored(Commit {
            bets, took: None, ..
        })),
        Some(Event::Committed(ticket)),
    ) = told
    else {
        panic!("{told:?}");
    };
    (bets, ticket)
}

#[test]
fn a_full_disk_is_told_until_there_is_room_and_each_commit_is_told_once() {
    let disk = Disk::new(1);
    let (mut store, _) = FileStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    let no_facts = || [].into_iter();
    store.commit(no_facts).unwrap();
    assert_eq!(store.poll(), None, "nothing was staged");
    assert!(stage(&mut store, 3) && stage(&mut store, 4));
    store.commit(no_facts).unwrap();
    assert_eq!(committed(&mut store), (7, Ticket::first(0).next()));
    assert_eq!((store.poll(), store.status().unavailable), (None, None));

    disk.set_capacity(disk.used());
    let mut staged = 0_u32;
    while stage(&mut store, 1_000) {
        store.commit(no_facts).unwrap();
        staged += 1_000;
        assert_eq!(committed(&mut store).0, 1_000);
        assert!(staged < 10_000_000, "the disk is not full");
    }
    let why = store.status().unavailable.unwrap();
    assert!(why.starts_with("no space: "), "{why}");
    let mut now = Instant::now();
    store.advance(now, Wanted::default()).unwrap();
    let mut retry = |store: &mut FileStore<DiskFiles>| {
        assert_eq!(
            store.wake(),
            Wake::At(now + RETRY_PAUSE),
            "nobody would look again"
        );
        now += RETRY_PAUSE;
        store.advance(now, Wanted::default()).unwrap();
    };
    retry(&mut store);
    assert!(
        store.status().unavailable.is_some(),
        "the disk is still full"
    );
    disk.set_capacity(u64::MAX);
    retry(&mut store);
    assert_eq!(
        (store.status().unavailable, store.wake()),
        (None, Wake::Never)
    );
    let ticket = Ticket {
        session: 0,
        number: u64::from(2 + staged / 1_000),
    };
    assert!(stage(&mut store, 1));
    store.commit(no_facts).unwrap();
    assert_eq!(committed(&mut store), (1, ticket));
}
