//! `finish`: closes an agency with the bets that are stored of it.

use event_server::config::Config;
use event_server::fact::Fact;
use event_server::report;

use super::participant::{self, Opened};
use crate::failure::Failure;

pub fn run(config: &Config, agency: u32) -> Result<(), Failure> {
    let agency = participant::number(agency)?;
    match participant::open(config, agency)? {
        Opened::Files(found) => found.record(Fact::Finished { agency })?,
        Opened::Postgres(mut operator) => {
            if !operator.finish(agency)? {
                return Err(participant::drawn());
            }
        }
    }
    report::agency_closed(agency);
    Ok(())
}
