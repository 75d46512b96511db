//! `winners`: the documents of the bets that won, once the draw is done; beside a running central, too.

use std::io::{self, BufWriter, Write};

use event_server::config::{Config, StoreConfig};
use event_server::lottery::Refusal;
use event_server::store::Snapshot;
use event_server::store::local::{Contents, ExportError, StoreError};
use event_server::store::postgres::{Operator, OperatorError};
use frame::{Agency, Escaped};
use serde_json::json;

use super::folder::existing;
use super::participant;
use crate::failure::{CONFIGURATION, Failure, REFUSED, USAGE};

/// Prints a winner a line: its agency and its document, or, of one agency, the document alone.
pub fn run(config: &Config, agency: Option<u32>, json: bool) -> Result<(), Failure> {
    let agency = agency.map(participant::number).transpose()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut winner = |of: Agency, document: &str| match agency {
        _ if json => {
            let object = json!({"agency": of.get(), "document": document});
            writeln!(out, "{}", frame::escape_json(&object.to_string()))
        }
        Some(_) => writeln!(out, "{}", Escaped(document)),
        None => writeln!(out, "{of} {}", Escaped(document)),
    };
    match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let mut contents = Contents::read(&mut existing(data_dir)?)?;
            let snapshot = contents.snapshot()?;
            check(&snapshot, agency)?;
            let won = snapshot.winner.map(|winner| u64::from(winner.get()));
            let mut failed = None;
            let told = contents.each_row(|row| {
                if Some(row.number) != won || agency.is_some_and(|agency| agency != row.agency) {
                    return Ok(());
                }
                // Rows are UTF-8 throughout.
                let document = String::from_utf8_lossy(&row.document);
                winner(row.agency, &document).map_err(|e| {
                    failed = Some(e);
                    StoreError::Stopped
                })
            });
            match failed {
                Some(e) => return Err(ExportError::Output(e).into()),
                None => told?,
            }
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            check(&operator.snapshot()?, agency)?;
            operator.winners(agency, |of, document| {
                winner(of, document).map_err(OperatorError::Output)
            })?;
        }
    }
    out.flush().map_err(|e| Failure::output(&e))
}

/// Refuses a lottery that is not drawn, and an agency that does not take part.
fn check(snapshot: &Snapshot, agency: Option<Agency>) -> Result<(), Failure> {
    if snapshot.winner.is_none() {
        let finished = snapshot.finished();
        return Err(match snapshot.number {
            Some(0) => Failure::new(
                CONFIGURATION,
                "this lottery has no draw: anyone may take part (SERVER_AGENCIES is 0)",
            ),
            Some(number) => Failure::new(
                REFUSED,
                format_args!(
                    "the draw is not done yet: {finished} of {number} agencies have finished; ask again after it"
                ),
            ),
            None => Failure::new(REFUSED, "the draw is not done yet; ask again after it"),
        });
    }
    match (agency, snapshot.number) {
        (Some(agency), Some(number))
            if !snapshot.agencies.contains_key(&agency) && agency.get() > number =>
        {
            let agencies = number;
            Err(Failure::new(
                USAGE,
                Refusal::UnknownAgency { agency, agencies },
            ))
        }
        _ => Ok(()),
    }
}
