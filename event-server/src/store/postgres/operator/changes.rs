//! What an operator changes in a lottery, beside the centrals that serve it.

use frame::Agency;

use super::{NumberChange, Operator, OperatorError};
use crate::store::postgres::statements::parse;

/// How often a version that a central took in the same moment is tried again.
const RACES: u32 = 20;

impl Operator {
    /// Takes out an agency's bets, in one transaction, as the agency's next version: whatever a central knows of it is
    /// out of date then. Returns how many bets went; `None`: the draw is done, and nothing was changed.
    ///
    /// # Errors
    /// The session is lost, and nobody knows whether it is done; or the database refuses, and nothing has changed.
    pub fn reopen(&mut self, agency: Agency) -> Result<Option<u64>, OperatorError> {
        let sql = self.statements.reopen(agency);
        for _ in 0..RACES {
            let mut numbers = Vec::new();
            let done = self.query(&sql, |row| {
                numbers.extend(row.first().copied().flatten().and_then(parse::<u64>));
                Ok(())
            })?;
            match (done, &numbers[..]) {
                (Ok(()), [0, removed]) => return Ok(Some(*removed)),
                (Ok(()), _) => return Ok(None),
                // A central has stored something of the agency in the same moment, or is about to.
                (Err(e), _) if e.code == "23505" || e.code == "55P03" => {}
                (Err(e), _) => {
                    let what = format!("the agency cannot be reopened: {e}");
                    return Err(OperatorError::Unusable(what));
                }
            }
        }
        Err(OperatorError::Unreachable(format!(
            "agency {agency} is being served without a pause: stop its client, and try again"
        )))
    }

    /// Changes how many agencies take part; 0: anyone. No central stores anything of an agency above that number from
    /// then on, and one that was started with another number serves no longer.
    ///
    /// # Errors
    /// The database refuses, or the session is lost before it was told to commit: nothing has changed.
    pub fn set_agencies(&mut self, agencies: u32) -> Result<NumberChange, OperatorError> {
        let refused = |e| OperatorError::Unusable(format!("the number cannot be changed: {e}"));
        let sql = self.statements.limit_agencies(agencies);
        let (mut draws, mut above) = (None, None);
        let limited = self.query(&sql, |row| {
            let column = |at: usize| row.get(at).copied().flatten();
            draws = column(0).and_then(parse::<u64>);
            above = column(1).and_then(|agency| Agency::parse(agency).ok());
            Ok(())
        })?;
        limited.map_err(refused)?;
        // Where the session ends without a commit, nothing of this transaction stays.
        match (draws, above) {
            (Some(0), None) => {
                let sql = self.statements.set_agencies(agencies);
                self.continue_query(&sql, |_| Ok(()))?.map_err(refused)?;
                Ok(NumberChange::Done)
            }
            (Some(0), Some(agency)) => Ok(NumberChange::AgencyAbove(agency)),
            _ => Ok(NumberChange::Drawn),
        }
    }
}
