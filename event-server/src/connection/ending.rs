//! How a connection ends: in order, with what is owed sent and the rest read away, or at once.

use std::io;

use frame::{Received, trace};

use super::Connection;
use super::state::{State, Step};
use crate::observe::CloseReason;
use crate::report;
use crate::stream::Stream;

/// How much is read away after the last reply, so that no reset discards it.
const DRAIN_BYTES: usize = 1024 * 1024;

impl<S: Stream> Connection<S> {
    /// No more bytes will come.
    pub(super) fn input_ended(&mut self) {
        match self.state {
            // The next step answers what there is of the line.
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

    /// Serves nothing more, for this reason: what is owed goes out, then the connection closes.
    pub(super) fn drain(&mut self, reason: CloseReason) {
        self.blame(reason);
        self.channel.finish();
        self.enter(State::Draining);
    }

    /// All that was owed is out.
    pub(super) fn shut_down(&mut self) {
        self.enter(match self.channel.stream().shutdown_write() {
            Ok(()) if !self.channel.ended() => State::Drained { discarded: 0 },
            _ => State::Closed,
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

    /// An event said that the peer is gone.
    pub(super) fn hang_up(&mut self) {
        match self.channel.stream().take_error() {
            _ if self.is_closed() => {}
            _ if matches!(self.state, State::Drained { .. }) => self.close(),
            Ok(Some(e)) | Err(e) => self.lost(&e),
            Ok(None) => self.lost(&io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// The stream failed.
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

    /// The server stops: nothing more is decoded, what is owed is sent, a held query is dropped.
    pub fn stop(&mut self) {
        if matches!(self.state, State::Draining | State::Drained { .. }) || self.is_closed() {
            return;
        }
        self.drain(CloseReason::Shutdown);
        // What waits for a commit is waited for; nothing is decoded after it.
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

    /// Drops it: its time is over.
    pub fn close(&mut self) {
        self.enter(State::Closed);
    }

    /// Writes its last line. What it still held is gone.
    pub fn report_closed(&mut self) {
        if self.state != State::Lost {
            let quiet = self.quiet();
            self.announce(quiet);
            report::connection_closed(self.ip, &self.calls(), quiet);
        }
    }
}
