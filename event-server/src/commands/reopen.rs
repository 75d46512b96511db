//! `reopen`: takes out an agency's bets before the draw.

use event_server::config::{Config, StoreConfig};
use event_server::lottery::Draw;
use event_server::report;
use event_server::store::Store as _;
use event_server::store::postgres::Operator;
use frame::Agency;

use super::folder::LocalLottery;
use crate::failure::{CONFIGURATION, Failure, USAGE};

pub fn run(config: &Config, agency: u32) -> Result<(), Failure> {
    let agency = Agency::new(agency)
        .ok_or_else(|| Failure::new(USAGE, "--agency is 0, agencies are numbered from 1"))?;
    let removed = match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let LocalLottery {
                mut lottery,
                mut store,
            } = LocalLottery::change(config, data_dir, *durability)?;
            if matches!(lottery.draw(), Draw::Done { .. }) {
                return Err(Failure::new(CONFIGURATION, DRAWN));
            }
            lottery.forget(agency);
            let removed = store.remove_agency(agency, lottery.facts())?;
            store.close(lottery.facts())?;
            removed
        }
        StoreConfig::Postgres(options) => Operator::connect(options)?
            .reopen(agency)?
            .ok_or_else(|| Failure::new(CONFIGURATION, DRAWN))?,
    };
    report::reopened(agency, removed);
    Ok(())
}

const DRAWN: &str = "the draw is done: an agency's bets can be taken out only before it";
