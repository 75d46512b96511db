//! What is staged between two commits: for each agency its new state and the rows that lead to it.
//!
//! ```text
//! agency 1   version 18, 12,000 bets       one row of `commits`, and rows of `bets`
//! agency 4   version 7, finished           a row of `commits` alone
//! depends    agency 2                      replies wait, nothing is stored
//! rows       of agencies 1, 1, 9, 1, …     the bets of all parts, in the order in which they came
//! ```
//!
//! A group becomes one transaction. Where that fails, as when another central was faster with one of the versions, each
//! [`Part`] becomes a transaction of its own, so that one agency that is served twice costs nobody else.

use std::collections::{BTreeMap, BTreeSet};

use frame::Agency;

use super::known::VersionedAccount;
use super::rows::Rows;
use crate::facts::Account;
use crate::store::Ticket;

/// What one agency adds to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub agency: Agency,
    /// The number of the version that it becomes: one above the last.
    pub version: i64,
    /// Its state when this is stored.
    pub account: Account,
    /// How many new bets it has. They are among the rows of its group.
    pub bets: u64,
}

impl Part {
    /// Returns whether it brings bets.
    pub fn has_bets(&self) -> bool {
        self.bets > 0
    }
}

/// A group under way or being gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What replies that depend on it wait for.
    pub ticket: Ticket,
    parts: BTreeMap<Agency, Part>,
    /// Agencies about which a reply tells what was only read: a commit has to follow before that counts.
    depends: BTreeSet<Agency>,
    /// The bets of all parts, and of a request that is being staged.
    pub rows: Rows,
}

impl Group {
    /// An empty group, whose rows will be written into the memory of this buffer.
    pub(super) fn new(ticket: Ticket, buffer: Vec<u8>) -> Self {
        Self {
            ticket,
            parts: BTreeMap::new(),
            depends: BTreeSet::new(),
            rows: Rows::new(buffer),
        }
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.depends.is_empty()
    }

    /// Whether replies about this agency wait for this group.
    pub(super) fn concerns(&self, agency: Agency) -> bool {
        self.parts.contains_key(&agency) || self.depends.contains(&agency)
    }

    /// Notes that a reply about this agency tells what was only read.
    pub(super) fn depend(&mut self, agency: Agency) {
        self.depends.insert(agency);
    }

    /// Adds to an agency's part: its state now, and `bets` new bets, whose rows were written.
    pub(super) fn add(&mut self, agency: Agency, versioned: &mut VersionedAccount, bets: u64) {
        let part = self.parts.entry(agency).or_insert_with(|| {
            versioned.version += 1;
            Part {
                agency,
                version: versioned.version,
                account: Account::default(),
                bets: 0,
            }
        });
        part.account = versioned.account;
        part.bets += bets;
    }

    /// The parts, in the order of their agencies.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> + Clone {
        self.parts.values()
    }

    /// How many bets it has.
    pub(super) fn bets(&self) -> u64 {
        self.parts.values().map(|part| part.bets).sum()
    }

    /// The agencies about which a reply tells what was only read.
    pub(super) fn depends(&self) -> &BTreeSet<Agency> {
        &self.depends
    }

    /// The parts alone.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Part> {
        self.parts.into_values()
    }

    /// All agencies whose replies wait for it.
    pub(super) fn agencies(&self) -> BTreeSet<Agency> {
        let parts = self.parts.keys().copied();
        parts.chain(self.depends.iter().copied()).collect()
    }

    /// Takes out what belongs to an agency.
    pub(super) fn remove(&mut self, agency: Agency) {
        self.depends.remove(&agency);
        let part = self.parts.remove(&agency);
        if part.is_some_and(|part| part.has_bets()) {
            self.rows.remove(agency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, Source};
    use crate::store::postgres::rows::any_bet;
    use frame::MessageId;

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    fn batch(number: u32, bets: u32) -> Fact {
        Fact::Batch {
            agency: agency(number),
            source: Source::Plain,
            id: MessageId([0; 16]),
            bets,
        }
    }

    #[test]
    fn an_agencys_batches_in_one_group_are_one_version_and_the_next_group_is_the_next() {
        let mut versioned = VersionedAccount {
            version: 4,
            account: Account {
                bets: 10,
                ..Account::default()
            },
            barred: Vec::new(),
        };
        let mut group = Group::new(Ticket::first(0).next(), Vec::new());
        for _ in 0..2 {
            versioned.account.apply(&batch(1, 2));
            group.add(agency(1), &mut versioned, 2);
        }
        let finished = Fact::Finished { agency: agency(1) };
        versioned.account.apply(&finished);
        group.add(agency(1), &mut versioned, 0);
        let part = group.parts().next().unwrap();
        assert_eq!((part.version, part.account.bets), (5, 14));
        assert_eq!((part.bets, group.bets()), (4, 4));
        assert!(part.account.finished);

        let mut next = Group::new(Ticket::first(0).next().next(), Vec::new());
        next.add(agency(1), &mut versioned, 0);
        let part = next.parts().next().unwrap();
        assert_eq!(part.version, 6);
    }

    #[test]
    fn what_is_taken_out_of_a_group_leaves_nothing_behind() {
        let (mut one, mut two) = (VersionedAccount::default(), VersionedAccount::default());
        let mut group = Group::new(Ticket::first(0).next(), Vec::new());
        (0..3).for_each(|seq| group.rows.push(&any_bet(agency(1)), seq));
        group.add(agency(1), &mut one, 3);
        group.rows.push(&any_bet(agency(2)), 0);
        group.add(agency(2), &mut two, 1);
        group.depend(agency(1));
        group.depend(agency(3));
        assert_eq!(group.agencies().len(), 3);
        group.remove(agency(1));
        assert!(!group.concerns(agency(1)));
        let rows = group.rows.clone().seal();
        let owners: Vec<Agency> = rows.tuples().map(|(owner, _)| owner).collect();
        assert_eq!((owners, group.bets()), (vec![agency(2)], 1));
        group.remove(agency(2));
        group.remove(agency(3));
        assert!(group.is_empty() && group.rows.len() == 0);
    }
}
