//! `--check`: asks the server that runs with this configuration.

use event_server::check::check;
use event_server::config::Config;
use event_server::report;
use event_server::tls::TlsAcceptor;

use crate::failure::{Failure, UNAVAILABLE};

pub fn run(config: &Config) -> Result<(), Failure> {
    // Whoever may ask for a server's health need not have the right to read its key.
    if let Some(files) = &config.tls
        && let Ok(acceptor) = TlsAcceptor::open(files)
        && let Some(validity) = acceptor.validity()
    {
        report::tls_opened(&files.cert, &files.client_ca, Some(validity));
        report::tls_warning(&files.cert, validity);
    }
    let address = config.address;
    check(address).map_err(|e| {
        Failure::new(
            UNAVAILABLE,
            format_args!("no server answers on {address}: {e}"),
        )
    })
}
