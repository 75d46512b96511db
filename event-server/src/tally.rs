//! Who won: the documents, as the replies will carry them. Pure; knows neither the rules nor the store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use frame::{Agency, MAX_REPLY, payload};

/// The documents that won, agency by agency, in the order their bets were stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Agency, Winners>);

/// The winners of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Winners {
    count: u64,
    documents: Won,
}

/// The bytes of a list with which its reply is just not too large.
const MAX_LIST: usize = MAX_REPLY - frame::MIN_LENGTH - "{ganadores:}".len();

/// The documents do not fit into a reply.
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
        // Nobody shares it yet.
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

    /// How many replies share the agency's list at present.
    pub fn sharing(&self, agency: Agency) -> usize {
        match self.0.get(&agency).map(|winners| &winners.documents) {
            Some(Won::List(list)) => Arc::strong_count(list) - 1,
            None | Some(Won::TooMany) => 0,
        }
    }

    /// How many winners the agency has, whether they fit into a reply or not.
    pub fn count(&self, agency: Agency) -> u64 {
        self.0.get(&agency).map_or(0, |winners| winners.count)
    }

    /// The agency's winners, as a reply has them.
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
