//! What is seen of a connection from outside.

use std::time::Duration;

use frame::{Calls, trace};

use super::Connection;
use super::idle_timer::Waiting;
use super::state::State;
use crate::net::Stream;
use crate::observe::{CloseReason, ConnectionView, Wait};

impl<S: Stream> Connection<S> {
    /// The names of states in metrics.
    pub const METRIC_NAMES: [&str; State::METRIC_NAMES.len()] = State::METRIC_NAMES;

    /// The names of states in traces and on pages, where each state has its own.
    pub const TRACE_NAMES: &[&str] = &State::TRACE_NAMES;

    /// Returns the name in metrics of its state.
    pub fn metric_name(&self) -> &'static str {
        match self.is_committing() {
            true => State::COMMITTING,
            false => self.state.metric_name(),
        }
    }

    /// Returns the outcomes of its reads and writes so far.
    pub fn calls(&self) -> Calls {
        self.channel.calls()
    }

    /// Returns the bytes of replies that its peer has not taken yet.
    pub fn unsent(&self) -> usize {
        let later = self.later.as_ref();
        self.channel.unsent() + later.map_or(0, |later| later.replies.waiting())
    }

    /// Returns why it is closed, once it is.
    pub fn close_reason(&self) -> CloseReason {
        self.reason
    }

    /// Returns whether it is in the middle of a frame.
    pub fn has_partial_frame(&self) -> bool {
        self.state == State::Open && self.channel.inbox.begun().is_some()
    }

    /// Returns the index of its state's name in [`TRACE_NAMES`](Self::TRACE_NAMES).
    pub(super) fn trace_index(&self) -> usize {
        match self.is_committing() {
            true => State::COMMITTING_TRACE_INDEX,
            false => self.state.trace_index(),
        }
    }

    /// Tells a trace that begins of this connection, which was there before.
    pub fn begin_trace(&self) {
        trace::opened(
            self.id.slot,
            self.id.serial,
            Self::TRACE_NAMES[self.trace_index()],
        );
        self.trace_wait();
    }

    /// Tells the trace what it waits for.
    pub(super) fn trace_wait(&self) {
        if trace::is_on() {
            trace::waits(self.id.slot, Wait::NAMES[self.waits() as usize]);
        }
    }

    /// Returns all that can be seen of it. `age` is the time since it was accepted.
    pub fn view(&self, age: Duration) -> ConnectionView {
        ConnectionView {
            slot: self.id.slot,
            serial: self.id.serial,
            state: self.trace_index(),
            agency: self.identity.agency(),
            age,
            inbox: self.channel.unread(),
            outbox: self.unsent(),
            calls: self.calls(),
            begun: match self.has_partial_frame() {
                true => self.channel.inbox.begun(),
                false => None,
            },
            waits: self.waits(),
        }
    }

    fn waits(&self) -> Wait {
        match (self.idle_timer.waiting(), self.state) {
            (_, State::Closed | State::Lost) => Wait::Nothing,
            _ if self.is_committing() => Wait::Commit,
            (Some(Waiting::FirstByte), _) => Wait::FirstByte,
            (Some(Waiting::Rest), _) => Wait::Rest,
            (Some(Waiting::RepliesTaken), _) => Wait::RepliesTaken,
            (Some(Waiting::Close), _) => Wait::Close,
            (None, State::Held { .. }) => Wait::Draw,
            (None, State::Reading(_)) => Wait::Read,
            (None, _) if self.channel.inbox.has_frame() => Wait::Turn,
            (None, _) => Wait::Nothing,
        }
    }
}
