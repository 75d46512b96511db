//! One connection, from its first byte to its last: arbitrary bytes in arbitrary pieces, with any readiness,
//! resets and time that passes.
//!
//! The same bytes are given to a second server at once. Both must answer and store the same; what is answered
//! with success, and only that, is stored; and no turn takes more than its budget and its memory.

#![no_main]

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::connection::Connection;
use event_server::limits::Limits;
use event_server::lottery::Lottery;
use event_server::net::Stream;
use event_server::service::{ConnectionId, Service};
use event_server::store::files::{Durability, FileName, FileStore};
use event_server::store::{Event, Wake};
use frame::{Ack, Number, Reply, kind};
use fuzz::input::{self, Controls};
use fuzz::store_disk::{Disk, DiskFiles};
use fuzz::{reference, script};
use libfuzzer_sys::fuzz_target;

/// A connection that wants another turn after so many turns makes no progress.
const RESTLESS: usize = 100_000;

/// More bytes than any reply without winners has.
const REPLY: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, data) = input::split(bytes, 96 * 1024);
    let stream = if controls.byte() < 192 {
        script::stream(&data)
    } else {
        data
    };
    let agencies = controls.choose(&[1, 2, 0]);
    let limits = Limits {
        max_frame: controls.choose(&[65_536, 18, 200, 5_000]),
        max_inbox: controls.choose(&[131_072, 1_024, 1_100, 9_000]),
        max_outbox: controls.choose(&[65_536, 1, 50, 1_000]),
        turn_bytes: controls.choose(&[131_072, 1, 100]),
        turn_requests: controls.choose(&[128, 1, 3]),
        gathered_bytes: controls.choose(&[0, 131_072, 100]),
        ..Limits::default()
    };

    let mut whole = Peer::new(agencies, Limits::default().max_outbox, limits);
    whole.give(&stream);
    whole.wire().ended = true;
    whole.rest();
    let expected = whole.end();
    check(&stream, &expected, limits.max_frame);

    let mut pieces = Peer::new(agencies, limits.max_outbox, limits);
    let fair = pieces.receive_in_pieces(&mut controls, &stream);
    let outcome = pieces.end();
    if fair {
        assert_eq!(outcome, expected);
    } else {
        assert!(expected.sent.starts_with(&outcome.sent));
        assert!(expected.bets.starts_with(&outcome.bets));
    }
});

/// The result of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Its replies, or a line of text. Reasons are left out: a refusal may have another one before the draw
    /// than after it.
    sent: Vec<String>,
    bets: Vec<u8>,
    text: Option<Vec<u8>>,
}

/// The kernel's side of the connection.
#[derive(Default)]
struct Wire {
    incoming: Vec<u8>,
    read: usize,
    /// The peer sends no more.
    ended: bool,
    reset: bool,
    outgoing: Vec<u8>,
    /// How much the peer still takes.
    room: usize,
    shut: bool,
    /// The most that a call moves.
    piece: usize,
}

struct Socket(Rc<RefCell<Wire>>);

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let waiting = wire.incoming.len() - wire.read;
        if waiting == 0 && !wire.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = waiting.min(space.len()).min(wire.piece);
        let from = wire.read;
        space[..count].copy_from_slice(&wire.incoming[from..from + count]);
        wire.read += count;
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        assert!(
            !wire.shut,
            "sends after it said that nothing more will come"
        );
        if wire.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(wire.room).min(wire.piece);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room -= count;
        wire.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.shut, "shut down twice");
        wire.shut = true;
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        let reset = self.0.borrow().reset;
        Ok(reset.then(|| ErrorKind::ConnectionReset.into()))
    }
}

/// A connection, and a server that has no other.
struct Peer {
    wire: Rc<RefCell<Wire>>,
    connection: Connection<Socket>,
    service: Service<FileStore<DiskFiles>>,
    disk: Disk,
    limits: Limits,
    now: Instant,
    /// Bytes that its buffers may hold together.
    most: usize,
}

impl Peer {
    fn new(agencies: u32, max_outbox: usize, limits: Limits) -> Self {
        let limits = Limits {
            max_outbox,
            ..limits
        };
        let disk = Disk::new(0);
        let (store, _) =
            FileStore::open(disk.boot(), Durability::Always, |_| {}).expect("a new disk");
        let winner = Number::new(7574).expect("a small number");
        let service = Service::new(Lottery::new(agencies), store, winner).expect("a sound disk");
        let wire = Rc::new(RefCell::new(Wire {
            piece: usize::MAX,
            room: usize::MAX,
            ..Wire::default()
        }));
        let id = ConnectionId { slot: 0, serial: 0 };
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let now = Instant::now();
        let mut connection = Connection::new(id, 0, Socket(Rc::clone(&wire)), ip, &limits, now);
        connection.mark(false, true, false);
        let mut peer = Self {
            wire,
            connection,
            service,
            disk,
            limits,
            now,
            most: 0,
        };
        peer.give(&[]);
        peer
    }

    fn wire(&self) -> std::cell::RefMut<'_, Wire> {
        self.wire.borrow_mut()
    }

    /// Bytes arrive, and an event tells of them.
    fn give(&mut self, bytes: &[u8]) {
        self.wire().incoming.extend_from_slice(bytes);
        self.connection.mark(true, false, false);
        // A reply with winners holds no more than came in, with its quotes doubled.
        let inbox = self.limits.max_inbox.max(4 + self.limits.max_frame);
        let replies = self.limits.max_outbox + REPLY + 2 * self.wire().incoming.len();
        self.most = inbox + (2 * replies).max(64 * 1024);
    }

    /// One turn of the loop, for this connection alone.
    fn turn(&mut self, tight: bool) {
        if self.connection.is_closed() {
            return;
        }
        let read = self.wire().read;
        let share = self.limits.share(1);
        self.connection.serve(&mut self.service, None, share, tight);
        self.service.commit(self.now).expect("a sound disk");
        self.service.advance(self.now, true).expect("a sound disk");
        while let Some(event) = self.service.poll_store() {
            if let Event::Committed(ticket) = event {
                self.connection.committed(ticket);
            }
        }
        self.connection.send(&self.limits, share, self.now);
        assert!(self.connection.buffered() <= self.most, "too much memory");
        let brought = self.wire().read - read;
        let inbox = self.limits.max_inbox.max(4 + self.limits.max_frame);
        assert!(brought <= self.limits.turn_bytes + inbox.max(1024 * 1024));
    }

    /// Turns until none is wanted.
    fn rest(&mut self) {
        self.connection.mark(true, true, false);
        for _ in 0..RESTLESS {
            let known = self.service.winners_known();
            self.turn(false);
            let drawn = known != self.service.winners_known();
            let moves = self.connection.can_move(self.service.winners_known());
            if self.connection.is_closed() || !(moves || drawn || self.service.wake() == Wake::Now)
            {
                return;
            }
        }
        panic!("no end");
    }

    /// All of the stream, in pieces, between turns and whatever else may happen; whether nothing happened
    /// that may end the connection early.
    fn receive_in_pieces(&mut self, controls: &mut Controls<'_>, stream: &[u8]) -> bool {
        let rough = controls.below(4) == 3;
        let mut rest = stream;
        self.wire().room = 0;
        for _ in 0..2 * stream.len().min(500) {
            self.wire().piece = controls.piece();
            match controls.below(if rough { 8 } else { 6 }) {
                0 | 1 => {
                    let (piece, later) = rest.split_at(controls.piece().min(rest.len()));
                    rest = later;
                    self.give(piece);
                }
                2 => {
                    let room = controls.piece();
                    let mut wire = self.wire();
                    wire.room = wire.room.saturating_add(room);
                    drop(wire);
                    self.connection.mark(false, true, false);
                }
                3 => self.turn(false),
                4 => self.turn(true),
                5 => {
                    self.connection.mark(controls.byte() < 128, false, false);
                    self.connection.release();
                }
                6 => {
                    self.now += Duration::from_secs(controls.byte().into());
                    self.connection.sweep(self.limits.idle_timeout, self.now);
                }
                _ if controls.byte() == 0 => {
                    self.wire().reset = true;
                    self.connection.mark(true, true, controls.byte() < 128);
                }
                _ => {}
            }
        }
        self.give(rest);
        {
            let mut wire = self.wire();
            wire.ended = true;
            wire.room = usize::MAX;
            wire.piece = wire.piece.max(64);
        }
        self.rest();
        !rough
    }

    /// The server stops. What it has stored is what a start finds.
    fn end(mut self) -> Outcome {
        self.connection.report_closed();
        drop(self.connection);
        self.service.close().expect("a sound disk");
        let bets = self.disk.bytes(FileName::Bets).expect("its bets");
        FileStore::open(self.disk.boot(), Durability::Always, |_| {}).expect("closed in order");
        let wire = self.wire.borrow();
        let text = wire.incoming.first().is_some_and(|first| *first != 0);
        let text = text.then(|| wire.outgoing.clone());
        let replies = script::frames(&wire.outgoing, usize::MAX);
        let sent = match text {
            Some(_) => Vec::new(),
            None => replies.frames.iter().map(|reply| said(reply)).collect(),
        };
        Outcome { sent, bets, text }
    }
}

/// A reply without its reason.
fn said(reply: &[u8]) -> String {
    let reply = script::parts(reply);
    let id = reply.id;
    match Reply::decode(reply).expect("a reply") {
        Reply::Ack(Ack::Failure { .. }) => format!("{id} failure"),
        reply => format!("{id} {reply:?}"),
    }
}

/// Compares the result of a stream that was given at once with what the stream says.
fn check(stream: &[u8], outcome: &Outcome, max_frame: usize) {
    if outcome.text.is_some() {
        return assert_eq!(outcome.text.as_deref().unwrap_or_default(), echo(stream));
    }
    let requests = script::frames(stream, max_frame).frames;
    let mut stored = Vec::new();
    for (i, request) in requests.iter().enumerate() {
        let request = script::parts(request);
        let Some(reply) = outcome.sent.get(i) else {
            assert_eq!(
                request.kind,
                kind::WINNERS_QUERY,
                "request {i} has no reply"
            );
            break;
        };
        assert!(reply.starts_with(&request.id.to_string()), "reply {i}");
        if matches!(request.kind, kind::BET | kind::BATCH) && reply.ends_with("Success)") {
            let (bets, all) = reference::bets(request.payload);
            assert!(all && !bets.is_empty(), "request {i} is no bet");
            stored.extend_from_slice(&reference::rows(&bets));
        }
        if !matches!(request.kind, 1 | 3 | 4 | 5 | 7) {
            assert_eq!(outcome.sent.len(), i + 1, "replies after the last");
            break;
        }
    }
    assert!(outcome.sent.len() <= requests.len());
    assert_eq!(outcome.bets, stored);
}

/// The answer to a stream that begins with no frame.
fn echo(stream: &[u8]) -> Vec<u8> {
    if !matches!(stream.first(), Some(b'\t' | b'\r' | b'\n' | 0x20..)) {
        return Vec::new();
    }
    let line = &stream[..stream.len().min(1_024)];
    let end = line.iter().position(|b| *b == b'\n');
    let line = line[..end.unwrap_or(line.len())].trim_ascii_end();
    [line, b"\n"].concat()
}
