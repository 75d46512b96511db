//! A connection of the HTTP port and its state.
//!
//! ```text
//!            whole head            all sent, keep-alive
//! Reading -------------> Answering --------------------> Reading
//!    |                       |
//!    |  bad or long head     |  all sent, last answer
//!    '-----> Answering ------+----> Drained ----> Closed
//!
//! end of the stream, a failed stream, too slow: Closed
//! ```
//!
//! An answer that takes several turns to make is asked for again in each of them; until it is made, the head stays in
//! the inbox. One request is answered at a time; those behind it wait in the inbox, so that answers come in their
//! order. After the last answer, input is thrown away for a while, so that no reset discards the answer.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use frame::{Channel, Inbox, Outbox, Received};

use super::head::{Head, MAX_HEAD, Method, Request, parse};
use super::response::Response;
use crate::net::Stream;

/// The most bytes of an answer that wait in the outbox.
const OUTBOX: usize = 64 * 1024;

/// The longest wait for the next request.
const IDLE: Duration = Duration::from_secs(60);

/// The longest wait for the whole of a head, from its first byte on.
const HEAD: Duration = Duration::from_secs(10);

/// The longest wait until the peer has taken a whole answer.
const ANSWER: Duration = Duration::from_secs(20);

/// The longest wait for the peer to close after the last answer.
const GOODBYE: Duration = Duration::from_secs(2);

/// Bytes of input that are thrown away after the last answer.
const DRAIN_BYTES: usize = 64 * 1024;

/// What all connections together may still do in this turn.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Requests to be answered.
    pub requests: usize,
    /// Bytes of answers to be sent.
    pub bytes: usize,
}

impl Budget {
    /// Returns whether nothing more can be done.
    pub fn is_used_up(&self) -> bool {
        self.requests == 0 || self.bytes == 0
    }
}

/// The state of a connection.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A head is coming, or none has begun.
    Reading,
    /// An answer goes out. `rest` of its body is not in the outbox yet. After the `last` one, the connection ends.
    Answering { rest: Bytes, last: bool },
    /// The last answer is out and the writing side is shut down. So many bytes of input were thrown away since.
    Drained { discarded: usize },
    /// To be dropped, and why.
    Closed(&'static str),
}

/// One peer.
pub struct Connection<S> {
    channel: Channel<S>,
    ip: IpAddr,
    state: State,
    /// An event has reported an error or a full hang-up.
    dead: bool,
    /// Since when its peer is waited for.
    since: Instant,
}

impl<S: Stream> Connection<S> {
    /// Begins with a stream that was just accepted.
    pub fn new(stream: S, ip: IpAddr, now: Instant) -> Self {
        let inbox = Inbox::unframed(MAX_HEAD);
        Self {
            channel: Channel::new(stream, inbox, Outbox::new(OUTBOX)),
            ip,
            state: State::Reading,
            dead: false,
            since: now,
        }
    }

    /// Returns the address of its peer.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up.
    pub fn mark(&mut self, readable: bool, writable: bool, dead: bool) {
        self.channel.mark(readable, writable);
        self.dead |= dead;
    }

    /// Returns since when its peer is waited for: to send a request, to send the rest of one (since its first byte), or
    /// to take an answer (since that began).
    pub fn waits_since(&self) -> Instant {
        self.since
    }

    /// Returns why it is to be dropped, if it is.
    pub fn ended(&self) -> Option<&'static str> {
        match self.state {
            State::Closed(why) => Some(why),
            _ => None,
        }
    }

    /// Returns whether it can go on without an event.
    pub fn can_move(&self) -> bool {
        let input = self.channel.can_receive();
        self.dead
            || match &self.state {
                State::Reading => input || parse(self.channel.inbox.unread()) != Head::Partial,
                State::Answering { rest, .. } => {
                    self.channel.can_send() || !rest.is_empty() && self.channel.outbox.has_room()
                }
                State::Drained { .. } => input,
                State::Closed(_) => false,
            }
    }

    /// Moves as far as it can within the budget of this turn. With `last`, every answer is the last of its connection.
    pub fn advance(
        &mut self,
        now: Instant,
        budget: &mut Budget,
        last: bool,
        answer: &mut impl FnMut(&Request<'_>) -> Option<Response>,
    ) {
        if self.dead {
            self.state = State::Closed("the peer is gone");
        }
        loop {
            let moved = match &self.state {
                State::Reading => self.read(now, budget, last, answer),
                State::Answering { .. } => self.send(now, budget),
                State::Drained { .. } => self.discard(),
                State::Closed(_) => return,
            };
            match moved {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => self.state = State::Closed("the stream failed"),
            }
        }
        self.channel.inbox.release();
    }

    /// Reads a head and begins to answer it. Returns whether anything moved.
    fn read(
        &mut self,
        now: Instant,
        budget: &mut Budget,
        last: bool,
        answer: &mut impl FnMut(&Request<'_>) -> Option<Response>,
    ) -> io::Result<bool> {
        let bad = |status, why| Response::text(status, why);
        let (response, size, method, keep_alive, http_1_0) =
            match parse(self.channel.inbox.unread()) {
                Head::Partial => return self.receive(now),
                Head::Whole(..) if budget.requests == 0 => return Ok(false),
                Head::Whole(request, size) => {
                    let Request {
                        method,
                        keep_alive,
                        http_1_0,
                        ..
                    } = request;
                    budget.requests -= 1;
                    let Some(response) = answer(&request) else {
                        return Ok(false);
                    };
                    (response, size, method, keep_alive, http_1_0)
                }
                Head::Bad(why) => {
                    budget.requests = budget.requests.saturating_sub(1);
                    (bad(400, why), 0, Method::Get, false, false)
                }
                Head::TooLong => {
                    budget.requests = budget.requests.saturating_sub(1);
                    let why = "the head of a request may have 8192 bytes and 64 fields";
                    (bad(431, why), 0, Method::Get, false, false)
                }
            };
        self.channel.inbox.skip(size);
        let last = last || !keep_alive;
        let connection = match (last, http_1_0) {
            (true, _) => Some("close"),
            (false, true) => Some("keep-alive"),
            (false, false) => None,
        };
        let mut head = Vec::with_capacity(512);
        response.head(connection, &mut head);
        self.channel.outbox.append(&head);
        let rest = match method {
            Method::Head => Bytes::new(),
            Method::Get | Method::Other => response.body,
        };
        self.state = State::Answering { rest, last };
        self.since = now;
        Ok(true)
    }

    fn receive(&mut self, now: Instant) -> io::Result<bool> {
        let began = !self.channel.inbox.is_empty();
        match self.channel.receive()? {
            Received::Bytes(_) => {
                if !began {
                    self.since = now;
                }
                Ok(true)
            }
            Received::NotYet => Ok(false),
            Received::End | Received::Full => {
                self.state = State::Closed(match began {
                    true => "the peer closed it in the middle of a request",
                    false => "the peer closed it",
                });
                Ok(true)
            }
        }
    }

    /// Sends what the stream takes. Returns whether all of the answer is out.
    fn send(&mut self, now: Instant, budget: &mut Budget) -> io::Result<bool> {
        loop {
            let State::Answering { rest, last } = &mut self.state else {
                return Ok(true);
            };
            while !rest.is_empty() && self.channel.outbox.has_room() && budget.bytes > 0 {
                let piece = rest.split_to(rest.len().min(OUTBOX).min(budget.bytes));
                budget.bytes -= piece.len();
                self.channel.outbox.append(&piece);
            }
            if !self.channel.send()? {
                return Ok(false);
            }
            if !rest.is_empty() {
                if budget.bytes == 0 {
                    return Ok(false);
                }
                continue;
            }
            self.channel.outbox.release();
            self.since = now;
            self.state = if *last {
                match self.channel.stream().shutdown_write() {
                    Ok(()) if !self.channel.ended() => State::Drained { discarded: 0 },
                    _ => State::Closed("the last answer is sent"),
                }
            } else {
                State::Reading
            };
            return Ok(true);
        }
    }

    /// Throws away what still comes in.
    fn discard(&mut self) -> io::Result<bool> {
        let State::Drained { discarded } = &mut self.state else {
            return Ok(true);
        };
        *discarded += self.channel.inbox.unread().len();
        self.channel.inbox.clear();
        if *discarded > DRAIN_BYTES {
            self.state = State::Closed("the peer goes on after the last answer");
            return Ok(true);
        }
        match self.channel.receive()? {
            Received::Bytes(_) => Ok(true),
            Received::NotYet => Ok(false),
            Received::End | Received::Full => {
                self.state = State::Closed("the last answer is sent");
                Ok(true)
            }
        }
    }

    /// Closes it if its peer took too long. Returns whether it is to be dropped. Called about once a second.
    pub fn sweep(&mut self, now: Instant) -> bool {
        let (most, why) = match &self.state {
            State::Reading if self.channel.inbox.is_empty() => (IDLE, "no request came"),
            State::Reading => (HEAD, "timed out waiting for the rest of a request"),
            State::Answering { .. } => {
                (ANSWER, "timed out waiting for the peer to take its answer")
            }
            State::Drained { .. } => (GOODBYE, "the last answer is sent"),
            State::Closed(_) => return true,
        };
        let is_late = now.saturating_duration_since(self.since) >= most;
        if is_late {
            self.state = State::Closed(why);
        }
        is_late
    }
}
