//! Single calls that fail, and syncs: a call that fails ends the store, and what a start tells of is durable.

use std::io;

use event_server::facts::Fact;
use event_server::store::files::{Durability, FileName, Files, RandomAccess, StoreError, WalStore};

use crate::store_disk::{Disk, DiskFiles, Fault};
use crate::turn::{ROW, agency, stage, turn};

fn open(disk: &Disk, durability: Durability) -> Result<(WalStore<DiskFiles>, u64), StoreError> {
    let (store, recovery) = WalStore::open(disk.boot(), durability, |_| {})?;
    Ok((store, recovery.turns))
}

/// An open store with `turns` turns of one bet.
fn with_turns(disk: &Disk, durability: Durability, turns: usize) -> WalStore<DiskFiles> {
    let (mut store, _) = open(disk, durability).unwrap();
    for _ in 0..turns {
        turn(&mut store, 1);
    }
    store
}

fn finished() -> Fact {
    Fact::Finished { agency: agency() }
}

/// Lets each call of `act` fail once, and asserts that it is an error after which the store takes nothing more.
fn assert_each_failed_call_ends_the_store(
    prepare: impl Fn(&Disk) -> WalStore<DiskFiles>,
    act: impl Fn(&mut WalStore<DiskFiles>) -> Result<(), StoreError>,
) {
    for seed in 0..20 {
        for calls in 0.. {
            let disk = Disk::new(seed);
            let mut store = prepare(&disk);
            disk.plan(calls, Fault::Error);
            let acted = act(&mut store);
            if !disk.struck() {
                acted.unwrap();
                assert!(calls > 1, "nothing is called");
                break;
            }
            assert!(acted.is_err(), "call {calls} failed, and nobody says so");
            let ended = store.commit().is_err() && store.draft(0).is_err();
            assert!(ended, "it goes on after call {calls}");
        }
    }
}

#[test]
fn a_call_that_fails_in_a_commit_a_checkpoint_or_a_retry_is_an_error_after_which_the_store_takes_nothing()
 {
    let staged = |disk: &Disk| {
        // So many that a part of bets.csv is synced, too.
        let mut store = with_turns(disk, Durability::Always, 28);
        stage(&mut store, 1);
        store
    };
    assert_each_failed_call_ends_the_store(staged, WalStore::commit);
    let committed = |disk: &Disk| with_turns(disk, Durability::Always, 1);
    assert_each_failed_call_ends_the_store(committed, |store| store.checkpoint([finished()]));
    let lagging = |disk: &Disk| {
        disk.limit_bets(10);
        let store = with_turns(disk, Durability::Always, 1);
        disk.limit_bets(u64::MAX);
        store
    };
    assert_each_failed_call_ends_the_store(lagging, WalStore::retry);
}

#[test]
fn a_call_that_fails_in_a_start_is_an_error_of_the_start() {
    for (seed, turns) in [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(30))] {
        for calls in 0.. {
            let disk = Disk::new(seed);
            if let Some(turns) = turns {
                drop(with_turns(&disk, Durability::Always, turns));
            }
            let files = disk.boot();
            disk.plan(calls, Fault::Error);
            let opened = WalStore::open(files, Durability::Always, |_| {});
            if !disk.struck() {
                opened.map(drop).unwrap();
                assert!(calls > 5, "only {calls} calls");
                break;
            }
            assert!(opened.is_err(), "call {calls} failed, and nobody says so");
        }
    }
}

#[test]
fn a_lock_file_that_another_start_makes_at_the_same_moment_is_used() {
    let disk = Disk::new(1);
    let files = disk.boot();
    disk.make_lock_first();
    let opened = WalStore::open(files, Durability::Always, |_| {});
    assert!(opened.is_ok());
}

#[test]
fn a_turn_that_a_start_finds_is_durable_before_the_start_tells_of_it() {
    let mut found_unsynced = 0;
    for seed in 0..100 {
        let disk = Disk::new(seed);
        let mut store = with_turns(&disk, Durability::Always, 2);
        stage(&mut store, 1);
        // The record is written, and its sync fails: the kernel shows it all the same, and never tries again.
        disk.plan(1, Fault::Error);
        store.commit().unwrap_err();
        drop(store);
        let (store, told) = open(&disk, Durability::Always).unwrap();
        found_unsynced += u64::from(told == 3);
        drop(store);
        disk.power_cut();
        let (_, turns) = open(&disk, Durability::Always).unwrap();
        assert!(turns >= told, "{told} turns were told of, {turns} are left");
    }
    assert!(found_unsynced > 50, "{found_unsynced}");
}

#[test]
fn with_durability_rows_of_a_run_without_it_are_durable_at_the_first_checkpoint_whatever_failed_before()
 {
    for seed in 0..50 {
        let disk = Disk::new(seed);
        let mut store = with_turns(&disk, Durability::Never, 3);
        store.checkpoint([finished()]).unwrap();
        drop(store);
        let (mut store, _) = open(&disk, Durability::Always).unwrap();
        // After the name of bets.csv was looked for, it is synced: that fails, and the kernel never tries again.
        disk.plan(1, Fault::Error);
        let failed = store.checkpoint([finished()]).unwrap_err().to_string();
        assert!(failed.starts_with("cannot sync disk/bets.csv"), "{failed}");
        drop(store);
        let (mut store, _) = open(&disk, Durability::Always).unwrap();
        store.checkpoint([finished()]).unwrap();
        drop(store);
        disk.power_cut();
        open(&disk, Durability::Always).unwrap();
        assert_eq!(disk.bytes(FileName::Bets).unwrap(), ROW.repeat(3));
    }
}

#[test]
fn a_file_of_others_is_durable_before_it_is_taken_over() {
    for seed in 0..50 {
        let disk = Disk::new(seed);
        let mut others = disk.boot();
        let bets = others.create(FileName::Bets).unwrap();
        let rows = ROW.repeat(5);
        let mut at = 0;
        while at < rows.len() {
            match bets.write_at(&rows[at..], at as u64) {
                Ok(count) => at += count,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::Interrupted),
            }
        }
        // The kernel never tries again.
        disk.plan(0, Fault::Error);
        bets.sync().unwrap_err();
        drop(open(&disk, Durability::Always).unwrap());
        disk.power_cut();
        drop(open(&disk, Durability::Always).unwrap());
        assert_eq!(disk.bytes(FileName::Bets).unwrap(), rows);
    }
}

#[test]
fn bets_csv_is_synced_whenever_a_portion_of_it_is_not_and_no_sooner() {
    const TURNS: usize = 300;
    let disk = Disk::new(1);
    let (mut store, _) = open(&disk, Durability::Always).unwrap();
    let (mut before, mut syncs) = (0, 0);
    for _ in 0..TURNS {
        stage(&mut store, 1);
        store.commit().unwrap();
        let unsynced = disk.unsynced(FileName::Bets);
        assert!(unsynced <= DiskFiles::PORTION, "{unsynced} bytes");
        syncs += u64::from(unsynced <= before);
        before = unsynced;
    }
    assert_eq!(syncs, (TURNS * ROW.len()) as u64 / DiskFiles::PORTION);
}

#[test]
fn where_bets_csv_has_no_room_facts_alone_are_taken_and_a_missing_row_is_said_to_be_missing() {
    let disk = Disk::new(1);
    disk.limit_bets(10);
    let mut store = with_turns(&disk, Durability::Always, 1);
    assert!(store.lagging() && store.draft(1).is_err());
    store.draft(0).unwrap().stage(finished());
    store.commit().unwrap();
    let missing = store.read(4, 25, &mut [0; 25]).unwrap_err().to_string();
    let expected = "disk/bets.csv has 10 bytes, at least 25 were stored";
    assert!(missing.starts_with(expected), "{missing}");
    drop(store);
    let (_, turns) = open(&disk, Durability::Always).unwrap();
    assert_eq!(turns, 2);
}
