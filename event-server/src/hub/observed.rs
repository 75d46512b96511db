//! What is seen of the hub from outside.

use std::ops::Range;
use std::time::Instant;

use frame::{Calls, LENGTH_FIELD, trace};

use super::{AGE, Hub};
use crate::connection::Connection;
use crate::net::Stream;
use crate::observe::{Bounds, ConnectionView, Figures, LotteryView, Observe, Phase, Turns};
use crate::store::Store;
use crate::tls::TlsAcceptor;

impl<S: Stream, R: Store> Hub<S, R> {
    /// Times commits and the phases of turns from now on: somebody may look.
    pub fn measure(&mut self) {
        self.service.measure();
        self.turns.measure();
    }

    /// Counts a poll that gave the loop so many events.
    pub fn polled(&mut self, events: u64) {
        self.service.counters_mut().poll(events);
        self.turns.polled(events);
        trace::note("events", events);
    }

    /// Notes the end of a phase of the turn that is not a part of [`tick`](Self::tick).
    pub fn lap(&mut self, phase: Phase) {
        self.turns.lap(phase);
    }

    /// Returns whether the store can be used, or could be once since the start.
    pub fn is_open(&self) -> bool {
        self.service.is_open()
    }

    /// Returns how the lottery stands, in a few words. Takes time in proportion to the agencies.
    pub fn standing(&self) -> String {
        self.unavailable()
            .unwrap_or_else(|| self.service.standing())
    }

    /// Tells a trace that begins of the connections that are there.
    pub fn begin_trace(&self) {
        self.all().for_each(Connection::begin_trace);
    }

    /// Ends the turn in the figures and in the trace.
    pub fn end_turn(&mut self) {
        if trace::is_on() {
            trace::counter("ready connections", self.connections.ready() as u64);
            trace::counter("buffered bytes", self.connections.buffered() as u64);
            trace::counter("held queries", self.connections.held() as u64);
            trace::counter("bets stored", self.service.counters().bets_stored);
        }
        if let Some(took) = self.turns.end() {
            self.service.counters_mut().turn(took);
        }
    }

    /// Returns the time since the first connection, in units of [`AGE`].
    pub(super) fn age_ticks(&mut self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(*self.epoch.get_or_insert(now));
        u32::try_from(since.as_millis() / AGE.as_millis()).unwrap_or(u32::MAX)
    }

    fn all(&self) -> impl Iterator<Item = &Connection<S>> {
        self.connections.iter().map(|(_, connection)| connection)
    }
}

impl<S: Stream, R: Store> Observe for Hub<S, R> {
    fn watch(&mut self, watched: bool) {
        self.service.watch_agencies(watched);
    }

    fn unavailable(&self) -> Option<String> {
        if self.stopping {
            return Some("the central is stopping".to_owned());
        }
        self.service.unavailable().or_else(|| {
            let most = self.limits.max_connections;
            let full = format!(
                "full: all {most} places for connections are taken, and nobody gives way; raise SERVER_MAX_CONNECTIONS"
            );
            self.is_full().then_some(full)
        })
    }

    fn lottery(&self) -> LotteryView {
        let mut view = self.service.lottery_view();
        for connection in self.all() {
            if let Some(agency) = connection.identity().agency()
                && let Ok(at) = view
                    .agencies
                    .binary_search_by_key(&agency, |view| view.agency)
            {
                view.agencies[at].connected = true;
            }
        }
        view
    }

    fn bets(&self) -> Option<u64> {
        self.service.bets()
    }

    fn calls(&self) -> Calls {
        let mut calls = self.service.counters().closed_calls;
        self.all()
            .for_each(|connection| calls += connection.calls());
        calls
    }

    fn turns(&self) -> &Turns {
        &self.turns
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.limits.max_connections,
            inbox: self
                .limits
                .max_inbox
                .max(LENGTH_FIELD + self.limits.max_frame),
            outbox: self.limits.max_outbox,
            states: Connection::<S>::TRACE_NAMES,
        }
    }

    fn slots(&self) -> usize {
        self.connections.slots()
    }

    fn connections(
        &self,
        slots: Range<usize>,
        now: Instant,
        each: &mut dyn FnMut(&ConnectionView),
    ) {
        let since = self.epoch.map(|epoch| now.saturating_duration_since(epoch));
        for slot in slots {
            if let Some(connection) = self.connections.get(slot) {
                let accepted = AGE * connection.accepted;
                let age = since.unwrap_or_default().saturating_sub(accepted);
                each(&connection.view(age));
            }
        }
    }

    fn figures(&self) -> Figures {
        let mut states = Connection::<S>::METRIC_NAMES.map(|name| (name, 0));
        let (mut calls, mut partial_frames, mut unsent) =
            (self.service.counters().closed_calls, 0, 0);
        for connection in self.all() {
            calls += connection.calls();
            partial_frames += u64::from(connection.has_partial_frame());
            unsent += connection.unsent() as u64;
            let name = connection.metric_name();
            if let Some((_, count)) = states.iter_mut().find(|(other, _)| *other == name) {
                *count += 1;
            }
        }
        Figures {
            counters: self.service.counters().clone(),
            connections: states.into(),
            held: self.connections.held() as u64,
            buffered: self.connections.buffered() as u64,
            unsent,
            store_up: self.service.unavailable().is_none(),
            certificate_seconds: self
                .acceptor
                .as_ref()
                .and_then(TlsAcceptor::validity)
                .map(|validity| validity.seconds_left()),
            accepted: self.serial,
            partial_frames,
            ready: self.connections.ready() as u64,
            calls,
            phases: self.turns.total(),
        }
    }
}
