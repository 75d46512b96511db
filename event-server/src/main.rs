//! Arguments → configuration → store → bind → run → exit code.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use event_server::check::check;
use event_server::config::{Config, Loaded, StoreConfig};
use event_server::lottery::Lottery;
use event_server::report;
use event_server::server::{Server, ServerError, Termination, Watch};
use event_server::service::Service;
use event_server::store::local::{Durability, Folder, LocalStore, StoreError};
use event_server::store::postgres::{Link, PostgresStore, Unusable};
use event_server::tls::TlsAcceptor;
use frame::log::{Level, Logger};

const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const IO_ERROR: u8 = 74;
const CONFIGURATION: u8 = 78;

/// The central of a lottery: stores the agencies' bets, draws when all have finished, and tells each
/// agency its winners.
#[derive(Parser)]
#[command(name = "event-server", version)]
struct Arguments {
    /// The configuration file [default: config.ini, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Instead of serving, echo a line off the server that runs with this configuration
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            // Help and version are no errors; a closed standard output is nobody's.
            let _ = e.print();
            return if e.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let loaded = match Config::load(arguments.config.as_deref(), |key| std::env::var(key).ok()) {
        Ok(loaded) => loaded,
        Err(e) => {
            Logger::immediate(Level::Info, io::stderr()).install();
            report::exit_failed(&e);
            return CONFIGURATION.into();
        }
    };
    if arguments.check {
        return check_running(loaded.config.address);
    }
    let logger = Logger::gathering(loaded.config.logging_level, io::stderr());
    logger.install();
    let code = match run(&loaded, &logger) {
        Ok(()) => {
            report::exit();
            ExitCode::SUCCESS
        }
        Err(Failure { code, reason }) => {
            report::exit_failed(&reason);
            code.into()
        }
    };
    logger.flush();
    code
}

/// Why the program ends, and the exit code that says so.
struct Failure {
    code: u8,
    reason: String,
}

impl Failure {
    fn new(code: u8, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self { code, reason }
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::new(IO_ERROR, e)
    }
}

impl From<Unusable> for Failure {
    fn from(e: Unusable) -> Self {
        Self::new(CONFIGURATION, e)
    }
}

impl<E: std::error::Error + Into<Failure>> From<ServerError<E>> for Failure {
    fn from(e: ServerError<E>) -> Self {
        match e {
            ServerError::System { .. } => Self::new(UNAVAILABLE, e),
            ServerError::Store(e) => e.into(),
        }
    }
}

fn check_running(address: SocketAddr) -> ExitCode {
    match check(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            Logger::immediate(Level::Info, io::stderr()).install();
            report::exit_failed(&format_args!("no server answers on {address}: {e}"));
            UNAVAILABLE.into()
        }
    }
}

fn run(Loaded { config, warnings }: &Loaded, logger: &Logger) -> Result<(), Failure> {
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
            let service = Service::new(lottery, store, config.winner)?;
            Server::bind(config, acceptor, service, logger.clone(), watch)?.run()?;
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
            let service = Service::new(lottery, store, config.winner)?;
            Server::bind(config, acceptor, service, logger.clone(), watch)?.run()?;
        }
    }
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
