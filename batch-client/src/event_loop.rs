//! The event loop of the client: one poll for the server's connection, the lookup of its name, and the signals.
//!
//! In come an address, what to send and how long to wait; out come [`Connection`]s whose inbox and outbox move. Every
//! wait of the program is here, and ends early when SIGTERM or SIGINT comes. The log lines of a turn are written before
//! it waits. How a connection is made is in `connect`. Only these two files name mio. Reads no message.

mod connect;

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use frame::log::Logger;
use frame::trace::{self, Laps};
use frame::{Agency, Channel, Inbox, Lookup, MAX_REPLY, Outbox, Received, TlsError};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use socket2::{SockRef, TcpKeepalive};

use crate::config::{Address, Config, Server};
use crate::error::{AttemptError, Error, Lost, Signal};
use crate::progress::Progress;
use crate::report;
use crate::servers::Servers;
use crate::tls::Connector;

const SIGNALS: Token = Token(0);
const RESOLVED: Token = Token(1);
const SERVER: Token = Token(2);
const INPUT: Token = Token(3);

/// What a turn of the loop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Bytes moved.
    Moved,
    /// No byte moved, but some may now.
    Waited,
    /// The deadline has passed.
    TimedOut,
}

/// The poll with everything that the client waits for.
pub struct EventLoop {
    agency: Agency,
    server: Server,
    servers: Servers,
    logger: Logger,
    progress: Progress,
    poll: Poll,
    events: Events,
    signals: Signals,
    waker: Arc<Waker>,
    lookup: Lookup,
    rng: fastrand::Rng,
    /// How many connections were made.
    connections: u64,
    /// An event said that the connection that is being made can be read.
    has_input: bool,
    /// Begins the TLS session of each connection, where the configuration has TLS.
    connector: Option<Connector>,
}

impl EventLoop {
    /// Begins to wait for SIGTERM and SIGINT. The first signal ends whatever is going on with [`Error::Stopped`]; a second
    /// one ends the process at once, with exit code 128 and its number. With a connector, every connection uses TLS. What is
    /// waited for is shown on `progress`.
    ///
    /// # Errors
    /// [`Error::System`]: there is no poll, or no signal handler can be set.
    pub fn new(
        config: &Config,
        logger: Logger,
        connector: Option<Connector>,
        progress: Progress,
    ) -> Result<Self, Error> {
        Self::open(config, logger, connector, progress).map_err(Error::System)
    }

    fn open(
        config: &Config,
        logger: Logger,
        connector: Option<Connector>,
        progress: Progress,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // The order matters: the first signal finds the flag not set, and sets it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())?;
            signal_hook::flag::register(signal, armed.clone())?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), RESOLVED)?);
        // The first lines are written only now: someone who reads them may send a signal at once. They are not written
        // later, since checking a large file takes a while.
        logger.flush();
        Ok(Self {
            agency: config.agency,
            server: config.server.clone(),
            // The number of the agency decides where it begins, so that the agencies spread over the servers.
            servers: Servers::new(&config.server.addresses, config.agency.get() as usize),
            logger,
            progress,
            poll,
            events: Events::with_capacity(8),
            signals,
            waker,
            lookup: Lookup::default(),
            rng: fastrand::Rng::new(),
            connections: 0,
            has_input: false,
            connector,
        })
    }

    /// Looks for a signal without waiting, in the middle of long work.
    ///
    /// # Errors
    /// [`Error::Stopped`]: a signal came.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.signals.pending().next() {
            Some(number) => {
                let signal = match number {
                    SIGINT => Signal::Int,
                    _ => Signal::Term,
                };
                report::signal(self.agency, signal.name());
                Err(Error::Stopped(signal))
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

    /// Waits until a read from this pipe, terminal or file does not wait.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn wait_for_input(&mut self, input: BorrowedFd<'_>) -> Result<(), Error> {
        let number = input.as_raw_fd();
        let mut source = SourceFd(&number);
        let registry = self.poll.registry();
        match registry.register(&mut source, INPUT, Interest::READABLE) {
            Ok(()) => {}
            // A regular file is always ready, and epoll takes none.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return self.check(),
            Err(e) => return Err(Error::System(e)),
        }
        let waited = loop {
            let waited = self.wait(None, None);
            let came = self.events.iter().any(|event| event.token() == INPUT);
            if came || waited.is_err() {
                break waited;
            }
        };
        self.poll
            .registry()
            .deregister(&mut source)
            .map_err(Error::System)?;
        waited
    }

    /// Writes a result on a thread of its own, and waits until that is done, or until a signal comes: the reader of the result
    /// may take any time.
    ///
    /// # Errors
    /// [`Error::Output`]: it cannot be written. [`Error::Unread`]: a signal came before.
    pub fn deliver(
        &mut self,
        write: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let (done, written) = mpsc::channel();
        let waker = Arc::clone(&self.waker);
        let writer = move || {
            // Fails where a signal has ended the wait, which is no error.
            let _ = done.send(write());
            let _ = waker.wake();
        };
        thread::Builder::new()
            .spawn(writer)
            .map_err(Error::System)?;
        loop {
            match written.try_recv() {
                Ok(written) => return written.map_err(Error::Output),
                Err(TryRecvError::Empty) => match self.wait(None, None) {
                    Err(Error::Stopped(signal)) => return Err(Error::Unread(signal)),
                    waited => waited?,
                },
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::Output(io::ErrorKind::Other.into()));
                }
            }
        }
    }

    /// Sends and receives until `done` finds in the inbox what it waits for. With `wait`, the server may be silent for so
    /// long: each byte that comes or goes is a sign of life.
    ///
    /// # Errors
    /// The connection is lost before that, or the server is silent.
    pub fn exchange(
        &mut self,
        connection: &mut Connection,
        wait: Option<Duration>,
        done: impl Fn(&Inbox) -> bool,
    ) -> Result<(), AttemptError> {
        let mut since = Instant::now();
        loop {
            let moved = self.transfer(connection, &done)?;
            if done(&connection.inbox) {
                return Ok(());
            }
            if moved {
                since = Instant::now();
                continue;
            }
            if let Some(wait) = wait.filter(|wait| since.elapsed() >= *wait) {
                return Err(Lost::Silent(wait).into());
            }
            self.wait(Some(connection), wait.map(|wait| since + wait))?;
        }
    }

    /// Receives and sends what is possible. Where nothing is, waits for the connection or the deadline. Afterwards the
    /// inbox may hold frames, and the outbox may have room.
    ///
    /// # Errors
    /// The connection is lost. All that came before was in the inbox after the turn before.
    pub fn turn(
        &mut self,
        connection: &mut Connection,
        until: Option<Instant>,
    ) -> Result<Turn, AttemptError> {
        if self.transfer(connection, |_| false)? {
            self.wait(Some(connection), Some(Instant::now()))?;
            return Ok(Turn::Moved);
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Turn::TimedOut);
        }
        self.wait(Some(connection), until)?;
        Ok(Turn::Waited)
    }

    /// Receives and sends what is possible without waiting, and receives no more once `done` finds in the inbox what it waits
    /// for. Returns whether bytes moved.
    fn transfer(
        &self,
        connection: &mut Connection,
        done: impl Fn(&Inbox) -> bool,
    ) -> Result<bool, AttemptError> {
        let mut laps = Laps::begin();
        let mut moved = false;
        // Receives first: a write to a connection that was reset would lose what the server had sent before. An error
        // comes again the next time, so one that comes after some bytes is left to it.
        while !done(&connection.inbox) {
            match connection.receive() {
                Ok(Received::Bytes(_)) => moved = true,
                Ok(Received::NotYet | Received::Full) => break,
                Ok(Received::End) | Err(_) if moved => break,
                Ok(Received::End) => return Err(Lost::Closed.into()),
                Err(e) => return Err(self.broken(e)),
            }
        }
        laps.lap("receive");
        let unsent = connection.unsent();
        match connection.send() {
            Err(e) if !moved => return Err(self.broken(e)),
            _ => moved |= connection.unsent() != unsent,
        }
        laps.lap("send");
        Ok(moved)
    }

    /// Returns the server of the connection, or of the next attempt.
    fn address(&self) -> &Address {
        self.servers.address()
    }

    /// Returns what an error of a connection means. Where one side does not trust the other, another attempt would not help.
    fn broken(&self, error: io::Error) -> AttemptError {
        match TlsError::of(&error).cloned() {
            Some(error @ (TlsError::Untrusted(_) | TlsError::Distrusted(_))) => {
                let address = self.address().to_string();
                Error::Untrusted { address, error }.into()
            }
            Some(error) => Lost::Tls(error).into(),
            None => Lost::Broken(error).into(),
        }
    }

    /// Waits for any event, at most until the deadline. May return before either.
    fn wait(
        &mut self,
        mut connection: Option<&mut Connection>,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        self.logger.flush();
        if let Some(connection) = connection.as_deref_mut()
            && until.is_none_or(|until| until > Instant::now() + IDLE)
        {
            connection.watch();
        }
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some((path, why)) = trace::flush() {
            report::trace_stopped(&path, &why);
        }
        let mut laps = Laps::begin();
        let polled = self.poll.poll(&mut self.events, timeout);
        laps.lap("wait");
        match polled {
            Ok(()) => {}
            // A signal interrupted the wait; its own event comes with the next poll.
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
                (SERVER, None) => self.has_input |= event.is_readable() || event.is_error(),
                _ => {}
            }
        }
        if signalled { self.check() } else { Ok(()) }
    }
}

/// How many bytes an inbox holds before it must be read, unless one reply is larger.
const INBOX: usize = 64 * 1024;

/// An outbox has room for another request while fewer than these bytes wait in it.
const OUTBOX: usize = 256 * 1024;

/// After so long without a byte from the server, keepalive asks whether it is there.
const IDLE: Duration = Duration::from_secs(30);

/// A server that vanished while it held a query is noticed after a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(IDLE)
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// How long bytes that were sent may stay without an acknowledgement of TCP.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// A connection to the server, used through its channel. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    channel: Channel<TcpStream>,
    /// The system notices a server that vanishes.
    is_watched: bool,
}

impl Connection {
    /// Takes a stream that has just been connected: the connection with the number `serial`. `has_input`: it can be read.
    fn new(stream: TcpStream, serial: u64, has_input: bool) -> Self {
        trace::opened(0, serial, "open");
        trace::focus(Some(0));
        // Without this option a conversation is slower. That is no reason to fail.
        let _ = SockRef::from(&stream).set_tcp_nodelay(true);
        let mut channel = Channel::new(stream, Inbox::new(MAX_REPLY, INBOX), Outbox::new(OUTBOX));
        // The event of the connect is past.
        channel.mark(has_input, true);
        Self {
            channel,
            is_watched: false,
        }
    }

    /// Lets the system notice a server that vanishes. Called before the first wait that is longer than the time after which
    /// the system asks: most connections have no such wait, and are spared these calls.
    fn watch(&mut self) {
        if !self.is_watched {
            self.is_watched = true;
            // Without these options, a server that vanished is noticed later. That is no reason to fail.
            let socket = SockRef::from(self.channel.stream());
            let _ = socket.set_tcp_keepalive(&KEEPALIVE);
            let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        }
    }
}

impl Deref for Connection {
    type Target = Channel<TcpStream>;

    fn deref(&self) -> &Self::Target {
        &self.channel
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.channel
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Sends the closing message of a TLS session, as far as the stream takes it. Requests that wait stay unsent.
        self.channel.outbox.clear();
        self.channel.finish();
        let _ = self.channel.send();
        trace::closed(0, "closed");
        report::connection_closed();
    }
}
