//! The agency that a command changes: it has to take part, and the draw must not be done.

use event_server::lottery::{Draw, Refusal};
use event_server::store::postgres::Operator;
use frame::Agency;

use super::folder::LocalLottery;
use crate::failure::{CONFIGURATION, Failure, USAGE};

/// The number of `--agency`.
pub fn number(agency: u32) -> Result<Agency, Failure> {
    Agency::new(agency)
        .ok_or_else(|| Failure::new(USAGE, "--agency is 0, agencies are numbered from 1"))
}

pub fn drawn() -> Failure {
    Failure::new(
        CONFIGURATION,
        "the draw is done: an agency can be changed only before it",
    )
}

/// An opened lottery that can be asked whether an agency takes part in it.
pub trait Participant {
    /// Refuses an agency that takes no part and has stored nothing, and, where that is known yet, a lottery that is drawn.
    fn check(&mut self, agency: Agency) -> Result<(), Failure>;
}

impl Participant for LocalLottery {
    fn check(&mut self, agency: Agency) -> Result<(), Failure> {
        if matches!(self.lottery.draw(), Draw::Done { .. }) {
            return Err(drawn());
        }
        let has_stored = self.lottery.standings().any(|(of, _, _)| of == agency);
        match self.lottery.check_agency(agency) {
            Err(refusal) if !has_stored => Err(Failure::new(USAGE, refusal)),
            _ => Ok(()),
        }
    }
}

impl Participant for Operator {
    fn check(&mut self, agency: Agency) -> Result<(), Failure> {
        match self.takes_part(agency)? {
            (true, _) => Ok(()),
            (false, agencies) => Err(Failure::new(
                USAGE,
                Refusal::UnknownAgency { agency, agencies },
            )),
        }
    }
}
