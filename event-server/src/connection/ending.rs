//! How a connection ends: in order, with its replies sent and the rest of its input thrown away; or at once. And its
//! rank among those that give way when all places are taken, or when all buffers together hold too much.

use std::io;
use std::time::Instant;

use frame::{Agency, Received, trace};

use super::Connection;
use super::idle_timer::Waiting;
use super::state::{Rank, State, Step};
use crate::net::Stream;
use crate::observe::CloseReason;
use crate::report;
use crate::service::Identity;

/// Bytes of input that are thrown away after the last reply, so that no reset discards it.
const DRAIN_BYTES: usize = 1024 * 1024;

impl<S: Stream> Connection<S> {
    /// Handles the end of the input: no more bytes will come.
    pub(super) fn input_ended(&mut self) {
        match self.state {
            // The next step echoes the part of the line that came.
            State::Echoing => {}
            State::Open | State::InClear => {
                let mut reason = CloseReason::Finished;
                if !self.channel.inbox.is_empty() {
                    report::receive_failed(self.ip, &"the stream ended in the middle of a frame");
                    reason = CloseReason::BrokenFrame;
                }
                self.drain(reason);
            }
            _ => self.close(),
        }
    }

    /// Serves nothing more, for this reason: the replies go out, then the connection closes.
    pub(super) fn drain(&mut self, reason: CloseReason) {
        self.blame(reason);
        self.enter(State::Draining);
        self.channel.finish();
    }

    /// Shuts down the writing side: all replies are out. Closes at once if the peer has ended its side already.
    pub(super) fn shut_down(&mut self) {
        let waits = !self.channel.ended() && self.channel.stream().shutdown_write().is_ok();
        self.enter(match waits {
            true => State::Drained { discarded: 0 },
            false => State::Closed,
        });
    }

    /// Throws away what still comes in.
    pub(super) fn discard(&mut self) -> Step {
        let State::Drained { discarded } = &mut self.state else {
            return Step::Again;
        };
        *discarded += self.channel.inbox.unread().len();
        self.channel.inbox.clear();
        if *discarded > DRAIN_BYTES {
            self.close();
            return Step::Again;
        }
        Step::NeedsInput
    }

    /// Ends the connection: an event said that the peer is gone.
    pub(super) fn hang_up(&mut self) {
        match self.channel.stream().take_error() {
            _ if self.is_closed() => {}
            _ if matches!(self.state, State::Drained { .. }) => self.close(),
            Ok(Some(e)) | Err(e) => self.lost(&e),
            Ok(None) => self.lost(&io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Ends the connection and logs why: the stream failed.
    pub(super) fn lost(&mut self, error: &io::Error) {
        let quiet = self.quiet();
        self.announce(quiet);
        report::connection_lost(self.ip, error, Some(&self.calls()), quiet);
        self.blame(CloseReason::Reset);
        self.enter(State::Lost);
    }

    /// Closes it to free its memory.
    pub fn evict(&mut self) {
        report::evicted(self.ip, "all connections together buffer too much");
        self.blame(CloseReason::Evicted);
        self.close();
    }

    /// Closes it to free its place.
    pub fn give_way(&mut self) {
        report::evicted(
            self.ip,
            "its place is needed, and it was silent the longest",
        );
        self.blame(CloseReason::Evicted);
        self.close();
    }

    /// Ends the serving, since the server stops: nothing more is decoded, replies are sent, a held query is dropped.
    pub fn stop(&mut self) {
        if matches!(self.state, State::Draining | State::Drained { .. }) || self.is_closed() {
            return;
        }
        self.drain(CloseReason::Shutdown);
        // Replies that wait for a commit are sent after it; nothing more is decoded.
        if self.is_committing() {
            return;
        }
        trace::focus(Some(self.id.slot));
        let input = self.receive();
        // With input unread, closing at once would be a reset, which could discard a reply under way.
        if matches!(input, Received::NotYet | Received::End)
            && self.channel.all_sent()
            && !self.is_closed()
        {
            self.close();
        }
    }

    /// Closes it: it is dropped at the end of the turn.
    pub fn close(&mut self) {
        self.enter(State::Closed);
    }

    /// Writes its last log line, unless the loss of the connection was logged.
    pub fn report_closed(&mut self) {
        if self.state != State::Lost {
            let quiet = self.quiet();
            self.announce(quiet);
            report::connection_closed(self.ip, &self.calls(), quiet);
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Returns its rank, or `None` if it does not give way: it waits for a commit, for its agency to be read or for the
    /// draw, or a whole request of it is here and will be served.
    pub fn rank(&self) -> Option<Rank> {
        if self.is_committing() {
            return None;
        }
        match self.state {
            State::Sniffing => Some(Rank::Silent),
            State::Echoing | State::Handshaking | State::InClear | State::Drained { .. } => {
                Some(Rank::Opening)
            }
            State::Draining if matches!(self.identity, Identity::New(_)) => Some(Rank::Opening),
            State::Draining => Some(Rank::Owing),
            State::Open if self.channel.inbox.has_frame() && self.may_serve() => None,
            State::Open if self.idle_timer.waiting().is_some() => Some(Rank::Owing),
            State::Open => Some(Rank::Idle),
            State::Reading(_) | State::Held { .. } | State::Closed | State::Lost => None,
        }
    }

    /// Returns when it last did something: completed a request, or took a reply.
    pub fn silent_since(&self) -> Instant {
        self.idle_timer.since()
    }

    /// Returns whether its certificate was verified. This means nothing where frames are exchanged in the clear.
    pub fn is_verified(&self) -> bool {
        !matches!(self.identity, Identity::New(None))
    }

    /// Returns the agency whose long list of winners is being sent to it.
    pub fn list_recipient(&self) -> Option<Agency> {
        let has_list = self.channel.outbox.has_shared();
        self.identity.agency().filter(|_| has_list)
    }

    /// Returns since when its buffers hold bytes that do not move: a part of a frame, replies that the peer does not take,
    /// requests behind a held query or behind one that waits for a remote store.
    pub fn keeps_waiting(&self) -> Option<Instant> {
        let waits = match self.state {
            // Its replies wait for the central, not for the peer.
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
