//! `verify`: reads all of a lottery, and says whether it is sound; beside a running central, too.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use event_server::config::{Config, StoreConfig};
use event_server::report;
use event_server::store::Audit;
use event_server::store::local::{Contents, Progress as Read};
use event_server::store::postgres::Operator;
use frame::{Count, Escaped};

use super::folder::existing;
use super::progress::Progress;
use super::status::{listed, object, place, write_agency};
use crate::failure::{Failure, IO_ERROR};

pub fn run(config: &Config, json: bool) -> Result<(), Failure> {
    let audit = read(config, json)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&audit, &place(config), json, &mut out).and_then(|()| out.flush());
    written.map_err(|e| Failure::output(&e))?;
    match audit.flaws.first() {
        None => Ok(()),
        Some(first) => {
            let flaws = audit.flaws.len() as u64 + audit.more;
            let count = Count(flaws, "thing");
            let is = if flaws == 1 { "is" } else { "are" };
            Err(Failure::new(
                IO_ERROR,
                format_args!(
                    "{count} {is} wrong, first: {first}; restore the lottery from a backup that was verified"
                ),
            ))
        }
    }
}

/// Reads all of the lottery. `quiet`: nobody wants to see how far it is.
pub fn read(config: &Config, quiet: bool) -> Result<Audit, Failure> {
    let mut progress = Progress::new("reading", quiet);
    match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let mut on_progress = |Read { done, of }| {
                progress.tell(done, of);
                ControlFlow::Continue(())
            };
            let mut files = existing(data_dir)?;
            let mut contents = Contents::read_with_progress(&mut files, Some(&mut on_progress))?;
            let warnings = contents.warnings().to_vec();
            let audit = contents.audit()?;
            drop(contents);
            drop(progress);
            let warnings = warnings.iter();
            warnings.for_each(|warning| report::store_warning(warning));
            Ok(audit)
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            Ok(operator.audit(|done, of| progress.tell(done, of), |_| Ok(()))?)
        }
    }
}

fn write(audit: &Audit, place: &str, json: bool, out: &mut impl Write) -> io::Result<()> {
    let Audit {
        snapshot,
        flaws,
        more,
    } = audit;
    if json {
        let mut object = object(snapshot, place);
        object["sound"] = flaws.is_empty().into();
        object["flaws"] = flaws.clone().into();
        object["more_flaws"] = (*more).into();
        return writeln!(out, "{}", frame::escape_json(&object.to_string()));
    }
    for (agency, holding) in listed(snapshot) {
        if let Some(holding) = holding {
            write_agency(snapshot, agency, holding, out)?;
        }
    }
    for flaw in flaws {
        writeln!(out, "wrong: {}", Escaped(flaw))?;
    }
    if *more > 0 {
        writeln!(out, "wrong: {more} more")?;
    }
    if flaws.is_empty() {
        let bets = Count(snapshot.bets(), "bet");
        writeln!(out, "sound: {bets} in {}", Escaped(place))?;
    }
    Ok(())
}
