//! Copies of a whole lottery: `backup` into a new folder, and `move` from a folder to a database or back.
//!
//! A backup may be made while a central serves. A move first closes the source to further changes, and keeps all that
//! is stored there. A copy is read again and compared before the command succeeds. An interrupted command can be run
//! again: the target has the whole lottery, or nothing of it.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use event_server::config::{Config, StoreConfig};
use event_server::report;
use event_server::store::Snapshot;
use event_server::store::files::{
    Contents, LockedFolder, NewFolder, Progress as Read, ReadOnlyFolder, StoreError,
};
use event_server::store::postgres::{LinkOptions, Operator, OperatorError, Target};
use serde_json::json;

use super::failure::{CONFIGURATION, DATA, Failure, IO_ERROR, USAGE};
use super::store::{Progress, existing, place};

/// `backup`: copies a lottery into a new folder.
pub fn backup(config: &Config, target: &Path, json: bool) -> Result<(), Failure> {
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

/// Copies all rows of a folder. Returns the state that they add up to.
fn from_files(mut contents: Contents<'_, File>, copy: &mut NewFolder) -> Result<Snapshot, Failure> {
    let warnings = contents.warnings().iter();
    warnings.for_each(|warning| report::store_warning(warning));
    let snapshot = contents.snapshot()?;
    let mut failed = None;
    let read = contents.rows(|rows| {
        copy.rows(rows).map_err(|e| {
            failed = Some(e);
            StoreError::Stopped
        })
    });
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(read.map(|()| snapshot)?),
    }
}

/// Copies all bets of a database, as of one moment. Returns the state that they add up to.
fn from_database(
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

/// Refuses to copy a lottery that is not sound.
fn unsound(flaw: &str) -> Failure {
    Failure::new(
        IO_ERROR,
        format_args!(
            "the lottery is not sound, and was not copied: {flaw}; event-server verify tells all that is wrong"
        ),
    )
}

/// Completes the copy, reads it again, compares it with `snapshot`, and gives the folder its name.
fn finish(mut copy: NewFolder, snapshot: &Snapshot) -> Result<(), Failure> {
    copy.finish(|length| snapshot.facts(length))?;
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

/// `move`: copies a lottery to another kind of store. It is named `relocate` since `move` is a keyword.
pub fn relocate(from: &Config, to: &Config, json: bool) -> Result<(), Failure> {
    let snapshot = match (&from.store, &to.store) {
        (StoreConfig::Files { data_dir, .. }, StoreConfig::Postgres(options)) => {
            to_database(data_dir, options, json)?
        }
        (StoreConfig::Postgres(options), StoreConfig::Files { data_dir, .. }) => {
            to_files(options, data_dir, json)?
        }
        _ => {
            return Err(Failure::new(
                USAGE,
                "a lottery is moved from a folder to a database or back: name a folder and a postgresql:// URL",
            ));
        }
    };
    let (bets, from, to) = (snapshot.bets(), place(from), place(to));
    if json {
        let object = json!({ "from": from, "to": to, "bets": bets }).to_string();
        let written = writeln!(io::stdout(), "{}", frame::escape_json(&object));
        written.map_err(|e| Failure::output(&e))?;
    }
    report::moved(bets, &from, &to);
    Ok(())
}

fn to_database(data_dir: &Path, options: &LinkOptions, json: bool) -> Result<Snapshot, Failure> {
    existing(data_dir)?;
    // While the lock is held, no central stores anything here.
    let mut folder = LockedFolder::lock(data_dir)?;
    let mut progress = Progress::new("moving", json);
    let mut on_progress = |Read { done, of }| {
        progress.tell(done, of);
        ControlFlow::Continue(())
    };
    let mut contents = Contents::read_with_progress(folder.files(), Some(&mut on_progress))?;
    let warnings = contents.warnings().iter();
    warnings.for_each(|warning| report::store_warning(warning));
    let audit = contents.audit()?;
    if let Some(flaw) = audit.flaws.first() {
        return Err(unsound(flaw));
    }
    let snapshot = audit.snapshot;
    let Some(agencies) = snapshot.number else {
        return Err(Failure::new(
            CONFIGURATION,
            "the folder does not say how many agencies take part: say it with  event-server agencies N",
        ));
    };
    let options = LinkOptions {
        agencies,
        ..options.clone()
    };
    let there = match Operator::look_at_target(&options)? {
        Target::Free(mut filling) => {
            filling.begin()?;
            let (mut row, mut failed) = (0_u64, None);
            let read = contents.each_row(|bet| {
                row += 1;
                // The database's column holds agencies up to 2,147,483,647.
                let fits = i32::try_from(bet.agency.get()).is_ok();
                let written = match bet.to_bet().filter(|_| fits) {
                    Some(bet) => filling.bet(&bet).map_err(Failure::from),
                    None => Err(not_allowed(row)),
                };
                written.map_err(|e| {
                    failed = Some(e);
                    StoreError::Stopped
                })
            });
            match failed {
                Some(e) => return Err(e),
                None => read?,
            }
            filling.finish(&snapshot)?;
            Operator::connect(&options)?.audit(|_, _| {}, |_| Ok(()))?
        }
        // Either an earlier run has moved it, or it is another lottery: they are compared.
        Target::Taken(mut operator) => operator.audit(|_, _| {}, |_| Ok(()))?,
    };
    match there.flaws.first() {
        None if there.snapshot == snapshot => Ok(snapshot),
        _ => Err(Failure::new(
            CONFIGURATION,
            format_args!(
                "schema {} of the database has another lottery: name another schema in SERVER_LOTTERY",
                options.lottery
            ),
        )),
    }
}

/// Refuses a row that a database does not take. Another program may have written it into bets.csv.
fn not_allowed(row: u64) -> Failure {
    Failure::new(
        DATA,
        format_args!(
            "row {row} of bets.csv has a value that no agency may send, so a database does not take it: its names have \
             1 to 255 bytes, its document 1 to 32, its number at most nine digits"
        ),
    )
}

fn to_files(options: &LinkOptions, data_dir: &Path, json: bool) -> Result<Snapshot, Failure> {
    let mut progress = Progress::new("moving", json);
    let mut operator = Operator::connect(options)?;
    operator.fence()?;
    if data_dir.symlink_metadata().is_ok() {
        // Either an earlier run has moved it, or it is another lottery: they are compared.
        let source = operator.audit(|done, of| progress.tell(done, of), |_| Ok(()))?;
        let mut files = ReadOnlyFolder::open(data_dir)?;
        let there = Contents::read(&mut files)?.audit()?;
        return match source.flaws.first().or(there.flaws.first()) {
            None if there.snapshot == source.snapshot => Ok(there.snapshot),
            _ => Err(Failure::new(
                CONFIGURATION,
                format_args!(
                    "{} is there, and has another lottery or none: name a folder that is to be made",
                    data_dir.display()
                ),
            )),
        };
    }
    let mut copy = NewFolder::begin(data_dir)?;
    let snapshot = from_database(operator, &mut copy, |done, of| progress.tell(done, of))?;
    drop(progress);
    finish(copy, &snapshot)?;
    Ok(snapshot)
}
