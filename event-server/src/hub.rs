//! The connections, and one turn of the loop over them.
//!
//! ```text
//! mark     events set bits and put connections into the ready queue; nothing is served
//! insert   a new connection takes a slot; if none is left, the one that was silent the longest gives way
//! tick     sweep   now and then: what took too long is closed, memory is given back
//!          serve   each ready connection once, within its budget: replies are staged
//!          commit  all that was staged becomes durable, with one sync, or begins to
//!          hear    what the store says: replies whose commit is done may leave; the files say it at once
//!          advance the store moves: its sessions, a slice of the count once all agencies have finished
//!          hear    again: an agency was read, a commit of the database is done, the winners are counted
//!          stage   if they are counted now: the draw is staged, committed and heard of in this turn
//!          send    what the outboxes hold
//!          reap    what ended: its slot is freed
//!          relieve if all buffers together hold too much, some connections are closed
//! ```
//!
//! Generic over the stream and the store: a test drives it with fake ones. Never waits, and knows no poll. The time is
//! passed in; a clock is read only to time the phases of a turn, if somebody watches.

mod connections;
mod giving_way;
mod observed;
mod silence;
mod store_events;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use frame::trace;

use self::connections::Connections;
use self::silence::Silence;
use crate::connection::{Awaited, Connection};
use crate::limits::{Limits, Share};
use crate::net::Stream;
use crate::observe::{Phase, Turns};
use crate::report;
use crate::service::{ConnectionId, Service};
use crate::store::{Store, Wake};
use crate::tls::TlsAcceptor;

/// The longest time between two checks of the connections' timeouts.
const SWEEP: Duration = Duration::from_secs(1);

/// All connections, and the service that judges their requests.
pub struct Hub<S, R: Store> {
    connections: Connections<S>,
    /// Slots that were served in this turn, or whose replies may leave. Empty between turns.
    served: Vec<usize>,
    /// The slots of connections that do nothing, by their rank among those that give way.
    silence: Silence,
    service: Service<R>,
    /// Begins TLS sessions; if there is one, frames are exchanged over TLS alone.
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    /// How many connections were accepted so far.
    serial: u64,
    /// Set while the store cannot be reached.
    away: Option<Away>,
    next_sweep: Option<Instant>,
    stopping: bool,
    turns: Turns,
    /// When the first connection was accepted: ages count from there.
    epoch: Option<Instant>,
    /// Slots whose connection ended in this turn. Empty between turns.
    ended: Vec<usize>,
}

/// How long a query stays held while the store cannot be reached: as long as a client waits for any other reply. Then
/// the client asks another server, which may reach the store, and may have drawn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A period in which the store cannot be reached.
#[derive(Clone, Copy, Debug)]
struct Away {
    /// When it began, or when queries were last let go in it.
    since: Instant,
    /// How many queries had been held until then, in all.
    queries: u64,
}

impl Away {
    /// Begins now, after so many queries have been held in all.
    fn new(now: Instant, queries: u64) -> Self {
        let since = now;
        Self { since, queries }
    }

    /// Returns when queries are let go.
    fn due(&self) -> Instant {
        self.since + PATIENCE
    }

    /// Returns the number of the last query that was held when it began: those up to it have been held all the time.
    fn queries(&self) -> u64 {
        self.queries
    }
}

/// The unit of a connection's age: thirteen years of it fit in 4 bytes.
const AGE: Duration = Duration::from_millis(100);

impl<S: Stream, R: Store> Hub<S, R> {
    /// Begins without connections. With an acceptor, frames are exchanged over TLS alone.
    pub fn new(service: Service<R>, acceptor: Option<TlsAcceptor>, limits: Limits) -> Self {
        Self {
            connections: Connections::new(),
            served: Vec::new(),
            silence: Silence::new(),
            service,
            acceptor,
            limits,
            serial: 0,
            away: None,
            next_sweep: None,
            stopping: false,
            turns: Turns::default(),
            epoch: None,
            ended: Vec::new(),
        }
    }

    /// Begins sessions with this acceptor from now on; those that have begun go on as they are.
    pub fn set_acceptor(&mut self, acceptor: TlsAcceptor) {
        self.acceptor = Some(acceptor);
    }

    /// Returns whether no connection is left.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Returns the slot that the next [`insert`](Self::insert) fills.
    pub fn next_slot(&self) -> usize {
        self.connections.next_slot()
    }

    /// Adds a connection, as ready: its first bytes have often come with it, and their event would come a turn later.
    pub fn insert(&mut self, stream: S, ip: IpAddr, now: Instant) {
        let id = ConnectionId {
            slot: self.next_slot(),
            serial: self.serial,
        };
        self.serial += 1;
        let accepted = self.age_ticks(now);
        let connection = Connection::new(id, accepted, stream, ip, &self.limits, now);
        self.connections.insert(connection);
        self.next_sweep.get_or_insert(now + self.sweep_period());
        self.mark(id.slot, true, true, false);
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up. An event for a slot
    /// without a connection is stale, and is ignored.
    pub fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        if self.connections.mark(slot, readable, writable, dead) {
            self.enqueue(slot);
        }
    }

    /// Puts a connection into the ready queue.
    fn enqueue(&mut self, slot: usize) {
        self.connections.queue(slot);
    }

    /// Lets a connection send, or end, at the end of this turn, without being served.
    fn attend(&mut self, slot: usize) {
        if self.connections.claim(slot) {
            self.served.push(slot);
        }
    }

    /// Sets the bits that an event of the store's stream brings; `dead` for an error or a full hang-up.
    pub fn mark_store(&mut self, session: u8, readable: bool, writable: bool, dead: bool) {
        self.service.mark_store(session, readable, writable, dead);
    }

    /// Returns whether the next turn has something to do without a new event.
    pub fn has_work(&self) -> bool {
        // If the store takes no more before a commit is done, the event of that commit wakes the loop.
        let mut ready = self.connections.iter_ready();
        ready.any(|connection| !self.service.is_full(connection.identity().agency()))
            || self.service.wake() == Wake::Now
    }

    /// Returns when the next turn is due without an event.
    pub fn deadline(&self) -> Option<Instant> {
        let store = match self.service.wake() {
            Wake::At(at) => Some(at),
            Wake::Now | Wake::Never => None,
        };
        let deadlines = [self.next_sweep, store, self.let_go_at()];
        deadlines.into_iter().flatten().min()
    }

    /// Does one turn.
    ///
    /// # Errors
    /// The store failed: nothing of this turn was answered, and nothing may be answered any more.
    pub fn tick(&mut self, now: Instant) -> Result<(), R::Error> {
        self.sweep(now);
        // The ready connections share the budget of this turn, so that all of them are served in it.
        let share = self.limits.share(self.connections.ready());
        trace::note("ready", self.connections.ready() as u64);
        self.serve(share);
        let served = self.served.len() as u64;
        self.turns.serve(served);
        trace::focus(None);
        trace::note("served", served);
        self.service.counters_mut().served.record(served);
        self.turns.lap(Phase::Serve);
        self.service.commit(now)?;
        // Files have finished the commit in that call; this takes their event.
        self.take_events(now);
        self.turns.lap(Phase::Commit);
        self.service.advance(now, self.connections.held() > 0)?;
        self.hear_store(now);
        if self.service.stages_draw() {
            // The draw is committed in the turn in which it was counted, so a query of the next turn is answered at once.
            self.service.commit(now)?;
            self.hear_store(now);
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
        Ok(())
    }

    fn serve(&mut self, share: Share) {
        for _ in 0..self.connections.ready() {
            let Some(slot) = self.connections.take_next() else {
                break;
            };
            let connection = self.connections.get(slot);
            let agency = connection.and_then(|connection| connection.identity().agency());
            if self.service.is_full(agency) {
                // A store that commits in several sessions may still take what other agencies send.
                self.connections.release(slot);
                self.connections.queue(slot);
                continue;
            }
            self.served.push(slot);
            let tight = self.connections.buffered() > self.limits.max_buffered;
            let (service, acceptor) = (&mut self.service, self.acceptor.as_ref());
            self.connections.change(slot, |connection| {
                connection.serve(service, acceptor, share, tight);
            });
            self.bound_held(slot);
        }
    }

    /// Keeps at most half of all places held. If this connection is held beyond that, the oldest held query of the same
    /// agency is answered without a result; it may be this one.
    fn bound_held(&mut self, slot: usize) {
        if self.connections.held() <= self.limits.max_connections / 2 {
            return;
        }
        let awaited = self.connections.get(slot).and_then(Connection::awaits);
        if let Some(Awaited::Draw(agency, _)) = awaited
            && let Some(oldest) = self.connections.longest_held(agency)
        {
            self.connections.change(oldest, Connection::turn_away);
            self.enqueue(oldest);
        }
    }

    /// Sends what the served connections hold, and queues again those that can still move.
    fn send(&mut self, share: Share, now: Instant) {
        let winners_known = self.service.winners_known();
        for i in 0..self.served.len() {
            let slot = self.served[i];
            let limits = &self.limits;
            let sent = self.connections.change(slot, |connection| {
                connection.send(limits, share, now);
                (connection.is_closed(), connection.can_move(winners_known))
            });
            self.connections.release(slot);
            match sent {
                Some((true, _)) => self.ended.push(slot),
                Some((false, moves)) => {
                    self.note_silence(slot, moves, now);
                    if moves {
                        self.enqueue(slot);
                    }
                }
                None => {}
            }
        }
        self.served.clear();
    }

    fn reap(&mut self, slot: usize) {
        let Some(mut connection) = self.connections.remove(slot) else {
            return;
        };
        self.silence.end(slot);
        self.service.leave(connection.id, connection.identity());
        let (reason, calls) = (connection.close_reason(), connection.calls());
        self.service.counters_mut().close(reason, calls);
        trace::closed(slot, reason.name());
        connection.report_closed();
    }

    /// About once a second: closes connections whose peers took too long, frees unused memory, reports withheld lines.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|due| now < due) {
            return;
        }
        let opening = self.opening_timeout();
        for slot in 0..self.connections.slots() {
            let Some(limit) = self.timeout(slot, opening) else {
                continue;
            };
            let closed = self.connections.change(slot, |connection| {
                connection.sweep(limit, now);
                connection.is_closed()
            });
            if closed == Some(true) {
                self.enqueue(slot);
            }
        }
        if self.connections.shrink() {
            self.silence.shrink_to(self.connections.slots());
        }
        report::repeats();
        let idle = self.connections.is_empty();
        self.next_sweep = (!idle).then(|| now + self.sweep_period());
    }

    fn sweep_period(&self) -> Duration {
        SWEEP.min(self.limits.idle_timeout / 4)
    }

    /// Begins to stop: from now on no request is served, no winner counted and no query held; replies are still sent.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.service.stop();
        for slot in 0..self.connections.slots() {
            self.connections.change(slot, Connection::stop);
            self.enqueue(slot);
        }
        trace::focus(None);
    }

    /// Drops every connection and closes the store.
    ///
    /// # Errors
    /// The store failed; what was committed stays so.
    pub fn close(mut self) -> Result<(), R::Error> {
        for slot in 0..self.connections.slots() {
            self.reap(slot);
        }
        report::repeats();
        self.service.close()
    }
}
