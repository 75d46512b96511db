//! The draw, from the last agency's finish to the winners: the stored file is read and counted a slice a turn, so
//! that the loop stays responsive, and the result recorded.
//!
//! The same counting serves the draw itself and a restart after it, which has to find the winners again:
//! it covers the same bytes and looks for the same number.

use frame::Number;

use crate::fact::Fact;
use crate::lottery::{Draw, Lottery, Tally};
use crate::report;
use crate::store::{Files, Scanner, Store, StoreError};

/// Bytes of bets.csv that one turn counts: well under 2 ms from the page cache.
const SLICE: usize = 512 * 1024;

/// The winners, as far as they are known.
pub(super) enum Results {
    /// Nobody has counted yet.
    Unknown,
    /// Rows are being counted.
    Counting(Box<Counting>),
    /// All is counted, but the store has no room to say so.
    Stalled(Box<Counting>),
    /// They are known, and the draw is durable.
    Known(Tally),
}

impl Results {
    /// The winners, once they are known.
    pub(super) fn known(&self) -> Option<&Tally> {
        match self {
            Self::Known(tally) => Some(tally),
            _ => None,
        }
    }

    /// Whether [`advance`](Self::advance) has something to do at once.
    pub(super) fn can_advance<F: Files>(&self, lottery: &Lottery, store: &Store<F>) -> bool {
        match self {
            Self::Unknown => lottery.draw() != Draw::Waiting && !store.lagging(),
            Self::Counting(_) => true,
            Self::Stalled(_) | Self::Known(_) => false,
        }
    }

    /// Counts a slice, and records the draw after the last: `true`, now the winners are known. `winner` wins where
    /// the lottery does not say that another number was drawn. With nothing staged, where it
    /// [can](Self::can_advance).
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn advance<F: Files>(
        &mut self,
        lottery: &mut Lottery,
        store: &mut Store<F>,
        winner: Number,
    ) -> Result<bool, StoreError> {
        if let Self::Unknown = self {
            let (until, winner) = match lottery.draw() {
                Draw::Done { position, winner } => (position, winner),
                Draw::Waiting | Draw::Due => (store.position(), winner),
            };
            report::drawing();
            *self = Self::Counting(Box::new(Counting::new(until, winner)));
        }
        if let Self::Counting(counting) = self
            && !counting.advance(store)?
        {
            return Ok(false);
        }
        match std::mem::replace(self, Self::Unknown) {
            Self::Counting(counting) => *self = conclude(counting, lottery, store)?,
            other => *self = other,
        }
        Ok(self.known().is_some())
    }

    /// Records the draw once more where there was no room.
    pub(super) fn retry(&mut self) {
        *self = match std::mem::replace(self, Self::Unknown) {
            Self::Stalled(counting) => Self::Counting(counting),
            other => other,
        };
    }

    /// Whether there was no room to record the draw.
    pub(super) fn is_stalled(&self) -> bool {
        matches!(self, Self::Stalled(_))
    }
}

/// All is counted: makes the draw durable, unless it was before.
fn conclude<F: Files>(
    counting: Box<Counting>,
    lottery: &mut Lottery,
    store: &mut Store<F>,
) -> Result<Results, StoreError> {
    if lottery.draw() == Draw::Due {
        let fact = Fact::Drawn {
            position: counting.until,
            winner: counting.winner,
        };
        if let Err(e) = store.record(fact) {
            report::draw_stalled(&e);
            return Ok(Results::Stalled(counting));
        }
        lottery.apply(&fact);
        store.commit()?;
        store.checkpoint(lottery.facts())?;
        report::drawn();
    }
    Ok(Results::Known(counting.into_tally()))
}

/// A counting under way.
pub(super) struct Counting {
    scanner: Scanner,
    tally: Tally,
    at: u64,
    /// Where it ends: the file's length when the draw became due.
    until: u64,
    /// What wins.
    winner: Number,
    buffer: Vec<u8>,
}

impl Counting {
    /// Begins at the file's start.
    fn new(until: u64, winner: Number) -> Self {
        let (scanner, tally) = (Scanner::new(winner), Tally::default());
        Self {
            scanner,
            tally,
            at: 0,
            until,
            winner,
            buffer: vec![0; SLICE],
        }
    }

    /// Counts one slice; says whether it was the last.
    ///
    /// # Errors
    /// The file cannot be read.
    fn advance<F: Files>(&mut self, store: &mut Store<F>) -> Result<bool, StoreError> {
        let count = store.read(self.at, self.until, &mut self.buffer)?;
        let tally = &mut self.tally;
        self.scanner
            .scan(&self.buffer[..count], |agency, document| {
                tally.add(agency, document)
            })?;
        self.at += count as u64;
        Ok(self.at >= self.until)
    }

    /// The winners found.
    fn into_tally(self) -> Tally {
        self.tally
    }
}
