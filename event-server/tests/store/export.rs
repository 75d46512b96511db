//! Exporting beside a store that is open.

use std::fs;
use std::path::Path;

use event_server::facts::{Fact, Source};
use event_server::store::files::{
    Durability, ExportError, Folder, ReadOnlyFolder, StoreError, WalStore, export,
};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Name, Number};

fn exported(folder: &Path) -> Result<String, ExportError> {
    let mut out = Vec::new();
    export(ReadOnlyFolder::open(folder)?, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn bet(number: u32) -> (Bet<'static>, String) {
    let document = number.to_string();
    let bet = Bet {
        agency: Agency::new(1 + number % 3).unwrap(),
        first_name: Name::parse("José \"Pepe\"".as_bytes()).unwrap(),
        last_name: Name::parse(b"A, B").unwrap(),
        document: Document::parse(document.clone().into_bytes()).unwrap(),
        birthdate: Birthdate::parse(b"1999-03-17").unwrap(),
        number: Number::new(number).unwrap(),
    };
    let agency = bet.agency;
    let row = format!("{agency},\"José \"\"Pepe\"\"\",\"A, B\",{document},1999-03-17,{number}\r\n");
    (bet, row)
}

fn stage(store: &mut WalStore<Folder>, numbers: std::ops::Range<u32>) -> String {
    let mut rows = String::new();
    for number in numbers {
        let (bet, row) = bet(number);
        let mut draft = store.draft(200).unwrap();
        draft.row(&bet);
        draft.stage(Fact::Batch {
            agency: bet.agency,
            source: Source::Plain,
            id: MessageId([0; 16]),
            bets: 1,
        });
        rows += &row;
    }
    rows
}

#[test]
fn an_export_beside_an_open_store_has_what_was_acknowledged_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let files = Folder::open(folder.path()).unwrap();
    assert_eq!(exported(folder.path()).unwrap(), "");
    let (mut store, _) = WalStore::open(files, Durability::Always, |_| {}).unwrap();
    assert_eq!(exported(folder.path()).unwrap(), "");

    let (mut acknowledged, mut synced) = (String::new(), 0);
    for turn in 0..10 {
        let rows = stage(&mut store, turn * 7..turn * 7 + 7);
        assert_eq!(exported(folder.path()).unwrap(), acknowledged, "staged");
        acknowledged += &rows;
        let lock = fs::read(folder.path().join("lock")).unwrap();
        store.commit().unwrap();
        // The record is whole, and its acknowledgement was not noted yet: a start would find the turn.
        let noted = fs::read(folder.path().join("lock")).unwrap();
        if turn > 0 {
            fs::write(folder.path().join("lock"), lock).unwrap();
            assert_eq!(exported(folder.path()).unwrap(), acknowledged, "whole");
            fs::write(folder.path().join("lock"), noted).unwrap();
        }
        assert_eq!(exported(folder.path()).unwrap(), acknowledged);
        if turn == 4 {
            store.checkpoint([]).unwrap();
            synced = acknowledged.len();
            assert_eq!(exported(folder.path()).unwrap(), acknowledged);
        }
    }
    // Rows that the log holds may be missing in bets.csv, where the disk was full.
    let bets = folder.path().join("bets.csv");
    let half = fs::read(&bets).unwrap()[..synced].to_vec();
    fs::write(&bets, &half).unwrap();
    assert_eq!(exported(folder.path()).unwrap(), acknowledged);
    // What was synced at the checkpoint may not.
    fs::write(&bets, &half[..synced - 1]).unwrap();
    let error = exported(folder.path()).unwrap_err();
    assert!(
        matches!(error, ExportError::Store(StoreError::Short { .. })),
        "{error:?}"
    );
}

#[test]
fn a_bets_csv_without_a_log_is_exported_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bets.csv"), "1,a,b,2,2000-01-01,3\n").unwrap();
    assert_eq!(exported(folder.path()).unwrap(), "1,a,b,2,2000-01-01,3\n");
}

#[test]
fn an_export_takes_no_lock_and_refuses_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let open = || WalStore::open(Folder::open(folder.path())?, Durability::Always, |_| {});
    let (mut store, _) = open().unwrap();
    stage(&mut store, 0..10);
    store.commit().unwrap();
    store.close([]).unwrap();
    /// A start at every write of the export.
    struct Starts<F>(F);
    impl<F: FnMut()> std::io::Write for Starts<F> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            (self.0)();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut starts = 0;
    let mut out = Starts(|| {
        open().unwrap();
        starts += 1;
    });
    export(ReadOnlyFolder::open(folder.path()).unwrap(), &mut out).unwrap();
    assert!(starts > 0);
}
