//! Stored bets on standard output: all of them as bets.csv has them (`export`), or the documents that won (`winners`). Both
//! may run while a central serves.

use std::io::{self, BufWriter, Write};

use event_server::config::{Config, StoreConfig};
use event_server::lottery::RuleRefusal;
use event_server::report;
use event_server::store::Snapshot;
use event_server::store::files::{self, Contents, ExportError, StoreError};
use event_server::store::postgres::{Operator, OperatorError};
use frame::{Agency, Count, Escaped};
use serde_json::json;

use super::change::agency_number;
use super::failure::{CONFIGURATION, Failure, REFUSED, USAGE};
use super::store::existing;

/// The size of the buffer for standard output, in bytes.
const BUFFER: usize = 256 * 1024;

/// `export`: writes every committed bet. The last log line says how many whole rows were written, even if it fails.
pub fn run(config: &Config) -> Result<(), Failure> {
    let out = CountingWriter {
        out: io::stdout().lock(),
        rows: 0,
    };
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let exported = export(config, &mut out);
    // Taken apart, the writer drops the rows in its buffer: they are not written again.
    let (CountingWriter { rows, .. }, _) = out.into_parts();
    match exported {
        Ok(()) => {
            report::exported(rows);
            Ok(())
        }
        Err(Failure { code, reason }) => {
            let written = match rows {
                0 => "nothing was written".to_owned(),
                rows => format!("{} written, which are not all", Count(rows, "row")),
            };
            Err(Failure::new(code, format_args!("{reason}; {written}")))
        }
    }
}

fn export(config: &Config, out: &mut impl Write) -> Result<(), Failure> {
    match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let warnings = files::export(existing(data_dir)?, out)?;
            let warnings = warnings.iter();
            warnings.for_each(|warning| report::store_warning(warning));
        }
        StoreConfig::Postgres(options) => {
            Operator::connect(options)?.export(out)?;
        }
    }
    out.flush().map_err(|e| Failure::output(&e))
}

/// A writer that counts the complete lines that it has written.
struct CountingWriter<W> {
    out: W,
    rows: u64,
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.rows += memchr::memchr_iter(b'\n', &bytes[..count]).count() as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `winners`: prints a line for each winner, once the draw is done: its agency and its document, or the document alone
/// if one agency is asked for.
pub fn winners(config: &Config, agency: Option<u32>, json: bool) -> Result<(), Failure> {
    let agency = agency.map(agency_number).transpose()?;
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
            check_drawn(&snapshot, agency)?;
            let won = snapshot.winner.map(|winner| u64::from(winner.get()));
            let mut failed = None;
            let read = contents.each_row(|row| {
                if Some(row.number) != won || agency.is_some_and(|agency| agency != row.agency) {
                    return Ok(());
                }
                // Every stored row is valid UTF-8.
                let document = String::from_utf8_lossy(&row.document);
                winner(row.agency, &document).map_err(|e| {
                    failed = Some(e);
                    StoreError::Stopped
                })
            });
            match failed {
                Some(e) => return Err(ExportError::Output(e).into()),
                None => read?,
            }
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            check_drawn(&operator.snapshot()?, agency)?;
            operator.winners(agency, |of, document| {
                winner(of, document).map_err(OperatorError::Output)
            })?;
        }
    }
    out.flush().map_err(|e| Failure::output(&e))
}

/// Refuses a lottery that is not drawn, and an agency that does not take part.
fn check_drawn(snapshot: &Snapshot, agency: Option<Agency>) -> Result<(), Failure> {
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
                RuleRefusal::UnknownAgency { agency, agencies },
            ))
        }
        _ => Ok(()),
    }
}
