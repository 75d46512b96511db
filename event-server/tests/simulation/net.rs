//! The connections of a world: clients open them, one of the servers accepts them, and bytes travel on them.
//!
//! A server is named by its place: in it several run one after another, each with a life of its own in the ledger.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::limits::Limits;
use frame::{Inbox, MAX_REPLY, MessageId, Reply, Request};

use crate::duplex::{Duplex, Edges};
use crate::wire::{self, ClientEnd, ServerEnd};

/// All connections.
pub struct Net {
    /// In the order they were opened.
    connections: Vec<Connection>,
    /// Where somebody listens: the server's place, and its life.
    listening: BTreeMap<usize, Listener>,
    begin: Instant,
    /// The time since then.
    clock: Rc<Cell<Duration>>,
    /// The most bytes that one call on a stream moves.
    piece: usize,
    /// A server may close any connection, whatever its client does.
    closes_any: bool,
    opened: u64,
    rng: fastrand::Rng,
}

struct Connection {
    /// The place of the server that it was made to.
    server: usize,
    duplex: Rc<RefCell<Duplex>>,
}

struct Listener {
    life: usize,
    backlog: VecDeque<(ServerEnd, Rc<RefCell<Duplex>>)>,
}

/// A client's connection.
pub struct ClientConnection {
    pub end: ClientEnd,
    pub inbox: Inbox,
    /// The server that it was made to.
    pub life: usize,
    pub number: u64,
    /// Nothing more is sent on it.
    pub finished: bool,
    /// The server has taken something that came on it.
    pub bound: bool,
    /// Requests without a reply.
    unanswered: usize,
    /// The last request asks for the winners.
    asks_last: bool,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    Bytes,
    NotYet,
    /// The server has closed it in order.
    Ended,
    /// It broke.
    Broken,
}

impl Net {
    /// No connection yet. One call on a stream moves at most `piece` bytes; `closes_any` where a server may close any
    /// connection, whatever its client does.
    pub fn new(piece: usize, closes_any: bool, rng: fastrand::Rng) -> Self {
        Self {
            connections: Vec::new(),
            listening: BTreeMap::new(),
            begin: Instant::now(),
            clock: Rc::default(),
            piece,
            closes_any,
            opened: 0,
            rng,
        }
    }

    pub fn now(&self) -> Instant {
        self.begin + self.clock.get()
    }

    /// The time since the world began.
    pub fn now_since_begin(&self) -> Duration {
        self.clock.get()
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.clock.set(self.clock.get() + time);
    }

    /// Time passes until then.
    pub fn pass_until(&mut self, then: Instant) {
        let then = then.duration_since(self.begin);
        self.clock.set(self.clock.get().max(then));
    }

    /// A server listens.
    pub fn listen(&mut self, server: usize, life: usize) {
        let backlog = VecDeque::new();
        self.listening.insert(server, Listener { life, backlog });
    }

    /// A new connection, to one of the servers that listen.
    pub fn connect(&mut self) -> Option<ClientConnection> {
        let which = self.rng.usize(..self.listening.len().max(1));
        let (&server, listener) = self.listening.iter_mut().nth(which)?;
        self.opened += 1;
        let mut duplex = Duplex::new(self.piece, Rc::clone(&self.clock), self.rng.u64(..));
        duplex.excused = self.closes_any;
        let (client, end) = wire::connect(duplex);
        let duplex = client.duplex();
        listener.backlog.push_back((end, Rc::clone(&duplex)));
        self.connections.push(Connection { server, duplex });
        Some(ClientConnection {
            end: client,
            inbox: Inbox::new(MAX_REPLY, 0),
            life: listener.life,
            number: self.opened,
            finished: false,
            bound: false,
            unanswered: 0,
            asks_last: false,
        })
    }

    /// Whether somebody waits to be accepted by this server.
    pub fn has_backlog(&self, server: usize) -> bool {
        let listener = self.listening.get(&server);
        listener.is_some_and(|listener| !listener.backlog.is_empty())
    }

    /// Accepts the next connection, to be kept in this slot by a server with these limits.
    pub fn accept(&mut self, server: usize, slot: usize, limits: &Limits) -> Option<ServerEnd> {
        let (end, duplex) = self.listening.get_mut(&server)?.backlog.pop_front()?;
        let mut duplex = duplex.borrow_mut();
        duplex.register(slot, limits.idle_timeout);
        // Where all buffer too much together, anybody may have to go.
        duplex.excused |= limits.max_buffered < usize::MAX;
        Some(end)
    }

    /// Fetches events as a poll of this server does: in any order, and not always all.
    pub fn events(&mut self, server: usize, calm: bool) -> Vec<(usize, Edges)> {
        let mut duplexes: Vec<_> = self.duplexes_of(server).collect();
        self.rng.shuffle(&mut duplexes);
        let most = if calm {
            usize::MAX
        } else {
            self.rng.usize(1..8)
        };
        let events = duplexes
            .iter()
            .filter_map(|duplex| duplex.borrow_mut().take_event());
        events.take(most).collect()
    }

    fn duplexes_of(&self, server: usize) -> impl Iterator<Item = Rc<RefCell<Duplex>>> {
        let of_server = move |connection: &&Connection| connection.server == server;
        let connections = self.connections.iter().filter(of_server);
        connections.map(|connection| Rc::clone(&connection.duplex))
    }

    /// Notes whether the server has more connections than half of those that it may have: then silent ones may have to
    /// give way.
    pub fn crowd(&self, server: usize, most: usize) -> bool {
        let is_connected = |duplex: &Rc<RefCell<Duplex>>| duplex.borrow().is_connected();
        let connected = self.duplexes_of(server).filter(is_connected).count();
        let crowded = connected > most / 2;
        self.duplexes_of(server)
            .for_each(|duplex| duplex.borrow_mut().crowded = crowded);
        crowded
    }

    /// Whether one of the server's connections has to give way where another one needs the place.
    pub fn has_to_give_way(&self, server: usize) -> bool {
        self.duplexes_of(server)
            .any(|duplex| duplex.borrow().has_to_give_way())
    }

    /// Whether the server has read or written a byte since this was asked last.
    pub fn has_moved(&mut self, server: usize) -> bool {
        self.duplexes_of(server).fold(false, |moved, duplex| {
            duplex.borrow_mut().take_moved() | moved
        })
    }

    /// Bytes travel.
    pub fn hop(&mut self, calm: bool) {
        self.connections.retain(|Connection { duplex, .. }| {
            let mut duplex = duplex.borrow_mut();
            duplex.hop(calm);
            if !calm && self.rng.u8(..100) == 0 {
                duplex.false_alarm();
            }
            !duplex.is_over()
        });
    }

    /// The power failed at the server.
    pub fn cut(&mut self, server: usize) {
        self.duplexes_of(server)
            .for_each(|duplex| duplex.borrow_mut().cut());
        self.connections
            .retain(|connection| connection.server != server);
    }

    /// Nobody accepts there any more. The server is gone, or begins to go: a connection lost is not its fault.
    pub fn stop_listening(&mut self, server: usize) {
        self.listening.remove(&server);
        self.duplexes_of(server)
            .for_each(|duplex| duplex.borrow_mut().excused = true);
    }
}

impl ClientConnection {
    pub fn request(&mut self, request: &Request<'_>) -> MessageId {
        let mut bytes = Vec::new();
        let id = request.encode(&mut bytes);
        self.end.send(&bytes);
        self.unanswered += 1;
        self.asks_last = matches!(request, Request::Winners { .. });
        id
    }

    /// Whether a reply is missing that does not wait for the draw.
    pub fn misses_a_reply(&self) -> bool {
        self.unanswered > usize::from(self.asks_last)
    }

    /// Says that nothing more will be sent. The server closes it then, once all is answered.
    pub fn finish_sending(&mut self) {
        self.finished = true;
        self.end.finish_sending();
    }

    /// Reads once.
    pub fn fill(&mut self) -> Filled {
        let end = &mut self.end;
        match self.inbox.fill(|space| end.read(space)) {
            Ok(Some(0)) => Filled::Ended,
            Ok(_) => Filled::Bytes,
            Err(e) if e.kind() == ErrorKind::WouldBlock => Filled::NotYet,
            Err(_) => Filled::Broken,
        }
    }

    /// The next reply that is there, given to `take`; else how reading ended.
    pub fn reply<T>(&mut self, take: impl FnOnce(MessageId, Reply<'_>) -> T) -> Result<T, Filled> {
        loop {
            if self.inbox.has_frame() {
                let frame = self.inbox.frame().expect("a reply's length");
                let frame = frame.expect("a whole frame");
                let reply = Reply::decode(frame).expect("a reply");
                self.unanswered = self.unanswered.saturating_sub(1);
                return Ok(take(frame.id, reply));
            }
            match self.fill() {
                Filled::Bytes => {}
                other => return Err(other),
            }
        }
    }
}
