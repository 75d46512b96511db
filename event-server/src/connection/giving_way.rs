//! How a connection ranks among those that give way: where the last places are taken, and where all buffers together
//! hold too much.

use std::time::Instant;

use frame::Agency;

use super::Connection;
use super::idle_timer::Waiting;
use super::state::{Rank, State};
use crate::service::Session;
use crate::stream::Stream;

impl<S: Stream> Connection<S> {
    /// Its rank; `None` where it never gives way: it waits for a commit, for its agency to be read or for the draw, or
    /// a request of it is here and will be served.
    pub fn rank(&self) -> Option<Rank> {
        if self.is_committing() {
            return None;
        }
        match self.state {
            State::Sniffing => Some(Rank::Silent),
            State::Echoing | State::Handshaking | State::InClear | State::Drained { .. } => {
                Some(Rank::Opening)
            }
            State::Draining if matches!(self.session, Session::New(_)) => Some(Rank::Opening),
            State::Draining => Some(Rank::Owing),
            State::Open if self.channel.inbox.has_frame() && self.channel.outbox.has_room() => None,
            State::Open if self.idle_timer.waiting().is_some() => Some(Rank::Owing),
            State::Open => Some(Rank::Idle),
            State::Reading(_) | State::Held { .. } | State::Closed | State::Lost => None,
        }
    }

    /// When it last did something: completed a request, or took a reply.
    pub fn silent_since(&self) -> Instant {
        self.idle_timer.since()
    }

    /// Whether its certificate was verified, where TLS is spoken.
    pub fn is_verified(&self) -> bool {
        !matches!(self.session, Session::New(None))
    }

    /// The agency whose long list of winners it is being told.
    pub fn is_told_list(&self) -> Option<Agency> {
        let shares = self.channel.outbox.shares();
        self.session.agency().filter(|_| shares)
    }

    /// Since when bytes lie here that do not move: a frame begun, replies that the peer does not take, requests behind
    /// a held query or behind one that waits for a remote store.
    pub fn keeps_waiting(&self) -> Option<Instant> {
        let waits = match self.state {
            // That its replies are not sent is no fault of the peer.
            _ if self.is_committing() => self.channel.unread() > 0,
            State::Held { .. } | State::Reading(_) => {
                self.channel.unread() > 0 || !self.channel.all_sent()
            }
            _ => matches!(
                self.idle_timer.waiting(),
                Some(Waiting::Rest | Waiting::RepliesTaken)
            ),
        };
        waits.then(|| self.idle_timer.since())
    }
}
