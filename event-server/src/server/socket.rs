//! Sockets as the server wants them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::stream::Stream;

/// Finds the peers that vanished while they were held.
pub(super) const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
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

/// A listener that is watched. mio's own bind fixes the backlog; and without SO_REUSEADDR a restart could not bind for
/// a minute.
pub(super) fn listen(
    address: SocketAddr,
    backlog: u32,
    registry: &Registry,
    token: Token,
) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))?;
    let mut listener = TcpListener::from_std(socket.into());
    registry.register(&mut listener, token, Interest::READABLE)?;
    Ok(listener)
}

/// Sets up an accepted stream and begins to watch it.
pub(super) fn watch(stream: &mut TcpStream, registry: &Registry, token: Token) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(&*stream).set_tcp_keepalive(&KEEPALIVE)?;
    registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)
}
