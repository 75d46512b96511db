//! What becomes of a log that is cut at every byte, and of one with each byte flipped: all turns that were
//! acknowledged, or a refusal that leaves the files as they are. Never less, never other bets.

use std::ops::ControlFlow;

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{
    Durability, ExportError, FileName, Files, Progress, Recovery, StoreError, WalStore, Warning,
    export,
};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number, UploadId};

use crate::store_disk::{Disk, DiskFiles};

/// The files as they are after a turn.
#[derive(Clone)]
struct Image {
    bets: Vec<u8>,
    log: Vec<u8>,
    lock: Vec<u8>,
    /// Where the turn's record ends in the log.
    end: usize,
    facts: Vec<Fact>,
}

/// A checkpoint with facts, and then some turns, each with its image. The first image is the checkpoint's.
fn history(durability: Durability) -> Vec<Image> {
    let disk = Disk::new(0);
    let mut lottery = Lottery::new(0);
    let (mut store, _) = WalStore::open(disk.boot(), durability, |_| {}).unwrap();
    stage(&mut store, &mut lottery, batch(1, 2));
    stage(&mut store, &mut lottery, finished(2));
    store.commit().unwrap();
    store.checkpoint(lottery.facts()).unwrap();
    let mut end = 52 + 48 * lottery.facts().count();
    let mut images = vec![image(&disk, end, &lottery)];
    for turn in [
        vec![batch(1, 1), batch(3, 2)],
        vec![finished(3)],
        vec![bet(4), bet(4), finished(4)],
        vec![Fact::Drawn {
            position: 7,
            winner: Number::new(7574).unwrap(),
        }],
        vec![batch(1, 3)],
        vec![finished(1)],
    ] {
        let facts = turn.len();
        for fact in turn {
            stage(&mut store, &mut lottery, fact);
        }
        let before = store.position();
        store.commit().unwrap();
        end += 40 + (store.position() - before) as usize + 48 * facts;
        images.push(image(&disk, end, &lottery));
    }
    images
}

fn batch(agency: u32, bets: u32) -> Fact {
    Fact::Batch {
        agency: Agency::new(agency).unwrap(),
        source: Source::Upload(UploadId(*b"SALT0002SALT0003")),
        id: MessageId([7; 16]),
        bets,
    }
}

fn bet(agency: u32) -> Fact {
    Fact::Bet {
        agency: Agency::new(agency).unwrap(),
    }
}

fn finished(agency: u32) -> Fact {
    Fact::Finished {
        agency: Agency::new(agency).unwrap(),
    }
}

fn stage(store: &mut WalStore<DiskFiles>, lottery: &mut Lottery, fact: Fact) {
    let (agency, bets) = match fact {
        Fact::Bet { agency } => (agency, 1),
        Fact::Batch { agency, bets, .. } => (agency, bets),
        _ => {
            store.draft(0).unwrap().stage(fact);
            return lottery.apply(&fact);
        }
    };
    let mut draft = store.draft(1000).unwrap();
    for number in 0..bets {
        draft.row(&Bet {
            agency,
            // The log's salt: even a peer that knew it could not forge a record with it.
            first_name: frame::Name::parse(&b"SALT0002"[..]).unwrap(),
            last_name: frame::Name::parse(&b"\"P, \xc3\xb1"[..]).unwrap(),
            document: Document::parse(&b"0123"[..]).unwrap(),
            birthdate: Birthdate::parse(b"1999-03-17").unwrap(),
            number: Number::new(number).unwrap(),
        });
    }
    draft.stage(fact);
    lottery.apply(&fact);
}

fn image(disk: &Disk, end: usize, lottery: &Lottery) -> Image {
    let [bets, log, lock] =
        [FileName::Bets, FileName::Log, FileName::Lock].map(|n| disk.bytes(n).unwrap());
    let facts = lottery.facts().collect();
    Image {
        bets,
        log,
        lock,
        end,
        facts,
    }
}

/// Opens a store over these files. What it recovers must be one of the images, which is returned; what it
/// refuses must be left alone.
fn open(
    images: &[Image],
    bets: &[u8],
    log: &[u8],
    lock: &[u8],
) -> Result<(usize, Recovery), StoreError> {
    let files = [
        (FileName::Bets, bets),
        (FileName::Log, log),
        (FileName::Lock, lock),
    ];
    let disk = Disk::with(&files);
    let mut lottery = Lottery::new(0);
    let mut exported = Vec::new();
    let export = export(disk.boot(), &mut exported);
    match WalStore::open(disk.boot(), Durability::Always, |fact| lottery.apply(fact)) {
        Ok((store, recovery)) => {
            store.close(lottery.facts()).unwrap();
            let facts: Vec<Fact> = lottery.facts().collect();
            let bets = disk.bytes(FileName::Bets).unwrap();
            assert!(
                export.is_ok() && exported == bets,
                "an export of something else"
            );
            let found = |image: &Image| image.facts == facts && image.bets == bets;
            let turns = images
                .iter()
                .position(found)
                .expect("a state that never was");
            Ok((turns, recovery))
        }
        Err(e) => {
            assert!(exported.is_empty(), "an export of what no start takes");
            let Err(ExportError::Store(refused)) = export else {
                panic!("an export where a start is refused: {e}")
            };
            assert_eq!(refused.to_string(), e.to_string());
            for (name, bytes) in files {
                assert!(disk.bytes(name).unwrap() == bytes, "{name:?} was touched");
            }
            Err(e)
        }
    }
}

/// How many turns are whole in a log.
fn whole(images: &[Image], log: &[u8]) -> Option<usize> {
    let original = &images.last()?.log;
    images
        .iter()
        .rposition(|image| log.starts_with(&original[..image.end]))
}

#[test]
fn a_log_cut_at_any_byte_gives_every_whole_turn_or_is_refused_if_one_was_acknowledged() {
    let images = history(Durability::Always);
    let last = images.last().unwrap();
    for (acknowledged, now) in images.iter().enumerate() {
        for cut in 0..=last.log.len() {
            let mut zeroed = last.log.clone();
            zeroed[cut..].fill(0);
            for log in [&last.log[..cut], &zeroed] {
                let whole = whole(&images, log);
                // As the turn left it, and as a power cut may: with nothing that was not synced.
                let seen = open(&images, &now.bets, log, &now.lock);
                let synced = open(&images, &images[0].bets, log, b"");
                match seen {
                    Ok((turns, _)) => {
                        assert_eq!(Some(turns), whole, "cut at {cut}");
                        assert!(turns >= acknowledged, "cut at {cut}");
                    }
                    Err(e) => {
                        assert!(whole < Some(acknowledged), "cut at {cut}: {e}");
                    }
                }
                assert_eq!(
                    synced.ok().map(|(turns, _)| turns),
                    whole,
                    "synced, cut at {cut}"
                );
            }
        }
    }
}

#[test]
fn a_log_with_any_byte_flipped_gives_every_acknowledged_turn_or_is_refused() {
    let images = history(Durability::Always);
    let (first, last) = (&images[0], images.last().unwrap());
    let before_last = &images[images.len() - 2];
    for at in 0..last.log.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut log = last.log.clone();
            log[at] ^= flip;
            let seen = open(&images, &last.bets, &log, &last.lock);
            assert_eq!(
                seen.is_ok(),
                at >= last.end,
                "byte {at} flipped by {flip}: {seen:?}"
            );
            if let Ok((turns, recovery)) = seen {
                assert_eq!(turns, images.len() - 1);
                assert_eq!(recovery.cut, 0);
            }
            // With nothing left to tell that the last turn was acknowledged, it is a torn one.
            let synced = open(&images, &first.bets, &log, b"");
            match synced {
                Ok((turns, _)) => {
                    assert!(
                        at >= before_last.end,
                        "byte {at}: more than the last turn is lost"
                    );
                    assert_eq!(Some(turns), whole(&images, &log), "byte {at}");
                }
                Err(StoreError::Head { .. }) => assert!(at < first.end),
                Err(StoreError::Damage { at: begin, .. }) => {
                    let begin = begin as usize;
                    assert!(begin <= at && at < before_last.end, "byte {at}");
                }
                Err(e) => panic!("byte {at}: {e}"),
            }
        }
    }
}

#[test]
fn without_syncs_a_log_is_cut_at_its_first_bad_record_with_a_warning() {
    let images = history(Durability::Never);
    let (first, last) = (&images[0], images.last().unwrap());
    for at in 0..last.end {
        let mut log = last.log.clone();
        log[at] ^= 0x10;
        match open(&images, &last.bets, &log, &last.lock) {
            Ok((turns, recovery)) => {
                assert_eq!(Some(turns), whole(&images, &log), "byte {at}");
                assert!(matches!(
                    recovery.warnings[0],
                    Warning::TurnsLost { bytes: 1.., .. }
                ));
                let surplus = (last.bets.len() - images[turns].bets.len()) as u64;
                assert_eq!(
                    recovery.warnings.get(1),
                    (surplus > 0).then_some(&Warning::RowsLost { bytes: surplus })
                );
            }
            Err(e) => assert!(
                at < first.end && matches!(e, StoreError::Head { .. }),
                "byte {at}: {e}"
            ),
        }
    }
    let short = open(&images, &first.bets[1..], &last.log, &last.lock);
    let Err(e @ StoreError::Short { .. }) = short else {
        panic!("{short:?}")
    };
    assert!(e.to_string().contains("SERVER_DURABILITY=never"));
}

#[test]
fn bets_csv_is_mended_from_the_log_and_refused_within_the_checkpoint_or_beyond_the_log() {
    let images = history(Durability::Always);
    let (synced, last) = (images[0].bets.len(), images.last().unwrap());
    for at in 0..last.bets.len() {
        let mut changed = last.bets.clone();
        changed[at] ^= 1;
        match open(&images, &changed, &last.log, &last.lock) {
            Ok((turns, _)) => assert!(at >= synced && turns == images.len() - 1),
            Err(e) => assert!(
                at < synced && matches!(e, StoreError::Different { .. }),
                "{e}"
            ),
        }
        match open(&images, &last.bets[..at], &last.log, &last.lock) {
            Ok((turns, _)) => assert!(at >= synced && turns == images.len() - 1),
            Err(e) => assert!(at < synced && matches!(e, StoreError::Short { .. }), "{e}"),
        }
    }
    let longer = [&last.bets[..], b"1"].concat();
    let refused = open(&images, &longer, &last.log, &last.lock);
    assert!(
        matches!(refused, Err(StoreError::Long { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_log_of_another_version_is_named() {
    let disk = Disk::new(0);
    let (store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    store.close([]).unwrap();
    let mut log = disk.bytes(FileName::Log).unwrap();
    log[8..12].copy_from_slice(&9_u32.to_be_bytes());
    let crc = crc32fast::hash(&log[..48]);
    log[48..52].copy_from_slice(&crc.to_be_bytes());
    let refused = open(&[], b"", &log, b"");
    assert!(
        matches!(refused, Err(StoreError::Version { version: 9, .. })),
        "{refused:?}"
    );
}

#[test]
fn where_a_start_is_refused_no_lock_is_made_and_no_reopening_finished() {
    let images = history(Durability::Always);
    let (first, last) = (&images[0], images.last().unwrap());
    let mut log = last.log.clone();
    log[first.end] ^= 1;
    // What a reopening leaves that was cut off before its last step.
    let files = [
        (FileName::Bets, &b"1,a,b,3,2000-01-01,5\r\n"[..]),
        (FileName::NewBets, &first.bets),
        (FileName::Log, &log),
    ];
    let disk = Disk::with(&files);
    let refused = WalStore::open(disk.boot(), Durability::Always, |_| {}).err();
    assert!(
        matches!(refused, Some(StoreError::Damage { .. })),
        "{refused:?}"
    );
    for (name, bytes) in files {
        assert!(disk.bytes(name).unwrap() == bytes, "{name:?} was touched");
    }
    assert_eq!(disk.bytes(FileName::Lock), None);
    // With the log as it was, the reopening counts.
    disk.replace(FileName::Log, &last.log);
    let mut exported = Vec::new();
    export(disk.boot(), &mut exported).unwrap();
    assert!(exported == last.bets);
    WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    assert!(
        disk.bytes(FileName::Bets).unwrap() == last.bets && disk.bytes(FileName::NewBets).is_none()
    );
}

#[test]
fn a_long_reading_can_be_ended_and_leaves_the_files_as_they_were() {
    let images = history(Durability::Always);
    let last = images.last().unwrap();
    let mut stopped = 0;
    for portions in 0.. {
        let disk = Disk::with(&[(FileName::Bets, &last.bets), (FileName::Log, &last.log)]);
        let mut left = portions;
        let mut before = Progress { done: 0, of: 0 };
        let mut watch = |progress: Progress| {
            assert!(before.done <= progress.done && progress.done <= progress.of);
            before = progress;
            left -= 1;
            if left < 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        match WalStore::open_with_progress(
            disk.boot(),
            Durability::Always,
            |_| {},
            Some(&mut watch),
        ) {
            Err(StoreError::Stopped) => stopped += 1,
            opened => {
                opened.unwrap();
                break;
            }
        }
        assert!(disk.bytes(FileName::Bets).unwrap() == last.bets);
        assert!(disk.bytes(FileName::Log).unwrap() == last.log);
        WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    }
    assert!(stopped > 10, "only {stopped} portions");
}

#[test]
fn a_head_that_counts_farther_than_any_server_is_a_damaged_one() {
    let images = history(Durability::Always);
    let (first, last) = (&images[0], images.last().unwrap());
    // The sequence and the length of bets.csv, as large as they may look, and whole turns behind them.
    for field in [24..32, 32..40] {
        for number in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let mut log = last.log.clone();
            log[field.clone()].copy_from_slice(&number.to_be_bytes());
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&log[..48]);
            hasher.update(&log[52..first.end]);
            let crc = hasher.finalize().to_be_bytes();
            log[48..52].copy_from_slice(&crc);
            let refused = open(&images, &last.bets, &log, b"");
            assert!(
                matches!(refused, Err(StoreError::Head { .. })),
                "{number}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_copy_of_bets_csv_and_then_one_of_the_log_are_a_backup() {
    let images = history(Durability::Always);
    for (bets, earlier) in images.iter().enumerate() {
        for (turns, later) in images.iter().enumerate().skip(bets) {
            let restored = open(&images, &earlier.bets, &later.log, b"");
            assert_eq!(restored.unwrap().0, turns);
        }
    }
}

#[test]
fn a_record_of_another_log_is_not_taken_for_the_next_turn() {
    let images = history(Durability::Always);
    let (first, last) = (&images[0], images.last().unwrap());
    let begin = images[images.len() - 2].end;
    let mut log = last.log.clone();
    log[begin] ^= 1;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&log[begin..begin + 36]);
    hasher.update(&log[begin + 40..last.end]);
    let crc = hasher.finalize().to_be_bytes();
    log[begin + 36..begin + 40].copy_from_slice(&crc);
    let (turns, recovery) = open(&images, &first.bets, &log, b"").unwrap();
    assert_eq!(turns, images.len() - 2);
    assert_eq!(recovery.turns as usize, turns);
}

#[test]
fn a_checkpoint_waits_for_a_bets_csv_that_lags() {
    let disk = Disk::new(0);
    let mut lottery = Lottery::new(0);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    disk.limit_bets(10);
    stage_small(&mut store, &mut lottery);
    store.commit().unwrap();
    store.checkpoint(lottery.facts()).unwrap();
    store.close(lottery.facts()).unwrap();
    let mut found = Lottery::new(0);
    let replay = |fact: &Fact| found.apply(fact);
    let (store, recovery) = WalStore::open(disk.boot(), Durability::Always, replay).unwrap();
    assert!(store.lagging());
    assert_eq!((recovery.turns, recovery.bytes), (1, store.position()));
    assert!(found.facts().eq(lottery.facts()));
}

#[test]
fn a_folder_is_one_servers_at_a_time() {
    let disk = Disk::new(0);
    let files = disk.boot();
    let (store, _) = WalStore::open(files, Durability::Always, |_| {}).unwrap();
    let second = WalStore::open(disk.rival(), Durability::Always, |_| {});
    assert!(matches!(second.err(), Some(StoreError::Locked { .. })));
    // Without the lock file, too.
    disk.rival().remove(FileName::Lock).unwrap();
    let second = WalStore::open(disk.rival(), Durability::Always, |_| {});
    assert!(matches!(second.err(), Some(StoreError::Locked { .. })));
    assert_eq!(disk.bytes(FileName::Lock), None);
    drop(store);
    assert!(WalStore::open(disk.rival(), Durability::Always, |_| {}).is_ok());
}

#[test]
fn a_checkpoint_holds_the_facts_of_very_many_agencies() {
    let disk = Disk::new(0);
    let facts: Vec<Fact> = (1..=65_536)
        .map(|agency| Agency::new(agency).unwrap())
        .flat_map(|agency| {
            let source = Source::Upload(UploadId([9; 16]));
            let bets = u64::MAX;
            [
                Fact::Stored {
                    agency,
                    source,
                    bets,
                },
                Fact::Finished { agency },
            ]
        })
        .collect();
    let (store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    store.close(facts.iter().copied()).unwrap();
    let mut found = Vec::new();
    WalStore::open(disk.boot(), Durability::Always, |fact| found.push(*fact)).unwrap();
    assert!(found == facts);
}

#[test]
fn a_request_without_room_changes_nothing_and_is_taken_when_there_is_some() {
    let disk = Disk::new(0);
    let mut lottery = Lottery::new(0);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
    disk.set_capacity(disk.used());
    let refused = store.draft(DiskFiles::ROOM as usize + 1);
    let why = refused.map(drop).unwrap_err().to_string();
    assert!(why.contains("bets.wal"), "{why}");
    // What fits into the room is taken, though bets.csv cannot grow; then it lags, and takes nothing more.
    stage_small(&mut store, &mut lottery);
    store.commit().unwrap();
    assert!(store.lagging() && store.position() > 0);
    assert_eq!(disk.bytes(FileName::Bets).unwrap(), b"");
    assert!(store.draft(1).is_err());
    let until = store.position();
    assert!(store.read(0, until, &mut [0; 10]).is_err());
    // A restart on the full disk knows the turn, and takes nothing either.
    drop(store);
    disk.boot();
    disk.set_capacity(disk.used());
    let mut replayed = Lottery::new(0);
    let (mut store, _) = WalStore::open(disk.rival(), Durability::Always, |fact| {
        replayed.apply(fact)
    })
    .unwrap();
    store.checkpoint(replayed.facts()).unwrap();
    assert!(store.lagging() && !store.wants_checkpoint());
    assert!(store.draft(0).is_err());
    disk.set_capacity(u64::MAX);
    store.retry().unwrap();
    assert!(!store.lagging() && store.wants_checkpoint());
    store.checkpoint(replayed.facts()).unwrap();
    assert!(!store.wants_checkpoint());
    store.draft(0).unwrap().stage(finished(1));
    store.commit().unwrap();
    let mut bytes = vec![0; until as usize + 10];
    assert_eq!(store.read(0, until, &mut bytes).unwrap() as u64, until);
    assert_eq!(
        &bytes[..until as usize],
        disk.bytes(FileName::Bets).unwrap()
    );
}

fn stage_small(store: &mut WalStore<DiskFiles>, lottery: &mut Lottery) {
    let fact = batch(1, 1);
    let mut draft = store.draft(60).unwrap();
    draft.row(&Bet {
        agency: Agency::new(1).unwrap(),
        first_name: frame::Name::parse(&b"A"[..]).unwrap(),
        last_name: frame::Name::parse(&b"B"[..]).unwrap(),
        document: Document::parse(&b"1"[..]).unwrap(),
        birthdate: Birthdate::parse(b"1999-03-17").unwrap(),
        number: Number::new(1).unwrap(),
    });
    draft.stage(fact);
    lottery.apply(&fact);
}
