//! What a connection does between its two ends, seeded.
//!
//! ```text
//! client writes --> flying --hop--> arrived --> the hub reads        and the same the other way
//! ```
//!
//! Bytes arrive in pieces of any size and after any delay; a read or a write may take fewer bytes than it could,
//! or none (`WouldBlock`), at any time. Readiness is told as epoll tells it when it is edge-triggered, and no more
//! often: on the way from nothing to something, or after a `WouldBlock`. A hub that loses such an edge is never
//! told again, and the client behind it starves.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::rc::Rc;
use std::time::Duration;

use crate::patience::Patience;

/// Bytes that the kernel buffers at each end: for the server's reader and its writer, and for the client's reader.
const BUFFER: usize = 4 * 1024;

/// How many hops pass until keepalive gives a vanished client up.
const KEEPALIVE: u32 = 40;

/// What the world knows of a connection: its two ends share it.
pub struct Duplex {
    rng: fastrand::Rng,
    /// The most bytes that one call moves.
    piece: usize,
    /// Bytes that the kernel buffers at each end of the way to the client.
    window: usize,
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
    hung_up: bool,
    /// The server was told of an error, or of a full hang-up.
    dead: bool,
    /// How many hops ago the client vanished.
    vanished: Option<u32>,
    client_gone: bool,
    server_gone: bool,
    /// The hub's slot for it.
    pub slot: Option<usize>,
    clock: Rc<Cell<Duration>>,
    /// How long the server has waited for the client, since it has accepted it.
    patience: Option<Patience>,
    /// Where it is lost, the server is not at fault.
    pub excused: bool,
    /// The server has few places left.
    pub crowded: bool,
    /// The client has got all its replies, and says nothing since then.
    pub silent_since: Option<Duration>,
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

/// How long a client may be silent until it gives way to another one where no place is left, and a little more.
const SILENT: Duration = Duration::from_millis(550);

impl Duplex {
    /// `clock`: the time since the world began.
    pub fn new(piece: usize, clock: Rc<Cell<Duration>>, seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            piece,
            window: BUFFER,
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
            dead: false,
            vanished: None,
            client_gone: false,
            server_gone: false,
            slot: None,
            clock,
            patience: None,
            excused: false,
            crowded: false,
            silent_since: None,
        }
    }

    /// Whether its client has been silent for so long that the server has to close it where another one needs the place.
    pub fn has_to_give_way(&self) -> bool {
        let told = self.edges == Edges::default() && !self.client_gone;
        let since = self.silent_since.filter(|_| told && self.is_connected());
        since.is_some_and(|since| self.clock.get() - since > SILENT)
    }

    /// The server has accepted and registered its end: what is there already is told.
    pub fn register(&mut self, slot: usize, idle_timeout: Duration) {
        self.slot = Some(slot);
        self.patience = Some(Patience::new(idle_timeout, self.clock.get()));
        self.edges.readable |= self.up.has_something();
        self.edges.writable = true;
    }

    /// The client takes this little from now on.
    pub fn narrow(&mut self, window: usize) {
        self.window = window;
    }

    /// By how much the server has exceeded its timeout while it waits for the client to send or, with `replies`, to
    /// take replies.
    pub fn overdue(&self, replies: bool) -> Option<Duration> {
        let patience = self.patience.as_ref().filter(|_| self.is_connected())?;
        patience.overdue(replies, self.clock.get())
    }

    /// The server's timeout, once it has accepted the connection.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.patience.as_ref().map(Patience::idle_timeout)
    }

    /// By how much the server may exceed its timeout: it looks at its connections four times in its timeout, or once a
    /// second; a turn takes some milliseconds, and what it has read is served within a few.
    pub fn slack(&self) -> Duration {
        self.idle_timeout().unwrap_or_default() / 4 + Duration::from_millis(40)
    }

    /// Fetches the event that waits, where the server can still get one.
    pub fn take_event(&mut self) -> Option<(usize, Edges)> {
        let slot = self.slot.filter(|_| !self.server_gone)?;
        let edges = std::mem::take(&mut self.edges);
        self.dead |= edges.dead;
        (edges != Edges::default()).then_some((slot, edges))
    }

    /// Whether the server has read or written a byte since this was asked last.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether the server has accepted it and not closed it.
    pub fn is_connected(&self) -> bool {
        self.slot.is_some() && !self.server_gone
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
        assert!(
            !self.dead || self.server_gone,
            "the server keeps what is dead"
        );
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
        down.hop(self.window, calm, rng);
        if self.write_blocked && down.flying.len() < self.window {
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

    /// The client is gone, and nothing tells the server.
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

    /// The hub reads.
    pub fn server_reads(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.up.arrived.is_empty() {
            return match self.error.take() {
                Some(error) => Err(error.into()),
                None if self.broken || self.up.end_arrived => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let most = self.up.arrived.len().min(buffer.len()).min(self.piece);
        let Some(count) = self.portion(most) else {
            self.read_blocked = true;
            self.edges.readable |= self.broken;
            return Err(ErrorKind::WouldBlock.into());
        };
        self.moved = true;
        let count = self.up.arrived.read(&mut buffer[..count])?;
        let now = self.clock.get();
        let patience = self.patience.iter_mut();
        patience.for_each(|patience| patience.read(&buffer[..count], now));
        Ok(count)
    }

    /// The hub writes.
    pub fn server_writes(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(self.error.take().unwrap_or(ErrorKind::BrokenPipe).into());
        }
        let room = self.window.saturating_sub(self.down.flying.len());
        let most = room.min(bytes.len()).min(self.piece);
        let portion = if most == 0 { None } else { self.portion(most) };
        let (now, mut patience) = (self.clock.get(), self.patience.as_mut());
        let Some(count) = portion else {
            self.write_blocked = true;
            patience
                .iter_mut()
                .for_each(|patience| patience.blocked(now));
            return Err(ErrorKind::WouldBlock.into());
        };
        patience.iter_mut().for_each(|patience| patience.wrote(now));
        self.moved = true;
        self.down.flying.extend(&bytes[..count]);
        Ok(count)
    }

    /// The hub says that no more will come.
    pub fn server_ends(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(ErrorKind::NotConnected.into());
        }
        self.down.ended = true;
        let now = self.clock.get();
        let patience = self.patience.iter_mut();
        patience.for_each(|patience| patience.ended(now));
        Ok(())
    }

    /// The socket's error, once.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take().map(io::Error::from)
    }

    /// Closing with input unread is a reset; else what was sent arrives, and then the end.
    pub fn server_closes(&mut self) {
        let now = self.clock.get();
        let crowded = self.crowded;
        self.excused |= (self.patience.as_ref()).is_some_and(|patience| {
            patience.is_exhausted(now) || crowded && patience.is_silent(now)
        });
        self.server_gone = true;
        self.down.ended = true;
        if !self.up.arrived.is_empty() {
            self.reset_client();
        }
    }

    /// The client reads.
    pub fn client_reads(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.down.arrived.is_empty() {
            let most = self.down.arrived.len().min(buffer.len());
            let count = self.rng.usize(1..=most);
            self.down.arrived.read(&mut buffer[..count])
        } else if self.down.end_arrived {
            Ok(0)
        } else if self.broken || self.vanished.is_some() {
            Err(ErrorKind::ConnectionReset.into())
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    /// The client writes; it may buffer any number of bytes.
    pub fn client_writes(&mut self, bytes: &[u8]) {
        self.up.flying.extend(bytes);
    }

    /// The client says that no more will come.
    pub fn client_ends(&mut self) {
        self.up.ended = true;
    }

    /// The client closes its end.
    pub fn client_closes(&mut self) {
        self.client_gone = true;
        self.up.ended = true;
    }
}
