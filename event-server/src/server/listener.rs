//! A listening socket of one of the two ports: when to accept, how many connections in a turn, and what to do if the
//! system has no resources for one.
//!
//! An edge tells once that connections wait, and only `WouldBlock` says that none is left. Without file descriptors or memory
//! there is no new edge either: a timer brings the loop back.
//!
//! The options of its streams are set on the socket that listens: Linux gives them to each connection that is made from then
//! on, which costs no calls. Connections that were made before get them one by one.

use std::io;
use std::net::{self, IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::streams::register;
use crate::net::set_up;
use crate::report;

/// How long nothing is accepted after the system had no resources for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections of a port, as far as its listener needs them.
pub(super) trait Port {
    /// Returns when another connection may be taken if nothing happens; `None`: only after one ends.
    fn place_at(&self, now: Instant) -> Option<Instant>;

    /// Makes a place free if none is, and returns the token of the connection that takes it.
    fn free_token(&mut self, now: Instant) -> usize;

    /// Takes a connection, whose stream is registered with that token.
    fn admit(&mut self, stream: TcpStream, ip: IpAddr, now: Instant);

    /// Logs that a stream failed before it was admitted.
    fn report_lost(&self, ip: IpAddr, error: &io::Error);
}

/// A socket that listens.
pub(super) struct Listener {
    socket: TcpListener,
    backlog: Backlog,
    /// The most connections that one turn accepts, so that a flood of them does not stop the others.
    most: usize,
    /// Connections may wait that were made before the socket had its options.
    has_bare: bool,
}

impl Listener {
    /// Listens on an address. `queue` is the backlog of listen(2): connections that may wait in the kernel.
    ///
    /// mio's own `bind` fixes the backlog; and without SO_REUSEADDR a restart could not bind for a minute.
    ///
    /// # Errors
    /// The address is taken or not ours, or the system has no resources.
    pub(super) fn bind(
        address: SocketAddr,
        queue: u32,
        most: usize,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        set_up(&socket)?;
        socket.bind(&address.into())?;
        socket.listen(queue.try_into().unwrap_or(i32::MAX))?;
        Self::register(socket.into(), false, most, registry, token)
    }

    /// Takes a non-blocking socket that listens already. Connections may wait in it.
    ///
    /// # Errors
    /// The system has no resources.
    pub(super) fn adopt(
        socket: net::TcpListener,
        most: usize,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        set_up(&socket)?;
        Self::register(socket, true, most, registry, token)
    }

    fn register(
        socket: net::TcpListener,
        has_bare: bool,
        most: usize,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let mut socket = TcpListener::from_std(socket);
        registry.register(&mut socket, Token(token), Interest::READABLE)?;
        Ok(Self {
            socket,
            backlog: Backlog::default(),
            most,
            has_bare,
        })
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts nothing more. A socket that the service manager keeps open goes on listening, and connections wait in
    /// it.
    pub(super) fn close(mut self, registry: &Registry) {
        // The poll would still report events of such a socket, which closing it here does not end. An error changes
        // nothing: the poll does not know the socket then.
        let _ = registry.deregister(&mut self.socket);
    }

    /// Notes an event: connections wait.
    pub(super) fn mark(&mut self) {
        self.backlog.mark();
    }

    /// Returns when to accept without a new event. If no place becomes free with time, no timer is needed: a connection
    /// that closes makes the loop turn.
    pub(super) fn accept_at(&self, now: Instant, port: &impl Port) -> Option<Instant> {
        let ready = self.backlog.ready_at(now)?;
        Some(ready.max(port.place_at(now)?))
    }

    /// Accepts connections that wait, as far as there are places, but no more than a turn may. The rest stays in the
    /// backlog.
    pub(super) fn accept(&mut self, now: Instant, registry: &Registry, port: &mut impl Port) {
        for _ in 0..self.most {
            if self.accept_at(now, port).is_none_or(|at| at > now) {
                break;
            }
            match self.backlog.accept(now, || self.socket.accept()) {
                Accepted::Connection(mut stream, ip) => {
                    let token = port.free_token(now);
                    let options = if self.has_bare {
                        set_up(&stream)
                    } else {
                        Ok(())
                    };
                    match options.and_then(|()| register(&mut stream, registry, token)) {
                        Ok(()) => port.admit(stream, ip, now),
                        Err(e) => port.report_lost(ip, &e),
                    }
                }
                Accepted::Gone => {}
                Accepted::Nothing => {
                    // After a lack of resources, those that waited still do.
                    self.has_bare &= self.backlog.acceptable;
                    break;
                }
            }
        }
    }
}

/// What is known of the connections that wait in the kernel.
#[derive(Debug, Default)]
struct Backlog {
    /// Connections may wait: set by events, cleared by `WouldBlock` alone.
    acceptable: bool,
    /// Nothing is accepted until then.
    again_at: Option<Instant>,
    /// The last attempt found no resources, and that was logged.
    failing: bool,
}

/// The result of one attempt to accept.
#[derive(Debug, PartialEq, Eq)]
enum Accepted<S> {
    /// A connection, and its peer's address.
    Connection(S, IpAddr),
    /// A peer that was gone before it was accepted: another may wait.
    Gone,
    /// None, for now.
    Nothing,
}

impl Backlog {
    /// Notes an event: connections wait.
    fn mark(&mut self) {
        self.acceptable = true;
    }

    /// Returns when an attempt may bring a connection without a new event: now, or after the pause.
    fn ready_at(&self, now: Instant) -> Option<Instant> {
        let at = self.again_at.map_or(now, |at| at.max(now));
        self.acceptable.then_some(at)
    }

    /// Accepts one connection with `accept`.
    fn accept<S>(
        &mut self,
        now: Instant,
        accept: impl FnOnce() -> io::Result<(S, SocketAddr)>,
    ) -> Accepted<S> {
        self.again_at = None;
        match accept() {
            Ok((stream, peer)) => {
                self.failing = false;
                Accepted::Connection(stream, peer.ip().to_canonical())
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.acceptable = false;
                Accepted::Nothing
            }
            Err(e) if is_peers(&e) => Accepted::Gone,
            Err(e) => {
                if !self.failing {
                    report::accept_failed(&e);
                }
                self.failing = true;
                self.again_at = Some(now + PAUSE);
                Accepted::Nothing
            }
        }
    }
}

/// Returns whether an error of accept(2) is about one connection, not about the listener.
fn is_peers(e: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    matches!(
        e.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;
    use rustix::io::Errno;
    use socket2::SockRef;

    fn failed<S>(errno: Errno) -> io::Result<(S, SocketAddr)> {
        Err(errno.into())
    }

    fn peer() -> io::Result<((), SocketAddr)> {
        Ok(((), SocketAddr::from(([192, 0, 2, 1], 1))))
    }

    #[test]
    fn without_resources_the_listener_is_left_alone_for_a_while_and_then_tried_without_an_event() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            let mut now = Instant::now();
            let mut backlog = Backlog::default();
            assert_eq!(backlog.ready_at(now), None);
            backlog.mark();
            for _ in 0..3 {
                assert_eq!(backlog.ready_at(now), Some(now), "{errno}");
                assert_eq!(
                    backlog.accept::<()>(now, || failed(errno)),
                    Accepted::Nothing
                );
                let again = backlog.ready_at(now).unwrap();
                assert_eq!(again, now + PAUSE, "{errno} lets the loop spin");
                now = again;
            }
            assert!(matches!(
                backlog.accept(now, peer),
                Accepted::Connection(..)
            ));
            let ready = backlog.ready_at(now);
            assert_eq!(ready, Some(now), "the others that wait cause no new edge");
            backlog.accept::<()>(now, || failed(Errno::AGAIN));
            assert_eq!(backlog.ready_at(now), None);
        }
    }

    #[test]
    fn a_peer_that_is_gone_already_costs_no_pause() {
        let now = Instant::now();
        for errno in [Errno::CONNABORTED, Errno::INTR, Errno::HOSTUNREACH] {
            let mut backlog = Backlog::default();
            backlog.mark();
            assert_eq!(backlog.accept::<()>(now, || failed(errno)), Accepted::Gone);
            assert_eq!(backlog.ready_at(now), Some(now));
        }
    }

    /// A port that has room, and keeps the streams that it gets.
    struct Streams(Vec<TcpStream>);

    impl Port for Streams {
        fn place_at(&self, now: Instant) -> Option<Instant> {
            Some(now)
        }

        fn free_token(&mut self, _: Instant) -> usize {
            self.0.len()
        }

        fn admit(&mut self, stream: TcpStream, _: IpAddr, _: Instant) {
            self.0.push(stream);
        }

        fn report_lost(&self, _: IpAddr, error: &io::Error) {
            panic!("{error}");
        }
    }

    #[test]
    fn every_stream_has_its_options_also_where_it_waited_before_its_socket_had_them() {
        let (poll, local) = (Poll::new().unwrap(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let handed = net::TcpListener::bind(local).unwrap();
        handed.set_nonblocking(true).unwrap();
        let there = handed.local_addr().unwrap();
        let mut clients = vec![net::TcpStream::connect(there).unwrap()];
        let mut listeners = [
            Listener::adopt(handed, 64, poll.registry(), 64).unwrap(),
            Listener::bind(local, 8, 64, poll.registry(), 65).unwrap(),
        ];
        let mut port = Streams(Vec::new());
        for _ in 0..2 {
            for listener in &mut listeners {
                let address = listener.address().unwrap();
                clients.push(net::TcpStream::connect(address).unwrap());
                while port.0.len() < clients.len() {
                    listener.mark();
                    listener.accept(Instant::now(), poll.registry(), &mut port);
                }
            }
        }
        assert!(listeners.iter().all(|listener| !listener.has_bare));
        for (at, stream) in port.0.iter().enumerate() {
            let options = SockRef::from(stream);
            let keepalive = options.keepalive().unwrap().then(|| {
                let [idle, interval] = [
                    options.tcp_keepalive_time(),
                    options.tcp_keepalive_interval(),
                ];
                (
                    idle.unwrap().as_secs(),
                    interval.unwrap().as_secs(),
                    options.tcp_keepalive_retries().unwrap(),
                )
            });
            assert_eq!(keepalive, Some((30, 10, 3)), "stream {at}");
            assert!(options.tcp_nodelay().unwrap(), "stream {at}");
        }
    }
}
