//! Compares what is stored with the ledger: every acknowledged request is stored, once and whole;
//! no part of one that was refused; of one in doubt all or nothing; of a file the first batches, in order.

use std::collections::{BTreeMap, BTreeSet};

use event_server::facts::{Fact, Source};
use event_server::lottery::{Draw, Lottery};
use frame::Agency;

use super::{Fate, Home, Ledger, Life, Parcel};

impl Ledger {
    /// Audits the facts, and bets.csv where that has all rows already, once nobody is left who could change them.
    /// `drawer`: the server that may have drawn since the last audit.
    pub fn audit(&mut self, facts: &[Fact], bets: Option<&str>, drawer: Option<Life>) {
        let mut lottery = Lottery::new(0);
        // Every agency is asked for, whoever takes part.
        let facts_of_agencies = facts
            .iter()
            .filter(|fact| !matches!(fact, Fact::Agencies { .. }));
        facts_of_agencies.for_each(|fact| lottery.apply(fact));
        self.audit_finished(facts);
        self.audit_draw(facts, drawer);
        if let Some(bets) = bets {
            self.audit_rows(&lottery, bets);
            self.audit_winners(bets);
        }
    }

    fn audit_finished(&mut self, facts: &[Fact]) {
        let mut finished = BTreeSet::new();
        for fact in facts {
            if let Fact::Finished { agency } = fact {
                finished.insert(agency.get());
            }
        }
        for (agency, account) in &mut self.accounts {
            let found = finished.remove(agency);
            assert!(found || !account.finished, "{agency} finished: forgotten");
            assert!(!found || account.finished_sent, "{agency} did not finish");
            account.finished = found;
        }
        assert!(finished.is_empty(), "{finished:?} did not finish");
    }

    fn audit_rows(&mut self, lottery: &Lottery, bets: &str) {
        let mut counts = vec![0; self.files.len()];
        let mut whole = BTreeSet::new();
        let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
        let mut lines = bets.split_terminator("\r\n");
        while let Some(line) = lines.next() {
            let agency = match self.homes.get(line) {
                None => panic!("a row that nobody sent: {line}"),
                Some(Home::File(file, i)) => {
                    assert_eq!(counts[*file], *i, "not the file's next row: {line}");
                    counts[*file] += 1;
                    self.files[*file].agency
                }
                Some(Home::Parcel(parcel, i)) => {
                    assert_eq!(*i, 0, "a request is stored without its beginning: {line}");
                    assert!(whole.insert(*parcel), "stored twice: {line}");
                    let Parcel { agency, bets, .. } = &self.parcels[*parcel];
                    for bet in &bets[1..] {
                        assert_eq!(lines.next(), Some(&*bet.row), "not stored whole");
                    }
                    *rows.entry(*agency).or_default() += bets.len() - 1;
                    *agency
                }
            };
            *rows.entry(agency).or_default() += 1;
        }
        for (i, parcel) in self.parcels.iter_mut().enumerate() {
            let found = whole.contains(&i);
            match parcel.fate {
                Fate::In => assert!(found, "lost: {}", parcel.bets[0].row),
                Fate::Out => assert!(!found, "was refused: {}", parcel.bets[0].row),
                // Nobody is left who could still store it.
                Fate::Doubt => parcel.fate = if found { Fate::In } else { Fate::Out },
            }
        }
        for (file, count) in self.files.iter_mut().zip(&counts) {
            assert!(
                *count >= file.stored,
                "{count} rows of {} acknowledged ones",
                file.stored
            );
            assert!(
                *count == 0 || file.ends.contains(count),
                "not whole batches"
            );
            assert!(
                *count == 0 || !file.barred,
                "a file that was taken out is stored again"
            );
            file.stored = *count;
        }
        self.audit_sources(lottery, &counts, &whole);
        for (agency, account) in &mut self.accounts {
            let rows = rows.get(agency).copied().unwrap_or(0);
            if account.finished {
                let closed_at = *account.closed_at.get_or_insert(rows);
                assert_eq!(rows, closed_at, "agency {agency} went on after finished");
            }
        }
    }

    /// One source of batches per agency, and the count that a resume would be told.
    fn audit_sources(&self, lottery: &Lottery, counts: &[usize], whole: &BTreeSet<usize>) {
        for agency in self.accounts.keys() {
            let files = (self.files.iter().zip(counts))
                .filter(|(file, count)| file.agency == *agency && **count > 0);
            let files: Vec<_> = files.map(|(file, count)| (file.upload, *count)).collect();
            let plain = whole
                .iter()
                .any(|i| self.parcels[*i].agency == *agency && self.parcels[*i].batch);
            let number = Agency::new(*agency).unwrap();
            match (&files[..], plain) {
                ([], false) => {}
                ([], true) => assert_eq!(lottery.check_batch(number, Source::Plain).err(), {
                    let closed = self.accounts[agency].finished || lottery.draw() != Draw::Waiting;
                    closed.then(|| lottery.check_bet(number).unwrap_err())
                }),
                ([(upload, count)], false) => {
                    assert_eq!(lottery.check_resume(number, *upload), Ok(*count as u64));
                }
                _ => panic!("agency {agency} has batches of two sources"),
            }
        }
    }

    fn audit_draw(&mut self, facts: &[Fact], drawer: Option<Life>) {
        let drawn = facts.iter().find_map(|fact| match fact {
            Fact::Drawn { position, winner } => Some((*position, winner.get())),
            _ => None,
        });
        let told = self.accounts.values().any(|a| a.winners.is_some());
        let Some((position, winner)) = drawn else {
            assert!(!told && self.drawn.is_none(), "the draw is forgotten");
            return;
        };
        if self.drawn.is_none() {
            let last = drawer.expect("a draw without a server");
            assert_eq!(winner, last.winner, "another number won");
            let finished = |agency| self.accounts.get(&agency).is_some_and(|a| a.finished);
            assert!(
                last.agencies > 0 && (1..=last.agencies).all(finished),
                "drawn before all had finished"
            );
        }
        let drawn = *self.drawn.get_or_insert((position, winner));
        assert_eq!(drawn, (position, winner), "another draw");
    }

    fn audit_winners(&mut self, bets: &str) {
        let Some((position, winner)) = self.drawn else {
            return;
        };
        assert_eq!(position, bets.len() as u64, "bets beside the draw");
        let mut winners: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for line in bets.split_terminator("\r\n") {
            let (agency, bet) = match &self.homes[line] {
                Home::File(file, i) => (self.files[*file].agency, &self.files[*file].bets[*i]),
                Home::Parcel(parcel, i) => (
                    self.parcels[*parcel].agency,
                    &self.parcels[*parcel].bets[*i],
                ),
            };
            if bet.number == winner {
                winners
                    .entry(agency)
                    .or_default()
                    .push(bet.document.clone());
            }
        }
        for (agency, account) in &mut self.accounts {
            let winners = winners.remove(agency).unwrap_or_default();
            let told = account.winners.get_or_insert(winners.clone());
            assert_eq!(*told, winners, "agency {agency} was told other winners");
        }
    }
}
