//! Serving: configuration → store → bind → run.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use event_server::config::{Config, Loaded, StoreConfig};
use event_server::lottery::{Lottery, MAX_AGENCIES};
use event_server::report;
use event_server::server::{Server, Termination, Watch};
use event_server::service::Service;
use event_server::store::Store;
use event_server::store::local::Progress;
use event_server::store::postgres::{Link, PostgresStore};
use event_server::tls::TlsAcceptor;
use frame::log::Logger;

use super::folder::LocalLottery;
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
    if let (Some(files), Some(acceptor)) = (&config.tls, &acceptor) {
        report::tls_opened(&files.cert, &files.client_ca, acceptor.validity());
        if let Some(validity) = acceptor.validity() {
            report::tls_warning(&files.cert, validity);
        }
    }
    let mut watch = Watch::new(termination).map_err(unavailable)?;
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut opening = Opening::new(logger, &mut watch);
            let on_progress = |progress| opening.look_up(progress);
            let found = LocalLottery::start(config, data_dir, *durability, on_progress)?;
            let Some(LocalLottery { lottery, store }) = found else {
                // A signal did that: there is nothing to close.
                return Ok(());
            };
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
            let store = PostgresStore::new(link, config.winner, MAX_AGENCIES as usize);
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

/// The time between two looks at the signals while the files are read.
const LOOK: Duration = Duration::from_millis(50);

/// The time between two lines that tell how far it is.
const TELL: Duration = Duration::from_secs(3);

/// Looks up while the files are read: for signals, and to tell how far it is where that takes long.
struct Opening<'o> {
    logger: &'o Logger,
    watch: &'o mut Watch,
    look_at: Instant,
    tell_at: Instant,
}

impl<'o> Opening<'o> {
    fn new(logger: &'o Logger, watch: &'o mut Watch) -> Self {
        let now = Instant::now();
        Self {
            logger,
            watch,
            look_at: now + LOOK,
            tell_at: now + TELL,
        }
    }

    fn look_up(&mut self, Progress { done, of }: Progress) -> ControlFlow<()> {
        let now = Instant::now();
        if now < self.look_at {
            return ControlFlow::Continue(());
        }
        self.look_at = now + LOOK;
        if self.watch.stops() {
            return ControlFlow::Break(());
        }
        if now >= self.tell_at {
            self.tell_at = now + TELL;
            report::store_opening(done, of);
            self.logger.flush();
        }
        ControlFlow::Continue(())
    }
}
