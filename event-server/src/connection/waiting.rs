//! Waiting: for a remote store to commit or to read an agency, and for the draw.

use std::collections::BTreeMap;

use frame::{Ack, Agency, MessageId, Reply, Winners, kind};

use super::Connection;
use super::state::{After, Owed, State};
use crate::observe::CloseReason;
use crate::report;
use crate::store::{Declined, Ticket};
use crate::stream::Stream;

impl<S: Stream> Connection<S> {
    /// The replies in the outbox may leave once the commit is done that they wait for.
    pub(super) fn await_commit(&mut self) {
        let then = match self.state {
            State::Held { agency, query } => After::Held { agency, query },
            State::Draining => After::Draining,
            State::Committing(_) | State::Closed | State::Lost => return,
            _ => After::Open,
        };
        self.enter(State::Committing(then));
    }

    /// The replies that wait for a commit.
    fn committing(&self) -> Option<&Owed> {
        match self.state {
            State::Committing(_) => self.owed.as_deref(),
            _ => None,
        }
    }

    /// The commit that its replies wait for.
    pub fn ticket(&self) -> Option<Ticket> {
        self.committing().map(|owed| owed.ticket)
    }

    pub(super) fn is_committing(&self) -> bool {
        self.ticket().is_some()
    }

    /// All up to this ticket is durable: a connection that waited for it goes on.
    pub fn committed(&mut self, done: Ticket) {
        if let State::Committing(then) = self.state
            && self.ticket().is_none_or(|ticket| ticket <= done)
        {
            self.owed = None;
            self.enter(match then {
                After::Open => State::Open,
                After::Held { agency, query } => State::Held { agency, query },
                After::Draining => State::Draining,
            });
        }
    }

    /// Answers a held query without a result: its place is needed. The client asks again.
    pub fn turn_away(&mut self) {
        let (agency, query) = match &mut self.state {
            State::Held { agency, query } => {
                let held = (*agency, *query);
                self.enter(State::Open);
                held
            }
            // The answer leaves with the replies before it.
            State::Committing(then) => match *then {
                After::Held { agency, query } => {
                    *then = After::Open;
                    (agency, query)
                }
                After::Open | After::Draining => return,
            },
            _ => return,
        };
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

    /// Tells why nothing of this request is stored, as the last reply.
    fn decline(&mut self, agency: Agency, why: &Declined, request: MessageId) {
        report::declined(self.ip, agency, why);
        let reason = Some(why.to_string().into());
        let reply = Reply::Ack(Ack::Failure { reason });
        self.channel.outbox.reply(request, &reply);
        self.drain(reason_of(Some(why)));
    }

    /// Nobody knows what is stored of these agencies, or nothing of what was sent for them is, for this reason. A
    /// connection that speaks for one, or owes a reply about one, closes; it says the reason before, where its peer reads
    /// that. Says whether it is one.
    pub fn forget(&mut self, agencies: &BTreeMap<Agency, Option<Declined>>) -> bool {
        let owed = self.committing().map(|owed| owed.agency);
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
                self.channel.outbox.truncate(owed.before);
                self.decline(agency, why, owed.request);
            }
            (Some(why), None) if let Some(request) = self.unserved() => {
                self.decline(agency, why, request);
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
