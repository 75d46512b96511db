//! The outside of the loop: one `Poll`, the listeners, the signals, the timers. This file and the folder beside it are the
//! only ones that name mio.
//!
//! Readiness comes in and is noted; [`Hub::tick`] does the work. The listener has a sticky bit like every
//! connection: an edge tells once, and only `WouldBlock` clears it. A signal is an event like any other.

mod dialer;
mod http;
mod signals;
mod socket;
mod tokens;
mod watch;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use frame::log::Logger;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Poll, Token};
use signal_hook::consts::SIGINT;
use signal_hook_mio::v1_0::Signals;

pub use self::dialer::Dialer;
use self::http::HttpPort;
pub use self::signals::Termination;
use self::tokens::{LISTENER, Source};
pub use self::watch::Watch;
use crate::backlog::{Accepted, Backlog};
use crate::config::Config;
use crate::descriptors::room_for_connections;
use crate::hub::Hub;
use crate::report;
use crate::service::Service;
use crate::store::Store;
use crate::tls::TlsAcceptor;
use crate::web;

/// Events that one poll may bring.
const EVENTS: usize = 1_024;

/// Connections that one turn accepts, so that a storm of them does not stop the others.
const ACCEPTS_A_TURN: usize = 64;

/// Why the server could not begin or go on; `E` is the store's error.
#[derive(Debug)]
pub enum ServerError<E> {
    /// The listener, the poll or the signals failed.
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// The store failed.
    Store(E),
}

impl<E: fmt::Display> fmt::Display for ServerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, error } => {
                write!(f, "{what}: {error}{}", advice(error.kind()))
            }
            Self::Store(e) => e.fmt(f),
        }
    }
}

/// What to do about an address that cannot be listened on.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: choose one of its own, or 0.0.0.0 for all of them"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for privileged programs: choose a higher one"
        }
        _ => "",
    }
}

impl<E: std::error::Error> std::error::Error for ServerError<E> {}

fn system<E>(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError<E> {
    move |error| ServerError::System {
        what: what.into(),
        error,
    }
}

/// A server that listens.
pub struct Server<D: Store> {
    poll: Poll,
    signals: Signals,
    /// Until the server stops.
    listener: Option<TcpListener>,
    address: SocketAddr,
    backlog: Backlog,
    hub: Hub<TcpStream, D>,
    /// Where it is watched.
    http: Option<HttpPort>,
    logger: Logger,
    shutdown_grace: Duration,
    /// When a server that stops drops what is left.
    stop_until: Option<Instant>,
}

impl<D: Store> Server<D> {
    /// Binds the listener. With an acceptor, frames are exchanged over TLS alone.
    ///
    /// # Errors
    /// The address is taken or not ours, or the system has no resources.
    pub fn bind(
        config: &Config,
        acceptor: Option<TlsAcceptor>,
        service: Service<D>,
        logger: Logger,
        Watch { poll, signals }: Watch,
    ) -> Result<Self, ServerError<D::Error>> {
        let mut limits = config.limits;
        let watchers = config.http.map_or(0, |_| web::MAX_CONNECTIONS + 1);
        let room = room_for_connections().map_err(system("raising the limit of descriptors"))?;
        let room = room.saturating_sub(watchers).max(1);
        if room < limits.max_connections {
            report::few_descriptors(limits.max_connections, room);
            limits.max_connections = room;
        }
        let registry = poll.registry();
        let what = |address| system(format!("listening on {address}"));
        let listener = socket::listen(config.address, config.listen_backlog, registry, LISTENER);
        let listener = listener.map_err(what(config.address))?;
        let address = listener.local_addr().map_err(what(config.address))?;
        let mut hub = Hub::new(service, acceptor, limits);
        let http = match config.http {
            Some(address) => {
                let port = HttpPort::bind(address, &config.name, registry, Instant::now());
                hub.measure();
                Some(port.map_err(what(address))?)
            }
            None => None,
        };
        report::listening(address);
        report::accepting(false);

        Ok(Self {
            poll,
            signals,
            listener: Some(listener),
            address,
            backlog: Backlog::default(),
            hub,
            http,
            logger,
            shutdown_grace: config.shutdown_grace,
            stop_until: None,
        })
    }

    /// Serves until a signal stops it; then closes everything.
    ///
    /// # Errors
    /// The store or the poll failed. Nothing of the turn was answered.
    pub fn run(mut self) -> Result<(), ServerError<D::Error>> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.logger.flush();
            let now = Instant::now();
            if self
                .stop_until
                .is_some_and(|until| self.hub.is_empty() || now >= until)
            {
                break;
            }
            match self.poll.poll(&mut events, self.timeout(now)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                    return Err(system("waiting for events")(e));
                }
                _ => {}
            }
            let woken = Instant::now();
            self.mark(&events, woken);
            self.accept(woken);
            if let Err(e) = self.hub.tick(woken) {
                // The lines of this turn tell of bets that were not stored.
                self.logger.discard();
                return Err(ServerError::Store(e));
            }
            if let Some(http) = &mut self.http {
                http.tick(woken, &mut self.hub);
                self.hub.turn_took(woken.elapsed());
            }
        }
        if let Some(http) = self.http {
            http.close();
        }
        self.hub.close().map_err(ServerError::Store)?;
        report::store_closed();
        Ok(())
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let watched = self.http.as_ref();
        if self.hub.has_work()
            || self.can_accept(now)
            || watched.is_some_and(|http| http.has_work(now))
        {
            return Some(Duration::ZERO);
        }
        // Without room for a connection no timer is needed: when one closes, the loop turns.
        let accepts = self.listener.is_some() && self.hub.has_room();
        let accept_at = self.backlog.deadline().filter(|_| accepts);
        let deadlines = [
            self.hub.deadline(),
            accept_at,
            self.stop_until,
            watched.and_then(HttpPort::deadline),
        ];
        deadlines
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    /// Notes what the events say; serves nothing.
    fn mark(&mut self, events: &Events, now: Instant) {
        for event in events {
            let (readable, writable) = (event.is_readable(), event.is_writable());
            let dead = event.is_error() || event.is_write_closed();
            match Source::of(event.token()) {
                Source::Listener => self.backlog.mark(),
                Source::Signals => self.stop(now),
                // The next turn asks for what was found.
                Source::Resolved => {}
                Source::Database => self.hub.mark_store(readable, writable, dead),
                Source::Connection(slot) => self.hub.mark(slot, readable, writable, dead),
                Source::HttpListener => {
                    if let Some(http) = &mut self.http {
                        http.mark_listener();
                    }
                }
                Source::Http(slot) => {
                    if let Some(http) = &mut self.http {
                        http.mark(slot, readable, writable, dead);
                    }
                }
            }
        }
    }

    fn can_accept(&self, now: Instant) -> bool {
        self.listener.is_some() && self.backlog.is_ready(now) && self.hub.has_room()
    }

    /// Accepts what waits, as far as there is room: the rest stays in the backlog.
    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS_A_TURN {
            if !self.can_accept(now) {
                break;
            }
            let Some(listener) = &self.listener else {
                break;
            };
            match self.backlog.accept(now, || listener.accept()) {
                Accepted::Connection(stream, ip) => self.admit(stream, ip, now),
                Accepted::Gone => {}
                Accepted::Nothing => break,
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, ip: IpAddr, now: Instant) {
        let slot = Token(self.hub.next_slot());
        match socket::watch(&mut stream, self.poll.registry(), slot) {
            Ok(()) => self.hub.insert(stream, ip, now),
            Err(e) => report::connection_lost(ip, &e),
        }
    }

    fn stop(&mut self, now: Instant) {
        for signal in self.signals.pending() {
            report::signal(if signal == SIGINT {
                "SIGINT"
            } else {
                "SIGTERM"
            });
        }
        if self.stop_until.is_some() {
            return;
        }
        self.stop_until = Some(now + self.shutdown_grace);
        self.listener = None;
        report::listener_closed();
        self.hub.stop();
        if let Some(http) = &mut self.http {
            http.stop();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
