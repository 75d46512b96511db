//! `config`: the configuration that is in force.

use std::io::{self, Write};

use event_server::config::{Config, Loaded, StoreConfig};
use event_server::report;
use event_server::store::postgres::DatabaseTls;
use event_server::tls::TlsAcceptor;
use frame::Escaped;

use crate::failure::{CONFIGURATION, Failure};

/// Writes a line a key, and looks into the files that the server would open at its start.
pub fn run(loaded: &Loaded) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for setting in &loaded.settings {
        let (value, source) = (Escaped(&setting.value), Escaped(&setting.source));
        let key = setting.key;
        let written = writeln!(out, "{key} = {value}  # {source}");
        written.map_err(|e| Failure::output(&e))?;
    }
    loaded
        .warnings
        .iter()
        .for_each(|warning| report::config_warning(warning));
    let Config { tls, store, .. } = &loaded.config;
    if let Some(files) = tls {
        let acceptor = TlsAcceptor::open(files).map_err(|e| Failure::new(CONFIGURATION, e))?;
        if let Some(validity) = acceptor.validity() {
            let written = writeln!(out, "# SERVER_TLS_CERT is valid until {validity}");
            written.map_err(|e| Failure::output(&e))?;
            report::tls_warning(&files.cert, validity);
        }
    }
    if let StoreConfig::Postgres(options) = store {
        DatabaseTls::open(&options.url).map_err(|e| Failure::new(CONFIGURATION, e))?;
    }
    Ok(())
}
