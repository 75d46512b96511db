//! The agency that a command changes: it has to take part, and the draw must not be done.

use event_server::config::{Config, StoreConfig};
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

/// The lottery of an agency that may be changed.
pub enum Opened {
    Files(LocalLottery),
    Postgres(Operator),
}

/// Opens the lottery. Refuses an agency that does not take part and has stored nothing, and, where that is known yet, a lottery
/// that is drawn.
pub fn open(config: &Config, agency: Agency) -> Result<Opened, Failure> {
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let LocalLottery { lottery, store } =
                LocalLottery::change(config, data_dir, *durability)?;
            if matches!(lottery.draw(), Draw::Done { .. }) {
                return Err(drawn());
            }
            let has_stored = lottery.accounts().any(|(of, _)| of == agency);
            match lottery.check_agency(agency) {
                Err(refusal) if !has_stored => Err(Failure::new(USAGE, refusal)),
                _ => Ok(Opened::Files(LocalLottery { lottery, store })),
            }
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            match operator.takes_part(agency)? {
                (true, _) => Ok(Opened::Postgres(operator)),
                (false, agencies) => {
                    let refusal = Refusal::UnknownAgency { agency, agencies };
                    Err(Failure::new(USAGE, refusal))
                }
            }
        }
    }
}
