//! A whole lottery as a store holds it at one moment: what operators look at, and whether it is sound.
//!
//! Facts and rows come in from files, one row an agency from a database; nothing here reads either.

use std::collections::BTreeMap;
use std::fmt;

use frame::{Agency, Count, Number, UploadId};

use super::rows::Row;
use crate::facts::{Account, Fact, Source};

/// A lottery at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How many agencies take part; 0: anyone may, and there is no draw; `None`: not stored yet.
    pub number: Option<u32>,
    /// The number that won, once the draw is done.
    pub winner: Option<Number>,
    /// Each agency of which anything is stored.
    pub agencies: BTreeMap<Agency, Holding>,
}

/// What is stored of one agency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// What its facts add up to; `bets` counts its rows instead.
    pub account: Account,
    /// Its uploads that an operator has taken out.
    pub barred: Vec<UploadId>,
    /// How many of its bets won; 0 before the draw.
    pub winners: u64,
}

/// The most flaws that are told one by one.
const MOST_FLAWS: usize = 100;

/// A lottery that was read as a whole, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// What is stored.
    pub snapshot: Snapshot,
    /// What is wrong, one sentence each, at most 100; none: the lottery is sound.
    pub flaws: Vec<String>,
    /// How many flaws were found beyond these.
    pub more: u64,
}

impl Audit {
    /// Adds something that is wrong.
    pub(super) fn flaw(&mut self, what: impl fmt::Display) {
        match self.flaws.len() < MOST_FLAWS {
            true => self.flaws.push(what.to_string()),
            false => self.more += 1,
        }
    }

    /// Compares what is stored of each agency with what was acknowledged to it, once all rows are counted.
    pub(super) fn compare(&mut self) {
        let Snapshot { number, winner, .. } = self.snapshot;
        let agencies = std::mem::take(&mut self.snapshot.agencies);
        for (agency, holding) in &agencies {
            let Account {
                batched,
                bets,
                finished,
                ..
            } = holding.account;
            if bets < batched {
                self.flaw(format_args!(
                    "agency {agency} has {}, its batches had {batched}",
                    Count(bets, "bet")
                ));
            }
            // Release 0.1.0 stored no number. A lottery that it drew got one later, and agencies above it may have
            // bets.
            let stands_outside = number.is_some_and(|number| number > 0 && agency.get() > number);
            if stands_outside && winner.is_none() && (bets > 0 || finished) {
                self.flaw(format_args!(
                    "agency {agency} has {}, and agencies 1 to {} take part",
                    Count(bets, "bet"),
                    number.unwrap_or_default()
                ));
            }
        }
        self.snapshot.agencies = agencies;
        if winner.is_some() && number == Some(0) {
            self.flaw("there is a draw in a lottery that has none");
        }
    }
}

impl Snapshot {
    /// Returns the entry of an agency, made where there is none.
    pub fn of(&mut self, agency: Agency) -> &mut Holding {
        self.agencies.entry(agency).or_default()
    }

    /// Adds a fact, but not its bets: [`count`](Self::count) counts their rows.
    pub(super) fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::Bet { agency } => _ = self.of(agency),
            Fact::Batch {
                agency,
                source,
                bets,
                ..
            } => self.add(agency, source, bets.into()),
            Fact::Stored {
                agency,
                source,
                bets,
            } => self.add(agency, source, bets),
            Fact::Finished { agency } => self.of(agency).account.finished = true,
            Fact::Agencies { agencies } => self.number = Some(agencies),
            Fact::Barred { agency, upload } => self.of(agency).barred.push(upload),
            Fact::Drawn { winner, .. } => self.winner = Some(winner),
        }
    }

    fn add(&mut self, agency: Agency, source: Source, bets: u64) {
        let account = &mut self.of(agency).account;
        account.source.get_or_insert(source);
        account.batched += bets;
    }

    /// Counts a row, once all facts are applied.
    pub(super) fn count(&mut self, row: &Row<'_>) {
        let won = self
            .winner
            .is_some_and(|winner| u64::from(winner.get()) == row.number);
        let holding = self.of(row.agency);
        holding.account.bets += 1;
        holding.winners += u64::from(won);
    }

    /// Sorts the barred uploads, and removes agencies of which nothing is stored, so that two snapshots of one lottery
    /// are equal.
    pub(super) fn tidy(&mut self) {
        let nothing = Holding::default();
        self.agencies.retain(|_, holding| *holding != nothing);
        for holding in self.agencies.values_mut() {
            holding.barred.sort_unstable_by_key(|upload| upload.0);
        }
    }

    /// Returns facts that add up to this lottery, whose bets.csv has `length` bytes.
    pub fn facts(&self, length: u64) -> impl Iterator<Item = Fact> {
        let number = self.number.map(|agencies| Fact::Agencies { agencies });
        let drawn = self.winner.map(|winner| Fact::Drawn {
            position: length,
            winner,
        });
        let agencies = self.agencies.iter().flat_map(|(&agency, holding)| {
            let barred = holding.barred.iter();
            let barred = barred.map(move |&upload| Fact::Barred { agency, upload });
            let bets = holding.account.batched;
            let stored = holding.account.source.map(|source| Fact::Stored {
                agency,
                source,
                bets,
            });
            let finished = holding
                .account
                .finished
                .then_some(Fact::Finished { agency });
            barred.chain(stored).chain(finished)
        });
        number.into_iter().chain(agencies).chain(drawn)
    }

    /// Returns how many bets all agencies have.
    pub fn bets(&self) -> u64 {
        self.agencies
            .values()
            .map(|holding| holding.account.bets)
            .sum()
    }

    /// Returns how many of the agencies that take part have finished.
    pub fn finished(&self) -> usize {
        let takes_part = |agency: &Agency| match self.number {
            None | Some(0) => true,
            Some(number) => agency.get() <= number,
        };
        let finished = self.agencies.iter();
        finished
            .filter(|(agency, holding)| holding.account.finished && takes_part(agency))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::MessageId;

    const A: UploadId = UploadId([0xa; 16]);
    const B: UploadId = UploadId([0xb; 16]);

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    fn row(number: u32, bet: u32) -> String {
        format!("{number},Ana,Paz,1,1999-12-31,{bet}")
    }

    /// A drawn lottery of two agencies, of which the second one was reopened and has stored nothing since; and one row more
    /// than the batches had.
    fn drawn() -> Snapshot {
        let mut snapshot = Snapshot::default();
        let facts = [
            Fact::Agencies { agencies: 2 },
            Fact::Batch {
                agency: agency(1),
                source: Source::Upload(A),
                id: MessageId([0; 16]),
                bets: 2,
            },
            Fact::Stored {
                agency: agency(1),
                source: Source::Upload(A),
                bets: 1,
            },
            Fact::Bet { agency: agency(1) },
            Fact::Finished { agency: agency(1) },
            Fact::Barred {
                agency: agency(2),
                upload: B,
            },
            Fact::Barred {
                agency: agency(2),
                upload: A,
            },
            Fact::Drawn {
                position: 9,
                winner: Number::new(7_574).unwrap(),
            },
        ];
        facts.iter().for_each(|fact| snapshot.apply(fact));
        for bet in [7_574, 1, 7_574, 2] {
            snapshot.count(&Row::parse(row(1, bet).as_bytes()).unwrap());
        }
        snapshot
    }

    #[test]
    fn a_snapshot_is_what_its_facts_and_rows_add_up_to() {
        let mut snapshot = drawn();
        snapshot.of(agency(9));
        snapshot.tidy();
        let account = Account {
            source: Some(Source::Upload(A)),
            batched: 3,
            bets: 4,
            finished: true,
        };
        let first = Holding {
            account,
            barred: Vec::new(),
            winners: 2,
        };
        let second = Holding {
            barred: vec![A, B],
            ..Holding::default()
        };
        let expected = Snapshot {
            number: Some(2),
            winner: Number::new(7_574),
            agencies: BTreeMap::from([(agency(1), first), (agency(2), second)]),
        };
        assert_eq!(snapshot, expected);
        assert_eq!((snapshot.bets(), snapshot.finished()), (4, 1));
    }

    #[test]
    fn the_facts_of_a_snapshot_add_up_to_it() {
        let mut snapshot = drawn();
        snapshot.tidy();
        let facts: Vec<Fact> = snapshot.facts(100).collect();
        let drawn = Fact::Drawn {
            position: 100,
            winner: Number::new(7_574).unwrap(),
        };
        assert_eq!(facts.last(), Some(&drawn));
        let mut again = Snapshot::default();
        facts.iter().for_each(|fact| again.apply(fact));
        for bet in [7_574, 1, 7_574, 2] {
            again.count(&Row::parse(row(1, bet).as_bytes()).unwrap());
        }
        again.tidy();
        assert_eq!(again, snapshot);
    }

    #[test]
    fn those_have_finished_that_take_part() {
        for (number, finished) in [(None, 2), (Some(0), 2), (Some(2), 1), (Some(3), 2)] {
            let mut snapshot = Snapshot {
                number,
                ..Snapshot::default()
            };
            for number in [2, 3] {
                let agency = agency(number);
                snapshot.apply(&Fact::Finished { agency });
            }
            snapshot.of(agency(1));
            assert_eq!(snapshot.finished(), finished, "{number:?}");
        }
    }

    /// The flaws of a lottery with such a number and draw, and an agency that has stored so much.
    fn flaws(number: Option<u32>, is_drawn: bool, of: u32, account: Account) -> Vec<String> {
        let mut audit = Audit::default();
        audit.snapshot.number = number;
        audit.snapshot.winner = Number::new(1).filter(|_| is_drawn);
        audit.snapshot.of(agency(of)).account = account;
        let before = audit.snapshot.clone();
        audit.compare();
        assert_eq!(audit.snapshot, before);
        assert_eq!(audit.more, 0);
        audit.flaws
    }

    #[test]
    fn a_lottery_is_sound_where_each_agency_takes_part_and_has_at_least_what_was_acknowledged() {
        let account = |batched, bets| Account {
            batched,
            bets,
            ..Account::default()
        };
        let finished = Account {
            finished: true,
            ..Account::default()
        };
        let sound: [Vec<String>; 8] = [
            flaws(None, false, 9, account(2, 2)),
            flaws(None, false, 9, account(2, 3)),
            flaws(Some(0), false, 9, account(0, 1)),
            flaws(Some(9), false, 9, account(0, 1)),
            flaws(Some(8), true, 9, account(0, 1)),
            flaws(Some(8), false, 9, account(0, 0)),
            flaws(Some(9), true, 9, finished),
            flaws(None, true, 9, finished),
        ];
        assert!(sound.iter().all(Vec::is_empty), "{sound:?}");
        assert_eq!(
            flaws(Some(9), false, 9, account(2, 1)),
            ["agency 9 has 1 bet, its batches had 2"]
        );
        assert_eq!(
            flaws(Some(8), false, 9, account(0, 2)),
            ["agency 9 has 2 bets, and agencies 1 to 8 take part"]
        );
        assert_eq!(
            flaws(Some(8), false, 9, finished),
            ["agency 9 has 0 bets, and agencies 1 to 8 take part"]
        );
        assert_eq!(
            flaws(Some(0), true, 9, account(0, 0)),
            ["there is a draw in a lottery that has none"]
        );
    }

    #[test]
    fn a_hundred_flaws_are_told_and_the_others_are_counted() {
        let mut audit = Audit::default();
        (0..103).for_each(|flaw| audit.flaw(flaw));
        assert_eq!((audit.flaws.len(), audit.more), (MOST_FLAWS, 3));
        assert_eq!(audit.flaws[99], "99");
    }
}
