//! The outside of the loop: one `Poll`, the listeners, the signals, the timers. The one file that names mio.
//!
//! Readiness comes in and is noted; [`Hub::tick`] does the work. The listener has a sticky bit like every
//! connection: an edge tells once, and only `WouldBlock` clears it. A signal is an event like any other.

mod error;
mod http;
mod signals;
mod tokens;
mod traces;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frame::Lookup;
use frame::log::Logger;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

pub use self::error::ServerError;
use self::error::system;
use self::http::HttpPort;
pub use self::signals::{Termination, bear_file_limits};
use self::tokens::{DATABASE, HTTP_LISTENER, LISTENER, RESOLVED, SIGNALS, Source};
use self::traces::Traces;
use crate::backlog::{Accepted, Backlog};
use crate::config::Config;
use crate::hub::Hub;
use crate::limits::room_for_connections;
use crate::observe::Phase;
use crate::report;
use crate::service::Service;
use crate::store::Store;
use crate::store::postgres::Dial;
use crate::stream::Stream;
use crate::tls::TlsAcceptor;
use crate::web;

/// Events that one poll may bring.
const EVENTS: usize = 1_024;

/// Connections of the HTTP port that wait to be accepted. Where there are more, the kernel drops them, and a client tries
/// again only after a second.
const HTTP_BACKLOG: u32 = 1_024;

/// Connections that one turn accepts, so that a storm of them does not stop the others.
const ACCEPTS_A_TURN: usize = 64;

/// The poll, before anything is watched but the signals: a remote store needs it before the server is bound.
pub struct Watch {
    poll: Poll,
    signals: Termination,
}

impl Watch {
    /// Begins to watch the signals.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn new(mut signals: Termination) -> io::Result<Self> {
        let poll = Poll::new()?;
        let source = &mut signals.signals;
        poll.registry()
            .register(source, Token(SIGNALS), Interest::READABLE)?;
        Ok(Self { poll, signals })
    }

    /// The signals that came since the last call, before the server serves: tells of each, and returns whether one of
    /// them stops it.
    pub fn stops(&mut self) -> bool {
        self.signals.take().stops
    }

    /// What opens streams to a database.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn dialer(&self) -> io::Result<Dialer> {
        Ok(Dialer {
            registry: self.poll.registry().try_clone()?,
            waker: Arc::new(Waker::new(self.poll.registry(), Token(RESOLVED))?),
            lookup: Lookup::default(),
        })
    }
}

/// Opens streams to a database.
pub struct Dialer {
    registry: Registry,
    waker: Arc<Waker>,
    lookup: Lookup,
}

impl Dial for Dialer {
    type Stream = TcpStream;

    fn resolve(&mut self, name: &str, port: u16) {
        let waker = Arc::clone(&self.waker);
        self.lookup.begin((name.to_owned(), port), move || {
            let _ = waker.wake();
        });
    }

    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        self.lookup.answer()
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        self.registry.register(&mut stream, Token(DATABASE), BOTH)?;
        Ok(stream)
    }

    fn is_connected(&self, stream: &TcpStream) -> io::Result<bool> {
        if let Some(e) = stream.take_error()? {
            return Err(e);
        }
        match stream.peer_addr() {
            Ok(peer) => {
                frame::check_peer(stream.local_addr()?, peer)?;
                set_up(stream).map(|()| true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// A server that listens.
pub struct Server<R: Store> {
    poll: Poll,
    signals: Termination,
    /// Until the server stops.
    listener: Option<TcpListener>,
    address: SocketAddr,
    backlog: Backlog,
    hub: Hub<TcpStream, R>,
    /// Where it is watched.
    http: Option<HttpPort<TcpListener, TcpStream>>,
    logger: Logger,
    traces: Traces,
    shutdown_grace: Duration,
    /// When a server that stops drops what is left.
    stop_until: Option<Instant>,
}

impl<R: Store> Server<R> {
    /// Binds the listener. With an acceptor, frames are exchanged over TLS alone.
    ///
    /// # Errors
    /// The address is taken or not ours, or the system has no resources.
    pub fn bind(
        config: &Config,
        acceptor: Option<TlsAcceptor>,
        service: Service<R>,
        logger: Logger,
        Watch { poll, signals }: Watch,
    ) -> Result<Self, ServerError<R::Error>> {
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
        let listener = listen(config.address, config.listen_backlog, registry, LISTENER);
        let listener = listener.map_err(what(config.address))?;
        let address = listener.local_addr().map_err(what(config.address))?;
        let mut hub = Hub::new(service, acceptor, limits);
        let http = match config.http {
            Some(address) => {
                let listener = listen(address, HTTP_BACKLOG, registry, HTTP_LISTENER);
                let listener = listener.map_err(what(address))?;
                report::http_listening(listener.local_addr().map_err(what(address))?);
                hub.measure();
                let hosts = config.http_hosts.clone();
                Some(HttpPort::new(listener, &config.name, hosts, Instant::now()))
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
            traces: Traces::new(config.trace.clone(), config.trace_bytes),
            shutdown_grace: config.shutdown_grace,
            stop_until: None,
        })
    }

    /// Serves until a signal stops it; then closes everything.
    ///
    /// # Errors
    /// The store or the poll failed. Nothing of the turn was answered.
    pub fn run(mut self) -> Result<(), ServerError<R::Error>> {
        let mut events = Events::with_capacity(EVENTS);
        self.traces.start();
        loop {
            self.logger.flush();
            let now = Instant::now();
            let is_over = |until| self.hub.is_empty() || now >= until;
            if self.stop_until.is_some_and(is_over) {
                break;
            }
            match self.poll.poll(&mut events, self.timeout(now)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                    return Err(system("waiting for events")(e));
                }
                _ => {}
            }
            let woken = Instant::now();
            self.hub.lap(Phase::Wait);
            self.mark(&events, woken);
            self.accept(woken);
            self.hub.lap(Phase::Mark);
            if let Err(e) = self.hub.tick(woken) {
                // The lines of this turn tell of bets that were not stored.
                self.logger.discard();
                return Err(ServerError::Store(e));
            }
            if let Some(http) = &mut self.http {
                let registry = self.poll.registry();
                let admit = |stream: &mut TcpStream, token| watch(stream, registry, token);
                http.accept(woken, TcpListener::accept, admit);
                http.tick(woken, &mut self.hub);
                self.hub.lap(Phase::Http);
            }
            self.hub.end_turn();
            Traces::flush();
        }
        if let Some(http) = self.http {
            http.close();
        }
        self.hub.close().map_err(ServerError::Store)?;
        Traces::finish();
        report::store_closed();
        Ok(())
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let watched = self.http.as_ref();
        let is_asked = watched.is_some_and(|http| http.has_work(now));
        if is_asked || self.hub.has_work() || self.can_accept(now) {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.hub.deadline(),
            self.accept_at(now),
            self.stop_until,
            watched.and_then(HttpPort::deadline),
        ];
        let next = deadlines.into_iter().flatten().min();
        next.map(|at| at.saturating_duration_since(now))
    }

    /// Notes what the events say; serves nothing.
    fn mark(&mut self, events: &Events, now: Instant) {
        let mut count = 0;
        for event in events {
            count += 1;
            let (readable, writable) = (event.is_readable(), event.is_writable());
            let dead = event.is_error() || event.is_write_closed();
            match Source::of(event.token().0) {
                Source::Listener => self.backlog.mark(),
                Source::Signals => {
                    let came = self.signals.take();
                    if came.trace && self.traces.switch() {
                        self.hub.begin_trace();
                    }
                    if came.stops {
                        self.stop(now);
                    }
                }
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
        self.hub.polled(count);
    }

    fn can_accept(&self, now: Instant) -> bool {
        self.listener.is_some() && self.backlog.is_ready(now) && self.hub.has_room(now)
    }

    /// When to accept without an event. Where nobody gives way no timer is needed: when one closes, the loop turns.
    fn accept_at(&self, now: Instant) -> Option<Instant> {
        let waits = self.backlog.is_ready(now).then_some(now);
        let ready = waits.or(self.backlog.deadline())?;
        let room = self.hub.room_at(now).filter(|_| self.listener.is_some())?;
        Some(ready.max(room))
    }

    /// Accepts what waits, as far as there is room or somebody gives way: the rest stays in the backlog.
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
        self.hub.make_room(now);
        let slot = self.hub.next_slot();
        match watch(&mut stream, self.poll.registry(), slot) {
            Ok(()) => self.hub.insert(stream, ip, now),
            Err(e) => report::connection_lost(ip, &e, None, false),
        }
    }

    fn stop(&mut self, now: Instant) {
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

/// Readiness of either kind, as every stream is registered.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Finds the peers that vanished while they were held.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

impl Stream for TcpStream {
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        TcpStream::take_error(self)
    }
}

/// What every stream needs.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)
}

/// Sets up an accepted stream and begins to watch it.
fn watch(stream: &mut TcpStream, registry: &Registry, token: usize) -> io::Result<()> {
    set_up(stream)?;
    registry.register(stream, Token(token), BOTH)
}

/// A listener that is watched. mio's own bind fixes the backlog; and without SO_REUSEADDR a restart could not bind for
/// a minute.
fn listen(
    address: SocketAddr,
    backlog: u32,
    registry: &Registry,
    token: usize,
) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))?;
    let mut listener = TcpListener::from_std(socket.into());
    registry.register(&mut listener, Token(token), Interest::READABLE)?;
    Ok(listener)
}
