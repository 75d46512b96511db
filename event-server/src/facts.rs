//! What store and lottery have in common: facts, what those of an agency add up to, and the winners.
//!
//! Every change of the lottery's state is a [`Fact`]. It is staged, and becomes durable with its commit. Files keep the
//! facts, or what those before a checkpoint add up to, and the store replays them in the same order when the server starts. A
//! database keeps what the facts of an agency add up to, its [`Account`]. The [`Tally`] is what the store counts for the draw.
//!
//! Plain values: nothing here knows a rule of the lottery, a file or a database.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use frame::{Agency, MAX_REPLY, MessageId, Number, UploadId, payload};

/// The most agencies of one lottery: the bound of its memory if anyone may take part.
pub const MAX_AGENCIES: usize = 65_536;

/// Where the bets of a batch come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Batches of a client that cannot resume.
    Plain,
    /// A file that is sent as an upload.
    Upload(UploadId),
    /// Rows of a bets.csv that was taken over. Nobody knows which file they came from.
    TakenOver,
}

/// A change of the lottery's state. Once it is durable it is never undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A single bet was stored, outside of any batch.
    Bet {
        /// The agency that sent it.
        agency: Agency,
    },
    /// A batch was stored whole.
    Batch {
        /// The agency that sent it.
        agency: Agency,
        /// What it is a part of.
        source: Source,
        /// The request that brought it.
        id: MessageId,
        /// How many bets it has; at least one.
        bets: u32,
    },
    /// An agency has finished.
    Finished {
        /// The agency.
        agency: Agency,
    },
    /// How many agencies take part, from now on: 1 to this number; 0: anyone, and there is no draw.
    Agencies {
        /// The number.
        agencies: u32,
    },
    /// An operator took out an upload: it may not be sent again.
    Barred {
        /// The agency that sent it.
        agency: Agency,
        /// The upload.
        upload: UploadId,
    },
    /// The draw was done.
    Drawn {
        /// The bytes of bets.csv that it covers.
        position: u64,
        /// The number that won.
        winner: Number,
    },
    /// All batches of an agency so far: a checkpoint records their sum in place of the batches.
    Stored {
        /// The agency that sent them.
        agency: Agency,
        /// What they are parts of.
        source: Source,
        /// How many bets they have.
        bets: u64,
    },
}

impl Fact {
    /// Returns the agency whose account it changes, if it changes one.
    pub fn agency(&self) -> Option<Agency> {
        match *self {
            Self::Bet { agency }
            | Self::Batch { agency, .. }
            | Self::Finished { agency }
            | Self::Stored { agency, .. } => Some(agency),
            Self::Agencies { .. } | Self::Barred { .. } | Self::Drawn { .. } => None,
        }
    }
}

/// What the facts of an agency add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What its batches are parts of; the first one decides. `None`: it has no batch.
    pub source: Option<Source>,
    /// Bets in batches.
    pub batched: u64,
    /// All bets, single ones included. A checkpoint of the files does not have the single ones: after a restart only
    /// those are counted that came after it.
    pub bets: u64,
    /// Whether it has finished.
    pub finished: bool,
}

impl Account {
    /// Adds a fact of the agency.
    pub fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::Bet { .. } => self.bets += 1,
            Fact::Batch { source, bets, .. } => self.add(source, bets.into()),
            Fact::Stored { source, bets, .. } => self.add(source, bets),
            Fact::Finished { .. } => self.finished = true,
            Fact::Agencies { .. } | Fact::Barred { .. } | Fact::Drawn { .. } => {}
        }
    }

    fn add(&mut self, source: Source, bets: u64) {
        self.source.get_or_insert(source);
        self.batched += bets;
        self.bets += bets;
    }
}

/// The documents that won, agency by agency, in the order their bets were stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Agency, Winners>);

/// The winners of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Winners {
    count: u64,
    documents: Won,
}

/// The most bytes of a list that fit into a reply.
const MAX_LIST: usize = MAX_REPLY - frame::MIN_LENGTH - "{ganadores:}".len();

/// The documents of an agency's winners do not fit into a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyWinners;

impl fmt::Display for TooManyWinners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the winners do not fit into a reply, they are in bets.csv")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Won {
    /// As the wire has it: values joined by `|`. Replies share it.
    List(Arc<Vec<u8>>),
    TooMany,
}

impl Tally {
    /// Counts one winner.
    pub fn add(&mut self, agency: Agency, document: &[u8]) {
        let winners = self.0.entry(agency).or_insert_with(|| Winners {
            count: 0,
            documents: Won::List(Arc::default()),
        });
        winners.count += 1;
        let Won::List(list) = &mut winners.documents else {
            return;
        };
        // Nothing shares the list before the draw is done, so this does not copy.
        let list = Arc::make_mut(list);
        if !list.is_empty() {
            list.push(b'|');
        }
        payload::write_value(list, document);
        if list.len() > MAX_LIST {
            winners.documents = Won::TooMany;
        }
    }

    /// Counts winners of an agency whose documents do not fit into a reply.
    pub fn add_too_many(&mut self, agency: Agency, count: u64) {
        let documents = Won::TooMany;
        self.0.insert(agency, Winners { count, documents });
    }

    /// Returns how many replies share the agency's list now.
    pub fn sharing(&self, agency: Agency) -> usize {
        match self.0.get(&agency).map(|winners| &winners.documents) {
            Some(Won::List(list)) => Arc::strong_count(list) - 1,
            None | Some(Won::TooMany) => 0,
        }
    }

    /// Returns how many winners the agency has, whether they fit into a reply or not.
    pub fn count(&self, agency: Agency) -> u64 {
        self.0.get(&agency).map_or(0, |winners| winners.count)
    }

    /// Returns the agency's winners, as a reply has them.
    ///
    /// # Errors
    /// They do not fit into a reply.
    pub fn winners(&self, agency: Agency) -> Result<Arc<Vec<u8>>, TooManyWinners> {
        match self.0.get(&agency).map(|winners| &winners.documents) {
            None => Ok(Arc::default()),
            Some(Won::List(list)) => Ok(Arc::clone(list)),
            Some(Won::TooMany) => Err(TooManyWinners),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    #[test]
    fn each_agency_gets_its_own_winners_in_order_and_too_many_are_refused() {
        let mut tally = Tally::default();
        tally.add(agency(1), b"3");
        tally.add(agency(2), b"9");
        tally.add(agency(1), b"A|1");
        assert_eq!(tally.winners(agency(1)).unwrap().as_slice(), b"3|\"A|1\"");
        assert_eq!(tally.winners(agency(2)).unwrap().as_slice(), b"9");
        assert_eq!(tally.winners(agency(3)).unwrap().as_slice(), b"");

        let document = [b'7'; 31];
        for _ in 0..MAX_LIST / 32 {
            tally.add(agency(4), &document);
        }
        assert!(tally.winners(agency(4)).is_ok());
        tally.add(agency(4), &document);
        assert_eq!(tally.winners(agency(4)), Err(TooManyWinners));
        assert_eq!(tally.count(agency(4)), (MAX_LIST / 32 + 1) as u64);
        assert_eq!((tally.count(agency(1)), tally.count(agency(3))), (2, 0));
    }
}
