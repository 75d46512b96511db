//! `export`: every committed bet, as bets.csv has them.

use std::io::{self, BufWriter, Write};

use event_server::config::{Config, StoreConfig};
use event_server::report;
use event_server::store::local;
use event_server::store::postgres::Operator;
use frame::Count;

use super::folder::existing;
use crate::failure::Failure;

/// Bytes that are written to standard output at once.
const BUFFER: usize = 256 * 1024;

/// The last line of the log says how many rows were written, whole: where the export fails, they are not all.
pub fn run(config: &Config) -> Result<(), Failure> {
    let out = Counted {
        out: io::stdout().lock(),
        rows: 0,
    };
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let exported = export(config, &mut out);
    // What could not be written before is not tried again.
    let (Counted { rows, .. }, _) = out.into_parts();
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
            let warnings = local::export(existing(data_dir)?, out)?;
            let warnings = warnings.iter();
            warnings.for_each(|warning| report::store_warning(warning));
        }
        StoreConfig::Postgres(options) => {
            Operator::connect(options)?.export(out)?;
        }
    }
    out.flush().map_err(|e| Failure::output(&e))
}

/// Counts the lines that are written to the end.
struct Counted<W> {
    out: W,
    rows: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.rows += memchr::memchr_iter(b'\n', &bytes[..count]).count() as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
