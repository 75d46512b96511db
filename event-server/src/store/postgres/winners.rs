//! The bets that won, as a scan finds them: in any order, within a bound for each agency.

use std::collections::BTreeMap;

use frame::{Agency, MAX_REPLY};

use crate::tally::Tally;

/// The winners found so far.
#[derive(Debug, Default)]
pub(super) struct Winners(BTreeMap<Agency, Found>);

/// Those of an agency.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    /// Bytes of their documents.
    bytes: usize,
    /// The documents, each with its bet's place among those of the agency; none where they fit into no reply.
    documents: Vec<(u64, Box<[u8]>)>,
}

impl Winners {
    /// Adds the bet number `seq` of an agency.
    pub(super) fn add(&mut self, agency: Agency, seq: u64, document: &[u8]) {
        let found = self.0.entry(agency).or_default();
        found.count += 1;
        found.bytes += document.len();
        found.documents.push((seq, document.into()));
        found.bound();
    }

    /// Adds those of another part of the table.
    pub(super) fn append(&mut self, part: Self) {
        for (agency, mut more) in part.0 {
            let found = self.0.entry(agency).or_default();
            found.count += more.count;
            found.bytes += more.bytes;
            found.documents.append(&mut more.documents);
            found.bound();
        }
    }

    /// The tally of them, in the order of each agency's bets.
    pub(super) fn into_tally(self) -> Tally {
        let mut tally = Tally::default();
        for (agency, mut found) in self.0 {
            if found.is_too_large() {
                tally.add_too_many(agency, found.count);
            }
            found.documents.sort_unstable();
            for (_, document) in found.documents {
                tally.add(agency, &document);
            }
        }
        tally
    }
}

impl Found {
    /// Whether the documents fit into no reply, in whatever order.
    fn is_too_large(&self) -> bool {
        self.bytes > MAX_REPLY
    }

    fn bound(&mut self) {
        if self.is_too_large() {
            self.documents = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::TooManyWinners;

    #[test]
    fn winners_that_are_found_in_any_order_and_in_parts_are_told_in_the_order_of_the_bets() {
        let agency = |number| Agency::new(number).unwrap();
        let mut winners = Winners::default();
        let mut part = Winners::default();
        winners.add(agency(1), 300, b"c");
        winners.add(agency(2), 5, b"x");
        part.add(agency(1), 20, b"b");
        part.add(agency(1), 1, b"a");
        winners.append(part);
        let large = vec![b'7'; MAX_REPLY / 4];
        for seq in 0..10 {
            winners.add(agency(3), seq, &large);
        }
        assert!(winners.0[&agency(3)].documents.is_empty(), "they are kept");
        let tally = winners.into_tally();
        let told = |number| tally.winners(agency(number)).map(|won| won.to_vec());
        assert_eq!(told(1), Ok(b"a|b|c".to_vec()));
        assert_eq!(told(2), Ok(b"x".to_vec()));
        assert_eq!(told(3), Err(TooManyWinners));
        assert_eq!((tally.count(agency(1)), tally.count(agency(3))), (3, 10));
    }
}
