//! `--check`: asks the server that runs with this configuration.

use event_server::check::check;
use event_server::config::Config;

use crate::failure::{Failure, UNAVAILABLE};

pub fn run(config: &Config) -> Result<(), Failure> {
    let address = config.address;
    check(address).map_err(|e| {
        Failure::new(
            UNAVAILABLE,
            format_args!("no server answers on {address}: {e}"),
        )
    })
}
