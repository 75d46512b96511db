//! `agencies`: changes how many agencies take part, before the draw.

use event_server::config::{Config, StoreConfig};
use event_server::fact::Fact;
use event_server::lottery::NumberRefusal;
use event_server::report;
use event_server::store::postgres::{NumberChange, Operator};

use super::folder::LocalLottery;
use crate::failure::{CONFIGURATION, Failure};

pub fn run(config: &Config, wanted: u32) -> Result<(), Failure> {
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let found = LocalLottery::change(config, data_dir, *durability)?;
            found.lottery.check_number(wanted).map_err(refused)?;
            found.record(Fact::Agencies { agencies: wanted })?;
        }
        StoreConfig::Postgres(options) => {
            match Operator::connect(options)?.set_agencies(wanted)? {
                NumberChange::Done => {}
                NumberChange::AgencyAbove(agency) => {
                    return Err(refused(NumberRefusal::AgencyAbove { agency, wanted }));
                }
                NumberChange::Drawn => return Err(refused(NumberRefusal::Drawn)),
            }
        }
    }
    report::agencies_set(wanted);
    Ok(())
}

fn refused(refusal: NumberRefusal) -> Failure {
    let way = match refusal {
        NumberRefusal::AgencyAbove { agency, .. } => format!(
            ": choose {agency} or more, or take out its bets first (event-server reopen --agency {agency})"
        ),
        NumberRefusal::Other { .. } | NumberRefusal::Drawn => String::new(),
    };
    Failure::new(CONFIGURATION, format_args!("{refusal}{way}"))
}
