//! Sockets of scripted peers, of the soak and of the show: plain ones, and one that speaks frames.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use frame::{HEADER, Inbox, MAX_REPLY, MessageId};
use socket2::{Domain, SockRef, Socket, Type};

/// How long an answer may take: only a broken central takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects, from this address of the loopback network if from any: each has its own ports.
pub(crate) fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    socket.connect(&to.into())?;
    socket.set_tcp_nodelay(true)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Closes a stream with a reset.
pub(crate) fn reset(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}

/// Returns a frame of this type, whatever its payload holds.
pub(crate) fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (HEADER - 4 + payload.len()) as u32;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend(kind.to_be_bytes());
    frame.extend(MessageId::of(payload).0);
    frame.extend(payload);
    frame
}

/// A blocking connection that speaks frames.
pub(crate) struct Peer {
    stream: TcpStream,
    inbox: Inbox,
}

impl Peer {
    pub(crate) fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<Self> {
        Ok(Self::over(connect(to, from)?))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        let inbox = Inbox::new(MAX_REPLY, 0);
        Self { stream, inbox }
    }

    /// Returns the stream. Bytes that are read from it are missing in the next reply.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(crate) fn send(&mut self, kind: u16, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, payload))
    }

    /// Returns the payload of the next reply.
    pub(crate) fn answer(&mut self) -> io::Result<String> {
        loop {
            if let Some(frame) = self.inbox.frame().map_err(io::Error::other)? {
                return Ok(String::from_utf8_lossy(frame.payload).into_owned());
            }
            if self.inbox.fill(|space| self.stream.read(space))? == Some(0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a request, and returns the payload of its reply.
    pub(crate) fn ask(&mut self, kind: u16, payload: &[u8]) -> io::Result<String> {
        self.send(kind, payload)?;
        self.answer()
    }
}
