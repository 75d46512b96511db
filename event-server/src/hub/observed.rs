//! What is seen of the hub from outside.

use std::time::Duration;

use super::{Entry, Hub};
use crate::connection::Connection;
use crate::observe::{Figures, LotteryView, Observe};
use crate::store::Store;
use crate::stream::Stream;

impl<S: Stream, D: Store> Hub<S, D> {
    /// From now on commits are timed: somebody may look.
    pub fn measure(&mut self) {
        self.service.measure();
    }

    /// Counts a turn of the loop that took so long.
    pub fn turn_took(&mut self, duration: Duration) {
        self.service.counters_mut().turn(duration);
    }

    fn connections(&self) -> impl Iterator<Item = &Connection<S>> {
        let entries = self.connections.iter();
        entries.map(|(_, Entry { connection, .. })| connection)
    }
}

impl<S: Stream, D: Store> Observe for Hub<S, D> {
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
        for connection in self.connections() {
            if let Some(agency) = connection.session().agency()
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

    fn figures(&self) -> Figures {
        let mut states = Connection::<S>::STATES.map(|name| (name, 0));
        for connection in self.connections() {
            let name = connection.state_name();
            if let Some((_, count)) = states.iter_mut().find(|(other, _)| *other == name) {
                *count += 1;
            }
        }
        Figures {
            counters: self.service.counters().clone(),
            connections: states.into(),
            held: self.held.len() as u64,
            buffered: self.buffered as u64,
            store_up: self.service.unavailable().is_none(),
        }
    }
}
