//! What is staged between two commits: for each agency its new state and the rows that lead to it.
//!
//! ```text
//! agency 1   version 18, 12,000 bets   | tuple | tuple | …       one row of `commits`, and rows of `bets`
//! agency 4   version 7, finished       |                         a row of `commits` alone
//! depends    agency 2                                            replies wait, nothing is stored
//!
//! tuple      7 i16 | 4 agency i32 | 8 seq i64 | n first_name | n last_name | n document | 4 birthdate i32 | 4 number i32
//! ```
//!
//! Rows are tuples of a binary COPY (PostgreSQL's manual, COPY, "Binary Format"). All numbers are big-endian. Each field
//! has its length before it, an i32; a date is a number of days since 2000-01-01.
//!
//! A group becomes one transaction. Where another central was faster with one of the versions, each [`Part`] becomes a
//! transaction of its own, so that one agency that is served twice costs nobody else.

use std::collections::{BTreeMap, BTreeSet};

use frame::{Agency, Bet};

use super::known::Version;
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
    /// Its new bets, as binary COPY tuples.
    pub rows: Vec<u8>,
    /// How many they are.
    pub bets: u64,
}

/// A group under way or being gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What replies that depend on it wait for.
    pub ticket: Ticket,
    parts: BTreeMap<Agency, Part>,
    /// Agencies about which something is to be told that was only read: a commit has to follow before it counts.
    depends: BTreeSet<Agency>,
    bytes: usize,
}

impl Group {
    /// An empty group.
    pub(super) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            parts: BTreeMap::new(),
            depends: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.depends.is_empty()
    }

    /// Bytes of rows.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether replies about this agency wait for this group.
    pub(super) fn concerns(&self, agency: Agency) -> bool {
        self.parts.contains_key(&agency) || self.depends.contains(&agency)
    }

    /// Notes that something is to be told about this agency that was only read.
    pub(super) fn depend(&mut self, agency: Agency) {
        self.depends.insert(agency);
    }

    /// Adds to an agency's part: its state now, and so many new bets as rows.
    pub(super) fn add(&mut self, agency: Agency, version: &mut Version, bets: u64, rows: &[u8]) {
        let part = self.parts.entry(agency).or_insert_with(|| {
            version.number += 1;
            Part {
                agency,
                version: version.number,
                account: Account::default(),
                rows: Vec::new(),
                bets: 0,
            }
        });
        part.account = version.account;
        part.bets += bets;
        part.rows.extend_from_slice(rows);
        self.bytes += rows.len();
    }

    /// The parts, in the order of their agencies.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> + Clone {
        self.parts.values()
    }

    /// How many bets it has.
    pub(super) fn bets(&self) -> u64 {
        self.parts.values().map(|part| part.bets).sum()
    }

    /// The agencies about which something is to be told that was only read.
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
        if let Some(part) = self.parts.remove(&agency) {
            self.bytes -= part.rows.len();
        }
    }
}

const COLUMNS: i16 = 7;

/// Appends the tuple of a bet that is its agency's bet number `seq`, counted from 0. `agency` fits into an i32.
pub(super) fn write_tuple(bet: &Bet<'_>, seq: u64, tuples: &mut Vec<u8>) {
    tuples.extend_from_slice(&COLUMNS.to_be_bytes());
    field(tuples, &bet.agency.get().to_be_bytes());
    field(tuples, &seq.to_be_bytes());
    field(tuples, bet.first_name.as_bytes());
    field(tuples, bet.last_name.as_bytes());
    field(tuples, bet.document.as_bytes());
    field(tuples, &days(bet.birthdate.as_bytes()).to_be_bytes());
    field(tuples, &bet.number.get().to_be_bytes());
}

fn field(tuples: &mut Vec<u8>, value: &[u8]) {
    // Texts of a bet have 255 bytes at most.
    tuples.extend_from_slice(&(value.len() as u32).to_be_bytes());
    tuples.extend_from_slice(value);
}

/// Days from 2000-01-01 to a day of the Gregorian calendar, year 1 to 9999: whole years from a March 1, so that a leap
/// day is the last of its year.
fn days(date: &[u8; 10]) -> i32 {
    /// So many days after March 1 of year 0 the count begins.
    const EPOCH: i32 = 730_425;
    let number =
        |digits: &[u8]| (digits.iter()).fold(0, |sum, digit| 10 * sum + i32::from(digit - b'0'));
    let (year, month, day) = (number(&date[..4]), number(&date[5..7]), number(&date[8..]));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let months = (153 * month + 2) / 5;
    365 * year + leap_days + months + day - 1 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, Source};
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
        let mut version = Version {
            number: 4,
            account: Account {
                bets: 10,
                ..Account::default()
            },
            barred: Vec::new(),
        };
        let mut group = Group::new(Ticket::first(0).next());
        for rows in [&b"ab"[..], b"c"] {
            version.account.apply(&batch(1, 2));
            group.add(agency(1), &mut version, 2, rows);
        }
        let finished = Fact::Finished { agency: agency(1) };
        version.account.apply(&finished);
        group.add(agency(1), &mut version, 0, b"");
        let part = group.parts().next().unwrap();
        assert_eq!((part.version, part.account.bets), (5, 14));
        assert_eq!((part.bets, group.bets()), (4, 4));
        assert_eq!((&part.rows[..], part.account.finished), (&b"abc"[..], true));

        let mut next = Group::new(Ticket::first(0).next().next());
        next.add(agency(1), &mut version, 0, b"");
        let part = next.parts().next().unwrap();
        assert_eq!(part.version, 6);
    }

    #[test]
    fn what_is_taken_out_of_a_group_leaves_nothing_behind() {
        let (mut one, mut two) = (Version::default(), Version::default());
        let mut group = Group::new(Ticket::first(0).next());
        group.add(agency(1), &mut one, 3, b"abc");
        group.add(agency(2), &mut two, 2, b"de");
        group.depend(agency(1));
        group.depend(agency(3));
        assert_eq!(group.agencies().len(), 3);
        group.remove(agency(1));
        assert!(!group.concerns(agency(1)));
        assert_eq!((group.bytes(), group.bets()), (2, 2));
        group.remove(agency(2));
        group.remove(agency(3));
        assert!(group.is_empty());
    }

    #[test]
    fn days_are_counted_as_the_calendar_goes() {
        for (date, count) in [
            (b"2000-01-01", 0),
            (b"2000-02-29", 59),
            (b"2000-03-01", 60),
            (b"1999-12-31", -1),
            (b"1970-01-01", -10_957),
            (b"0001-01-01", -730_119),
            (b"1900-02-28", -36_466),
            (b"1900-03-01", -36_465),
            (b"9999-12-31", 2_921_939),
        ] {
            assert_eq!(days(date), count, "{date:?}");
        }
    }
}
