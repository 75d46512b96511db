//! The commands that change a lottery before its draw: `agencies`, `finish` and `reopen`.
//!
//! Where bets are kept in files, the server has to be stopped.

use event_server::config::{Config, StoreConfig};
use event_server::facts::Fact;
use event_server::lottery::{Draw, NumberRefusal, RuleRefusal};
use event_server::report;
use event_server::store::Store as _;
use event_server::store::postgres::{NumberChange, Operator};
use frame::Agency;

use super::failure::{CONFIGURATION, Failure, USAGE};
use super::store::LocalLottery;

/// `agencies`: changes how many agencies take part.
pub fn agencies(config: &Config, wanted: u32) -> Result<(), Failure> {
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

/// `finish`: closes an agency with the bets that are stored of it.
pub fn finish(config: &Config, agency: u32) -> Result<(), Failure> {
    let agency = agency_number(agency)?;
    match open(config, agency)? {
        Opened::Files(found) => found.record(Fact::Finished { agency })?,
        Opened::Postgres(mut operator) => {
            if !operator.finish(agency)? {
                return Err(drawn());
            }
        }
    }
    report::agency_closed(agency);
    Ok(())
}

/// `reopen`: takes out an agency's bets.
pub fn reopen(config: &Config, agency: u32, allow_same_file: bool) -> Result<(), Failure> {
    let agency = agency_number(agency)?;
    let removed = match open(config, agency)? {
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
            reopened.ok_or_else(drawn)?
        }
    };
    report::reopened(agency, removed);
    Ok(())
}

/// Checks the number that `--agency` names.
pub fn agency_number(agency: u32) -> Result<Agency, Failure> {
    Agency::new(agency)
        .ok_or_else(|| Failure::new(USAGE, "--agency is 0, agencies are numbered from 1"))
}

fn drawn() -> Failure {
    Failure::new(
        CONFIGURATION,
        "the draw is done: an agency can be changed only before it",
    )
}

/// An open lottery in which one agency may be changed.
enum Opened {
    Files(LocalLottery),
    Postgres(Operator),
}

/// Opens the lottery. Refuses an agency that does not take part and has stored nothing. Files of a drawn lottery are
/// refused here, too; a database refuses that when the agency is changed.
fn open(config: &Config, agency: Agency) -> Result<Opened, Failure> {
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
                    let refusal = RuleRefusal::UnknownAgency { agency, agencies };
                    Err(Failure::new(USAGE, refusal))
                }
            }
        }
    }
}
