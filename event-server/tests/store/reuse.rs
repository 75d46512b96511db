//! A log that is written over: its old turns are never taken for new ones, and nobody who reads it is disturbed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{
    Contents, Durability, FileName, Files, Folder, ReadOnlyFolder, WalStore,
};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number};

use crate::store_disk::{Disk, DiskFiles};

/// Stores one bet as a turn.
fn turn<F: Files>(store: &mut WalStore<F>, lottery: &mut Lottery, document: &str) {
    let agency = Agency::new(1).unwrap();
    let fact = Fact::Batch {
        agency,
        source: Source::Plain,
        id: MessageId([7; 16]),
        bets: 1,
    };
    let mut draft = store.draft(100).unwrap();
    draft.row(&Bet {
        agency,
        first_name: frame::Name::parse(b"Ana").unwrap(),
        last_name: frame::Name::parse(b"Diaz").unwrap(),
        document: Document::parse(document.as_bytes()).unwrap(),
        birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
        number: Number::new(7).unwrap(),
    });
    draft.stage(fact);
    lottery.apply(&fact);
    store.commit().unwrap();
}

/// A store on a simulated disk whose log is written over for the first time, with the turns of its life before behind it.
fn written_over(disk: &Disk) -> (WalStore<DiskFiles>, Lottery) {
    let mut lottery = Lottery::new(0);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    for log in 0..2 {
        (0..5).for_each(|n| turn(&mut store, &mut lottery, &format!("old-{log}-{n}")));
        store.checkpoint(lottery.facts()).unwrap();
    }
    (store, lottery)
}

#[test]
fn a_turn_that_is_cut_at_any_byte_over_the_turns_of_an_earlier_log_is_whole_or_not_there() {
    let disk = Disk::new(1);
    let (mut store, mut lottery) = written_over(&disk);
    let images = |store: &WalStore<DiskFiles>| {
        let [bets, log] = [FileName::Bets, FileName::Log].map(|name| disk.bytes(name).unwrap());
        (store.position(), bets, log)
    };
    let before = images(&store);
    let old = before.2.windows(5).filter(|bytes| bytes == b"old-0");
    assert_eq!(old.count(), 5, "the turns of the earlier log");
    let facts_before: Vec<Fact> = lottery.facts().collect();
    turn(&mut store, &mut lottery, "new");
    let after = images(&store);
    let facts_after: Vec<Fact> = lottery.facts().collect();
    let mut whole = 0;
    for cut in 0..=after.2.len() {
        let log = [&after.2[..cut], &before.2[cut..]].concat();
        let files = [(FileName::Bets, &before.1[..]), (FileName::Log, &log)];
        let mut found = Lottery::new(0);
        let copy = Disk::with(&files);
        let opened = WalStore::open(copy.boot(), Durability::Always, |fact| found.apply(fact));
        let (store, recovery) = opened.unwrap();
        let (position, facts) = match recovery.turns {
            0 => (before.0, &facts_before),
            _ => (after.0, &facts_after),
        };
        assert_eq!(store.position(), position, "cut at {cut}");
        assert!(found.facts().eq(facts.iter().copied()), "cut at {cut}");
        whole += recovery.turns;
    }
    assert!(whole > 0 && whole < after.2.len() as u64);
}

/// The number of the file of this name.
fn inode(folder: &Path, name: &str) -> u64 {
    fs::metadata(folder.join(name)).unwrap().ino()
}

#[test]
fn two_files_are_the_log_in_turn_and_one_that_somebody_reads_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut lottery = Lottery::new(0);
    let files = Folder::open(path).unwrap();
    let (mut store, _) = WalStore::open(files, Durability::Always, |_| {}).unwrap();
    let mut logs = vec![inode(path, "bets.wal")];
    let mut next = |store: &mut WalStore<Folder>, logs: &mut Vec<u64>| {
        turn(store, &mut lottery, &logs.len().to_string());
        store.checkpoint(lottery.facts()).unwrap();
        logs.push(inode(path, "bets.wal"));
    };
    (0..4).for_each(|_| next(&mut store, &mut logs));
    let [a, b] = [logs[0], logs[1]];
    assert!(a != b && logs == [a, b, a, b, a]);
    assert_eq!(inode(path, "bets.wal.new"), b);

    let mut reader = ReadOnlyFolder::open(path).unwrap();
    let mut contents = Contents::read(&mut reader).unwrap();
    (0..4).for_each(|_| next(&mut store, &mut logs));
    assert!(!logs[5..].contains(&a), "written over while it is read");
    let mut rows = Vec::new();
    let read = contents.rows(|piece| {
        rows.extend_from_slice(piece);
        Ok(())
    });
    read.unwrap();
    assert_eq!(rows.iter().filter(|byte| **byte == b'\n').count(), 4);

    store.close(lottery.facts()).unwrap();
    assert!(!path.join("bets.wal.new").exists(), "left at the end");
}

#[test]
fn a_log_that_another_program_keeps_locked_is_waited_for_only_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let files = Folder::open(path).unwrap();
    let (store, _) = WalStore::open(files, Durability::Always, |_| {}).unwrap();
    store.close(Lottery::new(0).facts()).unwrap();
    let log = File::open(path.join("bets.wal")).unwrap();
    log.lock().unwrap();
    let mut reader = ReadOnlyFolder::open(path).unwrap();
    let begun = Instant::now();
    let error = Contents::read(&mut reader).err().unwrap().to_string();
    assert!(
        begun.elapsed() >= Duration::from_secs(4),
        "given up at once"
    );
    let expected = "bets.wal: another program has had it locked for too long; end that program";
    assert!(error.contains(expected), "{error}");
    log.unlock().unwrap();
    Contents::read(&mut reader).unwrap();
}
