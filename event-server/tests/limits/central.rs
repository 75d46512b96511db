//! A hub, its clients, and the time.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::hub::Hub;
use event_server::limits::Limits;
use event_server::lottery::Lottery;
use event_server::net::Stream;
use event_server::service::Service;
use event_server::store::Store;
use event_server::store::files::{Durability, FileStore, Folder};
use event_server::tls::TlsAcceptor;
use frame::{Frame, MAX_REPLY, Number};
use tempfile::TempDir;

/// The two directions of a connection.
#[derive(Default)]
struct Wire {
    /// On their way to the server; a read gets from one piece only.
    pieces: VecDeque<Vec<u8>>,
    /// What the server has sent.
    sent: Vec<u8>,
    /// How many more bytes the client takes; `None`: all.
    room: Option<usize>,
    shut: bool,
    /// The client has closed its end.
    closed: bool,
    /// How the next reads and writes fail.
    read_error: Option<ErrorKind>,
    write_error: Option<ErrorKind>,
}

/// The server's end.
pub struct End(Rc<RefCell<Wire>>);

impl Read for End {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Wire {
            pieces,
            closed,
            read_error,
            ..
        } = &mut *self.0.borrow_mut();
        if let Some(kind) = *read_error {
            return Err(kind.into());
        }
        let Some(piece) = pieces.front_mut() else {
            return match *closed {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        };
        let count = piece.len().min(space.len());
        space[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            pieces.pop_front();
        }
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if let Some(kind) = wire.write_error {
            return Err(kind.into());
        }
        if wire.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = wire.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room = wire.room.map(|room| room - count);
        wire.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl End {
    /// An end without a connection of the hub yet, and its client.
    pub fn pair(slot: usize) -> (Self, Client) {
        let wire = Rc::default();
        (Self(Rc::clone(&wire)), Client { slot, wire })
    }
}

impl Stream for End {
    fn shutdown_write(&self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

/// The client's end.
pub struct Client {
    slot: usize,
    wire: Rc<RefCell<Wire>>,
}

impl Client {
    /// Whether the server has dropped the connection.
    pub fn is_dropped(&self) -> bool {
        Rc::strong_count(&self.wire) == 1
    }

    /// Bytes come, without an event.
    pub fn say(&self, bytes: &[u8]) {
        self.wire.borrow_mut().pieces.push_back(bytes.to_vec());
    }

    /// The server's reads fail from now on.
    pub fn fail_reads(&self, kind: ErrorKind) {
        self.wire.borrow_mut().read_error = Some(kind);
    }

    /// The server's writes fail from now on.
    pub fn fail_writes(&self, kind: ErrorKind) {
        self.wire.borrow_mut().write_error = Some(kind);
    }

    /// The bytes that the server has not read.
    pub fn unread(&self) -> usize {
        self.wire.borrow().pieces.iter().map(Vec::len).sum()
    }

    /// The bytes that the server has sent.
    pub fn received(&self) -> Vec<u8> {
        self.wire.borrow().sent.clone()
    }

    /// Whether the server has said that nothing more will come.
    pub fn is_shut(&self) -> bool {
        self.wire.borrow().shut
    }

    /// How many replies came.
    pub fn replies(&self) -> usize {
        let wire = self.wire.borrow();
        let (mut rest, mut count) = (wire.sent.as_slice(), 0);
        while let Some(size) = Frame::size(rest, MAX_REPLY).unwrap() {
            rest = &rest[size..];
            count += 1;
        }
        assert!(rest.is_empty(), "half a reply");
        count
    }
}

pub struct Central<R: Store = FileStore<Folder>> {
    pub hub: Hub<End, R>,
    pub now: Instant,
    _folder: TempDir,
}

impl Central {
    /// A central of two agencies.
    pub fn new(limits: Limits) -> Self {
        Self::with(None, limits)
    }

    /// The same; with an acceptor, frames are exchanged over TLS alone.
    pub fn with(acceptor: Option<TlsAcceptor>, limits: Limits) -> Self {
        Self::over(acceptor, limits, |store| store)
    }
}

impl<R: Store> Central<R> {
    /// The same, over the store that `make` builds on one in files.
    pub fn over(
        acceptor: Option<TlsAcceptor>,
        limits: Limits,
        make: impl FnOnce(FileStore<Folder>) -> R,
    ) -> Self {
        Self::of(2, acceptor, limits, make)
    }

    /// The same, with `agencies` agencies.
    pub fn of(
        agencies: u32,
        acceptor: Option<TlsAcceptor>,
        limits: Limits,
        make: impl FnOnce(FileStore<Folder>) -> R,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::open(folder.path()).unwrap();
        let mut lottery = Lottery::new(agencies);
        let (store, _) =
            FileStore::open(files, Durability::Never, |fact| lottery.apply(fact)).unwrap();
        let service = Service::new(lottery, make(store), Number::new(7_574).unwrap()).unwrap();
        Self {
            hub: Hub::new(service, acceptor, limits),
            now: Instant::now(),
            _folder: folder,
        }
    }

    /// Whether the hub takes another connection.
    pub fn has_room(&self) -> bool {
        self.hub.has_room(self.now)
    }

    pub fn connect(&mut self) -> Client {
        self.connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub fn connect_from(&mut self, ip: IpAddr) -> Client {
        self.hub.make_room(self.now);
        let slot = self.hub.next_slot();
        let (end, client) = End::pair(slot);
        self.hub.insert(end, ip, self.now);
        self.hub.mark(slot, false, true, false);
        client
    }

    /// A client whose bytes have arrived.
    pub fn client(&mut self, bytes: &[u8]) -> Client {
        let client = self.connect();
        self.send(&client, bytes);
        client
    }

    pub fn send(&mut self, client: &Client, bytes: &[u8]) {
        client.wire.borrow_mut().pieces.push_back(bytes.to_vec());
        self.hub.mark(client.slot, true, false, false);
    }

    /// The client closes its end in order.
    pub fn close(&mut self, client: &Client) {
        client.wire.borrow_mut().closed = true;
        self.hub.mark(client.slot, true, false, false);
    }

    /// The client's end is gone, with a reset.
    pub fn reset(&mut self, client: &Client) {
        self.hub.mark(client.slot, true, true, true);
    }

    /// The client takes `room` bytes from now on; `None`: all.
    pub fn take(&mut self, client: &Client, room: Option<usize>) {
        client.wire.borrow_mut().room = room;
        self.hub.mark(client.slot, false, true, false);
    }

    /// One turn.
    pub fn tick(&mut self) {
        self.hub.tick(self.now).unwrap();
    }

    /// Turns until there is nothing to do.
    pub fn settle(&mut self) {
        self.tick();
        while self.hub.has_work() {
            self.tick();
        }
    }

    /// Some time later.
    pub fn later(&mut self, time: Duration) {
        self.now += time;
        self.settle();
    }
}
