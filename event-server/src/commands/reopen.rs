//! `reopen`: takes out an agency's bets before the draw.

use event_server::config::{Config, StoreConfig};
use event_server::lottery::{Draw, Lottery};
use event_server::report;
use event_server::store::Store as _;
use event_server::store::local::{Folder, LocalStore, ReadOnlyFolder};
use event_server::store::postgres::Operator;
use frame::Agency;

use crate::failure::{CONFIGURATION, Failure, USAGE};

pub fn run(config: &Config, agency: u32) -> Result<(), Failure> {
    let agency = Agency::new(agency)
        .ok_or_else(|| Failure::new(USAGE, "--agency is 0, agencies are numbered from 1"))?;
    let removed = match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut lottery = Lottery::new(config.agencies);
            // Nothing is made where nothing is.
            ReadOnlyFolder::open(data_dir)?;
            let folder = Folder::open(data_dir)?;
            let (mut store, recovery) =
                LocalStore::open(folder, *durability, |fact| lottery.apply(fact))?;
            let warnings = recovery.warnings.iter();
            warnings.for_each(|warning| report::store_warning(warning));
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
