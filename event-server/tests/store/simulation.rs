//! The store alone over a disk that fails in every way, seeded.
//!
//! A run is a history of servers on one disk: each opens the store, stages and commits turns, makes
//! checkpoints, and ends in order, by a kill, a power cut, a failed call or a full disk. A model keeps every
//! turn. After each start: what was recovered is a prefix of the turns, it holds every acknowledged one, and
//! bets.csv has its rows, byte for byte.
//!
//! `STORE_SEEDS=1000000` runs that many seeds, `STORE_SEED=17` that one alone.

use std::fmt::Write as _;

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{Durability, FileName, StoreError, WalStore, export};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number, UploadId};

use crate::store_disk::{Disk, DiskFiles, Fault};

/// What was staged in a turn.
#[derive(Clone, Default)]
struct Turn {
    rows: String,
    facts: Vec<Fact>,
}

/// All that may be stored.
#[derive(Default)]
struct Model {
    turns: Vec<Turn>,
    /// How many of them were acknowledged, or told as stored after a start.
    acknowledged: usize,
    /// Whether a power cut may take some of these back, because they were not synced.
    risky: bool,
}

impl Model {
    /// The rows and the state after this number of turns.
    fn after(&self, turns: usize) -> (String, Vec<Fact>) {
        let mut lottery = Lottery::new(0);
        let mut rows = String::new();
        for turn in &self.turns[..turns] {
            rows.push_str(&turn.rows);
            turn.facts.iter().for_each(|fact| lottery.apply(fact));
        }
        (rows, lottery.facts().collect())
    }

    /// What a start found must be some of the turns, from the first on; from now on it is just these.
    fn settle(&mut self, at_least: usize, position: u64, bets: Option<&str>, lottery: &Lottery) {
        let facts: Vec<Fact> = lottery.facts().collect();
        let found = (at_least..=self.turns.len()).rev().find(|turns| {
            let (rows, expected) = self.after(*turns);
            facts == expected
                && position == rows.len() as u64
                && bets.is_none_or(|bets| bets == rows)
        });
        let Some(found) = found else {
            let all: Vec<_> = (0..=self.turns.len()).map(|n| self.after(n)).collect();
            panic!("{at_least} turns or more expected, found {facts:#?}\n{bets:#?}\nof {all:#?}")
        };
        self.turns.truncate(found);
        self.acknowledged = found;
    }
}

/// One server's life on the disk.
struct Life<'a> {
    disk: &'a Disk,
    rng: &'a mut fastrand::Rng,
    model: &'a mut Model,
    durability: Durability,
    lottery: Lottery,
    store: WalStore<DiskFiles>,
}

fn bet(rng: &mut fastrand::Rng, agency: Agency) -> Bet<'static> {
    const NAMES: [&str; 5] = [
        "Ana",
        "Pérez, h.",
        "O\"Higgins",
        "SALT0000SALT0001SALT0002",
        "\"",
    ];
    Bet {
        agency,
        first_name: frame::Name::parse(NAMES[rng.usize(..5)].as_bytes()).unwrap(),
        last_name: frame::Name::parse("x".repeat(rng.usize(1..40)).into_bytes()).unwrap(),
        document: Document::parse(rng.u32(..).to_string().into_bytes()).unwrap(),
        birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
        number: Number::new(rng.u32(..10_000)).unwrap(),
    }
}

/// The row as Python's csv writer writes it.
fn row(bet: &Bet<'_>) -> String {
    let mut row = bet.agency.to_string();
    for text in [
        bet.first_name.as_str(),
        bet.last_name.as_str(),
        bet.document.as_str(),
    ] {
        if text.contains([',', '"']) {
            write!(row, ",\"{}\"", text.replace('"', "\"\"")).unwrap();
        } else {
            write!(row, ",{text}").unwrap();
        }
    }
    let birthdate = std::str::from_utf8(bet.birthdate.as_bytes()).unwrap();
    write!(row, ",{birthdate},{}\r\n", bet.number).unwrap();
    row
}

impl Life<'_> {
    /// Some turns and an end; an error where the store gave up.
    fn live(mut self) -> Result<(), StoreError> {
        if let Err(e) = self.turns() {
            let Self {
                disk,
                store,
                lottery,
                ..
            } = &mut self;
            let operations = disk.operations();
            assert!(store.commit().is_err(), "a commit succeeds after a failure");
            assert!(store.checkpoint(lottery.facts()).is_err());
            assert!(store.draft(10).is_err() && store.draft(0).is_err());
            assert_eq!(
                disk.operations(),
                operations,
                "a store that failed touches the disk"
            );
            return Err(e);
        }
        if self.rng.bool() {
            self.store.close(self.lottery.facts())
        } else {
            Ok(())
        }
    }

    fn turns(&mut self) -> Result<(), StoreError> {
        if self.store.wants_checkpoint() && self.rng.u8(..8) > 0 {
            self.store.checkpoint(self.lottery.facts())?;
        }
        // Without room for a checkpoint the log of the last server is still in force.
        if !self.store.wants_checkpoint() && self.store.no_room().is_none() {
            self.model.risky = self.durability == Durability::Never;
        }
        (0..self.rng.usize(..8)).try_for_each(|_| self.turn())
    }

    fn turn(&mut self) -> Result<(), StoreError> {
        match self.rng.u8(..18) {
            0 | 1 => {
                let room = self.rng.u64(..2_000);
                self.disk.set_capacity(self.disk.used() + room);
            }
            4 => self
                .disk
                .limit_bets(self.store.position() + self.rng.u64(..500)),
            2 | 3 => {
                make_room(self.disk);
                self.store.retry()?;
            }
            5 => self.disk.fill_folder(true),
            _ => {}
        }
        let turn = self.stage();
        assert_eq!(self.store.staged() == 0, turn.facts.is_empty());
        self.model.turns.push(turn);
        self.store.commit()?;
        self.model.acknowledged = self.model.turns.len();
        let (rows, _) = self.model.after(self.model.acknowledged);
        assert_eq!(self.store.position(), rows.len() as u64);
        // A turn without anything to commit does not notice that the power is gone.
        if self.disk.is_alive() && !self.store.lagging() {
            assert_eq!(
                self.disk.bytes(FileName::Bets).as_deref(),
                Some(rows.as_bytes())
            );
        }
        if self.store.wants_checkpoint() || self.rng.u8(..6) == 0 {
            self.store.checkpoint(self.lottery.facts())?;
        }
        Ok(())
    }

    /// Stages a turn. What is refused for space, or dropped, leaves no trace.
    fn stage(&mut self) -> Turn {
        let mut turn = Turn::default();
        for _ in 0..self.rng.usize(..4) {
            let (fact, bets) = request(self.rng);
            let rows: String = bets.iter().map(row).collect();
            let (waits, operations) = (self.store.no_room().is_some(), self.disk.operations());
            if bets.is_empty() {
                let Ok(draft) = self.store.draft(0) else {
                    continue;
                };
                draft.stage(fact);
            } else {
                let Ok(mut draft) = self.store.draft(rows.len()) else {
                    let touched = self.disk.operations() > operations;
                    assert!(!(waits && touched), "a refused request touches the disk");
                    continue;
                };
                assert!(!waits, "rows are taken before there is room");
                bets.iter().for_each(|bet| draft.row(bet));
                if self.rng.u8(..8) == 0 {
                    continue;
                }
                draft.stage(fact);
            }
            self.lottery.apply(&fact);
            turn.rows.push_str(&rows);
            turn.facts.push(fact);
        }
        turn
    }
}

fn make_room(disk: &Disk) {
    disk.set_capacity(u64::MAX);
    disk.limit_bets(u64::MAX);
    disk.fill_folder(false);
}

/// A fact, and the bets that it is about.
fn request(rng: &mut fastrand::Rng) -> (Fact, Vec<Bet<'static>>) {
    let agency = Agency::new(rng.u32(1..4)).unwrap();
    let (fact, bets) = match rng.u8(..8) {
        0 => (Fact::Finished { agency }, 0),
        1 => (
            Fact::Drawn {
                position: rng.u64(..),
                winner: Number::new(7574).unwrap(),
            },
            0,
        ),
        2 => (Fact::Bet { agency }, 1),
        _ => {
            let source = match rng.u8(..3) {
                0 => Source::Plain,
                1 => Source::Upload(UploadId([0; 16])),
                _ => Source::Upload(UploadId(*b"SALT0001SALT0002")),
            };
            let (id, bets) = (MessageId(rng.u128(..).to_be_bytes()), rng.u32(1..6));
            (
                Fact::Batch {
                    agency,
                    source,
                    id,
                    bets,
                },
                bets,
            )
        }
    };
    (fact, (0..bets).map(|_| bet(rng, agency)).collect())
}

/// Servers on one disk, one after another.
struct History {
    disk: Disk,
    rng: fastrand::Rng,
    model: Model,
    /// Whether the power was cut at a risk.
    lost: bool,
}

impl History {
    /// Opens the store, and compares what is found with the model. `Ok(None)`: nothing was promised, and it
    /// was refused, or taken over without the facts.
    fn open(
        &mut self,
        durability: Durability,
        plan: Option<(u64, Fault)>,
    ) -> Result<Option<(WalStore<DiskFiles>, Lottery)>, StoreError> {
        let Self {
            disk, model, lost, ..
        } = self;
        let mut exported = Vec::new();
        let export = export(disk.boot(), &mut exported);
        let files = disk.boot();
        if let Some((operations, fault)) = plan {
            disk.plan(operations, fault);
        }
        let mut lottery = Lottery::new(0);
        let promised = !*lost;
        model.risky |= durability == Durability::Never;
        let (store, recovery) = match WalStore::open(files, durability, |fact| lottery.apply(fact))
        {
            Err(e) if !promised && !matches!(e, StoreError::Io { .. }) => {
                assert!(export.is_err(), "exported where a start is refused: {e}");
                return Ok(None);
            }
            opened => opened?,
        };
        let exported = export.map(|_| String::from_utf8(exported).unwrap());
        let exported = exported.expect("a start takes what an export refuses");
        *lost = false;
        let bets = disk.bytes(FileName::Bets).filter(|_| !store.lagging());
        let bets = bets.map(|bytes| String::from_utf8(bytes).unwrap());
        // Without its first log the file is taken over, now or by a start that failed after that.
        let is_taken_over = |fact| {
            let source = Source::TakenOver;
            matches!(fact, Fact::Stored { source: other, .. } if other == source)
        };
        let factless = recovery.turns == 0 && lottery.facts().all(is_taken_over);
        if !promised && factless && recovery.bytes > 0 {
            let (rows, _) = model.after(model.turns.len());
            assert!(
                bets.is_none_or(|bets| rows.starts_with(&bets)),
                "rows that nobody sent"
            );
            return Ok(None);
        }
        let at_least = if promised { model.acknowledged } else { 0 };
        model.settle(at_least, store.position(), bets.as_deref(), &lottery);
        assert_eq!(exported, model.after(model.turns.len()).0);
        Ok(Some((store, lottery)))
    }
}

fn simulate(seed: u64, durabilities: &[Durability]) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let disk = Disk::new(rng.u64(..));
    let mut history = History {
        disk,
        rng,
        model: Model::default(),
        lost: false,
    };

    for _ in 0..history.rng.usize(1..8) {
        let durability = durabilities[history.rng.usize(..durabilities.len())];
        let fault = [Fault::Kill, Fault::PowerCut, Fault::Error][history.rng.usize(..3)];
        let reach = history.rng.u64(1..200);
        let plan = history
            .rng
            .bool()
            .then(|| (history.rng.u64(..reach), fault));
        let ended = match history.open(durability, plan) {
            Ok(None) => return,
            Ok(Some((store, lottery))) => {
                let History {
                    disk, rng, model, ..
                } = &mut history;
                Life {
                    disk,
                    rng,
                    model,
                    durability,
                    lottery,
                    store,
                }
                .live()
            }
            Err(e) => Err(e),
        };
        let History {
            disk,
            rng,
            model,
            lost,
        } = &mut history;
        let struck = plan.is_some() && disk.struck();
        if let Err(e) = ended {
            assert!(matches!(e, StoreError::Io { .. }), "{e}");
            // Only a new lottery cannot begin on a full disk.
            assert!(struck || disk.bytes(FileName::Log).is_none(), "{e}");
        }
        let cut = rng.u8(..4) == 0;
        if cut {
            disk.power_cut();
        }
        *lost |= model.risky && (cut || struck && fault == Fault::PowerCut);
        if rng.bool() {
            make_room(disk);
        }
    }
    make_room(&history.disk);
    let opened = history.open(Durability::Always, None);
    let Some((store, lottery)) = opened.unwrap() else {
        return;
    };
    store.close(lottery.facts()).unwrap();
    let (rows, _) = history.model.after(history.model.turns.len());
    assert_eq!(
        history.disk.bytes(FileName::Bets).as_deref(),
        Some(rows.as_bytes())
    );
}

fn each_seed(count: u64, test: impl Fn(u64)) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect(name))
    };
    let seeds = match number("STORE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STORE_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| test(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("this was STORE_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn every_acknowledged_turn_outlives_kills_power_cuts_failed_calls_and_full_disks() {
    each_seed(20_000, |seed| simulate(seed, &[Durability::Always]));
}

#[test]
fn without_syncs_every_acknowledged_turn_outlives_a_kill_and_a_power_cut_leaves_whole_turns_or_an_error()
 {
    use Durability::{Always, Never};
    each_seed(20_000, |seed| simulate(seed, &[Always, Never, Never]));
}
