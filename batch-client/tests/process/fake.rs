//! Servers written for the tests: they block, serve one connection at a time, and do what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use frame::{Ack, Documents, Frame, HEADER, LENGTH_FIELD, MAX_LENGTH, Reply, Request, Winners};
use socket2::{Domain, Socket, Type};

pub const SUCCESS: Reply<'static> = Reply::Ack(Ack::Success);
pub const FAILURE: Reply<'static> = Reply::Ack(Ack::Failure { reason: None });

/// A failed ack that says why.
pub fn refused(reason: &'static str) -> Reply<'static> {
    let reason = Some(reason.into());
    Reply::Ack(Ack::Failure { reason })
}

pub fn winners(list: &'static str) -> Reply<'static> {
    Reply::Winners(Winners::Drawn(Documents::new(list.as_bytes())))
}

/// Runs a server in a thread; returns its address, and the thread, which returns what the server does.
pub fn serve<T: Send + 'static>(
    server: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, thread::spawn(move || server(listener)))
}

/// An address at which nothing listens. It is reserved, so that no other program listens there either.
pub struct ClosedPort(Socket);

impl ClosedPort {
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        Self(socket)
    }

    pub fn address(&self) -> String {
        let address = self.0.local_addr().unwrap();
        address.as_socket().unwrap().to_string()
    }

    /// Begins to listen.
    pub fn listen(self) -> TcpListener {
        self.0.listen(8).unwrap();
        self.0.into()
    }
}

/// One connection of a client.
pub struct Peer {
    stream: TcpStream,
    frame: Vec<u8>,
}

impl Peer {
    pub fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let frame = Vec::new();
        Self { stream, frame }
    }

    /// The next request; `None` where the client has closed.
    pub fn request(&mut self) -> Option<Request<'_>> {
        self.frame.resize(LENGTH_FIELD, 0);
        self.stream.read_exact(&mut self.frame).ok()?;
        let size = Frame::size(&self.frame, MAX_LENGTH).unwrap().unwrap();
        self.frame.resize(size, 0);
        self.stream
            .read_exact(&mut self.frame[LENGTH_FIELD..])
            .unwrap();
        Some(Request::decode(Frame::split(&self.frame).unwrap()).unwrap())
    }

    /// The next request as its text.
    pub fn payload(&mut self) -> Option<String> {
        self.request()?;
        Some(String::from_utf8(self.frame[HEADER..].to_vec()).unwrap())
    }

    /// Answers the last request.
    pub fn reply(&mut self, reply: &Reply<'_>) {
        let bytes = self.encoded(reply);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Answers the last request, one byte at a time.
    pub fn trickle(&mut self, reply: &Reply<'_>) {
        for byte in self.encoded(reply) {
            self.stream.write_all(&[byte]).unwrap();
        }
    }

    /// Answers the last request, one byte at a time with this pause after each.
    pub fn drip(&mut self, reply: &Reply<'_>, pause: Duration) {
        for byte in self.encoded(reply) {
            self.stream.write_all(&[byte]).unwrap();
            thread::sleep(pause);
        }
    }

    fn encoded(&self, reply: &Reply<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        reply.encode(Frame::split(&self.frame).unwrap().id, &mut bytes);
        bytes
    }

    /// Reads until the client closes.
    pub fn wait_for_close(mut self) {
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }

    /// The next line of text, without its end.
    pub fn line(&self) -> String {
        let mut line = String::new();
        let mut reader = BufReader::new(&self.stream);
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }
}

/// The numbers of the bets of a batch: [`rows`](crate::client::rows) numbers them.
pub fn numbers(request: &Request<'_>) -> Vec<u32> {
    match request {
        Request::Batch(batch) => batch.bets().map(|bet| bet.unwrap().number.get()).collect(),
        other => panic!("not a batch: {other:?}"),
    }
}
