//! A lottery that is written into a new folder as a whole: what is there then, what is never replaced, and what is left of one
//! that was broken off. And folders that are only read, or only locked.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_server::facts::{Fact, Source};
use event_server::store::Audit;
use event_server::store::files::{
    Contents, Durability, FileName, Files, Folder, LockedFolder, NewFolder, NewFolderError,
    ReadOnlyFolder, StoreError, WalStore,
};
use frame::{Agency, Bet, Number};
use tempfile::TempDir;

const ROWS: &[u8] = b"1,Ana,Paz,1,1999-12-31,7574\r\n1,Ana,Paz,2,1999-12-31,1\r\n";
const LAST: &str = "2,Ana,Paz,3,1999-12-31,7574\r\n";

fn bet() -> Bet<'static> {
    let text = b"{agency:2,nombre:Ana,apellido:Paz,dni:3,nacimiento:1999-12-31,numero:7574}";
    let mut objects = frame::payload::Objects::new(text);
    Bet::read(&mut objects).unwrap().unwrap()
}

fn facts(position: u64) -> Vec<Fact> {
    let stored = |agency, bets| Fact::Stored {
        agency: Agency::new(agency).unwrap(),
        source: Source::Plain,
        bets,
    };
    let drawn = Fact::Drawn {
        position,
        winner: Number::new(7_574).unwrap(),
    };
    vec![
        Fact::Agencies { agencies: 2 },
        stored(1, 2),
        stored(2, 1),
        drawn,
    ]
}

/// A name in a folder that is there.
fn target() -> (TempDir, PathBuf) {
    let above = tempfile::tempdir().unwrap();
    let target = above.path().join("copy");
    (above, target)
}

/// What a folder is called until it is complete.
fn place(target: &Path) -> PathBuf {
    target.with_extension("new")
}

fn audit(folder: &Path) -> Audit {
    let mut files = ReadOnlyFolder::open(folder).unwrap();
    Contents::read(&mut files).unwrap().audit().unwrap()
}

/// A new folder with these rows and facts, not published.
fn written(target: &Path, rows: &[u8], facts: Vec<Fact>) -> NewFolder {
    let mut folder = NewFolder::begin(target).unwrap();
    folder.rows(rows).unwrap();
    folder.finish(|_| facts).unwrap();
    folder
}

#[test]
fn a_new_folder_has_all_that_was_written_and_a_server_goes_on_with_it() {
    let (_above, target) = target();
    let mut folder = NewFolder::begin(&target).unwrap();
    folder.rows(&ROWS[..20]).unwrap();
    folder.rows(&ROWS[20..]).unwrap();
    folder.bet(&bet()).unwrap();
    let length = (ROWS.len() + LAST.len()) as u64;
    folder
        .finish(|position| {
            assert_eq!(position, length);
            facts(position)
        })
        .unwrap();
    let read = folder.audit().unwrap();
    assert!(!target.exists());
    folder.publish().unwrap();
    assert!(!place(&target).exists());
    assert_eq!(audit(&target), read);
    assert_eq!((read.flaws.len(), read.more), (0, 0));
    let holdings = read.snapshot.agencies.iter();
    let held: Vec<_> = holdings
        .map(|(agency, holding)| (agency.get(), holding.account.bets, holding.winners))
        .collect();
    assert_eq!(held, [(1, 2, 1), (2, 1, 1)]);
    assert_eq!(read.snapshot.winner, Number::new(7_574));

    let mut files = ReadOnlyFolder::open(&target).unwrap();
    let mut told = Vec::new();
    let mut contents = Contents::read(&mut files).unwrap();
    contents.facts(|fact| told.push(*fact)).unwrap();
    assert_eq!(told, facts(length));
    let mut documents = Vec::new();
    let mut each = |document: &[u8]| documents.push(document.to_vec());
    let read = contents.each_row(|row| {
        each(row.to_bet().unwrap().document.as_bytes());
        Ok(())
    });
    read.unwrap();
    assert_eq!(documents, [b"1", b"2", b"3"]);

    told.clear();
    let files = Folder::open(&target).unwrap();
    WalStore::open(files, Durability::Always, |fact| told.push(*fact)).unwrap();
    assert_eq!(told, facts(length));
    let rows = fs::read(target.join("bets.csv")).unwrap();
    assert_eq!(rows, [ROWS, LAST.as_bytes()].concat());
}

#[test]
fn rows_are_written_a_mebibyte_at_a_time() {
    const MEBIBYTE: usize = 1024 * 1024;
    let (_above, target) = target();
    let mut folder = NewFolder::begin(&target).unwrap();
    let bets = place(&target).join("bets.csv");
    let length = || fs::metadata(&bets).unwrap().len();
    for (rows, written) in [
        (MEBIBYTE - 1, 0),
        (1, MEBIBYTE),
        (2, MEBIBYTE),
        (MEBIBYTE, 2 * MEBIBYTE + 2),
    ] {
        folder.rows(&vec![b'x'; rows]).unwrap();
        assert_eq!(length(), written as u64);
    }
}

#[test]
fn what_is_wrong_with_a_lottery_is_told() {
    let flaws = |rows, facts| {
        let (_above, target) = target();
        let audit = written(&target, rows, facts).audit().unwrap();
        assert_eq!(audit.more, 0);
        audit.flaws
    };
    let rows = [ROWS, LAST.as_bytes()].concat();
    let length = rows.len() as u64;
    assert_eq!(flaws(&rows, facts(length)), [""; 0]);
    let shorter = format!("the draw was over 9 bytes of bets.csv, which has {length}");
    assert_eq!(flaws(&rows, facts(9)), [shorter]);
    let lacks = flaws(ROWS, facts(ROWS.len() as u64));
    assert_eq!(lacks, ["agency 2 has 0 bets, its batches had 1"]);
    let [no_bet] = flaws(b"1,Ana\r\n", Vec::new()).try_into().unwrap();
    assert!(no_bet.contains("bets.csv: row 1 "), "{no_bet}");
}

#[test]
fn nothing_is_replaced() {
    let (_above, target) = target();
    let folder = written(&target, ROWS, Vec::new());
    let underway = NewFolder::begin(&target).err().unwrap();
    let name = target.display();
    assert_eq!(
        underway.to_string(),
        format!(
            "{name}.new is being written by another program: wait for its end, or choose another name"
        )
    );
    fs::create_dir(&target).unwrap();
    let taken = format!("{name} is there already, and nothing is replaced: choose another name");
    let refused = folder.publish().err().unwrap();
    assert!(matches!(refused, NewFolderError::Exists(_)));
    assert_eq!(refused.to_string(), taken);
    let refused = NewFolder::begin(&target).err().unwrap();
    assert_eq!(refused.to_string(), taken);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    assert!(!place(&target).exists());
}

#[test]
fn what_a_try_that_was_broken_off_has_left_is_removed_and_one_that_ends_early_leaves_nothing() {
    let (above, target) = target();
    fs::create_dir(place(&target)).unwrap();
    for name in ["bets.csv", "bets.wal.new"] {
        fs::write(place(&target).join(name), "left").unwrap();
    }
    let folder = written(&target, ROWS, facts(ROWS.len() as u64));
    let there = fs::read_dir(place(&target)).unwrap();
    let mut there: Vec<_> = there.map(|entry| entry.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["bets.csv", "bets.wal", "lock"]);
    drop(folder);
    assert_eq!(fs::read_dir(above.path()).unwrap().count(), 0);
}

#[test]
fn a_place_that_cannot_be_used_is_told_with_what_to_do() {
    let (above, target) = target();
    let within = above.path().join("missing").join("copy");
    let refused = NewFolder::begin(&within).err().unwrap().to_string();
    assert!(refused.starts_with("cannot find the folder "), "{refused}");
    assert!(refused.ends_with("; choose another place"), "{refused}");

    fs::create_dir_all(place(&target).join("bets.wal")).unwrap();
    let refused = NewFolder::begin(&target).err().unwrap().to_string();
    assert!(refused.starts_with("cannot remove "), "{refused}");

    let [full, other] = [ErrorKind::StorageFull, ErrorKind::Other].map(|kind| {
        let error = StoreError::Io {
            action: "write",
            path: target.clone(),
            error: Arc::new(kind.into()),
        };
        NewFolderError::from(error).to_string()
    });
    assert!(full.ends_with("; make room and run it again"), "{full}");
    assert!(other.ends_with("; choose another place"), "{other}");
}

#[test]
fn a_folder_that_is_only_read_takes_no_change() {
    let (_above, target) = target();
    written(&target, ROWS, Vec::new()).publish().unwrap();
    let mut files = ReadOnlyFolder::open(&target).unwrap();
    let bets = files.open(FileName::Bets).unwrap().unwrap();
    let refused = [
        files.create(FileName::NewLog).map(drop),
        files.rename(FileName::Log, FileName::NewLog),
        files.keep_private(&bets),
        files.exchange(FileName::Log, FileName::Bets).map(drop),
        files.remove(FileName::Bets),
        files.sync(),
        files.try_lock().map(drop),
    ];
    for refused in refused {
        let kind = refused.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ReadOnlyFilesystem);
    }
}

#[test]
fn a_folder_that_was_locked_is_left_as_it_was() {
    let (_above, target) = target();
    written(&target, ROWS, Vec::new()).publish().unwrap();
    let lock = target.join("lock");
    for is_there in [true, false] {
        let files = LockedFolder::lock(&target).unwrap();
        assert!(matches!(
            LockedFolder::lock(&target),
            Err(StoreError::Locked { .. })
        ));
        drop(files);
        assert_eq!(lock.exists(), is_there);
        fs::remove_file(&lock).unwrap_or_default();
    }
}
