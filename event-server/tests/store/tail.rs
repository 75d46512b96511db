//! What stands behind the log's last turn, and turns that are longer than the buffer through which files are read.

use std::ops::ControlFlow;

use event_server::store::files::{
    Durability, FileName, Progress, Recovery, StoreError, WalStore, Warning, export,
};

use crate::store_disk::Disk;
use crate::turn::{HEAD, RECORD, ROW, turn};

/// Bytes of the buffer through which files are read.
const BUFFER: usize = 48 * 1024;

/// A log with two turns of one bet.
fn log(durability: Durability) -> Vec<u8> {
    let disk = Disk::new(0);
    let (mut store, _) = WalStore::open(disk.boot(), durability, |_| {}).unwrap();
    (0..2).for_each(|_| turn(&mut store, 1));
    let mut log = disk.bytes(FileName::Log).unwrap();
    log.truncate(HEAD + 2 * RECORD);
    log
}

/// Starts on a log and an empty bets.csv.
fn start(log: &[u8]) -> Result<Recovery, StoreError> {
    let disk = Disk::with(&[(FileName::Bets, b""), (FileName::Log, log)]);
    WalStore::open(disk.boot(), Durability::Always, |_| {}).map(|(_, recovery)| recovery)
}

/// How far the second turn is from where the first one should begin: with each cut that two pieces of the log can make in
/// it, and farther away.
fn gaps() -> impl Iterator<Item = usize> {
    let near = [1, 10, RECORD, 1_000].into_iter();
    near.chain(BUFFER - RECORD - 10..BUFFER + 20)
        .chain(2 * BUFFER - 30..2 * BUFFER + 10)
}

/// A log with bytes that mean nothing in place of its first turn, so many that the second one begins `gap` bytes too late.
fn with_gap(log: &[u8], gap: usize) -> Vec<u8> {
    [&log[..HEAD], &vec![7; gap], &log[HEAD + RECORD..]].concat()
}

#[test]
fn a_later_turn_is_found_however_far_behind_a_turn_that_cannot_be_read_it_stands() {
    let log = log(Durability::Always);
    for gap in gaps() {
        let mut log = with_gap(&log, gap);
        log.extend_from_slice(&[0; 500]);
        let refused = start(&log).unwrap_err().to_string();
        let expected = format!(
            "disk/bets.wal is damaged: turn 1 at byte {HEAD} cannot be read, but a later one at byte {} can; ",
            HEAD + gap
        );
        assert!(refused.starts_with(&expected), "{gap}: {refused}");
    }
}

#[test]
fn without_durability_all_bytes_behind_the_last_turn_but_the_zeros_at_the_end_are_said_to_be_lost()
{
    let log = log(Durability::Never);
    for gap in gaps() {
        let mut log = with_gap(&log, gap);
        log.push(9);
        let bytes = (log.len() - HEAD) as u64;
        log.extend(std::iter::repeat_n(0, 2 * BUFFER));
        let recovery = start(&log).unwrap();
        let lost = Warning::TurnsLost { last: 0, bytes };
        assert_eq!((recovery.cut, recovery.warnings), (bytes, vec![lost]));
        let disk = Disk::with(&[(FileName::Bets, b""), (FileName::Log, &log)]);
        let warnings = export(disk.boot(), &mut Vec::new()).unwrap();
        assert_eq!(warnings, [lost]);
    }
    let lost = Warning::TurnsLost { last: 3, bytes: 1 }.to_string();
    let expected = "the log cannot be read behind turn 3 and is cut there (1 byte), acknowledged";
    assert!(lost.contains(expected), "{lost}");
}

#[test]
fn of_an_unfinished_turn_all_bytes_are_counted_that_the_log_has_of_it() {
    let log = log(Durability::Always);
    // With less of it than its salt, nobody can tell that it is one.
    for bytes in 8..RECORD {
        let recovery = start(&log[..HEAD + RECORD + bytes]).unwrap();
        assert_eq!((recovery.turns, recovery.cut), (1, bytes as u64));
        let found = recovery.to_string();
        let expected = "25 bytes of bets.csv, 1 turn from the log, ";
        assert!(found.starts_with(expected), "{found}");
    }
    let mut torn = log;
    *torn.last_mut().unwrap() ^= 1;
    torn.extend_from_slice(&[0; 500]);
    let recovery = start(&torn).unwrap();
    assert_eq!((recovery.turns, recovery.cut), (1, RECORD as u64));
}

#[test]
fn a_turn_of_this_log_that_is_not_the_next_one_or_belongs_elsewhere_in_bets_csv_makes_no_sense() {
    let log = log(Durability::Always);
    for field in [8, 16] {
        let mut log = log.clone();
        let record = &mut log[HEAD..HEAD + RECORD];
        record[field + 7] += 5;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&record[..36]);
        hasher.update(&record[40..]);
        record[36..40].copy_from_slice(&hasher.finalize().to_be_bytes());
        let refused = start(&log).unwrap_err().to_string();
        let expected = format!("disk/bets.wal holds a turn at byte {HEAD} that is whole but makes");
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

#[test]
fn a_turn_longer_than_the_buffer_is_written_to_its_place_again_by_a_start() {
    const BETS: u32 = 5_000;
    let disk = Disk::new(1);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    turn(&mut store, 3);
    turn(&mut store, BETS);
    drop(store);
    let log = disk.bytes(FileName::Log).unwrap();
    assert!(BETS as usize * ROW.len() > 2 * BUFFER);
    disk.replace(FileName::Bets, b"");
    let (store, recovery) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    assert_eq!((recovery.turns, store.lagging()), (2, false));
    let rows = ROW.repeat(3 + BETS as usize);
    assert!(disk.bytes(FileName::Bets).unwrap() == rows);
    assert!(disk.bytes(FileName::Log).unwrap() == log);
}

/// What a start on these files says of its progress.
fn progress(files: &[(FileName, &[u8])]) -> Vec<Progress> {
    let disk = Disk::with(files);
    let mut told = Vec::new();
    let mut watch = |progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    let watch: Option<&mut dyn FnMut(Progress) -> ControlFlow<()>> = Some(&mut watch);
    WalStore::open_with_progress(disk.boot(), Durability::Always, |_| {}, watch).unwrap();
    told
}

#[test]
fn a_start_knows_from_the_first_portion_on_about_how_much_there_is_to_read() {
    let disk = Disk::new(1);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    turn(&mut store, 100);
    store.checkpoint([]).unwrap();
    (0..40).for_each(|_| turn(&mut store, 1));
    let (bets, log) = [FileName::Bets, FileName::Log]
        .map(|name| disk.bytes(name).unwrap())
        .into();
    let told = progress(&[(FileName::Bets, &bets), (FileName::Log, &log)]);
    let (first, last) = (told[0], told[told.len() - 1]);
    assert!(told.iter().all(|progress| progress.of == first.of));
    assert!(
        last.done <= first.of && first.of < 2 * last.done,
        "{last:?}"
    );

    // Without a log all rows are read, and then written again.
    let told = progress(&[(FileName::Bets, &bets)]);
    let length = bets.len() as u64;
    let twice = Progress {
        done: 2 * length,
        of: 2 * length,
    };
    assert_eq!((told[0].of, told.last()), (length, Some(&twice)));
}
