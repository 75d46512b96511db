//! Waiting: for the store to commit or to read an agency, and for the draw.

use std::collections::BTreeMap;

use frame::{Ack, Agency, MessageId, Reply, Winners, kind};

use super::Connection;
use super::state::{Awaited, State};
use crate::observe::CloseReason;
use crate::report;
use crate::store::{Declined, Ticket};
use crate::stream::Stream;

impl<S: Stream> Connection<S> {
    /// What it waits for: one thing at a time. Its replies wait for a commit before anything else.
    pub fn awaits(&self) -> Option<Awaited> {
        match (self.state, self.owed) {
            (State::Closed | State::Lost, _) => None,
            (_, Some(owed)) => Some(Awaited::Commit(owed.ticket)),
            (State::Reading(agency), None) => Some(Awaited::Read(agency)),
            (State::Held { agency, number, .. }, None) => Some(Awaited::Draw(agency, number)),
            _ => None,
        }
    }

    pub(super) fn is_committing(&self) -> bool {
        matches!(self.awaits(), Some(Awaited::Commit(_)))
    }

    /// All up to this ticket is durable: replies that waited for it may leave.
    pub fn committed(&mut self, done: Ticket) {
        self.owed = self.owed.filter(|owed| owed.ticket > done);
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

    /// A held query is not answered here any more: what was owed before it goes out, then the connection closes, and the
    /// client asks another server.
    pub fn let_go(&mut self) {
        if let Some(agency) = self.session.agency() {
            report::winners_let_go(agency);
        }
        self.drain(CloseReason::Dropped);
    }

    /// What is stored of this agency was read: a connection that waited for it goes on.
    pub fn read(&mut self, agency: Agency) {
        if self.state == State::Reading(agency) {
            self.enter(State::Open);
            self.after_read = true;
        }
    }

    /// The agency that it waits for to be read.
    fn awaits_read(&self) -> Option<Agency> {
        match self.state {
            State::Reading(agency) => Some(agency),
            _ => None,
        }
    }

    /// The request that waits for its agency to be read, where its peer reads why it is refused.
    fn unserved(&mut self) -> Option<MessageId> {
        self.awaits_read()?;
        let (frame, _) = self.channel.inbox.hashed_frame().ok()??;
        (frame.kind == kind::RESUME || self.session.reads_reasons()).then_some(frame.id)
    }

    /// The last reply, to a request of which nothing is stored: why.
    fn declined(&self, agency: Agency, why: &Declined) -> Reply<'static> {
        report::declined(self.ip, agency, why);
        let reason = Some(why.to_string().into());
        Reply::Ack(Ack::Failure { reason })
    }

    /// Nobody knows what is stored of these agencies, or nothing of what was sent for them is, for this reason. A
    /// connection that speaks for one, or owes a reply about one, closes; it says the reason before, where its peer reads
    /// that. Says whether it is one.
    pub fn forget(&mut self, agencies: &BTreeMap<Agency, Option<Declined>>) -> bool {
        let owed = self.owed.map(|owed| owed.agency);
        let unread = self
            .awaits_read()
            .filter(|agency| agencies.get(agency).is_some_and(Option::is_some));
        let concerns = [owed, unread, self.session.agency()].into_iter().flatten();
        let mut told = concerns.filter_map(|agency| Some((agency, agencies.get(&agency)?)));
        let Some((agency, why)) = told.next() else {
            return false;
        };
        if self.is_closed() {
            return false;
        }
        // Between turns only replies that wait are owed, or one to the request that waits for its agency to be read.
        match (why, self.owed.take()) {
            (Some(why), Some(owed)) if self.session.reads_reasons() => {
                // What was staged says that it is stored.
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

/// Why a connection is closed where nothing of what it sent is stored, for this reason where one is known.
fn reason_of(why: Option<&Declined>) -> CloseReason {
    match why {
        Some(Declined::Replaced(_)) => CloseReason::Fenced,
        _ => CloseReason::Dropped,
    }
}
