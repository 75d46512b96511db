//! `finish`: closes an agency with the bets that are stored of it.

use event_server::config::{Config, StoreConfig};
use event_server::fact::Fact;
use event_server::report;
use event_server::store::postgres::Operator;

use super::folder::LocalLottery;
use super::participant::{self, Participant};
use crate::failure::Failure;

pub fn run(config: &Config, agency: u32) -> Result<(), Failure> {
    let agency = participant::number(agency)?;
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut found = LocalLottery::change(config, data_dir, *durability)?;
            found.check(agency)?;
            found.record(Fact::Finished { agency })?;
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            operator.check(agency)?;
            if !operator.finish(agency)? {
                return Err(participant::drawn());
            }
        }
    }
    report::agency_closed(agency);
    Ok(())
}
