//! A disk that is full when the server starts, or at a checkpoint: nothing is lost, nothing is done twice, and all goes on
//! once there is room.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use event_server::facts::Fact;
use event_server::hub::Hub;
use event_server::limits::Limits;
use event_server::lottery::{Draw, Lottery};
use event_server::net::Stream;
use event_server::observe::{Observe as _, Stage};
use event_server::service::Service;
use event_server::store::files::{Durability, FileName, FileStore, StoreError, WalStore};
use event_server::store::{Draft as _, RETRY_PAUSE, Store, Wake, Wanted};
use frame::{Agency, Number};

use crate::store_disk::{Disk, DiskFiles};
use crate::turn::{self, batch, bet};

/// Bytes of the row of each bet here, and its request.
const ROW: usize = turn::ROW.len();

/// A turn with one bet; `false` where it was refused.
fn turn(store: &mut FileStore<DiskFiles>, lottery: &mut Lottery) -> bool {
    let batch = batch(1);
    let Ok(mut draft) = store.draft(ROW) else {
        return false;
    };
    draft.row(&bet());
    draft.stage(batch);
    lottery.apply(&batch);
    store.commit(|| lottery.facts()).unwrap();
    true
}

fn open(disk: &Disk) -> (FileStore<DiskFiles>, Lottery) {
    let mut lottery = Lottery::new(1);
    let replay = |fact: &Fact| lottery.apply(fact);
    let (store, _) = FileStore::open(disk.boot(), Durability::Always, replay).unwrap();
    (store, lottery)
}

/// Has the store look for room again, at the time for it.
fn retry(store: &mut FileStore<DiskFiles>, now: &mut Instant) {
    store.advance(*now, Wanted::default()).unwrap();
    assert_eq!(
        store.wake(),
        Wake::At(*now + RETRY_PAUSE),
        "nobody would look again"
    );
    *now += RETRY_PAUSE;
    store.advance(*now, Wanted::default()).unwrap();
}

/// Whether it takes bets, and wants nothing.
fn is_well(store: &FileStore<DiskFiles>) -> bool {
    store.status().unavailable.is_none() && store.wake() == Wake::Never
}

/// A disk after a kill: its log has `turns` bets, and that their agency has finished; bets.csv has no room for any.
fn behind(turns: usize) -> Disk {
    let disk = Disk::new(turns as u64);
    let (mut store, mut lottery) = open(&disk);
    for _ in 0..turns {
        assert!(turn(&mut store, &mut lottery));
    }
    let agency = Agency::new(1).unwrap();
    store.draft(0).unwrap().stage(Fact::Finished { agency });
    store.commit(|| lottery.facts()).unwrap();
    drop(store);
    disk.replace(FileName::Bets, b"");
    disk.limit_bets(0);
    disk
}

#[test]
fn after_a_start_on_a_full_disk_only_a_retry_tries_and_each_row_is_written_once() {
    const TURNS: usize = 30;
    let disk = behind(TURNS);
    let (mut store, lottery) = open(&disk);
    store.commit(|| lottery.facts()).unwrap();
    let operations = disk.operations();
    let mut now = Instant::now();
    for _ in 0..100 {
        let Err(why) = store.draft(ROW).map(drop) else {
            panic!("room where there is none")
        };
        let why = why.to_string();
        assert!(why.contains("cannot write bets.csv"), "{why}");
        store.commit(|| lottery.facts()).unwrap();
        store.advance(now, Wanted::default()).unwrap();
    }
    assert_eq!(
        disk.operations(),
        operations,
        "a refused request touches the disk"
    );

    let written = disk.written();
    for row in 1..=TURNS {
        // Not all of the next row, so that every retry ends within one.
        disk.limit_bets((row * ROW + ROW / 2) as u64);
        retry(&mut store, &mut now);
        let bets = disk.bytes(FileName::Bets).unwrap();
        assert!(bets.len() >= row * ROW, "row {row} was not written");
    }
    let written = (disk.written() - written) as usize;
    assert!(
        written <= 2 * TURNS * ROW,
        "{written} bytes for {TURNS} rows"
    );
    assert_eq!(disk.bytes(FileName::Bets).unwrap().len(), TURNS * ROW);
}

#[test]
fn a_store_on_a_disk_that_is_full_at_the_start_says_so_and_goes_on_by_itself_once_there_is_room() {
    let disk = Disk::new(1);
    let (mut store, mut lottery) = open(&disk);
    (0..3).for_each(|_| assert!(turn(&mut store, &mut lottery)));
    drop(store);
    // The rows are all in bets.csv, but there is no room for a new log.
    disk.set_capacity(disk.used());
    let (mut store, mut lottery) = open(&disk);
    store.commit(|| lottery.facts()).unwrap();
    let why = store
        .status()
        .unavailable
        .expect("a store that takes nothing");
    assert!(
        why.starts_with("no space: ") && why.contains("bets.wal.new"),
        "{why}"
    );

    let mut now = Instant::now();
    let operations = disk.operations();
    (0..10).for_each(|_| assert!(!turn(&mut store, &mut lottery)));
    assert!(store.draft(0).is_err());
    store.commit(|| lottery.facts()).unwrap();
    assert_eq!(
        disk.operations(),
        operations,
        "a refused request touches the disk"
    );
    retry(&mut store, &mut now);
    store.commit(|| lottery.facts()).unwrap();
    assert!(!is_well(&store), "the disk is still full");

    disk.set_capacity(u64::MAX);
    retry(&mut store, &mut now);
    store.commit(|| lottery.facts()).unwrap();
    retry(&mut store, &mut now);
    assert!(is_well(&store));
    assert!(turn(&mut store, &mut lottery));
}

#[test]
fn a_checkpoint_whose_renaming_finds_no_room_leaves_the_old_log_in_force() {
    let disk = Disk::new(2);
    let (mut store, mut lottery) = open(&disk);
    disk.fill_folder(true);
    // So many that several checkpoints are due.
    for _ in 0..200 {
        assert!(turn(&mut store, &mut lottery));
    }
    assert_eq!(
        disk.bytes(FileName::NewLog),
        None,
        "the log that did not take force"
    );
    drop(store);
    let (mut store, mut found) = open(&disk);
    assert!(found.facts().eq(lottery.facts()));
    store.commit(|| found.facts()).unwrap();
    assert!(!turn(&mut store, &mut found));
    disk.fill_folder(false);
    retry(&mut store, &mut Instant::now());
    store.commit(|| found.facts()).unwrap();
    assert!(turn(&mut store, &mut found));
    store.close(found.facts()).unwrap();
    assert_eq!(disk.bytes(FileName::Bets).unwrap().len(), 201 * ROW);
}

#[test]
fn a_checkpoint_keeps_the_log_where_bets_csv_was_replaced_by_another_file() {
    let disk = Disk::new(3);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    let batch = batch(1);
    let mut draft = store.draft(ROW).unwrap();
    draft.row(&bet());
    draft.stage(batch);
    store.commit().unwrap();
    let (bets, log) = (
        disk.bytes(FileName::Bets).unwrap(),
        disk.bytes(FileName::Log),
    );
    disk.replace(FileName::Bets, b"");
    let refused = store.checkpoint([batch]).unwrap_err();
    assert!(matches!(refused, StoreError::Replaced { .. }), "{refused}");
    assert_eq!(disk.bytes(FileName::Log), log, "the log that has the rows");
    assert!(store.commit().is_err(), "it goes on");
    drop(store);
    let (store, lottery) = open(&disk);
    store.close(lottery.facts()).unwrap();
    assert_eq!(disk.bytes(FileName::Bets).unwrap(), bets);
}

/// The stream of a hub to which nobody connects.
enum Nobody {}

impl Read for Nobody {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Write for Nobody {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

impl Stream for Nobody {
    fn shutdown_write(&self) -> io::Result<()> {
        match *self {}
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match *self {}
    }
}

#[test]
fn what_a_full_disk_held_up_at_the_start_is_done_once_there_is_room_though_nobody_connects() {
    let disk = behind(3);
    let (store, lottery) = open(&disk);
    assert_eq!(lottery.draw(), Draw::Due);
    let service = Service::new(lottery, store, Number::new(7).unwrap()).unwrap();
    let mut hub: Hub<Nobody, _> = Hub::new(service, None, Limits::default());
    let start = Instant::now();
    // As the loop does: it turns where there is work, and when a turn is due.
    let mut turns = |seconds| {
        let end = start + Duration::from_secs(seconds);
        let mut turns = 0;
        let mut now = start;
        while hub.has_work() || hub.deadline().is_some_and(|at| at <= end) {
            if !hub.has_work() {
                now = now.max(hub.deadline().unwrap());
            }
            hub.tick(now).unwrap();
            turns += 1;
        }
        (turns, hub.unavailable(), hub.lottery().stage)
    };
    let (count, unavailable, state) = turns(10);
    assert!(count < 30, "it spins: {count} turns in ten seconds");
    assert!(
        unavailable.is_some() && state != Stage::Drawn,
        "{unavailable:?}"
    );
    disk.limit_bets(u64::MAX);
    let (_, unavailable, state) = turns(20);
    assert_eq!((unavailable, state), (None, Stage::Drawn));
    assert_eq!(disk.bytes(FileName::Bets).unwrap().len(), 3 * ROW);
}
