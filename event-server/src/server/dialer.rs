//! Streams to a database, and the names of its hosts.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use mio::net::TcpStream;
use mio::{Interest, Registry, Waker};
use socket2::SockRef;

use super::socket::KEEPALIVE;
use super::tokens::DATABASE;
use crate::store::postgres::Dial;

/// Opens streams to a database. The system's resolver blocks, so it has a thread of its own while a name is looked up.
pub struct Dialer {
    pub(super) registry: Registry,
    pub(super) waker: Arc<Waker>,
    pub(super) lookup: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
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
