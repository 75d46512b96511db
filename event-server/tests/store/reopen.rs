//! Taking an agency's bets out: whole or not at all, whatever happens meanwhile. Seeded; REOPEN_SEED runs one seed.

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{Durability, FileName, WalStore, export};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number, UploadId};

use crate::store_disk::{Disk, DiskFiles, Fault};

const AGENCIES: u32 = 3;

fn bet(agency: u32, document: u64) -> Bet<'static> {
    Bet {
        agency: Agency::new(agency).unwrap(),
        first_name: frame::Name::parse(b"Ana, \"la\"").unwrap(),
        last_name: frame::Name::parse(b"Diaz").unwrap(),
        document: Document::parse(document.to_string().into_bytes()).unwrap(),
        birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
        number: Number::new(7).unwrap(),
    }
}

/// A store with some turns of all agencies.
fn filled(disk: &Disk, rng: &mut fastrand::Rng) -> (WalStore<DiskFiles>, Lottery) {
    let mut lottery = Lottery::new(AGENCIES);
    let (mut store, _) = WalStore::open(disk.boot(), Durability::Always, |fact| {
        lottery.apply(fact);
    })
    .unwrap();
    for _ in 0..rng.u32(1..12) {
        let agency = rng.u32(1..=AGENCIES);
        let bets = rng.u32(1..5);
        let mut draft = store.draft(1_000).unwrap();
        (0..bets).for_each(|_| draft.row(&bet(agency, rng.u64(..))));
        let fact = Fact::Batch {
            agency: Agency::new(agency).unwrap(),
            source: Source::Upload(UploadId([agency as u8; 16])),
            id: MessageId([0; 16]),
            bets,
        };
        draft.stage(fact);
        lottery.apply(&fact);
        store.commit().unwrap();
        if rng.u8(..4) == 0 {
            store.checkpoint(lottery.facts()).unwrap();
        }
    }
    let fact = Fact::Finished {
        agency: Agency::new(1).unwrap(),
    };
    store.draft(0).unwrap().stage(fact);
    lottery.apply(&fact);
    store.commit().unwrap();
    (store, lottery)
}

fn rows(disk: &Disk) -> String {
    String::from_utf8(disk.bytes(FileName::Bets).unwrap()).unwrap()
}

/// What a lottery knows, to be compared.
fn facts(lottery: &Lottery) -> Vec<Fact> {
    lottery.facts().collect()
}

#[test]
fn an_agency_is_taken_out_whole_or_not_at_all_whatever_happens_meanwhile() {
    let seeds = match std::env::var("REOPEN_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 1..=3_000,
    };
    let (mut kept, mut gone) = (0, 0);
    for seed in seeds {
        println!("REOPEN_SEED={seed}");
        let rng = &mut fastrand::Rng::with_seed(seed);
        let disk = Disk::new(rng.u64(..));
        let (mut store, mut lottery) = filled(&disk, rng);
        let (before, known) = (rows(&disk), facts(&lottery));
        let agency = rng.u32(1..=AGENCIES);
        let (own, others): (Vec<&str>, Vec<&str>) = before
            .split_inclusive('\n')
            .partition(|row| row.starts_with(&format!("{agency},")));
        let after = others.concat();
        lottery.forget(Agency::new(agency).unwrap());

        let faults = [Fault::Kill, Fault::PowerCut, Fault::Error];
        let fault = faults[rng.usize(..3)];
        if rng.u8(..5) > 0 {
            disk.plan(rng.u64(..30), fault);
        }
        let removed = store.remove_agency(Agency::new(agency).unwrap(), lottery.facts());
        if let Ok(removed) = removed {
            assert_eq!(removed, own.len() as u64);
        }
        drop(store);

        let mut exported = Vec::new();
        export(disk.boot(), &mut exported).unwrap();
        let mut found = Lottery::new(AGENCIES);
        let (store, _) = WalStore::open(disk.boot(), Durability::Always, |fact| {
            found.apply(fact);
        })
        .unwrap();
        drop(store);
        let without = facts(&lottery);
        let stored = rows(&disk);
        if removed.is_ok() || facts(&found) != known {
            assert_eq!((&stored, facts(&found)), (&after, without));
            gone += 1;
        } else {
            assert_eq!(stored, before);
            kept += 1;
        }
        assert_eq!(
            String::from_utf8(exported).unwrap(),
            stored,
            "exported before"
        );
        let mut exported = Vec::new();
        export(disk.boot(), &mut exported).unwrap();
        assert_eq!(
            String::from_utf8(exported).unwrap(),
            stored,
            "exported after"
        );
    }
    println!("{kept} kept, {gone} gone");
}
