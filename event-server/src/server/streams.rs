//! TCP streams: how every one is set up and registered, and the dialer that opens those to a database.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frame::Lookup;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token, Waker};
use socket2::{SockRef, TcpKeepalive};

use super::reactor::{DATABASE, RESOLVED, Reactor};
use crate::net::Stream;
use crate::store::postgres::Dial;

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

/// Sets what every stream needs.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)
}

/// Sets up an accepted stream and registers it with the poll, for reading and writing.
pub(super) fn register(
    stream: &mut TcpStream,
    registry: &Registry,
    token: usize,
) -> io::Result<()> {
    set_up(stream)?;
    registry.register(stream, Token(token), BOTH)
}

/// Opens streams to a database.
pub struct Dialer {
    registry: Registry,
    waker: Arc<Waker>,
    lookup: Lookup,
}

impl Dialer {
    /// Begins with no stream. Its events come through the reactor's poll.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn new(reactor: &Reactor) -> io::Result<Self> {
        let registry = reactor.poll.registry();
        Ok(Self {
            registry: registry.try_clone()?,
            waker: Arc::new(Waker::new(registry, Token(RESOLVED))?),
            lookup: Lookup::default(),
        })
    }
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
