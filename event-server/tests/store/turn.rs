//! A turn of equal bets, and the bytes that it takes.

use event_server::facts::{Fact, Source};
use event_server::store::files::WalStore;
use frame::{Agency, Bet, Birthdate, Document, MessageId, Name, Number};

use crate::store_disk::DiskFiles;

/// The row of the bet.
pub const ROW: &[u8] = b"1,A,B,1234,1999-03-17,7\r\n";

/// Bytes of a turn with one bet in the log: header, row and fact.
pub const RECORD: usize = 40 + ROW.len() + 48;

/// Bytes of a log with a checkpoint without facts.
pub const HEAD: usize = 52;

pub fn agency() -> Agency {
    Agency::new(1).unwrap()
}

pub fn bet() -> Bet<'static> {
    Bet {
        agency: agency(),
        first_name: Name::parse(b"A").unwrap(),
        last_name: Name::parse(b"B").unwrap(),
        document: Document::parse(b"1234").unwrap(),
        birthdate: Birthdate::parse(b"1999-03-17").unwrap(),
        number: Number::new(7).unwrap(),
    }
}

/// A batch of this number of bets.
pub fn batch(bets: u32) -> Fact {
    Fact::Batch {
        agency: agency(),
        source: Source::Plain,
        id: MessageId([7; 16]),
        bets,
    }
}

/// Stages a batch.
pub fn stage(store: &mut WalStore<DiskFiles>, bets: u32) {
    let mut draft = store.draft(bets as usize * ROW.len()).unwrap();
    (0..bets).for_each(|_| draft.row(&bet()));
    draft.stage(batch(bets));
}

/// Stores a batch as a turn.
pub fn turn(store: &mut WalStore<DiskFiles>, bets: u32) {
    stage(store, bets);
    store.commit().unwrap();
}
