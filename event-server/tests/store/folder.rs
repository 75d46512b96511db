//! The store on a real folder: the format that Python wrote, files of others, modes, the lock.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use event_server::facts::{Fact, MAX_AGENCIES, Source};
use event_server::store::files::{
    Durability, ExportError, Folder, ReadOnlyFolder, Recovery, Scanner, StoreError, WalStore,
    export,
};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number};

const GOLDEN: &str = include_str!("../vectors/bets.csv");

/// The bets of the golden file, from the JSON beside it: one `"key": value` a line.
fn golden_bets() -> Vec<Bet<'static>> {
    let value = |line: &str| {
        let (_, value) = line.split_once(": ")?;
        let value = value.strip_suffix(',').unwrap_or(value);
        let quoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        Some(quoted.unwrap_or(value).replace("\\\"", "\""))
    };
    let values: Vec<String> = include_str!("../vectors/bets.json")
        .lines()
        .filter_map(value)
        .collect();
    let (bets, []) = values.as_chunks() else {
        panic!("six values a bet")
    };
    let bet = |[agency, first_name, last_name, document, birthdate, number]: &[String; 6]| Bet {
        agency: Agency::parse(agency.as_bytes()).unwrap(),
        first_name: frame::Name::parse(first_name.clone().into_bytes()).unwrap(),
        last_name: frame::Name::parse(last_name.clone().into_bytes()).unwrap(),
        document: Document::parse(document.clone().into_bytes()).unwrap(),
        birthdate: Birthdate::parse(birthdate.as_bytes()).unwrap(),
        number: Number::parse(number.as_bytes()).unwrap(),
    };
    bets.iter().map(bet).collect()
}

fn open(path: &Path) -> Result<(WalStore<Folder>, Recovery, Vec<Fact>), StoreError> {
    let mut facts = Vec::new();
    let folder = Folder::open(path)?;
    let (store, recovery) = WalStore::open(folder, Durability::Always, |fact| facts.push(*fact))?;
    Ok((store, recovery, facts))
}

/// Stores bets, each as a batch of its own, in one turn.
fn store(store: &mut WalStore<Folder>, bets: &[Bet<'_>]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for bet in bets {
        let (agency, id) = (bet.agency, MessageId::of(b""));
        let fact = Fact::Batch {
            agency,
            source: Source::Plain,
            id,
            bets: 1,
        };
        let mut draft = store.draft(1000).unwrap();
        draft.row(bet);
        draft.stage(fact);
        facts.push(fact);
    }
    store.commit().unwrap();
    facts
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn rows_are_written_as_python_writes_them_and_stay_through_kills_and_orderly_stops() {
    let folder = tempfile::tempdir().unwrap();
    let bets = golden_bets();
    let (mut first, _, facts) = open(folder.path()).unwrap();
    assert_eq!(facts, []);
    let stored = store(&mut first, &bets);
    // Dropped without a word, as a kill would.
    drop(first);
    let (mut second, recovery, facts) = open(folder.path()).unwrap();
    assert_eq!((facts, recovery.turns), (stored, 1));
    assert_eq!(
        fs::read_to_string(folder.path().join("bets.csv")).unwrap(),
        GOLDEN
    );
    let checkpoint = [Fact::Finished {
        agency: Agency::new(1).unwrap(),
    }];
    second.checkpoint(checkpoint).unwrap();
    store(&mut second, &bets);
    second.close(checkpoint).unwrap();
    let (_, recovery, facts) = open(folder.path()).unwrap();
    assert_eq!(
        (&facts[..], recovery.turns, recovery.cut),
        (&checkpoint[..], 0, 0)
    );
    let twice = fs::read_to_string(folder.path().join("bets.csv")).unwrap();
    assert_eq!(twice, GOLDEN.repeat(2));
}

#[test]
fn the_draw_reads_the_stored_file_in_slices() {
    let folder = tempfile::tempdir().unwrap();
    let (mut open, _, _) = open(folder.path()).unwrap();
    store(&mut open, &golden_bets());
    let mut scanner = Scanner::new(Number::new(464).unwrap());
    let mut winners = Vec::new();
    let (mut at, until) = (0, open.position());
    while at < until {
        let mut slice = [0; 50];
        let count = open.read(at, until, &mut slice).unwrap();
        let won = |agency: Agency, document: &[u8]| winners.push((agency.get(), document.to_vec()));
        scanner.scan(&slice[..count], won).unwrap();
        at += count as u64;
    }
    assert_eq!(winners, [(5, b"1".to_vec())]);
}

#[test]
fn a_file_that_others_wrote_is_taken_over_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bets.csv");
    // What the wire would refuse: a long name, an empty one, a leading zero, a number of ten digits, bare LF.
    let lax = format!(
        "{GOLDEN}01,{},\"\",\"1,2\",2000-01-01,1234567890\n",
        "x".repeat(300)
    );
    fs::write(&path, &lax).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();

    let (mut taken, recovery, facts) = open(folder.path()).unwrap();
    assert_eq!(recovery.taken_over, Some(7));
    let of_agency = |fact: &Fact| match fact {
        Fact::Stored {
            source: Source::TakenOver,
            bets,
            ..
        } => *bets,
        other => panic!("{other:?}"),
    };
    assert_eq!(facts.iter().map(of_agency).sum::<u64>(), 7);
    let agencies = facts.len();
    assert_eq!(mode(&path), 0o600);
    store(&mut taken, &golden_bets());
    drop(taken);
    let (_, recovery, facts) = open(folder.path()).unwrap();
    assert_eq!((recovery.taken_over, facts.len()), (None, agencies + 6));
    assert_eq!(fs::read_to_string(&path).unwrap(), lax + GOLDEN);
    assert_eq!(fs::read(folder.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn as_many_agencies_as_a_lottery_knows_are_taken_over_and_not_one_more() {
    for agencies in [0, MAX_AGENCIES, MAX_AGENCIES + 1] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bets.csv");
        let row = |agency: usize| format!("{agency},a,b,3,2000-01-01,7\r\n");
        fs::write(&path, (1..=agencies).map(row).collect::<String>()).unwrap();
        match open(folder.path()) {
            Ok((_, recovery, facts)) => {
                assert!(facts.len() == agencies && agencies <= MAX_AGENCIES);
                let rows = (agencies > 0).then_some(agencies as u64);
                assert_eq!(recovery.taken_over, rows);
            }
            Err(refused) => {
                assert_eq!(agencies, MAX_AGENCIES + 1);
                let expected = format!("{}: row {agencies} is of one agency more", path.display());
                assert!(refused.to_string().starts_with(&expected), "{refused}");
            }
        }
    }
}

#[test]
fn a_file_that_is_no_bets_csv_is_not_taken_over_and_the_row_is_named() {
    for (row, flaw) in [
        ("1,a,b,3,2000-01-01,7", "has no line end"),
        ("1,a,b,3,2000-01-01\r\n", "has not six columns"),
        ("\r\n", "has not six columns"),
        ("agency,a,b,3,2000-01-01,7\r\n", "has no agency"),
        (
            "1,a,b,3,2000-13-01,7\r\n",
            "has no date YYYY-MM-DD in column 5 (birthdate)",
        ),
        (
            "1,a,b,3,2000-01-01,7.5\r\n",
            "has no number of 1 to 19 digits in column 6 (number)",
        ),
        (
            "1,\"a\r\nb\",b,3,2000-01-01,7\r\n",
            "has a quote that does not enclose column 2 (first_name)",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bets.csv");
        fs::write(&path, format!("{GOLDEN}{row}")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = open(folder.path()).err().unwrap().to_string();
        let expected = format!(
            "{}: row {} {flaw}",
            path.display(),
            GOLDEN.lines().count() + 1
        );
        assert!(refused.starts_with(&expected), "{refused}");
        for made in ["bets.wal", "lock"] {
            assert!(!folder.path().join(made).exists(), "{made}");
        }
        assert_eq!(mode(&path), 0o644, "it was touched");
    }
}

#[test]
fn the_folder_and_the_files_are_their_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let (store, _, _) = open(&folder).unwrap();
    for made in [parent.path().join("a"), folder.clone()] {
        assert_eq!(mode(&made), 0o700);
    }
    for name in ["bets.csv", "bets.wal", "lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    assert!(!folder.join("bets.wal.new").exists());
    let second = open(&folder).err().unwrap();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    assert!(
        second.to_string().contains("another server has locked"),
        "{second}"
    );
    // Whoever removes the lock file lets nobody in, and neither does a rename of the folder.
    fs::remove_file(folder.join("lock")).unwrap();
    let moved = parent.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    let third = open(&moved).err().unwrap();
    assert!(matches!(third, StoreError::Locked { .. }), "{third}");
    assert!(!moved.join("lock").exists(), "it was touched");
    drop(store);
    // What others may read since, they may not any more.
    let names = ["bets.csv", "bets.wal", "lock"].map(|name| moved.join(name));
    fs::write(&names[2], "").unwrap();
    for name in &names {
        fs::set_permissions(name, Permissions::from_mode(0o644)).unwrap();
    }
    let (_store, _, _) = open(&moved).unwrap();
    assert_eq!(names.map(|name| mode(&name)), [0o600; 3]);
}

#[test]
fn where_a_server_of_release_0_1_0_works_which_locks_the_lock_file_alone_no_other_one_starts() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    drop(open(&folder).unwrap());
    let lock = fs::File::open(folder.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let refused = open(&folder).err().unwrap();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    drop(lock);
    assert!(open(&folder).is_ok());
}

/// Asserts that a start and an export are refused, with a sentence that has this text, and change nothing.
fn assert_untrusted(folder: &Path, text: &str) {
    let exported = ReadOnlyFolder::open(folder)
        .map_err(ExportError::from)
        .and_then(|files| export(files, &mut Vec::new()));
    let Err(ExportError::Store(exported)) = exported else {
        panic!("an export in spite of: {text}")
    };
    let started = open(folder).err().expect(text);
    for refused in [exported, started] {
        assert!(matches!(refused, StoreError::Untrusted { .. }), "{refused}");
        assert!(refused.to_string().contains(text), "{refused}");
    }
}

#[test]
fn what_others_could_have_put_there_or_written_to_is_not_used() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let new = || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    };
    let foreign = parent.path().join("foreign");
    fs::write(&foreign, GOLDEN).unwrap();
    fs::set_permissions(&foreign, Permissions::from_mode(0o644)).unwrap();

    new();
    fs::write(folder.join("bets.csv"), GOLDEN).unwrap();
    fs::set_permissions(folder.join("bets.csv"), Permissions::from_mode(0o644)).unwrap();
    for mode in [0o777, 0o775, 0o1777] {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        assert_untrusted(&folder, "data can be written to by others");
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.join("bets.csv"), Permissions::from_mode(0o664)).unwrap();
    assert_untrusted(&folder, "bets.csv can be written to by others");
    let link = parent.path().join("link");
    symlink(&folder, &link).unwrap();
    for path in [link.clone(), link.join("")] {
        assert_untrusted(&path, "link is a link");
    }
    fs::set_permissions(folder.join("bets.csv"), Permissions::from_mode(0o644)).unwrap();
    open(&folder).unwrap();

    for name in ["bets.csv", "bets.wal", "lock"] {
        new();
        symlink(&foreign, folder.join(name)).unwrap();
        assert_untrusted(&folder, "is a link");
        new();
        let made = rustix::fs::mkfifoat(rustix::fs::CWD, folder.join(name), 0o600.into());
        made.unwrap();
        assert_untrusted(&folder, "is no ordinary file");
    }
    // A file that is being made is made again, whatever stands there, and nothing that a link leads to is touched.
    new();
    symlink(&foreign, folder.join("bets.wal.new")).unwrap();
    let (mut store, _, _) = open(&folder).unwrap();
    symlink(&foreign, folder.join("bets.wal.new")).unwrap();
    store.checkpoint([]).unwrap();
    assert!(!folder.join("bets.wal").is_symlink());
    assert_eq!(
        (
            fs::read_to_string(&foreign).unwrap().as_str(),
            mode(&foreign)
        ),
        (GOLDEN, 0o644)
    );
}

#[test]
fn a_folder_that_cannot_be_is_an_error_that_names_it() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("data")).err().unwrap().to_string();
    assert!(
        error.starts_with("cannot create the folder") && error.contains("file/data"),
        "{error}"
    );
    let error = open(&file).err().unwrap().to_string();
    assert!(error.starts_with("cannot create the folder"), "{error}");
}
