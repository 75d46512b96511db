//! The stream of an operator's session, which waits.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::store::postgres::url::Host;

/// A connection with a database, over TCP or through a socket of this machine.
pub(super) enum OperatorStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl OperatorStream {
    /// Connects to a host: to the first of its addresses that answers within the timeout. It bounds each read, too.
    ///
    /// # Errors
    /// None answers, or the name is not known.
    pub(super) fn connect(host: &Host, timeout: Duration) -> io::Result<Self> {
        if let Some(path) = host.socket() {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            return Ok(Self::Unix(stream));
        }
        let mut failed = io::Error::other("its name has no address");
        for address in (host.name.as_str(), host.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(timeout))?;
                    return Ok(Self::Tcp(stream));
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }

    /// Lifts the bound of reads: a command on many bets takes its time.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn wait_for_ever(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(None),
            Self::Unix(stream) => stream.set_read_timeout(None),
        }
    }
}

impl Read for OperatorStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for OperatorStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}
