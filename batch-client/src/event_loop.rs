//! The client's end of the conversation: one poll for the server's connection, its name and the signals.
//!
//! In go an address, what to send and how long to wait; out come [`Connection`]s whose inbox and outbox move.
//! Every wait of the program is here, and ends early where SIGTERM or SIGINT asks for it. The log lines of
//! a turn are written before it waits. This is the only file that names mio; it reads no message.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use frame::log::Logger;
use frame::{Agency, Channel, Inbox, MAX_REPLY, Outbox, Received, TlsError};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use socket2::{SockRef, TcpKeepalive};

use crate::backoff::Backoff;
use crate::config::{Config, Server};
use crate::error::{Error, Lost};
use crate::report;
use crate::tls::Connector;

const SIGNALS: Token = Token(0);
const RESOLVED: Token = Token(1);
const SERVER: Token = Token(2);

/// What an inbox holds before it must be read, where no reply is larger.
const INBOX: usize = 64 * 1024;

/// An outbox has room for another request while fewer bytes than these wait.
const OUTBOX: usize = 256 * 1024;

/// A server that vanished while it held a query is noticed after a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// So many handshakes in a row that came to nothing say that the server speaks no TLS. One that restarts looks the
/// same once.
const HANDSHAKES: u32 = 3;

/// What ends an attempt.
#[derive(Debug)]
pub enum AttemptError {
    /// The connection; there may be another.
    Lost(Lost),
    /// The program.
    Fatal(Error),
}

impl From<Lost> for AttemptError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Error> for AttemptError {
    fn from(e: Error) -> Self {
        Self::Fatal(e)
    }
}

/// A connection to the server: the channel behind it is free to use. Its closing is logged, whoever
/// drops it.
#[derive(Debug)]
pub struct Connection(Channel<TcpStream>);

impl Deref for Connection {
    type Target = Channel<TcpStream>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The last words of a TLS session, as far as the stream takes them; what else waits stays unsent.
        self.0.outbox.clear();
        self.0.finish();
        let _ = self.0.send();
        report::connection_closed();
    }
}

/// Whether a turn moved anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Bytes moved, or may move now.
    Moved,
    /// The deadline has passed.
    TimedOut,
}

/// Everything that the client waits on.
pub struct EventLoop {
    agency: Agency,
    server: Server,
    logger: Logger,
    poll: Poll,
    events: Events,
    signals: Signals,
    waker: Arc<Waker>,
    rng: fastrand::Rng,
    /// Where connections carry TLS.
    connector: Option<Connector>,
    /// So many in a row came to nothing.
    failed_handshakes: u32,
}

impl EventLoop {
    /// Begins to listen to SIGTERM and SIGINT. The first one that comes ends whatever is going on with
    /// [`Error::Stopped`]; another one ends the process at once, with 128 and its number. With a connector, every
    /// connection carries TLS.
    ///
    /// # Errors
    /// [`Error::System`]: no poll, or no signal handler.
    pub fn new(
        config: &Config,
        logger: Logger,
        connector: Option<Connector>,
    ) -> Result<Self, Error> {
        Self::open(config, logger, connector).map_err(Error::System)
    }

    fn open(config: &Config, logger: Logger, connector: Option<Connector>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down and raises it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())?;
            signal_hook::flag::register(signal, armed.clone())?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), RESOLVED)?);
        // Not before now: whoever reads the first lines may stop the client because of them. And not much
        // later: checking a large file takes a while.
        logger.flush();
        Ok(Self {
            agency: config.agency,
            server: config.server.clone(),
            logger,
            poll,
            events: Events::with_capacity(8),
            signals,
            waker,
            rng: fastrand::Rng::new(),
            connector,
            failed_handshakes: 0,
        })
    }

    /// Goes on only if no signal came: for work that waits for nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn check(&mut self) -> Result<(), Error> {
        match self.signals.pending().next() {
            Some(signal) => {
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
                report::signal(self.agency, name);
                Err(Error::Stopped)
            }
            None => Ok(()),
        }
    }

    /// Waits for this long.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn pause(&mut self, time: Duration) -> Result<(), Error> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.wait(None, Some(until))?;
        }
        Ok(())
    }

    /// Says that there will be another try, and pauses before it.
    ///
    /// # Errors
    /// [`Error::GaveUp`] where the backoff is at its end, or [`Error::Stopped`].
    pub fn pause_after(&mut self, lost: Lost, backoff: &mut Backoff) -> Result<(), Error> {
        match backoff.failed(Instant::now(), &mut self.rng) {
            Ok(pause) => {
                report::trying_again(&lost, pause);
                self.pause(pause)
            }
            Err(after) => Err(Error::GaveUp {
                address: self.server.address.clone(),
                after,
                last: lost,
            }),
        }
    }

    /// Connects, and goes on trying while the server cannot be reached.
    ///
    /// # Errors
    /// [`Error::GaveUp`], [`Error::Stopped`], or those of a server that is there and cannot be talked to.
    pub fn reach(&mut self, backoff: &mut Backoff) -> Result<Connection, Error> {
        loop {
            match self.connect() {
                Ok(connection) => return Ok(connection),
                Err(AttemptError::Fatal(e)) => return Err(e),
                Err(AttemptError::Lost(lost)) => self.pause_after(lost, backoff)?,
            }
        }
    }

    /// Connects to the first of the server's addresses that answers; each has `server.timeout`, and so has a TLS
    /// handshake.
    ///
    /// # Errors
    /// [`Lost::Unreachable`]: the name is not known, or no address answers. [`Error::Untrusted`] and
    /// [`Error::NoTls`]: there was no TLS session, and there will be none.
    pub fn connect(&mut self) -> Result<Connection, AttemptError> {
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for address in self.resolve()? {
            match self.connect_to(address)? {
                Ok(stream) => return self.secure(connection(stream)),
                Err(e) => last = e,
            }
        }
        Err(Lost::Unreachable(last).into())
    }

    /// Looks up the server's name. The system's resolver blocks, so it has a thread to block.
    fn resolve(&mut self) -> Result<Vec<SocketAddr>, AttemptError> {
        if let Ok(literal) = self.server.address.parse() {
            return Ok(vec![literal]);
        }
        let (answer, answered) = mpsc::channel();
        let (waker, name) = (self.waker.clone(), self.server.address.clone());
        let resolver = move || {
            // Nobody listens any more where the client has stopped.
            let _ = answer.send(name.to_socket_addrs().map(Vec::from_iter));
            let _ = waker.wake();
        };
        let until = Instant::now() + self.server.timeout;
        thread::Builder::new()
            .spawn(resolver)
            .map_err(Error::System)?;
        loop {
            match answered.try_recv() {
                Ok(addresses) => return Ok(addresses.map_err(Lost::Unreachable)?),
                Err(TryRecvError::Empty) if Instant::now() < until => {
                    self.wait(None, Some(until))?;
                }
                Err(_) => return Err(Lost::Unreachable(io::ErrorKind::TimedOut.into()).into()),
            }
        }
    }

    fn connect_to(&mut self, address: SocketAddr) -> Result<io::Result<TcpStream>, Error> {
        let mut stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(e)),
        };
        self.poll
            .registry()
            .register(&mut stream, SERVER, Interest::READABLE | Interest::WRITABLE)
            .map_err(Error::System)?;
        let until = Instant::now() + self.server.timeout;
        loop {
            self.wait(None, Some(until))?;
            match stream
                .take_error()
                .and_then(|error| error.map_or(Ok(()), Err))
            {
                Err(e) => return Ok(Err(e)),
                Ok(()) if stream.peer_addr().is_ok() => return Ok(Ok(stream)),
                Ok(()) if Instant::now() >= until => {
                    return Ok(Err(io::ErrorKind::TimedOut.into()));
                }
                Ok(()) => {}
            }
        }
    }

    /// Makes the TLS session, where there is to be one.
    fn secure(&mut self, mut connection: Connection) -> Result<Connection, AttemptError> {
        let Some(connector) = &self.connector else {
            return Ok(connection);
        };
        connection.secure(connector.begin().map_err(Lost::Tls)?);
        let until = Instant::now() + self.server.timeout;
        while !connection.is_established() {
            let lost = match self.turn(&mut connection, Some(until)) {
                Ok(Turn::Moved) => continue,
                Ok(Turn::TimedOut) => Lost::Silent(self.server.timeout),
                Err(AttemptError::Lost(lost)) => lost,
                Err(fatal) => return Err(fatal),
            };
            self.failed_handshakes += 1;
            return Err(if self.failed_handshakes < HANDSHAKES {
                lost.into()
            } else {
                Error::NoTls(lost).into()
            });
        }
        self.failed_handshakes = 0;
        Ok(connection)
    }

    /// Moves bytes both ways until `done` finds in the inbox what it waits for.
    ///
    /// # Errors
    /// The connection is lost before, or `server.timeout` passes.
    pub fn exchange(
        &mut self,
        connection: &mut Connection,
        done: impl Fn(&Inbox) -> bool,
    ) -> Result<(), AttemptError> {
        let until = Instant::now() + self.server.timeout;
        while !done(&connection.inbox) {
            if self.turn(connection, Some(until))? == Turn::TimedOut {
                return Err(Lost::Silent(self.server.timeout).into());
            }
        }
        Ok(())
    }

    /// Sends and receives what can be; where that is nothing, waits for the connection or the deadline.
    /// After it the inbox may hold frames and the outbox have room.
    ///
    /// # Errors
    /// The connection is lost, and all that came before was in the inbox after the last turn.
    pub fn turn(
        &mut self,
        connection: &mut Connection,
        until: Option<Instant>,
    ) -> Result<Turn, AttemptError> {
        let mut moved = false;
        // Received first: a write to a connection that was reset would lose what the server said before.
        // What failed stays failed, so an error after something moved is told by the next turn.
        loop {
            match connection.receive() {
                Ok(Received::Bytes(_)) => moved = true,
                Ok(Received::NotYet | Received::Full) => break,
                Ok(Received::End) | Err(_) if moved => break,
                Ok(Received::End) => return Err(Lost::Closed.into()),
                Err(e) => return Err(self.broken(e)),
            }
        }
        let unsent = connection.unsent();
        match connection.send() {
            Err(e) if !moved => return Err(self.broken(e)),
            _ => moved |= connection.unsent() != unsent,
        }
        if moved {
            self.wait(Some(connection), Some(Instant::now()))?;
            return Ok(Turn::Moved);
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Turn::TimedOut);
        }
        self.wait(Some(connection), until)?;
        Ok(Turn::Moved)
    }

    /// What an error of a connection means: no other connection would mend a lack of trust.
    fn broken(&self, error: io::Error) -> AttemptError {
        match TlsError::of(&error).cloned() {
            Some(error @ (TlsError::Untrusted(_) | TlsError::Distrusted(_))) => {
                let address = self.server.address.clone();
                Error::Untrusted { address, error }.into()
            }
            Some(error) => Lost::Tls(error).into(),
            None => Lost::Broken(error).into(),
        }
    }

    /// Waits for any event, at most until the deadline.
    fn wait(
        &mut self,
        mut connection: Option<&mut Connection>,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        self.logger.flush();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // By a signal, whose own event comes with the next poll.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(Error::System(e)),
        }
        let mut signalled = false;
        for event in &self.events {
            match (event.token(), &mut connection) {
                (SIGNALS, _) => signalled = true,
                (SERVER, Some(connection)) => {
                    let broken = event.is_error() || event.is_write_closed();
                    connection.mark(event.is_readable() || broken, event.is_writable() || broken);
                }
                _ => {}
            }
        }
        if signalled { self.check() } else { Ok(()) }
    }
}

/// A channel over a stream that has just been connected.
fn connection(stream: TcpStream) -> Connection {
    // Without these a conversation is slower, or a vanished server noticed later: no reason to end it.
    let socket = SockRef::from(&stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let mut channel = Channel::new(stream, Inbox::new(MAX_REPLY, INBOX), Outbox::new(OUTBOX));
    // The event that told of the connection is past; if there is nothing to read, reading says so.
    channel.mark(true, true);
    Connection(channel)
}
