//! The draw: the store counts the winners, the result is staged like any fact, and once that is durable they are known.
//!
//! ```text
//! Open ---> Counting ---> Counted ---> Staged ---> Known
//!                            |                       ^
//!                            '-- stored already -----'
//! ```

use std::time::Instant;

use super::{DrawState, Service};
use crate::facts::Fact;
use crate::lottery;
use crate::report;
use crate::store::{Draft, DrawToCount, Drawn, NoSpace, RETRY_PAUSE, Store, Ticket, Wake};

impl<R: Store> Service<R> {
    /// Returns the draw whose winners the store has to count, if there is one.
    pub(super) fn wanted_count(&self) -> Option<DrawToCount> {
        let (DrawState::Open | DrawState::Counting) = self.draw else {
            return None;
        };
        match self.lottery.draw() {
            _ if self.stopping => None,
            lottery::Draw::Waiting => None,
            lottery::Draw::Due => Some(DrawToCount {
                until: None,
                winner: self.winner,
            }),
            lottery::Draw::Done { position, winner } => Some(DrawToCount {
                until: Some(position),
                winner,
            }),
        }
    }

    /// Returns whether the next commit stages the draw.
    pub fn stages_draw(&self) -> bool {
        self.stage_at() == Wake::Now
    }

    /// Returns when a commit is due for the draw alone.
    pub(super) fn stage_at(&self) -> Wake {
        match &self.draw {
            DrawState::Counted(_, at) if !self.stopping => at.map_or(Wake::Now, Wake::At),
            _ => Wake::Never,
        }
    }

    /// Stages the draw, if its winners are counted.
    ///
    /// # Errors
    /// There is no room. It is tried again after [`RETRY_PAUSE`].
    pub(super) fn stage_draw(&mut self, now: Instant) -> Result<(), NoSpace> {
        let DrawState::Counted(drawn, at) = &mut self.draw else {
            return Ok(());
        };
        if self.stopping || at.is_some_and(|at| at > now) {
            return Ok(());
        }
        *at = Some(now + RETRY_PAUSE);
        let fact = Fact::Drawn {
            position: drawn.position,
            winner: drawn.winner,
        };
        let ticket = self.store.draft(0)?.stage(fact);
        self.lottery.apply(&fact);
        self.draw = DrawState::Staged(ticket, std::mem::take(&mut drawn.tally));
        Ok(())
    }

    /// Takes the counted winners. A draw that is stored already needs no commit.
    pub(super) fn counted(&mut self, drawn: Drawn) {
        if !drawn.is_stored {
            self.draw = DrawState::Counted(drawn, None);
            return;
        }
        if !matches!(self.lottery.draw(), lottery::Draw::Done { .. }) {
            report::drawn();
            self.lottery.apply(&Fact::Drawn {
                position: drawn.position,
                winner: drawn.winner,
            });
        }
        self.draw = DrawState::Known(drawn.tally);
    }

    /// Notes that all up to this ticket of its session is durable.
    pub(super) fn committed(&mut self, done: Ticket) {
        self.committed.add(done);
        if let DrawState::Staged(ticket, tally) = &mut self.draw
            && done.covers(*ticket)
        {
            self.draw = DrawState::Known(std::mem::take(tally));
            report::drawn();
        }
    }
}
