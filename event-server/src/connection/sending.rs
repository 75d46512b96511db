//! The end of a turn: replies go out, and what the connection waits for is noted.
//!
//! A send wakes the peer, which costs both sides more than what is in it. So where turns are short, the replies of a
//! connection whose next requests are here already wait for the replies to those.

use std::time::Instant;

use frame::{Channel, trace};

use super::Connection;
use super::idle_timer::Waiting;
use super::state::State;
use crate::limits::{Limits, Share};
use crate::stream::Stream;

impl<S: Stream> Connection<S> {
    /// Sends what the outbox holds, after the turn is committed, and looks at the clock. A long list goes out a share at a
    /// time, so that others are told theirs in between.
    pub fn send(&mut self, limits: &Limits, share: Share, now: Instant) {
        if self.is_closed() {
            return;
        }
        if !self.is_committing() && !self.gathers_replies(limits) {
            self.send_replies(share);
        }
        self.watch(limits, now);
    }

    fn send_replies(&mut self, share: Share) {
        trace::focus(Some(self.id.slot));
        self.unsent_requests = 0;
        let unsent = self.channel.unsent();
        let most = match self.channel.outbox.shares() {
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

    /// Whether its replies wait for those of the next turn. It ends of itself: each turn serves more.
    fn gathers_replies(&self, limits: &Limits) -> bool {
        let Channel { inbox, outbox, .. } = &self.channel;
        self.state == State::Open
            && self.unsent_requests < limits.gathered_bytes
            && inbox.has_frame()
            && outbox.has_room()
    }

    /// Notes what it waits for.
    pub(super) fn watch(&mut self, limits: &Limits, now: Instant) {
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
        let changes = waiting != self.idle_timer.waiting();
        self.idle_timer.watch(waiting, now);
        if changes {
            self.trace_wait();
        }
    }
}
