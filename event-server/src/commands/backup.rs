//! `backup`: a copy of a lottery as a new folder, made beside a running central, and read again before it gets its name.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use event_server::config::{Config, StoreConfig};
use event_server::report;
use event_server::store::Snapshot;
use event_server::store::local::{Contents, NewFolder, Progress as Read, StoreError};
use event_server::store::postgres::{Operator, OperatorError};
use serde_json::json;

use super::folder::existing;
use super::progress::Progress;
use crate::failure::{Failure, IO_ERROR};

pub fn run(config: &Config, target: &Path, json: bool) -> Result<(), Failure> {
    let mut progress = Progress::new("copying", json);
    let mut copy;
    let snapshot = match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let mut on_progress = |Read { done, of }| {
                progress.tell(done, of);
                ControlFlow::Continue(())
            };
            let mut files = existing(data_dir)?;
            copy = NewFolder::begin(target)?;
            let contents = Contents::read_with_progress(&mut files, Some(&mut on_progress));
            from_files(contents?, &mut copy)?
        }
        StoreConfig::Postgres(options) => {
            let operator = Operator::connect(options)?;
            copy = NewFolder::begin(target)?;
            from_database(operator, &mut copy, |done, of| progress.tell(done, of))?
        }
    };
    drop(progress);
    finish(copy, &snapshot)?;
    let (bets, target) = (snapshot.bets(), target.display().to_string());
    if json {
        let object = json!({ "backup": target, "bets": bets }).to_string();
        let written = writeln!(io::stdout(), "{}", frame::escape_json(&object));
        written.map_err(|e| Failure::output(&e))?;
    }
    report::backed_up(bets, &target);
    Ok(())
}

/// Copies all rows of a folder. Returns what they are.
fn from_files(mut contents: Contents<'_, File>, copy: &mut NewFolder) -> Result<Snapshot, Failure> {
    let warnings = contents.warnings().iter();
    warnings.for_each(|warning| report::store_warning(warning));
    let snapshot = contents.snapshot()?;
    let mut failed = None;
    let told = contents.rows(|rows| {
        copy.rows(rows).map_err(|e| {
            failed = Some(e);
            StoreError::Stopped
        })
    });
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(told.map(|()| snapshot)?),
    }
}

/// Copies all bets of a database, which are read at one moment. Returns what they are.
pub fn from_database(
    mut operator: Operator,
    copy: &mut NewFolder,
    progress: impl FnMut(u64, u64),
) -> Result<Snapshot, Failure> {
    let mut failed = None;
    let audit = operator.audit(progress, |bet| {
        copy.bet(bet).map_err(|e| {
            failed = Some(e);
            OperatorError::Output(io::ErrorKind::Interrupted.into())
        })
    });
    if let Some(e) = failed {
        return Err(e.into());
    }
    let audit = audit?;
    match audit.flaws.first() {
        None => Ok(audit.snapshot),
        Some(flaw) => Err(unsound(flaw)),
    }
}

/// A lottery that is not copied as it is.
pub fn unsound(flaw: &str) -> Failure {
    Failure::new(
        IO_ERROR,
        format_args!(
            "the lottery is not sound, and was not copied: {flaw}; event-server verify tells all that is wrong"
        ),
    )
}

/// Completes the copy, and reads it again before it gets its name.
pub fn finish(mut copy: NewFolder, snapshot: &Snapshot) -> Result<(), Failure> {
    copy.seal(|length| snapshot.facts(length))?;
    let audit = copy.audit()?;
    let flaw = match audit.flaws.first() {
        Some(flaw) => flaw,
        None if audit.snapshot == *snapshot => return Ok(copy.publish()?),
        None => "it is not what was copied",
    };
    Err(Failure::new(
        IO_ERROR,
        format_args!(
            "the copy is not sound, and was removed: {flaw}; look at the lottery with event-server verify, and at the disk"
        ),
    ))
}
