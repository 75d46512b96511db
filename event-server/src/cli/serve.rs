//! Running the server, checking a running one from outside (`--check`), and showing its configuration (`config`).
//!
//! The steps of a run: configuration → store → bind → serve.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use event_server::config::{Config, Loaded, Sources, StoreConfig};
use event_server::lottery::{Lottery, MAX_AGENCIES};
use event_server::reload::Reload;
use event_server::report;
use event_server::server::{Controls, Dialer, Reactor, Server, Signals};
use event_server::service::Service;
use event_server::store::Store;
use event_server::store::files::Progress;
use event_server::store::postgres::{DatabaseTls, Link, PostgresStore};
use event_server::supervisor::Supervisor;
use event_server::tls::TlsAcceptor;
use frame::log::Logger;
use frame::{Escaped, small_file};

use super::failure::{CONFIGURATION, Failure, UNAVAILABLE};
use super::store::LocalLottery;

/// Runs the server until a signal stops it.
pub fn run(
    sources: Sources,
    loaded: &Loaded,
    logger: &Logger,
    mut supervisor: Supervisor,
) -> Result<(), Failure> {
    let Loaded {
        config, warnings, ..
    } = loaded;
    let unavailable = |e| Failure::new(UNAVAILABLE, format_args!("waiting for events: {e}"));
    let signals = Signals::catch().map_err(unavailable)?;
    let level = config.logging_level.name();
    report::config(config.address.port(), config.listen_backlog, level);
    warnings
        .iter()
        .for_each(|warning| report::config_warning(warning));

    let files = config.tls.as_ref();
    let acceptor = files.map(|files| TlsAcceptor::open(files, small_file::read));
    let acceptor = acceptor
        .transpose()
        .map_err(|e| Failure::new(CONFIGURATION, e))?;
    if let Some(acceptor) = &acceptor {
        acceptor.report_opened();
    }
    let mut reactor = Reactor::new(signals).map_err(unavailable)?;
    match &config.store {
        StoreConfig::Files {
            data_dir,
            durability,
        } => {
            let mut opening = Opening::new(logger, &mut reactor, &mut supervisor);
            let on_progress = |progress| opening.check(progress);
            let found = LocalLottery::start(config, data_dir, *durability, on_progress)?;
            let Some(LocalLottery { lottery, store }) = found else {
                // A signal stopped the reading: there is nothing to close.
                supervisor.stopping();
                return Ok(());
            };
            let controls = Controls {
                reactor,
                reload: Reload::new(sources, loaded, None),
                supervisor,
            };
            serve(config, acceptor, lottery, store, logger, controls)
        }
        StoreConfig::Postgres(options) => {
            if !options.url.without_effect.is_empty() {
                report::without_effect(&options.url.without_effect);
            }
            let dialers = Dialer::several(&reactor, options.sessions).map_err(unavailable)?;
            let rng = fastrand::Rng::new();
            let links = Link::several(dialers, options, rng, Instant::now())?;
            let access = links.first().map(Link::access);
            let controls = Controls {
                reactor,
                reload: Reload::new(sources, loaded, access),
                supervisor,
            };
            let store = PostgresStore::new(links, config.winner, MAX_AGENCIES as usize);
            let lottery = Lottery::new(config.agencies);
            serve(config, acceptor, lottery, store, logger, controls)
        }
    }
}

fn serve<R>(
    config: &Config,
    acceptor: Option<TlsAcceptor>,
    lottery: Lottery,
    store: R,
    logger: &Logger,
    controls: Controls,
) -> Result<(), Failure>
where
    R: Store<Error: Into<Failure>>,
{
    let service = Service::new(lottery, store, config.winner).map_err(Into::into)?;
    Server::bind(config, acceptor, service, logger.clone(), controls)?.run()?;
    Ok(())
}

/// The time between two checks for signals while the files are read.
const CHECK: Duration = Duration::from_millis(50);

/// The time between two log lines about the progress of the reading.
const LOG: Duration = Duration::from_secs(3);

/// Checks for signals while the files are read, tells the service manager of the progress, and logs it if the reading
/// takes long.
struct Opening<'o> {
    logger: &'o Logger,
    reactor: &'o mut Reactor,
    supervisor: &'o mut Supervisor,
    check_at: Instant,
    log_at: Instant,
}

impl<'o> Opening<'o> {
    fn new(logger: &'o Logger, reactor: &'o mut Reactor, supervisor: &'o mut Supervisor) -> Self {
        let now = Instant::now();
        Self {
            logger,
            reactor,
            supervisor,
            check_at: now + CHECK,
            log_at: now + LOG,
        }
    }

    fn check(&mut self, Progress { done, of }: Progress) -> ControlFlow<()> {
        let now = Instant::now();
        if now < self.check_at {
            return ControlFlow::Continue(());
        }
        self.check_at = now + CHECK;
        if self.reactor.stops() {
            return ControlFlow::Break(());
        }
        self.supervisor.recovering(done, of, now);
        if now >= self.log_at {
            self.log_at = now + LOG;
            report::store_opening(done, of);
            self.logger.flush();
        }
        ControlFlow::Continue(())
    }
}

/// `config`: prints a line for each key, and reads the TLS files that the server would read at its start.
pub fn show_settings(loaded: &Loaded) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for setting in &loaded.settings {
        let (value, source) = (Escaped(&setting.value), Escaped(&setting.origin));
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
        let acceptor = TlsAcceptor::open(files, small_file::read);
        let acceptor = acceptor.map_err(|e| Failure::new(CONFIGURATION, e))?;
        if let Some(validity) = acceptor.validity() {
            let written = writeln!(out, "# SERVER_TLS_CERT is valid until {validity}");
            written.map_err(|e| Failure::output(&e))?;
            acceptor.report_validity();
        }
    }
    if let StoreConfig::Postgres(options) = store {
        let opened = DatabaseTls::open(&options.url, small_file::read);
        opened.map_err(|e| Failure::new(CONFIGURATION, e))?;
    }
    Ok(())
}

/// `--check`: expects the server that runs with this configuration to echo a line.
///
/// For health checks where there is neither a shell nor a netcat.
pub fn check(config: &Config) -> Result<(), Failure> {
    // Unreadable files are no error here: a health check may run without the right to read the key.
    if let Some(files) = &config.tls
        && let Ok(acceptor) = TlsAcceptor::open(files, small_file::read)
    {
        acceptor.report_opened();
    }
    let address = config.address;
    echo(address).map_err(|e| {
        Failure::new(
            UNAVAILABLE,
            format_args!("no server answers on {address}: {e}"),
        )
    })
}

/// The longest time for the connection, and for each read and write of a check.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Sends a line of text to the server at `address`, and expects it back. Each step takes [`TIMEOUT`] at most.
///
/// # Errors
/// The connection fails, no answer comes in time, or the answer is not this line.
fn echo(address: SocketAddr) -> io::Result<()> {
    let line = format!("check {}\n", std::process::id());
    let mut stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT)?;
    frame::check_peer(stream.local_addr()?, stream.peer_addr()?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(line.as_bytes())?;
    let mut answer = Vec::new();
    let mut reply = stream.take(line.len() as u64 + 1);
    reply.read_to_end(&mut answer).map_err(explain)?;
    match answer.as_slice() {
        echo if echo == line.as_bytes() => Ok(()),
        b"" => Err(io::Error::other(
            "the connection was closed without a reply: it stops, or it is no central",
        )),
        reply => Err(io::Error::other(match reply {
            [b'H', b'T', b'T', b'P', ..] => {
                "an HTTP server is there, no central: SERVER_PORT is the port of the agencies, SERVER_HTTP another one"
            }
            _ => "something else than the line came back: it is no central",
        })),
    }
}

/// Explains a timeout: the kernel completes a connection even if the server never accepts it.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::other(format!(
            "no reply within {TIMEOUT:?}: it is full (all places for connections are taken, and nobody gives way), or stands still"
        )),
        _ => error,
    }
}

/// Replaces 0.0.0.0 and ::, which a server may be bound to, by the loopback address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
