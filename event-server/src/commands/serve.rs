//! Serving: configuration → store → bind → run.

use std::path::Path;
use std::time::Instant;

use event_server::config::{Config, Loaded, StoreConfig};
use event_server::lottery::Lottery;
use event_server::report;
use event_server::server::{Server, Termination, Watch};
use event_server::service::Service;
use event_server::store::Store;
use event_server::store::local::{Durability, Folder, LocalStore, StoreError};
use event_server::store::postgres::{Link, PostgresStore};
use event_server::tls::TlsAcceptor;
use frame::log::Logger;

use crate::failure::{CONFIGURATION, Failure, UNAVAILABLE};

pub fn run(loaded: &Loaded, logger: &Logger) -> Result<(), Failure> {
    let Loaded {
        config, warnings, ..
    } = loaded;
    let unavailable = |e| Failure::new(UNAVAILABLE, format_args!("waiting for events: {e}"));
    let termination = Termination::catch().map_err(unavailable)?;
    let level = config.logging_level.name();
    report::config(config.address.port(), config.listen_backlog, level);
    warnings
        .iter()
        .for_each(|warning| report::config_warning(warning));

    let acceptor = config.tls.as_ref().map(TlsAcceptor::open).transpose();
    let acceptor = acceptor.map_err(|e| Failure::new(CONFIGURATION, e))?;
    if let Some(files) = &config.tls {
        report::tls_opened(&files.cert, &files.client_ca);
    }
    let watch = Watch::new(termination).map_err(unavailable)?;
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut lottery = Lottery::new(config.agencies);
            let store = open_files(data_dir, *durability, &mut lottery)?;
            serve(config, acceptor, lottery, store, logger, watch)
        }
        StoreConfig::Postgres(options) => {
            let dialer = watch.dialer().map_err(unavailable)?;
            let link = Link::new(
                dialer,
                options.clone(),
                fastrand::Rng::new(),
                Instant::now(),
            )?;
            let store = PostgresStore::new(link, config.winner);
            let lottery = Lottery::new(config.agencies);
            serve(config, acceptor, lottery, store, logger, watch)
        }
    }
}

fn serve<D>(
    config: &Config,
    acceptor: Option<TlsAcceptor>,
    lottery: Lottery,
    store: D,
    logger: &Logger,
    watch: Watch,
) -> Result<(), Failure>
where
    D: Store<Error: Into<Failure>>,
{
    let service = Service::new(lottery, store, config.winner).map_err(Into::into)?;
    Server::bind(config, acceptor, service, logger.clone(), watch)?.run()?;
    Ok(())
}

fn open_files(
    data_dir: &Path,
    durability: Durability,
    lottery: &mut Lottery,
) -> Result<LocalStore<Folder>, StoreError> {
    let folder = Folder::open(data_dir)?;
    let (store, recovery) = LocalStore::open(folder, durability, |fact| lottery.apply(fact))?;
    report::store_opened(&recovery);
    recovery
        .warnings
        .iter()
        .for_each(|warning| report::store_warning(warning));
    Ok(store)
}
