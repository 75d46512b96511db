//! `reopen`: takes out an agency's bets before the draw.

use event_server::config::Config;
use event_server::report;
use event_server::store::Store as _;

use super::folder::LocalLottery;
use super::participant::{self, Opened};
use crate::failure::Failure;

pub fn run(config: &Config, agency: u32, allow_same_file: bool) -> Result<(), Failure> {
    let agency = participant::number(agency)?;
    let removed = match participant::open(config, agency)? {
        Opened::Files(found) => {
            let LocalLottery {
                mut lottery,
                mut store,
            } = found;
            lottery.reopen(agency, allow_same_file);
            let removed = store.remove_agency(agency, lottery.facts())?;
            store.close(lottery.facts())?;
            removed
        }
        Opened::Postgres(mut operator) => {
            let reopened = operator.reopen(agency, allow_same_file)?;
            reopened.ok_or_else(participant::drawn)?
        }
    };
    report::reopened(agency, removed);
    Ok(())
}
