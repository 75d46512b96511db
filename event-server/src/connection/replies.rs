//! The replies of a connection: what they wait for in the central, and how they go out at the end of a turn.
//!
//! A reply waits for a commit, a request for its agency to be read, a winners query for the draw. What waits for nothing is
//! sent. A send wakes the peer, which costs both sides more than the bytes in it: so where turns are short, the replies of a
//! connection whose next requests have come already wait for the replies to those.

use std::collections::BTreeMap;
use std::time::Instant;

use frame::{Ack, Agency, MessageId, Outbox, Reply, Winners, kind, trace};

use super::Connection;
use super::idle_timer::Waiting;
use super::state::{Awaited, Later, Owed, State};
use crate::limits::{Limits, Share};
use crate::net::Stream;
use crate::observe::CloseReason;
use crate::report;
use crate::service::Attempt;
use crate::store::{Declined, Ticket};

impl<S: Stream> Connection<S> {
    /// Returns what it waits for in the central: one thing at a time. A commit that its replies wait for comes first.
    pub fn awaits(&self) -> Option<Awaited> {
        let owed = self.owed.map(|owed| owed.ticket);
        let ticket = owed.or_else(|| Some(self.later.as_ref()?.ticket));
        match (self.state, ticket) {
            (State::Closed | State::Lost, _) => None,
            (_, Some(ticket)) => Some(Awaited::Commit(ticket)),
            (State::Reading(agency), None) => Some(Awaited::Read(agency)),
            (State::Held { agency, number, .. }, None) => Some(Awaited::Draw(agency, number)),
            _ => None,
        }
    }

    /// Returns whether replies in the outbox wait for a commit: nothing is sent until it is done.
    pub(super) fn is_committing(&self) -> bool {
        self.owed.is_some() && !self.is_closed()
    }

    /// Returns whether the next request may be served now. While replies wait for a commit, the request becomes a part
    /// of the next commit. Once the first commit is done, nothing is served until its replies are sent.
    pub(super) fn may_serve(&self) -> bool {
        let later = self.later.as_ref();
        let waiting = later.map_or(0, |later| later.replies.waiting());
        self.channel.outbox.has_room_beside(waiting)
            && match &self.owed {
                Some(owed) => !owed.stops,
                None => later.is_none(),
            }
    }

    /// Returns where the next reply goes: behind all others.
    pub(super) fn replies(&mut self) -> &mut Outbox {
        match &mut self.later {
            Some(later) => &mut later.replies,
            None => &mut self.channel.outbox,
        }
    }

    /// Notes that the next reply is about this agency and waits for this commit; `before` bytes are in the outbox. An
    /// agency's replies wait for two commits at most: the one under way, and the next one.
    pub(super) fn owe(&mut self, agency: Agency, ticket: Ticket, before: usize) {
        match (&self.owed, &mut self.later) {
            (_, Some(later)) => later.ticket = later.ticket.max(ticket),
            (Some(owed), None) if owed.ticket.covers(ticket) => {}
            (Some(_), later) => {
                let replies = self.channel.outbox.with_same_bound();
                let new = Later {
                    agency,
                    ticket,
                    replies,
                };
                *later = Some(Box::new(new));
            }
            (None, None) => {
                self.owed = Some(Owed {
                    agency,
                    ticket,
                    before: before as u32,
                    stops: false,
                });
            }
        }
    }

    /// Moves the replies that wait for the later one of two commits into the outbox. Those that wait for the first one, if it
    /// is not done, then wait for the later one, too.
    pub(super) fn owe_later(&mut self) {
        let Some(mut later) = self.later.take() else {
            return;
        };
        let outbox = &mut self.channel.outbox;
        let first = Owed {
            agency: later.agency,
            ticket: later.ticket,
            before: outbox.waiting() as u32,
            stops: false,
        };
        let owed = self.owed.get_or_insert(first);
        owed.ticket = later.ticket;
        outbox.take_from(&mut later.replies);
    }

    /// Releases the replies that waited for this commit, which is done, or for one before it in its session.
    pub fn committed(&mut self, done: Ticket) {
        let later = self.later.as_ref();
        if later.is_some_and(|later| done.covers(later.ticket)) {
            self.owe_later();
        }
        self.owed = self.owed.filter(|owed| !done.covers(owed.ticket));
    }

    /// Answers a held query without a result: its place is needed. The client asks again.
    pub fn turn_away(&mut self) {
        let State::Held { agency, query, .. } = self.state else {
            return;
        };
        self.enter(State::Open);
        report::winners_turned_away(agency, "too many are held");
        let reply = Reply::Winners(Winners::InProgress);
        self.channel.outbox.reply(query, &reply);
    }

    /// Drops a held query: the replies before it go out, then the connection closes, and the client asks another server.
    pub fn let_go(&mut self) {
        if let Some(agency) = self.identity.agency() {
            report::winners_let_go(agency);
        }
        self.drain(CloseReason::Dropped);
    }

    /// Goes on if it waited for this agency, which was read.
    pub fn read(&mut self, agency: Agency) {
        if self.state == State::Reading(agency) {
            self.enter(State::Open);
            self.attempt = Attempt::AfterRead;
        }
    }

    /// Returns the agency whose reading it waits for.
    fn awaits_read(&self) -> Option<Agency> {
        match self.state {
            State::Reading(agency) => Some(agency),
            _ => None,
        }
    }

    /// Returns the id of the request that waits for its agency to be read, if its peer reads the reasons of refusals.
    fn unserved(&mut self) -> Option<MessageId> {
        self.awaits_read()?;
        let (frame, _) = self.channel.inbox.hashed_frame().ok()??;
        (frame.kind == kind::RESUME || self.identity.reads_reasons()).then_some(frame.id)
    }

    /// Logs why nothing of a request is stored, and returns the reply that says so.
    fn declined(&self, agency: Agency, why: &Declined) -> Reply<'static> {
        report::declined(self.ip, agency, why);
        let reason = Some(why.to_string().into());
        Reply::Ack(Ack::Failure { reason })
    }

    /// Ends the connection if it speaks for one of these agencies, or owes a reply about one. For each agency either
    /// nobody knows what is stored (`None`), or nothing of what was sent last is stored, for a reason. If there is a
    /// reason and the peer reads reasons, the last reply says it; otherwise the connection closes without one. Returns
    /// whether it was ended.
    pub fn forget(&mut self, agencies: &BTreeMap<Agency, Option<Declined>>) -> bool {
        let owed = self.owed.map(|owed| owed.agency);
        let later = self.later.as_ref().map(|later| later.agency);
        let unread = self
            .awaits_read()
            .filter(|agency| agencies.get(agency).is_some_and(Option::is_some));
        let concerns = [owed, later, unread, self.identity.agency()]
            .into_iter()
            .flatten();
        let mut told = concerns.filter_map(|agency| Some((agency, agencies.get(&agency)?)));
        let Some((agency, why)) = told.next() else {
            return false;
        };
        if self.is_closed() {
            return false;
        }
        self.owe_later();
        // Replies may wait for a commit, or one request for its agency to be read: never both at once.
        match (why, self.owed.take()) {
            (Some(why), Some(owed)) if self.identity.reads_reasons() => {
                // The staged replies say that the requests are stored: they are replaced.
                let refusal = self.declined(agency, why);
                self.channel.outbox.replace(owed.before as usize, &refusal);
                self.drain(reason_of(Some(why)));
            }
            (Some(why), None) if let Some(request) = self.unserved() => {
                let refusal = self.declined(agency, why);
                self.channel.outbox.reply(request, &refusal);
                self.drain(reason_of(Some(why)));
            }
            _ => {
                report::forgotten(self.ip, agency);
                self.blame(reason_of(why.as_ref()));
                self.close();
            }
        }
        true
    }
}

impl<S: Stream> Connection<S> {
    /// Sends what the outbox holds, after the turn is committed, and sets the idle timer. A long list goes out a share at a
    /// time, so that other connections get theirs in between.
    pub fn send(&mut self, limits: &Limits, share: Share, now: Instant) {
        if self.is_closed() {
            return;
        }
        if trace::is_on() {
            trace::state(self.id.slot, Self::TRACE_NAMES[self.trace_index()]);
        }
        if !self.is_committing() && !self.gathers_replies(limits) {
            self.send_replies(share);
            // The replies of a first commit are out: those of the next one take their place.
            if self.channel.all_sent() {
                self.owe_later();
            }
        }
        self.set_timer(limits, now);
    }

    fn send_replies(&mut self, share: Share) {
        trace::focus(Some(self.id.slot));
        self.unsent_requests = 0;
        let unsent = self.channel.unsent();
        let most = match self.channel.outbox.has_shared() {
            true => share.bytes,
            false => usize::MAX,
        };
        match self.channel.send_at_most(most) {
            Err(e) => self.lost(&e),
            Ok(all_sent) => {
                if self.channel.unsent() < unsent {
                    self.idle_timer.progress();
                }
                if all_sent && self.state == State::Draining {
                    self.shut_down();
                }
            }
        }
    }

    /// Returns whether its replies wait for those of the next turn. This ends soon, since each turn serves more bytes.
    fn gathers_replies(&self, limits: &Limits) -> bool {
        self.state == State::Open
            && self.unsent_requests < limits.gathered_bytes
            && self.channel.inbox.has_frame()
            && self.may_serve()
    }

    /// Sets the idle timer to what its peer has to do next.
    pub(super) fn set_timer(&mut self, limits: &Limits, now: Instant) {
        let channel = &self.channel;
        let waiting = match self.state {
            _ if self.is_committing() => None,
            State::Sniffing => Some(Waiting::FirstByte),
            State::Echoing | State::Handshaking | State::InClear => Some(Waiting::Rest),
            State::Draining => Some(Waiting::RepliesTaken),
            State::Drained { .. } => Some(Waiting::Close),
            State::Open if self.gathers_replies(limits) => None,
            State::Open | State::Held { .. } | State::Reading(_) if !channel.all_sent() => {
                Some(Waiting::RepliesTaken)
            }
            State::Open if channel.unread() > 0 && !channel.inbox.has_frame() => {
                Some(Waiting::Rest)
            }
            State::Open | State::Reading(_) | State::Held { .. } | State::Closed | State::Lost => {
                None
            }
        };
        self.idle_timer.set(waiting, now);
        self.trace_wait();
    }
}

/// Returns why a connection is closed whose agency is forgotten, or declined for this reason.
fn reason_of(why: Option<&Declined>) -> CloseReason {
    match why {
        Some(Declined::Replaced(_)) => CloseReason::Fenced,
        _ => CloseReason::Dropped,
    }
}
