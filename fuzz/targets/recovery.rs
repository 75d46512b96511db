//! Opening a store over files that a crash, a bad disk or somebody has left in any state.
//!
//! What the store promises is what is asserted, whatever the files hold: it never panics; what it refuses stays
//! as it was; what it accepts it finds again. Of files that a store has written and a crash has cut: all that
//! was acknowledged, and nothing that never was. Of the same files damaged: just that, or a refusal.

#![no_main]

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{Durability, FileName, Recovery, Scanner, StoreError, WalStore};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number, UploadId};
use fuzz::input::{self, Controls};
use fuzz::reference;
use fuzz::store_disk::{Disk, DiskFiles, Fault};
use libfuzzer_sys::fuzz_target;

const NAMES: [FileName; 3] = [FileName::Bets, FileName::Log, FileName::Lock];

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, data) = input::split(bytes, 64 * 1024);
    match controls.below(4) {
        0 => history(&mut controls, &data),
        1 => taken_over(&mut controls, &data),
        2 => forged(&mut controls, &data),
        _ => judge(&Disk::with(&[
            (FileName::Log, &data),
            (FileName::Bets, b"1,a,b,3,2000-01-01,5\r\n"),
        ])),
    }
});

/// What is stored after a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    facts: Vec<Fact>,
    bets: Vec<u8>,
}

/// Runs a server, a step for each line of the data, perhaps cut short; then damages its files.
fn history(controls: &mut Controls<'_>, script: &[u8]) {
    let disk = Disk::new(controls.byte().into());
    let mut states = vec![State::default()];
    let mut acknowledged = 0;
    let (store, _) =
        WalStore::open(disk.boot(), Durability::Always, |_| {}).expect("an empty disk");
    match controls.below(6) {
        1 => disk.plan(8 * u64::from(controls.byte()), Fault::Kill),
        2 => disk.plan(8 * u64::from(controls.byte()), Fault::PowerCut),
        _ => {}
    }
    let lived = live(
        store,
        Lottery::new(0),
        script,
        &mut states,
        &mut acknowledged,
    );
    if lived.is_err() {
        assert!(disk.struck());
        let (_, state, _) = open(&disk).expect("a start after a crash");
        return assert!(
            states[acknowledged..].contains(&state),
            "a turn is lost or invented"
        );
    }
    damage(controls, &disk, &states);
}

/// Stages, commits, and makes checkpoints, and keeps every state that may be stored.
fn live(
    mut store: WalStore<DiskFiles>,
    mut lottery: Lottery,
    script: &[u8],
    states: &mut Vec<State>,
    acknowledged: &mut usize,
) -> Result<(), StoreError> {
    let mut next = State::default();
    for line in script.split(|b| *b == b'\n').take(64) {
        let [step, text @ ..] = line else { continue };
        match step {
            b'c' => commit(&mut store, &lottery, &next, states, acknowledged)?,
            b'p' => {
                commit(&mut store, &lottery, &next, states, acknowledged)?;
                store.checkpoint(lottery.facts())?;
            }
            _ => {
                let fact = fact(*step, text, store.position());
                stage(&mut store, fact, text, &mut next.bets).map_err(|_| no_disk())?;
                lottery.apply(&fact);
            }
        }
    }
    commit(&mut store, &lottery, &next, states, acknowledged)
}

/// The disk has no bound, so where there is no room it has failed.
fn no_disk() -> StoreError {
    let path = FileName::Log.as_str().into();
    StoreError::Head { path }
}

fn commit(
    store: &mut WalStore<DiskFiles>,
    lottery: &Lottery,
    next: &State,
    states: &mut Vec<State>,
    acknowledged: &mut usize,
) -> Result<(), StoreError> {
    let facts = lottery.facts().collect();
    let bets = next.bets.clone();
    states.push(State { facts, bets });
    store.commit()?;
    *acknowledged = states.len() - 1;
    assert_eq!(store.position(), next.bets.len() as u64);
    Ok(())
}

fn fact(step: u8, text: &[u8], position: u64) -> Fact {
    let agency = Agency::new(1 + u32::from(step & 3)).expect("no agency is 0");
    let upload = UploadId([step & 4; 16]);
    match step {
        b'f' => Fact::Finished { agency },
        b'd' => Fact::Drawn {
            position,
            winner: Number::new(7574).expect("a small number"),
        },
        b'b' => Fact::Bet { agency },
        _ => Fact::Batch {
            agency,
            source: [Source::Plain, Source::Upload(upload)][usize::from(step >> 3 & 1)],
            id: MessageId::of(text),
            bets: 1 + u32::from(step >> 4),
        },
    }
}

fn stage(
    store: &mut WalStore<DiskFiles>,
    fact: Fact,
    text: &[u8],
    stored: &mut Vec<u8>,
) -> Result<(), event_server::store::NoSpace> {
    let (agency, count) = match fact {
        Fact::Bet { agency } => (agency, 1),
        Fact::Batch { agency, bets, .. } => (agency, bets),
        _ => {
            store.draft(0)?.stage(fact);
            return Ok(());
        }
    };
    let text = &text[..text.len().min(255)];
    let name = reference::text(text.to_vec(), 255).unwrap_or(b"SALT0002".to_vec());
    let mut rows = Vec::new();
    let mut draft = store.draft(count as usize * 1_300)?;
    for number in 0..count {
        let bet = Bet {
            agency,
            first_name: frame::Name::parse(&name).expect("a name"),
            last_name: frame::Name::parse(&b"Paz"[..]).expect("a name"),
            document: Document::parse(&b"0123"[..]).expect("a document"),
            birthdate: Birthdate::parse(b"1999-03-17").expect("a date"),
            number: Number::new(number).expect("a small number"),
        };
        draft.row(&bet);
        rows.push((&bet).into());
    }
    draft.stage(fact);
    stored.extend_from_slice(&reference::rows(&rows));
    Ok(())
}

/// Cuts or changes some of the files that hold the last of these states, and opens them.
fn damage(controls: &mut Controls<'_>, disk: &Disk, states: &[State]) {
    let mut files = NAMES.map(|name| disk.bytes(name).expect("a file of the store"));
    let intact = files.clone();
    for file in &mut files {
        spoil(controls, file);
    }
    let [bets, _, lock] = [0, 1, 2].map(|i| files[i] == intact[i]);
    let last = states.last().expect("there is one at least");
    let disk = with(&files);
    match open(&disk) {
        Ok((_, state, _)) => {
            // Only the mark in the lock tells a last turn that was torn from one that was acknowledged.
            let known = states.contains(&state);
            assert!(known, "a state that never was");
            assert!(!lock || state == *last, "a turn is lost");
            assert!(!bets || state.bets == last.bets, "a bet is lost");
        }
        Err(e) => {
            assert!(files[..2] != intact[..2], "refused without damage: {e}");
            assert!(untouched(&disk, &files), "{e}");
        }
    }
}

/// Does nothing, cuts, writes zeros to the end, or changes up to four bytes that stand together, which every
/// checksum notices.
fn spoil(controls: &mut Controls<'_>, file: &mut Vec<u8>) {
    let (how, at) = (controls.below(8), place(controls, file.len()));
    match how {
        1 => file.truncate(at),
        2 => file[at..].fill(0),
        3 | 4 => {
            for byte in file[at..].iter_mut().take(4) {
                *byte ^= controls.byte();
            }
        }
        _ => {}
    }
}

fn place(controls: &mut Controls<'_>, length: usize) -> usize {
    let at = usize::from(controls.byte()) << 8 | usize::from(controls.byte());
    at.min(length)
}

/// A bets.csv without a log: taken over if every line of it is a row, and the draw finds what it holds.
fn taken_over(controls: &mut Controls<'_>, bets: &[u8]) {
    let disk = Disk::with(&[(FileName::Bets, bets)]);
    let opened = open(&disk);
    let rows = reference::stored(bets);
    assert_eq!(opened.is_ok(), rows.is_some(), "{:?}", opened.err());
    assert_eq!(disk.bytes(FileName::Bets).as_deref(), Some(bets));
    let Some(rows) = rows else { return };
    let some = rows.get(controls.below(rows.len() + 1));
    let number = some.and_then(|row| Number::new(row.number.try_into().ok()?));
    let winner = number.unwrap_or(Number::new(0).expect("a small number"));
    let mut scanner = Scanner::new(winner);
    let (mut won, mut rest) = (Vec::new(), bets);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(controls.piece().min(rest.len()));
        scanner
            .scan(piece, |agency, document| {
                won.push((agency.get(), document.to_vec()))
            })
            .expect("every line is a row");
        rest = later;
    }
    let winners = rows.into_iter();
    let winners = winners.filter(|row| row.number == u64::from(winner.get()));
    let winners: Vec<_> = winners.map(|row| (row.agency, row.document)).collect();
    assert_eq!(won, winners);
    judge(&disk);
}

/// A log whose checksums are right and whose content is not: nobody but this program writes one, and it may
/// be refused or believed, but not break anything.
fn forged(controls: &mut Controls<'_>, script: &[u8]) {
    const EXTREMES: [u64; 5] = [0, 1, u64::MAX, u64::MAX - 1, 1 << 32];
    let bets = reference::rows(&[]);
    let sequence = controls.choose(&EXTREMES);
    let length = [bets.len() as u64, controls.choose(&EXTREMES)][controls.below(2)];
    let facts: Vec<u8> = (0..controls.below(3))
        .flat_map(|_| odd_fact(controls))
        .collect();
    let mut log = b"BETS.WAL".to_vec();
    log.extend_from_slice(&controls.choose(&[1_u32, 1, 1, 2]).to_be_bytes());
    log.extend_from_slice(&controls.choose(&[1_u32, 0, 1, 2]).to_be_bytes());
    log.extend_from_slice(b"SALTSALT");
    log.extend_from_slice(&sequence.to_be_bytes());
    log.extend_from_slice(&length.to_be_bytes());
    log.extend_from_slice(&crc32fast::hash(&bets).to_be_bytes());
    log.extend_from_slice(&(facts.len() as u32 / 48).to_be_bytes());
    let crc = crc32fast::hash(&[&log[..], &facts].concat());
    log.extend_from_slice(&crc.to_be_bytes());
    log.extend_from_slice(&facts);
    let (mut sequence, mut position) = (sequence, length);
    for line in script.split(|b| *b == b'\n') {
        let [odd, rows @ ..] = line else { continue };
        sequence = sequence.wrapping_add(1 + u64::from(odd & 1));
        let count = controls.below(3);
        let facts: Vec<u8> = (0..count).flat_map(|_| odd_fact(controls)).collect();
        let mut header = Vec::new();
        header.extend_from_slice(if odd & 2 == 0 {
            b"SALTSALT"
        } else {
            b"SALTsalt"
        });
        header.extend_from_slice(&sequence.to_be_bytes());
        header.extend_from_slice(&(position ^ u64::from(odd & 4)).to_be_bytes());
        let said = [rows.len() as u64, controls.choose(&EXTREMES)][usize::from(odd >> 3 & 1)];
        header.extend_from_slice(&said.to_be_bytes());
        header.extend_from_slice(&(count as u32).to_be_bytes());
        let crc = crc32fast::hash(&[&header[..], rows, &facts].concat());
        header.extend_from_slice(&crc.to_be_bytes());
        log.extend([&header[..], rows, &facts].concat());
        position = position.wrapping_add(rows.len() as u64);
    }
    judge(&Disk::with(&[
        (FileName::Bets, &bets),
        (FileName::Log, &log),
    ]));
}

/// A fact's bytes, more or less.
fn odd_fact(controls: &mut Controls<'_>) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0] = controls.choose(&[1, 2, 3, 4, 5, 6]);
    bytes[1] = controls.choose(&[0, 0, 1, 2]);
    bytes[7] = controls.byte();
    bytes[15] = controls.byte();
    if bytes[0] == 2 {
        bytes[16] = controls.byte();
    }
    if bytes[1] == 1 {
        bytes[32] = controls.byte();
    }
    bytes
}

/// Whatever the files hold: refused and untouched, or accepted, and then found again.
fn judge(disk: &Disk) {
    let files = NAMES.map(|name| disk.bytes(name));
    let (recovery, state, lottery) = match open(disk) {
        Ok(opened) => opened,
        Err(e) => {
            let same = |i: usize| files[i].is_none() || disk.bytes(NAMES[i]) == files[i];
            return assert!((0..3).all(same), "{e}");
        }
    };
    assert_eq!(state.bets.len() as u64, recovery.bytes);
    let (again, same, _) = open(disk).expect("what was opened is opened again");
    assert_eq!((again.bytes, &same), (recovery.bytes, &state));
    let (mut store, _) =
        WalStore::open(disk.boot(), Durability::Always, |_| {}).expect("once more");
    store.checkpoint(lottery.facts()).expect("a checkpoint");
    let mut bets = state.bets;
    let text = b"Ana";
    let added = fact(b'b', text, 0);
    stage(&mut store, added, text, &mut bets).expect("there is room");
    store.commit().expect("a sound disk");
    store.close(lottery.facts()).expect("a sound disk");
    let (_, last, _) = open(disk).expect("a closed store");
    assert_eq!(last.bets, bets);
    assert_eq!(last.facts, state.facts);
}

/// Starts a server that ends at once, as if it was killed.
fn open(disk: &Disk) -> Result<(Recovery, State, Lottery), StoreError> {
    let mut lottery = Lottery::new(0);
    let (store, recovery) =
        WalStore::open(disk.boot(), Durability::Always, |fact| lottery.apply(fact))?;
    assert!(!store.lagging());
    let facts = lottery.facts().collect();
    let bets = disk
        .bytes(FileName::Bets)
        .expect("an open store has its bets");
    assert_eq!(bets.len() as u64, store.position());
    Ok((recovery, State { facts, bets }, lottery))
}

fn with(files: &[Vec<u8>; 3]) -> Disk {
    let [bets, log, lock] = files;
    Disk::with(&[
        (FileName::Bets, bets),
        (FileName::Log, log),
        (FileName::Lock, lock),
    ])
}

fn untouched(disk: &Disk, files: &[Vec<u8>; 3]) -> bool {
    let same = |(name, bytes): (FileName, &Vec<u8>)| disk.bytes(name).as_ref() == Some(bytes);
    NAMES.into_iter().zip(files).all(same)
}
