//! What is staged in a turn of the loop: the record that will go to the log, while it grows.
//!
//! ```text
//! record   header (later) | rows of the first batch | rows of the second | … rows of a draft
//! facts    fact of the first batch | of the second | …
//! ```
//!
//! The rows stand together because they go to bets.csv in one write; the facts are put behind them when the
//! turn is sealed, so that the record is one piece of memory. Both buffers are used again every turn.

use frame::{Bet, Bets};

use super::entry;
use super::format::{FACT, HEADER, Header};
use crate::facts::Fact;
use crate::store::rows;

/// All that is staged in a turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// Begins with the header's place.
    record: Vec<u8>,
    facts: Vec<u8>,
    /// How many bets the facts stand for.
    bets: u64,
    /// The draw is among the facts.
    has_draw: bool,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            record: vec![0; HEADER],
            facts: Vec::new(),
            bets: 0,
            has_draw: false,
        }
    }

    /// Bytes of rows and facts.
    pub(super) fn staged(&self) -> usize {
        self.record.len() - HEADER + self.facts.len()
    }

    /// How many bets are staged.
    pub(super) fn bets(&self) -> u64 {
        self.bets
    }

    /// Whether the draw is staged.
    pub(super) fn has_draw(&self) -> bool {
        self.has_draw
    }

    /// Bytes of the record with `rows` more bytes of rows, and one more fact, than now.
    pub(super) fn size_with(&self, rows: usize) -> u64 {
        (HEADER + self.staged() + rows + FACT) as u64
    }

    /// Begins to write rows, which take at most `bytes`.
    pub(super) fn draft(&mut self, bytes: usize) -> DraftRows<'_> {
        self.record.reserve(bytes);
        let start = self.record.len();
        DraftRows {
            start,
            end: start + bytes,
            turn: self,
        }
    }

    pub(super) fn push(&mut self, fact: &Fact) {
        self.facts.extend_from_slice(&entry::encode(fact));
        self.has_draw |= matches!(fact, Fact::Drawn { .. });
        self.bets += match *fact {
            Fact::Bet { .. } => 1,
            Fact::Batch { bets, .. } => bets.into(),
            Fact::Finished { .. }
            | Fact::Agencies { .. }
            | Fact::Barred { .. }
            | Fact::Drawn { .. }
            | Fact::Stored { .. } => 0,
        };
    }

    /// The whole record and the rows in it. Nothing more can be staged until [`Turn::clear`].
    pub(super) fn seal(&mut self, salt: u64, sequence: u64, position: u64) -> (&[u8], &[u8]) {
        let rows = self.record.len() - HEADER;
        self.record.extend_from_slice(&self.facts);
        // 48 bytes each: their count is far from 32 bits.
        let facts = (self.facts.len() / FACT) as u32;
        let header = Header {
            salt,
            sequence,
            position,
            rows: rows as u64,
            facts,
            crc: 0,
        };
        header.seal(&mut self.record);
        (&self.record, &self.record[HEADER..HEADER + rows])
    }

    pub(super) fn clear(&mut self) {
        self.record.truncate(HEADER);
        self.facts.clear();
        (self.bets, self.has_draw) = (0, false);
    }
}

/// The rows of a request while they are written. Staged, they are a part of the turn; dropped they leave no
/// trace.
#[derive(Debug)]
pub struct DraftRows<'a> {
    turn: &'a mut Turn,
    /// Where the rows begin that a drop takes back.
    start: usize,
    /// How far there is room in the log.
    end: usize,
}

impl DraftRows<'_> {
    /// Writes a bet as the next row.
    pub fn row(&mut self, bet: &Bet<'_>) {
        rows::write(bet, &mut self.turn.record);
    }

    /// Copies the next bets as rows, as many as can be; returns how many.
    pub fn copy(&mut self, bets: &mut Bets<'_>) -> u32 {
        let mut row = [0; Bets::ROOM];
        let mut count = 0;
        while let Some(length) = rows::copy(bets, &mut row) {
            self.turn.record.extend_from_slice(&row[..length]);
            count += 1;
        }
        count
    }

    /// Stages the rows, and what they mean.
    ///
    /// # Panics
    /// The rows take more bytes than the draft was made for.
    pub fn stage(mut self, fact: Fact) {
        let length = self.turn.record.len();
        assert!(
            length <= self.end,
            "a draft has outgrown the room made for it"
        );
        self.start = length;
        self.turn.push(&fact);
    }
}

impl Drop for DraftRows<'_> {
    fn drop(&mut self) {
        self.turn.record.truncate(self.start);
    }
}
