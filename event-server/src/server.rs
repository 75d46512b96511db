//! The outside of the loop: one `Poll`, the listener, the signals, the timers. The one file that names mio.
//!
//! Readiness comes in and is noted; [`Hub::tick`] does the work. The listener has a sticky bit like every
//! connection: an edge tells once, and only `WouldBlock` clears it. A signal is an event like any other.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use frame::log::Logger;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::backlog::{Accepted, Backlog};
use crate::config::Config;
use crate::descriptors::room_for_connections;
use crate::hub::Hub;
use crate::report;
use crate::service::Service;
use crate::store::Store;
use crate::store::postgres::Dial;
use crate::stream::Stream;
use crate::tls::TlsAcceptor;

const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
const DATABASE: Token = Token(usize::MAX - 2);
const RESOLVED: Token = Token(usize::MAX - 3);

/// Events that one poll may bring.
const EVENTS: usize = 1_024;

/// Connections that one turn accepts, so that a storm of them does not stop the others.
const ACCEPTS_A_TURN: usize = 64;

/// Finds the peers that vanished while they were held.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

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
            Self::System { what, error } => write!(f, "{what}: {error}"),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for ServerError<E> {}

fn system<E>(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError<E> {
    move |error| ServerError::System {
        what: what.into(),
        error,
    }
}

impl Stream for TcpStream {
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        TcpStream::take_error(self)
    }
}

/// SIGTERM and SIGINT, caught: the first one is an event, whenever the poll asks for it; a second one ends the
/// program at once, with 128 and its number, whatever it is doing.
pub struct Termination(Signals);

impl Termination {
    /// Catches the signals; to be called before anything is opened, since that may take its time.
    ///
    /// # Errors
    /// The system would not.
    pub fn catch() -> io::Result<Self> {
        let catch = || {
            let stopping = Arc::new(AtomicBool::new(false));
            for signal in [SIGTERM, SIGINT] {
                let (code, flag) = (128 + signal, Arc::clone(&stopping));
                signal_hook::flag::register_conditional_shutdown(signal, code, flag)?;
                signal_hook::flag::register(signal, Arc::clone(&stopping))?;
            }
            Signals::new([SIGTERM, SIGINT])
        };
        catch().map(Self)
    }
}

/// The poll, before anything is watched but the signals: a remote store needs it before the server is bound.
pub struct Watch {
    poll: Poll,
    signals: Signals,
}

impl Watch {
    /// Begins to watch the signals.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn new(Termination(mut signals): Termination) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self { poll, signals })
    }

    /// What opens streams to a database.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn dialer(&self) -> io::Result<Dialer> {
        Ok(Dialer {
            registry: self.poll.registry().try_clone()?,
            waker: Arc::new(Waker::new(self.poll.registry(), RESOLVED)?),
            lookup: None,
        })
    }
}

/// Opens streams to a database. The system's resolver blocks, so it has a thread of its own while a name is looked up.
pub struct Dialer {
    registry: Registry,
    waker: Arc<Waker>,
    lookup: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
}

impl Dial for Dialer {
    type Stream = TcpStream;

    fn resolve(&mut self, name: &str, port: u16) {
        let (answer, lookup) = mpsc::channel();
        let (name, waker) = (name.to_owned(), Arc::clone(&self.waker));
        self.lookup = Some(lookup);
        let resolver = move || {
            let addresses = (name.as_str(), port).to_socket_addrs();
            // Nobody listens any more where another name is looked up.
            let _ = answer.send(addresses.map(Vec::from_iter));
            let _ = waker.wake();
        };
        if let Err(e) = thread::Builder::new().spawn(resolver) {
            let (answer, lookup) = mpsc::channel();
            let _ = answer.send(Err(e));
            self.lookup = Some(lookup);
        }
    }

    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        match self.lookup.as_ref()?.try_recv() {
            Ok(addresses) => Some(addresses),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(io::ErrorKind::Other.into())),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut stream, DATABASE, both)?;
        Ok(stream)
    }

    fn is_connected(&self, stream: &TcpStream) -> io::Result<bool> {
        if let Some(e) = stream.take_error()? {
            return Err(e);
        }
        match stream.peer_addr() {
            Ok(_) => {
                stream.set_nodelay(true)?;
                SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)?;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
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
        let room = room_for_connections().map_err(system("raising the limit of descriptors"))?;
        if room < limits.max_connections {
            report::few_descriptors(limits.max_connections, room);
            limits.max_connections = room;
        }
        let registry = poll.registry();
        let what = || format!("listening on {}", config.address);
        let mut listener = listen(config).map_err(system(what()))?;
        let address = listener.local_addr().map_err(system(what()))?;
        registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(system("watching the listener"))?;
        report::listening(address);
        report::accepting(false);

        Ok(Self {
            poll,
            signals,
            listener: Some(listener),
            address,
            backlog: Backlog::default(),
            hub: Hub::new(service, acceptor, limits),
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
            let now = Instant::now();
            self.mark(&events, now);
            self.accept(now);
            if let Err(e) = self.hub.tick(now) {
                // What this turn's lines say did not come true.
                self.logger.discard();
                return Err(ServerError::Store(e));
            }
        }
        self.hub.close().map_err(ServerError::Store)?;
        report::store_closed();
        Ok(())
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.hub.has_work() || self.can_accept(now) {
            return Some(Duration::ZERO);
        }
        // Without room for a connection there is nothing to come back for.
        let accepts = self.listener.is_some() && self.hub.has_room();
        let accept_at = self.backlog.deadline().filter(|_| accepts);
        let deadlines = [self.hub.deadline(), accept_at, self.stop_until];
        deadlines
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    /// Notes what the events say; serves nothing.
    fn mark(&mut self, events: &Events, now: Instant) {
        for event in events {
            match event.token() {
                LISTENER => self.backlog.mark(),
                SIGNALS => self.stop(now),
                // The next turn asks for what was found.
                RESOLVED => {}
                DATABASE => {
                    let dead = event.is_error() || event.is_write_closed();
                    self.hub
                        .mark_store(event.is_readable(), event.is_writable(), dead);
                }
                Token(slot) => {
                    let dead = event.is_error() || event.is_write_closed();
                    self.hub
                        .mark(slot, event.is_readable(), event.is_writable(), dead);
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
        let ready = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE))
            .and_then(|()| {
                let both = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut stream, slot, both)
            });
        match ready {
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
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// mio's own bind fixes the backlog; and without SO_REUSEADDR a restart could not bind for a minute.
fn listen(config: &Config) -> io::Result<TcpListener> {
    let domain = Domain::for_address(config.address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&config.address.into())?;
    socket.listen(config.listen_backlog.try_into().unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}
