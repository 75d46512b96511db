//! A store on the disk that the temporary folder is on, and bets in it.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::path::Path;

use benches::{BATCH, bets};
use event_server::facts::{Fact, Source};
use event_server::store::files::{Durability, Folder, WalStore};
use frame::{Bet, MessageId};

/// Bytes that a row of the fixtures has at most.
const ROW: usize = 128;

/// Opens the store in a folder; `replay` is called with each fact that is there already.
pub fn open(folder: &Path, durability: Durability, replay: impl FnMut(&Fact)) -> WalStore<Folder> {
    let files = Folder::open(folder).expect("a folder");
    let (store, _) = WalStore::open(files, durability, replay).expect("a good store");
    store
}

/// Stores these bets, all of one agency, in batches and as one turn.
pub fn append(store: &mut WalStore<Folder>, bets: &[Bet<'_>]) {
    for batch in bets.chunks(BATCH) {
        let mut draft = store.draft(batch.len() * ROW).expect("room");
        batch.iter().for_each(|bet| draft.row(bet));
        draft.stage(Fact::Batch {
            agency: batch[0].agency,
            source: Source::Plain,
            id: MessageId([0; 16]),
            bets: batch.len() as u32,
        });
    }
    store.commit().expect("a disk");
}

/// Makes a store as a kill leaves it: with so many bets in bets.csv and in the log.
pub fn left_behind(folder: &Path, rows: usize) -> WalStore<Folder> {
    let mut store = open(folder, Durability::Never, |_| ());
    store.checkpoint([]).expect("a disk");
    let bets = bets();
    let mut left = rows;
    while left > 0 {
        let turn = &bets[..left.min(64 * BATCH)];
        append(&mut store, turn);
        left -= turn.len();
    }
    // Nobody made another checkpoint: all is in the log.
    store
}
