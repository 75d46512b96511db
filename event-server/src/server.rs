//! The loop: one `Poll`, the listeners, the signals, the timers. Only this file and its folder name mio.
//!
//! Readiness comes in and is noted; [`Hub::tick`] does the work. A listener has a sticky bit like every connection: an
//! edge sets it once, and only `WouldBlock` clears it. A signal is an event like any other.

mod certificate;
mod error;
mod listener;
mod reactor;
mod streams;
mod traces;

use std::io;
use std::net::{self, IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use frame::log::Logger;
use mio::Events;
use mio::net::TcpStream;
use socket2::SockRef;

use self::certificate::DailyCheck;
pub use self::error::ServerError;
use self::error::system;
use self::listener::{Listener, Port};
use self::reactor::{HTTP_LISTENER, LISTENER, Owner, http_token};
pub use self::reactor::{Reactor, Signals, fail_writes_beyond_file_limit};
pub use self::streams::Dialer;
use self::traces::Traces;
use crate::config::Config;
use crate::hub::Hub;
use crate::limits::room_for_connections;
use crate::observe::Phase;
use crate::reload::Reload;
use crate::report;
use crate::service::Service;
use crate::store::Store;
use crate::supervisor::{SocketName, Supervisor};
use crate::tls::TlsAcceptor;
use crate::web::{self, Web};

/// Events that one poll may bring.
const EVENTS: usize = 1_024;

/// Connections that one turn accepts.
const ACCEPTS_A_TURN: usize = 64;

/// Connections of the HTTP port that one turn accepts.
const HTTP_ACCEPTS_A_TURN: usize = 4;

/// Connections of the HTTP port that may wait to be accepted. The kernel drops any more of them, and a client tries again only
/// after a second.
const HTTP_BACKLOG: u32 = 1_024;

/// What controls a server, beside its peers.
pub struct Controls {
    /// The poll, and the signals.
    pub reactor: Reactor,
    /// Reads files again when a signal asks for it.
    pub reload: Reload,
    /// The service manager that started it, if one did.
    pub supervisor: Supervisor,
}

/// A server that listens.
pub struct Server<R: Store> {
    reactor: Reactor,
    /// Closed as soon as the server stops.
    listener: Option<Listener>,
    address: SocketAddr,
    hub: Hub<TcpStream, R>,
    /// The HTTP port, if it is on.
    http: Option<Http>,
    logger: Logger,
    traces: Traces,
    reload: Reload,
    certificate: DailyCheck,
    supervisor: Supervisor,
    shutdown_grace: Duration,
    /// When a server that stops drops the connections that are left.
    stop_until: Option<Instant>,
}

impl<R: Store> Server<R> {
    /// Binds the listeners, or takes those that the service manager hands over. With an acceptor, frames are exchanged over TLS
    /// alone.
    ///
    /// # Errors
    /// The address is taken or not ours, a socket that was handed over cannot be used, or the system has no resources.
    pub fn bind(
        config: &Config,
        acceptor: Option<TlsAcceptor>,
        service: Service<R>,
        logger: Logger,
        controls: Controls,
    ) -> Result<Self, ServerError<R::Error>> {
        let Controls {
            reactor,
            reload,
            mut supervisor,
        } = controls;
        let mut limits = config.limits;
        let watchers = config.http.map_or(0, |_| web::MAX_CONNECTIONS + 1);
        let room = room_for_connections().map_err(system("raising the limit of descriptors"))?;
        let room = room.saturating_sub(watchers).max(1);
        if room < limits.max_connections {
            report::few_descriptors(limits.max_connections, room);
            limits.max_connections = room;
        }
        let registry = reactor.poll.registry();
        let mut listen = |name, address, queue, most, token| {
            let listener = match handed(&mut supervisor, name, address)? {
                Some(socket) => Listener::adopt(socket, most, registry, token),
                None => Listener::bind(address, queue, most, registry, token),
            };
            let open = listener.and_then(|listener| Ok((listener.address()?, listener)));
            open.map_err(system(format!("listening on {address}")))
        };
        let (address, listener) = listen(
            SocketName::Lottery,
            config.address,
            config.listen_backlog,
            ACCEPTS_A_TURN,
            LISTENER,
        )?;
        let certificate = DailyCheck::new(acceptor.clone(), Instant::now());
        let mut hub = Hub::new(service, acceptor, limits);
        let http = match config.http {
            Some(address) => {
                let (address, listener) = listen(
                    SocketName::Http,
                    address,
                    HTTP_BACKLOG,
                    HTTP_ACCEPTS_A_TURN,
                    HTTP_LISTENER,
                )?;
                report::http_listening(address);
                hub.measure();
                let hosts = config.http_hosts.clone();
                let web = Web::new(&config.name, hosts, Instant::now());
                Some(Http { listener, web })
            }
            None => None,
        };
        report::listening(address);
        report::accepting(false);

        Ok(Self {
            reactor,
            listener: Some(listener),
            address,
            hub,
            http,
            logger,
            traces: Traces::new(config.trace.clone(), config.trace_bytes),
            reload,
            certificate,
            supervisor,
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
        if self.reactor.reload_due {
            self.reload();
        }
        loop {
            self.logger.flush();
            let now = Instant::now();
            let is_over = |until| self.hub.is_empty() || now >= until;
            if self.stop_until.is_some_and(is_over) {
                break;
            }
            match self.reactor.poll.poll(&mut events, self.timeout(now)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                    return Err(system("waiting for events")(e));
                }
                _ => {}
            }
            let woken = Instant::now();
            self.certificate.check(woken);
            self.hub.lap(Phase::Wait);
            self.mark(&events, woken);
            let registry = self.reactor.poll.registry();
            if let Some(listener) = &mut self.listener {
                listener.accept(woken, registry, &mut self.hub);
            }
            self.hub.lap(Phase::Mark);
            if let Err(e) = self.hub.tick(woken) {
                // The log lines of this turn say that bets were stored, which they are not.
                self.logger.discard();
                return Err(ServerError::Store(e));
            }
            if let Some(Http { listener, web }) = &mut self.http {
                listener.accept(woken, self.reactor.poll.registry(), web);
                web.tick(woken, &mut self.hub);
                self.hub.lap(Phase::Http);
            }
            self.hub.end_turn();
            let hub = &self.hub;
            self.supervisor
                .turn(woken, || hub.is_open(), || hub.standing());
            Traces::flush();
        }
        if let Some(Http { listener, web }) = self.http {
            web.close();
            drop(listener);
            report::http_port_closed();
        }
        self.hub.close().map_err(ServerError::Store)?;
        Traces::finish();
        report::store_closed();
        Ok(())
    }

    /// Returns how long the poll may wait; `None`: until an event comes.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        let http = self.http.as_ref();
        if self.hub.has_work() || http.is_some_and(|http| http.web.has_work()) {
            return Some(Duration::ZERO);
        }
        let listener = self.listener.as_ref();
        let deadlines = [
            self.hub.deadline(),
            listener.and_then(|listener| listener.accept_at(now, &self.hub)),
            self.stop_until,
            self.certificate.due(),
            self.supervisor.due(),
            http.and_then(|http| http.web.deadline()),
            http.and_then(|http| http.listener.accept_at(now, &http.web)),
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
            match Owner::of(event.token().0) {
                Owner::Listener => {
                    if let Some(listener) = &mut self.listener {
                        listener.mark();
                    }
                }
                Owner::Signals => {
                    let requested = self.reactor.signals.take();
                    if requested.trace && self.traces.switch() {
                        self.hub.begin_trace();
                    }
                    if requested.reload {
                        self.reload();
                    }
                    if requested.stops {
                        self.stop(now);
                    }
                }
                // The store takes the answer in this turn.
                Owner::Resolved => {}
                Owner::Database(session) => self.hub.mark_store(session, readable, writable, dead),
                Owner::Connection(slot) => self.hub.mark(slot, readable, writable, dead),
                Owner::HttpListener => {
                    if let Some(http) = &mut self.http {
                        http.listener.mark();
                    }
                }
                Owner::Http(slot) => {
                    if let Some(http) = &mut self.http {
                        http.web.mark(slot, readable, writable, dead);
                    }
                }
            }
        }
        self.hub.polled(count);
    }

    /// Reads again what [`Reload`] does; if a file cannot be used, nothing changes.
    fn reload(&mut self) {
        self.supervisor.reloading();
        match self.reload.read() {
            Ok(fresh) => {
                if let Some(acceptor) = fresh.acceptor {
                    acceptor.report_opened();
                    self.certificate = DailyCheck::new(Some(acceptor.clone()), Instant::now());
                    self.hub.set_acceptor(acceptor);
                }
                report::reloaded(fresh.level.name());
                self.logger.set_level(fresh.level);
            }
            Err(why) => report::reload_failed(&why),
        }
        self.supervisor.reloaded();
    }

    fn stop(&mut self, now: Instant) {
        if self.stop_until.is_some() {
            return;
        }
        self.stop_until = Some(now + self.shutdown_grace);
        self.supervisor.stopping();
        if let Some(listener) = self.listener.take() {
            listener.close(self.reactor.poll.registry());
        }
        report::listener_closed();
        self.hub.stop();
        if let Some(http) = &mut self.http {
            http.web.stop();
        }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes the socket of a port from the service manager, if it hands one over. `address` is where it should listen.
fn handed<E>(
    supervisor: &mut Supervisor,
    name: SocketName,
    address: SocketAddr,
) -> Result<Option<net::TcpListener>, ServerError<E>> {
    let what = format!(
        "taking the socket {} from the service manager (LISTEN_FDS)",
        name.name()
    );
    let taken = supervisor.sockets.take(name).and_then(|socket| {
        let Some(socket) = socket else {
            return Ok(None);
        };
        if !SockRef::from(&socket).is_listener()? {
            return Err(io::Error::other("it does not listen"));
        }
        let there = socket.local_addr()?;
        if there != address && address.port() != 0 {
            report::listens_elsewhere(there, address);
        }
        Ok(Some(socket))
    });
    taken.map_err(system(what))
}

/// The HTTP port: its listener, and its connections with what they are answered.
struct Http {
    listener: Listener,
    web: Web<TcpStream>,
}

impl<R: Store> Port for Hub<TcpStream, R> {
    fn place_at(&self, now: Instant) -> Option<Instant> {
        self.room_at(now)
    }

    fn free_token(&mut self, now: Instant) -> usize {
        self.make_room(now);
        self.next_slot()
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr, now: Instant) {
        self.insert(stream, ip, now);
    }

    fn report_lost(&self, ip: IpAddr, error: &io::Error) {
        report::connection_lost(ip, error, None, false);
    }
}

impl Port for Web<TcpStream> {
    fn place_at(&self, now: Instant) -> Option<Instant> {
        self.has_room().then_some(now)
    }

    fn free_token(&mut self, _: Instant) -> usize {
        self.make_room();
        http_token(self.next_slot())
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr, now: Instant) {
        self.insert(stream, ip, now);
    }

    fn report_lost(&self, ip: IpAddr, error: &io::Error) {
        report::http_connection_closed(ip, error);
    }
}
