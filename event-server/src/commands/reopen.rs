//! `reopen`: takes out an agency's bets before the draw.

use event_server::config::{Config, StoreConfig};
use event_server::report;
use event_server::store::Store as _;
use event_server::store::postgres::Operator;

use super::folder::LocalLottery;
use super::participant::{self, Participant};
use crate::failure::Failure;

pub fn run(config: &Config, agency: u32, allow_same_file: bool) -> Result<(), Failure> {
    let agency = participant::number(agency)?;
    let removed = match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut found = LocalLottery::change(config, data_dir, *durability)?;
            found.check(agency)?;
            let LocalLottery { lottery, store } = &mut found;
            lottery.reopen(agency, allow_same_file);
            let removed = store.remove_agency(agency, lottery.facts())?;
            let LocalLottery { lottery, store } = found;
            store.close(lottery.facts())?;
            removed
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            operator.check(agency)?;
            let reopened = operator.reopen(agency, allow_same_file)?;
            reopened.ok_or_else(participant::drawn)?
        }
    };
    report::reopened(agency, removed);
    Ok(())
}
