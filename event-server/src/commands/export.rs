//! `export`: every committed bet, as bets.csv has them.

use std::io::{self, BufWriter, Write as _};

use event_server::config::{Config, StoreConfig};
use event_server::store::local::{self, ReadOnlyFolder};
use event_server::store::postgres::Operator;

use crate::failure::Failure;

/// Bytes that are written to standard output at once.
const BUFFER: usize = 256 * 1024;

pub fn run(config: &Config) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let folder = ReadOnlyFolder::open(data_dir)?;
            local::export(folder, &mut out)?;
        }
        StoreConfig::Postgres(options) => {
            Operator::connect(options)?.export(&mut out)?;
        }
    }
    out.flush().map_err(|e| Failure::output(&e))
}
