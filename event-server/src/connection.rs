//! One connection and its state.
//!
//! The states are in `state`; docs/design.md, "The states of a connection", has a picture of them.
//!
//! In `Open`, `Held` and `Draining`, replies may wait for a commit: nothing is sent until it is done. In `Open` requests are
//! served meanwhile, as a part of the next commit; their replies wait behind the others, in a buffer of their own. A connection
//! that waits for the store counts neither as idle nor as slow, but it ends if its peer is lost.
//!
//! The first byte decides what is spoken. With a [`TlsAcceptor`], 0x16 begins a TLS handshake, and frames are served
//! only after one; text is echoed in the clear on any port.
//!
//! Every transition is in this file or in one of three others: `opening`, until frames are served; `replies`, which
//! wait for the store or the draw and are sent; and `ending`.
//!
//! Bytes come in through [`Connection::mark`] (readiness only) and [`Connection::serve`], replies go out through
//! [`Connection::send`]; between the two the hub commits the turn. Judges no request itself.

mod ending;
mod idle_timer;
mod observed;
mod opening;
mod replies;
mod state;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use frame::trace;
use frame::{Channel, HEADER, Inbox, MessageId, Outbox, Received, Reply, TlsError};

use self::idle_timer::{IdleTimer, Waiting};
pub use self::state::{Awaited, Rank};
use self::state::{Later, Owed, State, Step};
use crate::limits::{Limits, Share};
use crate::net::Stream;
use crate::observe::{CloseReason, RequestKind};
use crate::report;
use crate::service::{Attempt, ConnectionId, Identity, Judged, Peer, Service, Told, Verdict};
use crate::store::Store;
use crate::tls::{Certified, TlsAcceptor};

/// One peer.
pub struct Connection<S> {
    /// Its name.
    pub id: ConnectionId,
    /// When it was accepted, in ticks of the hub.
    pub accepted: u32,
    channel: Channel<S>,
    ip: IpAddr,
    state: State,
    identity: Identity,
    /// During a TLS handshake: gets the agency in the peer's certificate, once that is verified.
    certified: Option<Certified>,
    /// An event has reported an error or a full hang-up.
    dead: bool,
    /// It was logged that it was accepted. That waits for the first byte: probes and health checks are logged at DEBUG.
    announced: bool,
    /// Bytes of the requests that were served since replies were sent last.
    unsent_requests: usize,
    /// The replies in the outbox that wait for a commit.
    owed: Option<Owed>,
    /// The replies behind those that wait for the next commit; only in `Open`.
    later: Option<Box<Later>>,
    /// Whether the frame in front is handed in for the first time.
    attempt: Attempt,
    /// Why it is closed, once it is.
    reason: CloseReason,
    idle_timer: IdleTimer,
}

impl<S: Stream> Connection<S> {
    /// Begins with a stream that was just accepted.
    pub fn new(
        id: ConnectionId,
        accepted: u32,
        stream: S,
        ip: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        trace::opened(
            id.slot,
            id.serial,
            State::TRACE_NAMES[State::Sniffing.trace_index()],
        );
        let inbox = Inbox::new(limits.max_frame, limits.max_inbox);
        let mut connection = Self {
            id,
            accepted,
            channel: Channel::new(stream, inbox, Outbox::new(limits.max_outbox)),
            ip,
            state: State::Sniffing,
            identity: Identity::New(None),
            certified: None,
            dead: false,
            announced: false,
            unsent_requests: 0,
            owed: None,
            later: None,
            attempt: Attempt::First,
            reason: CloseReason::Finished,
            idle_timer: IdleTimer::new(now),
        };
        connection.set_timer(limits, now);
        connection
    }

    /// Changes the state. There is no other way to change it.
    fn enter(&mut self, state: State) {
        if state.trace_index() != self.state.trace_index() {
            trace::state(self.id.slot, State::TRACE_NAMES[state.trace_index()]);
        }
        self.state = state;
        if state != State::Open {
            self.owe_later();
        }
    }

    /// Notes why it will be closed. The first reason counts; an orderly end gives way to any other.
    fn blame(&mut self, reason: CloseReason) {
        if self.reason == CloseReason::Finished {
            self.reason = reason;
        }
    }

    fn announce(&mut self, quiet: bool) {
        if !self.announced {
            self.announced = true;
            report::accepted(self.ip, quiet);
            report::accepting(quiet);
        }
    }

    /// Returns whether its lines are logged at DEBUG: it is a health check, or has said nothing (a probe).
    fn quiet(&self) -> bool {
        !self.announced || self.may_be_health_check()
    }

    fn may_be_health_check(&self) -> bool {
        self.ip.is_loopback() && matches!(self.identity, Identity::New(_))
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up.
    pub fn mark(&mut self, readable: bool, writable: bool, dead: bool) {
        self.channel.mark(readable, writable);
        self.dead |= dead;
    }

    /// Returns the agency and the upload that it speaks for, as far as it has said.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns whether it is to be dropped.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::Lost)
    }

    /// Returns whether serving or sending would move it now. Once the winners are known, a held query can be answered.
    pub fn can_move(&self, winners_known: bool) -> bool {
        let inbox = &self.channel.inbox;
        let input = self.channel.can_receive();
        self.dead
            || !self.is_committing() && self.channel.can_send()
            || match self.state {
                State::Open => self.may_serve() && (input || inbox.has_frame()),
                _ if self.is_committing() => false,
                State::Sniffing | State::Echoing | State::Handshaking => input,
                State::InClear => input || inbox.has_frame(),
                State::Drained { .. } => input,
                State::Held { .. } => winners_known,
                State::Reading(_) | State::Draining | State::Closed | State::Lost => false,
            }
    }

    /// Reads bytes and hands whole frames to the service, within its share of the turn. Replies are staged, not sent.
    /// With an `acceptor`, frames are served over TLS alone. With `tight`, it takes no more memory for its input.
    pub fn serve<R: Store>(
        &mut self,
        service: &mut Service<R>,
        acceptor: Option<&TlsAcceptor>,
        share: Share,
        tight: bool,
    ) {
        trace::focus(Some(self.id.slot));
        self.serve_requests(service, acceptor, share, tight);
        // Memory is given back at once: together, thousands of connections that each send little would hold more than the
        // allocator returns to the system later. A peer that sends much keeps its buffer until the sweep.
        if self.channel.inbox.allocated() <= Inbox::INITIAL {
            self.channel.inbox.release();
        }
    }

    fn serve_requests<R: Store>(
        &mut self,
        service: &mut Service<R>,
        acceptor: Option<&TlsAcceptor>,
        share: Share,
        tight: bool,
    ) {
        if self.dead {
            self.hang_up();
        }
        if self.is_committing() && self.state != State::Open {
            return;
        }
        // One read may bring frames for many turns, so what is read and what is served each have this budget.
        let (mut requests, mut received, mut served) = (0, 0, 0);
        loop {
            let step = match self.state {
                State::Sniffing => self.sniff(acceptor),
                State::Echoing => self.echo(),
                State::Handshaking => self.shake_hands(),
                State::InClear => self.refuse_frame(),
                State::Open
                    if requests == share.requests || served >= share.bytes || !self.may_serve() =>
                {
                    return;
                }
                State::Open => {
                    requests += 1;
                    let unread = self.channel.inbox.unread().len();
                    let step = self.serve_frame(service);
                    let taken = unread - self.channel.inbox.unread().len();
                    served += taken;
                    self.unsent_requests += taken;
                    step
                }
                State::Held { agency, query, .. } => match service.winners(agency) {
                    Some(told) => self.answer(query, told),
                    None => return,
                },
                State::Drained { .. } => self.discard(),
                State::Reading(_) | State::Draining | State::Closed | State::Lost => {
                    return;
                }
            };
            match step {
                Step::Again => {}
                Step::Wait => return,
                Step::NeedsInput
                    if received >= share.bytes || tight && self.channel.needs_memory() =>
                {
                    return;
                }
                Step::NeedsInput => match self.receive() {
                    Received::Bytes(count) => received += count,
                    Received::End => self.input_ended(),
                    Received::NotYet | Received::Full => return,
                },
            }
        }
    }

    /// Reads from the stream. A failed stream closes the connection; a failed TLS session drains it, since its alert has to be
    /// sent. Both return [`Received::NotYet`].
    fn receive(&mut self) -> Received {
        self.channel.receive().unwrap_or_else(|e| {
            match TlsError::of(&e) {
                None | Some(TlsError::Cut { .. }) => self.lost(&e),
                Some(error) => {
                    report::tls_failed(self.ip, error);
                    self.drain(CloseReason::BrokenFrame);
                }
            }
            Received::NotYet
        })
    }

    fn serve_frame<R: Store>(&mut self, service: &mut Service<R>) -> Step {
        let (frame, md5) = match self.channel.inbox.hashed_frame() {
            Ok(Some(hashed)) => hashed,
            Ok(None) => return Step::NeedsInput,
            Err(e) => {
                report::receive_failed(self.ip, &e);
                self.drain(CloseReason::BrokenFrame);
                return Step::Again;
            }
        };
        self.idle_timer.progress();
        let (query, size) = (frame.id, HEADER + frame.payload.len());
        let kind = RequestKind::of(frame.kind);
        let attempt = std::mem::take(&mut self.attempt);
        let before = self.channel.outbox.waiting();
        let peer = Peer {
            id: self.id,
            ip: self.ip,
            identity: &mut self.identity,
        };
        let Judged { verdict, waits } = service.handle(peer, (frame, md5), attempt);
        if let Some((agency, ticket)) = waits {
            self.owe(agency, ticket, before);
        }
        if !matches!(verdict, Verdict::Wait(_)) {
            trace::frame(kind.name(), size, verdict.name());
        }
        match verdict {
            Verdict::Reply(reply) => self.replies().reply(query, &reply),
            Verdict::Last(reply) => {
                self.replies().reply(query, &reply);
                self.drain(CloseReason::BrokenFrame);
            }
            Verdict::Replaced(reply) => {
                report::replaced(self.ip);
                self.replies().reply(query, &reply);
                self.drain(CloseReason::Fenced);
            }
            Verdict::Hold(agency, number) => {
                self.enter(State::Held {
                    agency,
                    query,
                    number,
                });
                if service.winners_known() {
                    return Step::Again;
                }
                report::winners_held(agency);
                return Step::Wait;
            }
            Verdict::Wait(agency) => {
                self.channel.inbox.put_back(size);
                // If replies wait for a commit, the frame is handed in again after it.
                match &mut self.owed {
                    Some(owed) => owed.stops = true,
                    None => self.enter(State::Reading(agency)),
                }
                return Step::Wait;
            }
        }
        match &mut self.owed {
            // The request was refused, so the connection is not bound to this agency. The next request may name another
            // one, and a connection waits for commits of one agency at a time.
            Some(owed) if self.identity.agency() != Some(owed.agency) => {
                owed.stops = true;
                Step::Wait
            }
            _ => Step::Again,
        }
    }

    fn answer(&mut self, query: MessageId, told: Told) -> Step {
        let outbox = &mut self.channel.outbox;
        match told {
            Told::Winners(list) => outbox.winners(query, &list),
            Told::Reply(winners) => outbox.reply(query, &Reply::Winners(winners)),
        }
        self.enter(State::Open);
        Step::Again
    }

    /// Closes it if the peer took longer than `limit`, and gives back unused memory. Called about once a second.
    pub fn sweep(&mut self, limit: Duration, now: Instant) {
        self.release();
        match self.idle_timer.exhausted(limit, now) {
            None => {}
            Some(Waiting::Close) => self.close(),
            Some(waiting) => {
                self.announce(self.may_be_health_check());
                report::timed_out(self.ip, waiting.what());
                self.blame(CloseReason::TimedOut);
                self.close();
            }
        }
    }

    /// Returns the bytes of memory that its buffers hold.
    pub fn buffered(&self) -> usize {
        let later = self.later.as_ref();
        self.channel.allocated() + later.map_or(0, |later| later.replies.allocated())
    }

    /// Gives back memory that it does not use.
    pub fn release(&mut self) {
        self.channel.release();
    }
}
