//! How the log grows, when a checkpoint is due, and which files are kept.

use event_server::facts::Fact;
use event_server::store::files::{Durability, FileName, Files, WalStore};
use frame::{Agency, Number};

use crate::store_disk::{Disk, DiskFiles};
use crate::turn::{HEAD, RECORD, agency, turn};

fn open(disk: &Disk, durability: Durability) -> WalStore<DiskFiles> {
    WalStore::open(disk.boot(), durability, |_| {}).unwrap().0
}

/// How many turns there are until a checkpoint is due.
fn turns_until_due(store: &mut WalStore<DiskFiles>) -> u64 {
    for turns in 1..1_000 {
        turn(store, 1);
        if store.wants_checkpoint() {
            return turns;
        }
    }
    panic!("no checkpoint is due")
}

#[test]
fn a_checkpoint_is_due_when_the_log_has_grown_by_the_interval_and_four_of_them_without_durability()
{
    for (durability, intervals) in [(Durability::Always, 1), (Durability::Never, 4)] {
        let disk = Disk::new(1);
        let mut store = open(&disk, durability);
        let expected = (intervals * DiskFiles::INTERVAL).div_ceil(RECORD as u64);
        for _ in 0..3 {
            store.checkpoint([]).unwrap();
            assert_eq!(turns_until_due(&mut store), expected);
        }
        let nobodys = Agency::new(2).unwrap();
        assert_eq!(store.remove_agency(nobodys, []).unwrap(), 0);
        let expected = DiskFiles::INTERVAL.div_ceil(RECORD as u64);
        assert_eq!(turns_until_due(&mut store), expected);
    }
}

#[test]
fn a_checkpoint_that_finds_no_room_is_due_again_when_the_log_has_grown_by_its_least_room() {
    let disk = Disk::new(1);
    let mut store = open(&disk, Durability::Always);
    disk.fill_folder(true);
    for _ in 0..3 {
        store.checkpoint([]).unwrap();
        assert!(!store.wants_checkpoint());
        let expected = DiskFiles::ROOM.div_ceil(RECORD as u64);
        assert_eq!(turns_until_due(&mut store), expected);
    }
}

#[test]
fn the_draw_makes_a_checkpoint_due_whatever_else_is_in_its_turn() {
    let disk = Disk::new(1);
    let mut store = open(&disk, Durability::Always);
    store
        .draft(0)
        .unwrap()
        .stage(Fact::Finished { agency: agency() });
    store.commit().unwrap();
    assert!(!store.wants_checkpoint());
    let drawn = Fact::Drawn {
        position: 0,
        winner: Number::new(7).unwrap(),
    };
    for fact in [drawn, Fact::Finished { agency: agency() }] {
        store.draft(0).unwrap().stage(fact);
    }
    store.commit().unwrap();
    assert!(store.wants_checkpoint());
}

#[test]
fn the_log_grows_by_room_for_several_turns_at_once() {
    let disk = Disk::new(1);
    let mut store = open(&disk, Durability::Always);
    let length = || disk.bytes(FileName::Log).unwrap().len() as u64;
    let (first, mut before) = (length(), length());
    for _ in 0..50 {
        turn(&mut store, 1);
        let after = length();
        let grown = after - before;
        assert!(grown == 0 || grown >= DiskFiles::ROOM, "{grown} bytes");
        before = after;
    }
    assert!(before > first);
}

#[test]
fn the_log_before_is_kept_only_with_durability_and_if_this_run_made_it_and_never_at_the_end() {
    for durability in [Durability::Always, Durability::Never] {
        let disk = Disk::new(1);
        let is_kept = || disk.bytes(FileName::NewLog).is_some();
        let mut store = open(&disk, durability);
        turn(&mut store, 1);
        drop(store);
        let mut store = open(&disk, durability);
        store.checkpoint([]).unwrap();
        assert!(!is_kept(), "the log that was found at the start");
        for _ in 0..3 {
            (0..20).for_each(|_| turn(&mut store, 1));
            store.checkpoint([]).unwrap();
            assert_eq!(is_kept(), durability == Durability::Always);
        }
        turn(&mut store, 1);
        store.close([]).unwrap();
        assert!(!is_kept(), "at the end");
        let log = disk.bytes(FileName::Log).unwrap();
        assert_eq!(log.len(), HEAD, "more than the checkpoint is left");
    }
}
