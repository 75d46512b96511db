//! Streams: how those of TCP are set up and registered, and the dialer that opens those to a database, over TCP or through a Unix
//! socket of this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use frame::Lookup;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, Waker};

use super::reactor::{RESOLVED, Reactor, database_token};
use crate::net::{Socket, Stream, set_up};
use crate::store::postgres::{Address, Dial};

/// Readiness of either kind, as every stream is registered.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl Stream for TcpStream {
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        TcpStream::take_error(self)
    }
}

/// Registers an accepted stream with the poll, for reading and writing.
pub(super) fn register(
    stream: &mut TcpStream,
    registry: &Registry,
    token: usize,
) -> io::Result<()> {
    registry.register(stream, Token(token), BOTH)
}

/// Opens streams to a database, for one session.
pub struct Dialer {
    /// The token of the session's streams: there is one at a time.
    token: usize,
    registry: Registry,
    waker: Arc<Waker>,
    lookup: Lookup,
}

impl Dialer {
    /// Returns a dialer for each of so many sessions, none of which has a stream. Their events come through the reactor's poll.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn several(reactor: &Reactor, sessions: u8) -> io::Result<Vec<Self>> {
        let registry = reactor.poll.registry();
        // A poll has one waker at most.
        let waker = Arc::new(Waker::new(registry, Token(RESOLVED))?);
        let dialer = |session| {
            Ok(Self {
                token: database_token(session),
                registry: registry.try_clone()?,
                waker: Arc::clone(&waker),
                lookup: Lookup::default(),
            })
        };
        (0..sessions).map(dialer).collect()
    }
}

impl Dial for Dialer {
    type Stream = DatabaseStream;

    fn resolve(&mut self, name: &str, port: u16) {
        let waker = Arc::clone(&self.waker);
        self.lookup.begin((name.to_owned(), port), move || {
            let _ = waker.wake();
        });
    }

    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        self.lookup.answer()
    }

    fn connect(&mut self, address: &Address) -> io::Result<DatabaseStream> {
        let token = Token(self.token);
        match address {
            Address::Tcp(address) => {
                let mut stream = TcpStream::connect(*address)?;
                self.registry.register(&mut stream, token, BOTH)?;
                Ok(DatabaseStream::Tcp(stream))
            }
            Address::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                self.registry.register(&mut stream, token, BOTH)?;
                Ok(DatabaseStream::Unix(stream))
            }
        }
    }

    fn is_connected(&self, stream: &DatabaseStream) -> io::Result<bool> {
        if let Some(e) = stream.take_error()? {
            return Err(e);
        }
        let stream = match stream {
            DatabaseStream::Tcp(stream) => stream,
            // A Unix socket is connected at once, or refused.
            DatabaseStream::Unix(_) => return Ok(true),
        };
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

/// A stream to a database.
pub type DatabaseStream = Socket<TcpStream, UnixStream>;

impl Stream for DatabaseStream {
    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        }
    }
}
