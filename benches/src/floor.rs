//! The floor: what the machine does with an upload's bytes where nobody looks at what they say.
//!
//! Its server takes in frames over any number of connections, hashes them, writes them to a file, syncs the file
//! once a turn and acknowledges. Its client reads an agency file, puts names to the columns, hashes each batch and
//! sends it. Neither validates, counts or remembers anything, and there is no lottery. All that is not the
//! work itself is the same as in the real programs: frames, batches, window, the [`Channel`] and the bounds of its
//! buffers, a poll, the level of optimisation.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;

use frame::{
    Ack, Batch, Channel, Frame, FramingError, HEADER, Inbox, MAX_CLIENT_FRAME, MAX_REPLY,
    MessageId, Outbox, Received, Reply, Request,
};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::BATCH;

/// Batches in flight, as the client is configured by default.
const WINDOW: usize = 64;

/// Bounds of the real programs.
const SERVER_FRAME: usize = 65_536;
const SERVER_INBOX: usize = 128 * 1024;
const SERVER_OUTBOX: usize = 64 * 1024;
const CLIENT_INBOX: usize = 64 * 1024;
const CLIENT_OUTBOX: usize = 256 * 1024;

/// The file is filled with at least so many zeros ahead: syncing bytes that are written over zeros is cheaper.
const ROOM: usize = 1024 * 1024;

type Peer = Channel<mio::net::TcpStream>;

/// How the MD5s of the frames are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// One frame at a time.
    Single,
    /// Several frames at once, as the real programs do.
    Together,
}

impl Hashing {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Together => "together",
        }
    }

    /// Returns the hashing with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Single, Self::Together]
            .into_iter()
            .find(|hashing| hashing.name() == name)
    }
}

/// Serves until the process is killed.
///
/// # Errors
/// Anything but a connection failed.
pub fn serve(address: SocketAddr, file: File, durable: bool, hashing: Hashing) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address)?;
    let listening = Token(usize::MAX);
    poll.registry()
        .register(&mut listener, listening, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut peers: Slab<Peer> = Slab::new();
    let mut served = Vec::new();
    let mut log = Log::new(file, durable);
    loop {
        match poll.poll(&mut events, None) {
            // A process that was stopped and goes on is interrupted.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == listening {
                accept(&listener, &poll, &mut peers)?;
            } else if let Some(peer) = peers.get_mut(event.token().0) {
                peer.mark(event.is_readable(), event.is_writable());
                let alive = receive(peer, hashing, &mut log.turn).is_ok();
                served.push((event.token().0, alive));
            }
        }
        log.commit()?;
        for (key, alive) in served.drain(..) {
            if !alive || peers[key].send().is_err() || peers[key].ended() {
                peers.remove(key);
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, peers: &mut Slab<Peer>) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        };
        stream.set_nodelay(true)?;
        let entry = peers.vacant_entry();
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(entry.key()), both)?;
        let inbox = Inbox::new(SERVER_FRAME, SERVER_INBOX);
        entry.insert(Channel::new(stream, inbox, Outbox::new(SERVER_OUTBOX)));
    }
}

/// Takes in all that has come: a window at most, since nothing is acknowledged before it is written.
fn receive(peer: &mut Peer, hashing: Hashing, turn: &mut Vec<u8>) -> io::Result<()> {
    while let Received::Bytes(_) = peer.receive()? {
        while let Some((frame, md5)) = next(&mut peer.inbox, hashing).map_err(io::Error::other)? {
            assert_eq!(md5, frame.id);
            turn.extend_from_slice(frame.payload);
            peer.outbox.reply(frame.id, &Reply::Ack(Ack::Success));
        }
    }
    Ok(())
}

fn next(
    inbox: &mut Inbox,
    hashing: Hashing,
) -> Result<Option<(Frame<'_>, MessageId)>, FramingError> {
    match hashing {
        Hashing::Single => {
            let frame = inbox.frame()?;
            Ok(frame.map(|frame| (frame, MessageId::of(frame.payload))))
        }
        Hashing::Together => inbox.hashed_frame(),
    }
}

/// The file that everything is written to.
struct Log {
    file: File,
    durable: bool,
    turn: Vec<u8>,
    end: u64,
    /// How far there are zeros to write over.
    room: u64,
}

impl Log {
    fn new(file: File, durable: bool) -> Self {
        Self {
            file,
            durable,
            turn: Vec::new(),
            end: 0,
            room: 0,
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        if self.turn.is_empty() {
            return Ok(());
        }
        let end = self.end + self.turn.len() as u64;
        while self.durable && self.room < end {
            self.file.write_all_at(&[0; ROOM], self.room)?;
            self.room += ROOM as u64;
        }
        self.file.write_all_at(&self.turn, self.end)?;
        if self.durable {
            self.file.sync_data()?;
        }
        self.end = end;
        self.turn.clear();
        Ok(())
    }
}

/// Sends a file over one connection, a window of batches at a time. The first batch goes alone, as the real client's
/// question what is stored of its file: so little is on its way already while the server is stopped.
///
/// # Errors
/// The file or the connection failed.
pub fn send_pipelined(
    address: SocketAddr,
    file: File,
    agency: u32,
    hashing: Hashing,
) -> io::Result<()> {
    let mut batches = Batches::new(file, agency);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = mio::net::TcpStream::from_std(stream);
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(0), both)?;
    let inbox = Inbox::new(MAX_REPLY, CLIENT_INBOX);
    let mut server = Channel::new(stream, inbox, Outbox::new(CLIENT_OUTBOX));
    let (mut window, mut in_flight, mut done) = (1, 0, false);
    loop {
        while !done && in_flight < window && server.outbox.has_room() {
            let mut requests = server.outbox.requests();
            let mut more = true;
            while more && !done && in_flight < window && requests.has_room() {
                // A lone request is hashed alone.
                more = hashing == Hashing::Together;
                match batches.next()? {
                    Some(batch) => {
                        requests.push(&Request::Batch(Batch::new(batch)));
                        in_flight += 1;
                    }
                    None => done = true,
                }
            }
            drop(requests.finish());
        }
        if done && in_flight == 0 {
            return Ok(());
        }
        server.send()?;
        let before = in_flight;
        while let Received::Bytes(_) = server.receive()? {
            while let Some(frame) = server.inbox.frame().map_err(io::Error::other)? {
                let reply = Reply::decode(frame).map_err(io::Error::other)?;
                assert_eq!(reply, Reply::Ack(Ack::Success));
                in_flight -= 1;
                window = WINDOW;
            }
        }
        if in_flight == before {
            poll.poll(&mut events, None)?;
            for event in &events {
                server.mark(event.is_readable(), event.is_writable());
            }
        }
    }
}

/// Sends a file with a connection for each batch.
///
/// # Errors
/// The file or a connection failed.
pub fn send_one_by_one(address: SocketAddr, file: File, agency: u32) -> io::Result<()> {
    let mut batches = Batches::new(file, agency);
    let mut frame = Vec::new();
    let mut ack = Vec::new();
    Reply::Ack(Ack::Success).encode(MessageId([0; 16]), &mut ack);
    while let Some(batch) = batches.next()? {
        frame.clear();
        Request::Batch(Batch::new(batch)).encode(&mut frame);
        let mut server = TcpStream::connect(address)?;
        server.set_nodelay(true)?;
        server.write_all(&frame)?;
        server.read_exact(&mut ack)?;
    }
    Ok(())
}

/// The batches of an agency file, cut where the real client cuts them.
struct Batches {
    file: BufReader<File>,
    agency: String,
    row: Vec<u8>,
    bet: Vec<u8>,
    batch: Vec<u8>,
}

impl Batches {
    fn new(file: File, agency: u32) -> Self {
        Self {
            file: BufReader::with_capacity(64 * 1024, file),
            agency: format!("{{agency:{agency},nombre:"),
            row: Vec::new(),
            bet: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// Returns the next batch; `None` after the last.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.batch.clear();
        // The first bet is the one that did not fit into the last batch.
        self.batch.append(&mut self.bet);
        let mut bets = usize::from(!self.batch.is_empty());
        while bets < BATCH && self.format_row()? {
            if HEADER + self.batch.len() + 1 + self.bet.len() > MAX_CLIENT_FRAME {
                break;
            }
            if bets > 0 {
                self.batch.push(b'|');
            }
            self.batch.append(&mut self.bet);
            bets += 1;
        }
        Ok((bets > 0).then_some(&self.batch))
    }

    fn format_row(&mut self) -> io::Result<bool> {
        self.row.clear();
        if self.file.read_until(b'\n', &mut self.row)? == 0 {
            return Ok(false);
        }
        let mut columns = self.row.trim_ascii_end().split(|byte| *byte == b',');
        let names = [",apellido:", ",dni:", ",nacimiento:", ",numero:"];
        for name in [self.agency.as_str()].into_iter().chain(names) {
            self.bet.extend_from_slice(name.as_bytes());
            self.bet
                .extend_from_slice(columns.next().unwrap_or_default());
        }
        self.bet.push(b'}');
        Ok(true)
    }
}
