//! How the event loop makes a connection: the server's name is looked up, its IP addresses are tried, and TLS begins.
//! After a failed attempt, and after a lost connection, the next server of the configuration is tried.
//!
//! Every wait is the loop's own, so that a signal ends it. Out comes a [`Connection`] on which nothing was sent yet.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use frame::trace::{self, Laps};
use mio::Interest;
use mio::net::TcpStream;

use super::{Connection, EventLoop, SERVER, Turn};
use crate::backoff::Backoff;
use crate::error::{AttemptError, Error, Lost};
use crate::report;

impl EventLoop {
    /// Reports that there will be another attempt, which goes to the next server, and pauses before it.
    ///
    /// # Errors
    /// [`Error::GaveUp`] where the backoff has reached its limit; [`Error::Stopped`].
    pub fn pause_after(&mut self, lost: Lost, backoff: &mut Backoff) -> Result<(), Error> {
        match backoff.failed(Instant::now(), &mut self.rng) {
            Ok(pause) => {
                report::trying_again(self.address(), &lost, pause);
                self.servers.advance();
                let mut laps = Laps::begin();
                let paused = self.pause(pause);
                laps.lap("backoff");
                paused
            }
            Err(after) => Err(Error::GaveUp {
                address: self.server.addresses.to_string(),
                after,
                last: lost,
                unusable: self.servers.unusable(),
            }),
        }
    }

    /// Goes to the next server after an error that another attempt with this one would not avoid.
    ///
    /// # Errors
    /// No other server is left, or the error has nothing to do with which server it is.
    pub fn give_up_on(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_of_server() {
            return Err(error);
        }
        let (address, sentence) = (self.address().clone(), error.to_string());
        self.servers.give_up_on(error)?;
        report::unusable(&address, &sentence);
        Ok(())
    }

    /// Connects, and tries again while no server can be reached.
    ///
    /// # Errors
    /// [`Error::GaveUp`], [`Error::Stopped`], and the errors that another attempt would not avoid.
    pub fn reach(&mut self, backoff: &mut Backoff) -> Result<Connection, Error> {
        loop {
            match self.connect() {
                Ok(connection) => return Ok(connection),
                Err(AttemptError::Fatal(e)) => self.give_up_on(e)?,
                Err(AttemptError::Lost(lost)) => self.pause_after(lost, backoff)?,
            }
        }
    }

    /// Connects to one of the IP addresses of a server: the first one that answers, beginning after the last one that
    /// did. Each of them has `server.timeout`, and so has the TLS handshake.
    ///
    /// # Errors
    /// [`Lost::Unreachable`]: the name is not known, or no address answers. [`Error::Untrusted`] and
    /// [`Error::NoTls`]: there is no TLS session, and another attempt would not make one.
    pub fn connect(&mut self) -> Result<Connection, AttemptError> {
        self.progress.connecting(self.address().as_str());
        let connection = match self.resolve()? {
            Ok(addresses) => {
                let addresses = self.servers.candidates(addresses);
                self.connect_to_any(&addresses)?
            }
            Err(error) => return Err(self.unreachable(&[], error)),
        };
        self.progress.connected();
        Ok(connection)
    }

    /// Connects to the first of these IP addresses that answers.
    fn connect_to_any(&mut self, addresses: &[SocketAddr]) -> Result<Connection, AttemptError> {
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match self.connect_to(*address)? {
                Ok(stream) => {
                    self.servers.connected(*address);
                    let connection = Connection::new(stream, self.connections, self.has_input);
                    self.connections += 1;
                    return self.secure(connection);
                }
                Err(e) => last = e,
            }
        }
        Err(self.unreachable(addresses, last))
    }

    /// Returns the error of a server of which no IP address answers.
    fn unreachable(&self, addresses: &[SocketAddr], error: io::Error) -> AttemptError {
        let written = self.address();
        let numbers: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let tried = match &numbers[..] {
            [] => written.to_string(),
            [number] if number == written.as_str() => written.to_string(),
            _ => format!("{written} ({})", numbers.join(", ")),
        };
        Lost::Unreachable { tried, error }.into()
    }

    /// Looks up the server's name.
    fn resolve(&mut self) -> Result<io::Result<Vec<SocketAddr>>, Error> {
        let name = self.address().to_string();
        if let Ok(literal) = name.parse() {
            return Ok(Ok(vec![literal]));
        }
        let waker = Arc::clone(&self.waker);
        self.lookup.begin(name, move || {
            // Fails where the client has stopped waiting, which is no error.
            let _ = waker.wake();
        });
        let until = Instant::now() + self.server.timeout;
        loop {
            if let Some(addresses) = self.lookup.answer() {
                return Ok(addresses);
            }
            if Instant::now() >= until {
                // Not the error of a connect that times out: no firewall is the reason.
                let late = format!("no answer within {:?}", self.server.timeout);
                return Ok(Err(io::Error::other(late)));
            }
            self.wait(None, Some(until))?;
        }
    }

    /// Connects to one IP address.
    fn connect_to(&mut self, address: SocketAddr) -> Result<io::Result<TcpStream>, Error> {
        let mut stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(e)),
        };
        self.has_input = false;
        self.poll
            .registry()
            .register(&mut stream, SERVER, Interest::READABLE | Interest::WRITABLE)
            .map_err(Error::System)?;
        let until = Instant::now() + self.server.timeout;
        loop {
            self.wait(None, Some(until))?;
            match is_connected(&stream) {
                Err(e) => return Ok(Err(e)),
                Ok(true) => return Ok(Ok(stream)),
                Ok(false) if Instant::now() >= until => {
                    return Ok(Err(io::ErrorKind::TimedOut.into()));
                }
                Ok(false) => {}
            }
        }
    }

    /// Begins the TLS session, where the configuration has TLS, and waits for the end of its handshake.
    fn secure(&mut self, mut connection: Connection) -> Result<Connection, AttemptError> {
        let Some(connector) = &self.connector else {
            return Ok(connection);
        };
        trace::state(0, "handshaking");
        connection.secure(connector.begin(self.servers.place()).map_err(Lost::Tls)?);
        let until = Instant::now() + self.server.timeout;
        while !connection.is_established() {
            match self.turn(&mut connection, Some(until)) {
                Ok(Turn::Moved | Turn::Waited) => {}
                Ok(Turn::TimedOut) => return Err(Lost::Silent(self.server.timeout).into()),
                Err(AttemptError::Lost(Lost::Tls(seen))) if self.servers.is_without_tls(&seen) => {
                    let address = self.address().to_string();
                    return Err(Error::NoTls { address, seen }.into());
                }
                Err(e) => return Err(e),
            }
        }
        self.servers.secured();
        trace::state(0, "open");
        Ok(connection)
    }
}

/// Returns whether a connection is complete.
///
/// # Errors
/// It failed, or the socket is connected with itself: nobody listens at that port.
fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    match stream.peer_addr() {
        Ok(peer) => frame::check_peer(stream.local_addr()?, peer).map(|()| true),
        // One that failed has no peer either.
        Err(_) => stream.take_error()?.map_or(Ok(false), Err),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    use frame::log::{Level, Logger};
    use socket2::{Domain, SockRef, Socket, Type};

    use super::*;
    use crate::config::Config;
    use crate::progress::Progress;

    fn event_loop(server: &str) -> EventLoop {
        let variables = [("CLI_ID", "1"), ("CLI_SERVER_ADDRESS", server)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, variables).unwrap().config;
        let logger = Logger::immediate(Level::Critical, io::sink());
        EventLoop::new(&config, logger, None, Progress::hidden()).unwrap()
    }

    #[test]
    fn every_ip_address_of_a_name_is_tried_and_where_none_answers_all_are_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        // Nobody may listen at the first ports without being asked to.
        let closed = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut event_loop = event_loop("central:12345");
        let addresses = [closed[0], closed[1], open];
        assert!(event_loop.connect_to_any(&addresses).is_ok());
        assert!(listener.accept().is_ok());
        let Err(AttemptError::Lost(lost)) = event_loop.connect_to_any(&closed) else {
            panic!("someone listens at {closed:?}")
        };
        let start = "the server cannot be reached at central:12345 (127.0.0.1:1, 127.0.0.1:2): Connection refused";
        assert!(lost.to_string().starts_with(start), "{lost}");
    }

    #[test]
    fn the_system_watches_a_server_only_once_a_wait_may_be_longer_than_that_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut event_loop = event_loop("central:12345");
        let mut connection = event_loop.connect_to_any(&[address]).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let soon = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        for (until, is_watched) in [(soon(20), false), (soon(40), true), (None, true)] {
            loop {
                server.write_all(b"x").unwrap();
                if event_loop.turn(&mut connection, until).unwrap() == Turn::Waited {
                    break;
                }
            }
            let socket = SockRef::from(connection.stream());
            let timeout = socket.tcp_user_timeout().unwrap().is_some();
            assert_eq!(
                (socket.keepalive().unwrap(), timeout),
                (is_watched, is_watched)
            );
            assert!(socket.tcp_nodelay().unwrap());
        }
    }

    #[test]
    fn a_connection_of_a_socket_with_itself_is_refused() {
        // As the system does by chance, where nobody listens on a port of its own range.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        let refused = is_connected(&TcpStream::from_std(socket.into())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
