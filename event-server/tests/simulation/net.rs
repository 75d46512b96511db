//! The connections of a world: clients open them, the server accepts them, and bytes travel on them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::time::Duration;

use frame::{Inbox, MAX_REPLY, MessageId, Reply, Request};

use crate::duplex::{Duplex, Edges};
use crate::wire::{self, ClientEnd, ServerEnd};

/// How long after its beginning a connection may be closed for what the peer did not do in time.
const PATIENCE: Duration = Duration::from_secs(2);

/// All connections.
pub struct Net {
    /// In the order they were opened.
    duplexes: Vec<Rc<RefCell<Duplex>>>,
    backlog: VecDeque<(ServerEnd, Rc<RefCell<Duplex>>)>,
    /// Which server listens.
    pub listening: Option<usize>,
    pub now: Duration,
    /// The most bytes that one call on a stream moves.
    piece: usize,
    opened: u64,
    rng: fastrand::Rng,
}

/// A client's connection.
pub struct Link {
    pub end: ClientEnd,
    pub inbox: Inbox,
    /// The server that it was made to.
    pub life: usize,
    pub number: u64,
    /// Nothing more is sent on it.
    pub finished: bool,
    /// The server has taken something that came on it.
    pub bound: bool,
}

/// What became of reading.
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
    pub fn new(piece: usize, rng: fastrand::Rng) -> Self {
        Self {
            duplexes: Vec::new(),
            backlog: VecDeque::new(),
            listening: None,
            now: Duration::ZERO,
            piece,
            opened: 0,
            rng,
        }
    }

    /// A new connection, where a server listens.
    pub fn connect(&mut self) -> Option<Link> {
        let life = self.listening?;
        self.opened += 1;
        let duplex = Duplex::new(self.piece, self.now, self.rng.u64(..));
        let (client, server) = wire::connect(duplex);
        let duplex = client.duplex();
        self.duplexes.push(Rc::clone(&duplex));
        self.backlog.push_back((server, duplex));
        Some(Link {
            end: client,
            inbox: Inbox::new(MAX_REPLY, 0),
            life,
            number: self.opened,
            finished: false,
            bound: false,
        })
    }

    /// Whether somebody waits to be accepted.
    pub fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Accepts the next connection, to be kept in this slot; `excused` where the server may close it at any time.
    pub fn accept(&mut self, slot: usize, excused: bool) -> Option<ServerEnd> {
        let (end, duplex) = self.backlog.pop_front()?;
        duplex.borrow_mut().register(slot);
        duplex.borrow_mut().excused |= excused;
        Some(end)
    }

    /// Fetches events as a poll does: in any order, and not always all.
    pub fn events(&mut self, calm: bool) -> Vec<(usize, Edges)> {
        let mut order: Vec<usize> = (0..self.duplexes.len()).collect();
        self.rng.shuffle(&mut order);
        let most = if calm {
            usize::MAX
        } else {
            self.rng.usize(1..8)
        };
        let events = order
            .iter()
            .filter_map(|i| self.duplexes[*i].borrow_mut().take_event());
        events.take(most).collect()
    }

    /// How many connections the server has.
    pub fn connected(&self) -> usize {
        let connected = |duplex: &&Rc<RefCell<Duplex>>| duplex.borrow().is_connected();
        self.duplexes.iter().filter(connected).count()
    }

    /// Whether the server has read or written a byte since this was asked last.
    pub fn has_moved(&mut self) -> bool {
        let duplexes = self.duplexes.iter();
        duplexes.fold(false, |moved, duplex| {
            duplex.borrow_mut().take_moved() | moved
        })
    }

    /// Bytes travel.
    pub fn hop(&mut self, calm: bool) {
        let old = self.now.saturating_sub(PATIENCE);
        self.duplexes.retain(|duplex| {
            let mut duplex = duplex.borrow_mut();
            duplex.hop(calm);
            duplex.excused |= !calm && duplex.opened < old;
            if !calm && self.rng.u8(..100) == 0 {
                duplex.false_alarm();
            }
            !duplex.is_over()
        });
    }

    /// The server is gone, or begins to go: nobody can blame it for a connection lost.
    pub fn excuse_all(&mut self) {
        for duplex in &self.duplexes {
            duplex.borrow_mut().excused = true;
        }
    }

    /// The power failed at the server.
    pub fn cut(&mut self) {
        for duplex in self.duplexes.drain(..) {
            duplex.borrow_mut().cut();
        }
    }

    /// Nobody accepts any more.
    pub fn stop_listening(&mut self) {
        self.listening = None;
        self.backlog.clear();
        self.excuse_all();
    }
}

impl Link {
    pub fn request(&mut self, request: &Request<'_>) -> MessageId {
        let mut bytes = Vec::new();
        let id = request.encode(&mut bytes);
        self.end.send(&bytes);
        id
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

    /// The next reply that is there, given to `take`; else what became of reading on.
    pub fn reply<T>(&mut self, take: impl FnOnce(MessageId, Reply<'_>) -> T) -> Result<T, Filled> {
        loop {
            if self.inbox.has_frame() {
                let frame = self.inbox.frame().expect("a reply's length");
                let frame = frame.expect("a whole frame");
                let reply = Reply::decode(frame).expect("a reply");
                return Ok(take(frame.id, reply));
            }
            match self.fill() {
                Filled::Bytes => {}
                other => return Err(other),
            }
        }
    }
}
