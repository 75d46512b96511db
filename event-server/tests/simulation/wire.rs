//! Streams that do everything a network does, seeded: the server's end is a [`Stream`] for the hub, the
//! other end is a model client's, and the world in between moves the bytes.
//!
//! ```text
//! client --send--> flying --hop--> arrived --read--> hub        and the same the other way
//! ```
//!
//! Bytes arrive in pieces of any size and after any delay; a read or a write may take fewer bytes than it could,
//! or none (`WouldBlock`), at any time. Readiness is told as epoll tells it when it is edge-triggered, and no more
//! often: on the way from nothing to something, or after a `WouldBlock`. A hub that loses such an edge is never
//! told again, and the client behind it starves.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use event_server::connection::Stream;

/// Bytes that the kernel at the server buffers for a reader, and for a writer.
const BUFFER: usize = 16 * 1024;

/// How many hops pass until keepalive gives a vanished client up.
const KEEPALIVE: u32 = 40;

/// What the world knows of a connection: its two ends share it.
pub struct Line {
    rng: fastrand::Rng,
    /// The most bytes that one call moves.
    piece: usize,
    up: Pipe,
    down: Pipe,
    /// What the next event will say. None comes before the server has registered its end.
    edges: Edges,
    /// The last read, or write, said `WouldBlock` although something was there: an event is owed.
    read_blocked: bool,
    write_blocked: bool,
    /// The socket's error, until somebody takes it.
    error: Option<ErrorKind>,
    broken: bool,
    calm: bool,
    /// The server has read or written a byte.
    moved: bool,
    /// The full hang-up was told.
    hung_up: bool,
    /// So many hops ago.
    vanished: Option<u32>,
    client_gone: bool,
    server_gone: bool,
    /// Where the hub keeps it.
    pub slot: Option<usize>,
    /// The time when it was opened.
    pub opened: Duration,
    /// The client cannot blame the server for losing it.
    pub excused: bool,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    flying: VecDeque<u8>,
    arrived: VecDeque<u8>,
    /// The writer has said that no more will come.
    ended: bool,
    /// The reader knows it, or will after the bytes that arrived.
    end_arrived: bool,
}

impl Pipe {
    /// Lets bytes arrive, as many as there is room for; says whether the reader finds more than nothing now where
    /// it found nothing before.
    fn hop(&mut self, room: usize, calm: bool, rng: &mut fastrand::Rng) -> bool {
        let before = self.has_something();
        let most = self
            .flying
            .len()
            .min(room.saturating_sub(self.arrived.len()));
        let count = match rng.u8(..4) {
            _ if calm => most,
            0 => 0,
            1 => most,
            _ => rng.usize(..=most),
        };
        self.arrived.extend(self.flying.drain(..count));
        self.end_arrived |= self.ended && self.flying.is_empty() && (calm || rng.bool());
        !before && self.has_something()
    }

    fn has_something(&self) -> bool {
        !self.arrived.is_empty() || self.end_arrived
    }
}

/// An event that waits to be fetched.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Edges {
    pub readable: bool,
    pub writable: bool,
    pub dead: bool,
}

/// The two ends of a new connection.
pub fn connect(line: Line) -> (ClientEnd, ServerEnd) {
    let line = Rc::new(RefCell::new(line));
    (ClientEnd(Rc::clone(&line)), ServerEnd(line))
}

impl Line {
    pub fn new(piece: usize, opened: Duration, seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            piece,
            up: Pipe::default(),
            down: Pipe::default(),
            edges: Edges::default(),
            read_blocked: false,
            write_blocked: false,
            error: None,
            broken: false,
            calm: false,
            moved: false,
            hung_up: false,
            vanished: None,
            client_gone: false,
            server_gone: false,
            slot: None,
            opened,
            excused: false,
        }
    }

    /// The server has accepted and registered its end: what is there already is told.
    pub fn register(&mut self, slot: usize) {
        self.slot = Some(slot);
        self.edges.readable |= self.up.has_something();
        self.edges.writable = true;
    }

    /// Fetches the event that waits, where the server can still get one.
    pub fn take_event(&mut self) -> Option<(usize, Edges)> {
        let slot = self.slot.filter(|_| !self.server_gone)?;
        let edges = std::mem::take(&mut self.edges);
        (edges != Edges::default()).then_some((slot, edges))
    }

    /// Whether the server has read or written a byte since this was asked last.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether the server may still read what was sent.
    pub fn is_served(&self) -> bool {
        !self.server_gone
    }

    /// Whether nobody uses it any more.
    pub fn is_over(&self) -> bool {
        self.server_gone && (self.client_gone || self.vanished.is_some())
    }

    /// Time passes: bytes travel. When it is calm, all of them and nothing else happens.
    pub fn hop(&mut self, calm: bool) {
        self.calm = calm;
        if let Some(hops) = &mut self.vanished {
            *hops += 1;
            if *hops == KEEPALIVE {
                self.fail(ErrorKind::TimedOut);
            }
            return;
        }
        if self.broken {
            return;
        }
        let (up, down, rng) = (&mut self.up, &mut self.down, &mut self.rng);
        if up.hop(BUFFER, calm, rng) || self.read_blocked && up.has_something() {
            self.read_blocked = false;
            self.edges.readable = true;
        }
        // A full hang-up: both have said that no more will come.
        if up.end_arrived && down.ended && !self.hung_up {
            self.hung_up = true;
            self.edges.readable = true;
            self.edges.dead = true;
        }
        down.hop(usize::MAX, calm, rng);
        if self.write_blocked && down.flying.len() < BUFFER {
            self.write_blocked = false;
            self.edges.writable = true;
        }
        // Bytes that meet a closed socket come back as a reset.
        let (late_up, late_down) = (!up.arrived.is_empty(), !down.arrived.is_empty());
        if self.client_gone && late_down {
            self.fail(ErrorKind::ConnectionReset);
        }
        if self.server_gone && late_up {
            self.reset_client();
        }
    }

    /// An event that says more than is true does no harm.
    pub fn false_alarm(&mut self) {
        self.edges.readable = true;
        self.edges.writable = true;
    }

    /// The server's socket has failed.
    fn fail(&mut self, error: ErrorKind) {
        self.error = Some(error);
        self.broken = true;
        self.up.flying.clear();
        self.down.flying.clear();
        self.edges = Edges {
            readable: true,
            writable: true,
            dead: true,
        };
    }

    /// The client's socket has failed; what it has not read yet may be lost.
    fn reset_client(&mut self) {
        self.broken = true;
        self.down.flying.clear();
        if self.rng.bool() {
            self.down.arrived.clear();
        }
    }

    /// The connection breaks, for both.
    pub fn reset(&mut self) {
        self.excused = true;
        self.fail(ErrorKind::ConnectionReset);
        self.reset_client();
    }

    /// The client is not there any more, and nothing says so.
    pub fn vanish(&mut self) {
        self.excused = true;
        self.vanished.get_or_insert(0);
    }

    /// What the server sent so far arrives, or some of it; then nothing does.
    pub fn cut(&mut self) {
        self.excused = true;
        self.down.hop(usize::MAX, false, &mut self.rng);
        self.broken = true;
    }

    /// Some bytes, or `WouldBlock` with an event that will follow.
    fn portion(&mut self, most: usize) -> Option<usize> {
        match self.rng.u8(..8) {
            _ if self.calm => Some(most),
            0 => None,
            1..4 => Some(self.rng.usize(1..=most)),
            _ => Some(most),
        }
    }
}

/// The hub's end.
pub struct ServerEnd(Rc<RefCell<Line>>);

impl Read for ServerEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = &mut *self.0.borrow_mut();
        if line.up.arrived.is_empty() {
            return match line.error.take() {
                Some(error) => Err(error.into()),
                None if line.broken || line.up.end_arrived => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let most = line.up.arrived.len().min(buffer.len()).min(line.piece);
        let Some(count) = line.portion(most) else {
            line.read_blocked = true;
            if line.broken {
                line.edges.readable = true;
            }
            return Err(ErrorKind::WouldBlock.into());
        };
        line.moved = true;
        line.up.arrived.read(&mut buffer[..count])
    }
}

impl Write for ServerEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = &mut *self.0.borrow_mut();
        if line.broken {
            return Err(line.error.take().unwrap_or(ErrorKind::BrokenPipe).into());
        }
        let most = BUFFER
            .saturating_sub(line.down.flying.len())
            .min(bytes.len())
            .min(line.piece);
        let portion = if most == 0 { None } else { line.portion(most) };
        let Some(count) = portion else {
            line.write_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        };
        line.moved = true;
        line.down.flying.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for ServerEnd {
    fn shutdown_write(&self) -> io::Result<()> {
        let mut line = self.0.borrow_mut();
        if line.broken {
            return Err(ErrorKind::NotConnected.into());
        }
        line.down.ended = true;
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.0.borrow_mut().error.take().map(io::Error::from))
    }
}

impl Drop for ServerEnd {
    /// Closing with input unread is a reset; else what was sent arrives, and then the end.
    fn drop(&mut self) {
        let line = &mut *self.0.borrow_mut();
        line.server_gone = true;
        line.down.ended = true;
        if !line.up.arrived.is_empty() {
            line.reset_client();
        }
    }
}

/// A model client's end. It may buffer any number of bytes.
pub struct ClientEnd(Rc<RefCell<Line>>);

impl ClientEnd {
    /// What the world knows of it.
    pub fn line(&self) -> Rc<RefCell<Line>> {
        Rc::clone(&self.0)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.borrow_mut().up.flying.extend(bytes);
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        self.0.borrow_mut().up.ended = true;
    }

    pub fn is_excused(&self) -> bool {
        self.0.borrow().excused
    }
}

impl Read for ClientEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = &mut *self.0.borrow_mut();
        let lost = line.broken || line.vanished.is_some();
        if !line.down.arrived.is_empty() {
            let most = line.down.arrived.len().min(buffer.len());
            let count = line.rng.usize(1..=most);
            line.down.arrived.read(&mut buffer[..count])
        } else if line.down.end_arrived {
            Ok(0)
        } else if lost {
            Err(ErrorKind::ConnectionReset.into())
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let line = &mut *self.0.borrow_mut();
        line.client_gone = true;
        line.up.ended = true;
    }
}
