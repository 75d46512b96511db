//! The connections, and one turn of the loop over them.
//!
//! ```text
//! mark     events set bits and put connections into the ready queue; nothing is served
//! tick     serve   each ready connection once, within its budget: replies are staged
//!          commit  all that was staged becomes durable, with one sync
//!          draw    a slice, where all agencies have finished
//!          send    what the outboxes hold
//!          reap    what ended; a slot is freed only here
//! ```
//!
//! Generic over the stream: a test drives it with fake ones. Never waits, and knows no poll. The time comes in: a clock is
//! looked at only to time the parts of a turn, where somebody watches.

mod away;
mod memory;
mod observed;
mod places;
mod silence;
mod store_events;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use frame::{Agency, trace};
use slab::Slab;

use self::away::Away;
use self::silence::Silence;
use crate::connection::{Connection, Served};
use crate::limits::{Limits, Share};
use crate::observe::{Phase, Turns};
use crate::report;
use crate::service::{ConnectionId, Service};
use crate::store::{Store, Ticket};
use crate::stream::Stream;
use crate::tls::TlsAcceptor;

/// The longest time between two looks at the connections' timeouts.
const SWEEP: Duration = Duration::from_secs(1);

/// All connections, and the service that they talk to.
pub struct Hub<S, D: Store> {
    connections: Slab<Entry<S>>,
    /// Slots of connections that can move, each once, in the order of their turns.
    ready: VecDeque<usize>,
    /// Slots that were served in this turn. Empty between turns.
    served: Vec<usize>,
    /// Held queries by agency and order, so that the oldest of an agency is found at once.
    held: BTreeSet<(Agency, u64, usize)>,
    /// Slots whose replies wait for a commit.
    committing: BTreeSet<(Ticket, usize)>,
    /// Slots whose agency is being read.
    reading: BTreeSet<(Agency, usize)>,
    /// Slots that do nothing: some of them give way.
    silence: Silence,
    /// Connections whose frames are served, or were.
    opened: usize,
    service: Service<D>,
    /// Where frames are exchanged over TLS alone.
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    /// Bytes that the buffers of all connections hold.
    buffered: usize,
    /// How many connections were accepted so far.
    serial: u64,
    /// How many queries were held so far.
    holds: u64,
    /// The store cannot be reached.
    away: Option<Away>,
    next_sweep: Option<Instant>,
    stopping: bool,
    turns: Turns,
    /// When the first connection was accepted: ages count from there.
    epoch: Option<Instant>,
    /// Slots whose connection ended in this turn. Empty between turns.
    ended: Vec<usize>,
}

struct Entry<S> {
    connection: Connection<S>,
    /// It is in the ready queue, or was taken from it in this turn.
    queued: bool,
    /// Its part of what all buffer.
    buffered: usize,
    /// The order of the last query that it held.
    hold: u64,
    /// It waits until this agency has been read.
    reading: Option<Agency>,
    /// Its frames are served, or were.
    opened: bool,
    /// When it was accepted, in [ticks](AGE) since the first one was.
    accepted: u32,
}

/// The unit of a connection's age: thirteen years of it fit in 4 bytes.
const AGE: Duration = Duration::from_millis(100);

impl<S: Stream, D: Store> Hub<S, D> {
    /// A hub without connections. With an acceptor, frames are exchanged over TLS alone.
    pub fn new(service: Service<D>, acceptor: Option<TlsAcceptor>, limits: Limits) -> Self {
        Self {
            connections: Slab::new(),
            ready: VecDeque::new(),
            served: Vec::new(),
            held: BTreeSet::new(),
            committing: BTreeSet::new(),
            reading: BTreeSet::new(),
            silence: Silence::new(),
            opened: 0,
            service,
            acceptor,
            limits,
            buffered: 0,
            serial: 0,
            holds: 0,
            away: None,
            next_sweep: None,
            stopping: false,
            turns: Turns::default(),
            epoch: None,
            ended: Vec::new(),
        }
    }

    /// Whether no connection is left.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// The slot that the next [`insert`](Self::insert) fills.
    pub fn next_slot(&self) -> usize {
        self.connections.vacant_key()
    }

    /// Takes in a connection. It counts as ready: what it says first has often come with it, and an event would tell
    /// only a turn later.
    pub fn insert(&mut self, stream: S, ip: IpAddr, now: Instant) {
        let id = ConnectionId {
            slot: self.next_slot(),
            serial: self.serial,
        };
        self.serial += 1;
        let accepted = self.age_ticks(now);
        let connection = Connection::new(id, stream, ip, &self.limits, now);
        self.connections.insert(Entry {
            connection,
            queued: false,
            buffered: 0,
            hold: 0,
            reading: None,
            opened: false,
            accepted,
        });
        self.next_sweep.get_or_insert(now + self.sweep_period());
        self.mark(id.slot, true, true, false);
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up. An event for a slot
    /// without a connection is stale, and is ignored.
    pub fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        if let Some(entry) = self.connections.get_mut(slot) {
            entry.connection.mark(readable, writable, dead);
            self.enqueue(slot);
        }
    }

    fn enqueue(&mut self, slot: usize) {
        if let Some(entry) = self.connections.get_mut(slot)
            && !entry.queued
        {
            entry.queued = true;
            self.ready.push_back(slot);
            self.silence.end(slot);
        }
    }

    /// Sets the bits that an event of the store's stream brings; `dead` for an error or a full hang-up.
    pub fn mark_store(&mut self, readable: bool, writable: bool, dead: bool) {
        self.service.mark_store(readable, writable, dead);
    }

    /// Whether the next turn has something to do without a new event.
    pub fn has_work(&self) -> bool {
        // Where a commit is waited for, an event will tell.
        self.is_unwatched()
            || !self.ready.is_empty() && !self.service.is_full()
            || !self.stopping && self.service.drawing()
    }

    /// When the next turn is due, event or not.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.next_sweep,
            self.service.store_deadline(),
            self.let_go_at(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// One turn.
    ///
    /// # Errors
    /// The disk failed: nothing of this turn was answered, and nothing may be any more.
    pub fn tick(&mut self, now: Instant) -> Result<(), D::Error> {
        self.sweep(now)?;
        self.hear_store(now)?;
        // Whoever is ready gets a share of this turn, so that nobody waits for more than one turn of all others.
        let share = self.limits.share(self.ready.len());
        trace::note("ready", self.ready.len() as u64);
        self.serve(share);
        let served = self.served.len() as u64;
        self.turns.serve(served);
        trace::focus(None);
        trace::note("served", served);
        self.service.counters_mut().served.record(served);
        self.turns.lap(Phase::Serve);
        self.service.commit()?;
        self.take_events(now);
        self.turns.lap(Phase::Commit);
        if !self.stopping && self.service.advance_draw()? {
            for (_, _, slot) in std::mem::take(&mut self.held) {
                self.enqueue(slot);
            }
        }
        self.turns.lap(Phase::Draw);
        self.send(share, now);
        trace::focus(None);
        self.turns.lap(Phase::Send);
        trace::note("ended", self.ended.len() as u64);
        for i in 0..self.ended.len() {
            self.reap(self.ended[i]);
        }
        self.ended.clear();
        self.relieve();
        self.turns.lap(Phase::Reap);
        if self.is_unwatched() {
            self.next_sweep = Some(now + self.sweep_period());
        }
        Ok(())
    }

    /// Whether something waits for a retry, and nobody's timeout brings the loop back to it.
    fn is_unwatched(&self) -> bool {
        self.next_sweep.is_none() && self.service.retries()
    }

    fn serve(&mut self, share: Share) {
        for _ in 0..self.ready.len() {
            if self.service.is_full() {
                break;
            }
            let Some(slot) = self.ready.pop_front() else {
                break;
            };
            self.served.push(slot);
            let Some(entry) = self.connections.get_mut(slot) else {
                continue;
            };
            let tight = self.buffered > self.limits.max_buffered;
            let acceptor = self.acceptor.as_ref();
            let served = entry
                .connection
                .serve(&mut self.service, acceptor, share, tight);
            self.account(slot);
            match served {
                Served::Done => {}
                Served::Held(agency) => self.hold(agency, slot),
                Served::Reading(agency) => self.await_read(agency, slot),
            }
            let waiting = self.connections.get(slot);
            if let Some(ticket) = waiting.and_then(|entry| entry.connection.ticket()) {
                self.committing.insert((ticket, slot));
            }
        }
    }

    /// Notes a held query. At most half the connections may be held: beyond that the oldest query of the
    /// same agency gives way, or else this one.
    fn hold(&mut self, agency: Agency, slot: usize) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        self.holds += 1;
        entry.hold = self.holds;
        self.held.insert((agency, entry.hold, slot));
        if self.held.len() <= self.limits.max_connections / 2 {
            return;
        }
        let oldest = self.held.range((agency, 0, 0)..).next().copied();
        if let Some(oldest) = oldest {
            self.held.remove(&oldest);
            if let Some(entry) = self.connections.get_mut(oldest.2) {
                entry.connection.turn_away();
                self.enqueue(oldest.2);
            }
        }
    }

    /// Sends, and queues again what can still move.
    fn send(&mut self, share: Share, now: Instant) {
        let winners_known = self.service.winners_known();
        for i in 0..self.served.len() {
            let slot = self.served[i];
            let Some(entry) = self.connections.get_mut(slot) else {
                continue;
            };
            entry.connection.send(&self.limits, share, now);
            entry.queued = false;
            let (closed, moves) = (
                entry.connection.is_closed(),
                entry.connection.can_move(winners_known),
            );
            self.account(slot);
            if closed {
                self.ended.push(slot);
            } else if moves {
                self.enqueue(slot);
            } else {
                self.fall_silent(slot);
            }
        }
        self.served.clear();
    }

    fn reap(&mut self, slot: usize) {
        let Entry {
            mut connection,
            buffered,
            hold,
            reading,
            opened,
            ..
        } = self.connections.remove(slot);
        self.buffered -= buffered;
        self.opened -= usize::from(opened);
        self.silence.end(slot);
        if let Some(agency) = reading {
            self.reading.remove(&(agency, slot));
        }
        if let Some(agency) = connection.session().agency() {
            self.held.remove(&(agency, hold, slot));
        }
        self.service.leave(connection.id, connection.session());
        let (reason, calls) = (connection.close_reason(), connection.calls());
        self.service.counters_mut().close(reason, calls);
        trace::closed(slot, reason.name());
        connection.report_closed();
    }

    /// Now and then: closes what took too long, frees what is not used, tries again what had no room, logs
    /// what was only counted.
    fn sweep(&mut self, now: Instant) -> Result<(), D::Error> {
        if self.next_sweep.is_none_or(|due| now < due) {
            return Ok(());
        }
        let opening = self.opening_timeout();
        for slot in 0..self.connections.capacity() {
            let Some(limit) = self.timeout(slot, opening) else {
                continue;
            };
            let Some(entry) = self.connections.get_mut(slot) else {
                continue;
            };
            entry.connection.sweep(limit, now);
            let closed = entry.connection.is_closed();
            self.account(slot);
            if closed {
                self.enqueue(slot);
            }
        }
        // After many connections have closed, the memory of their slots is given back.
        if self.connections.len() < self.connections.capacity() / 4 {
            self.connections.shrink_to_fit();
            self.silence.shrink_to(self.connections.capacity());
        }
        self.service.retry()?;
        report::repeats();
        let idle = self.connections.is_empty() && !self.service.retries();
        self.next_sweep = (!idle).then(|| now + self.sweep_period());
        Ok(())
    }

    fn sweep_period(&self) -> Duration {
        SWEEP.min(self.limits.idle_timeout / 4)
    }

    /// The server stops: from now on nothing is decoded, counted or held; what is owed is still sent.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.held.clear();
        for slot in 0..self.connections.capacity() {
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.connection.stop();
                self.enqueue(slot);
            }
        }
        trace::focus(None);
    }

    /// Drops every connection and closes the store.
    ///
    /// # Errors
    /// The disk failed; what was committed stays so.
    pub fn close(mut self) -> Result<(), D::Error> {
        for slot in 0..self.connections.capacity() {
            if self.connections.contains(slot) {
                self.reap(slot);
            }
        }
        report::repeats();
        self.service.close()
    }
}
