//! A non-blocking stream with its buffers and its readiness: the one place that reads or writes a stream.
//!
//! Readiness is sticky. An edge-triggered poll tells once that a stream became readable or writable; the
//! bit it sets stays until the stream itself says [`WouldBlock`](io::ErrorKind::WouldBlock). So whoever
//! stops early, out of budget or out of room, may come back at any time without a new event.

use std::io::{self, Read, Write};

use crate::{Inbox, Outbox};

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one, are in the inbox.
    Bytes(usize),
    /// Nothing for now.
    NotYet,
    /// The inbox is full.
    Full,
    /// The peer has shut down its writing side. It may still read.
    End,
}

/// A stream, its [`Inbox`], its [`Outbox`] and its readiness.
#[derive(Debug)]
pub struct Channel<S> {
    stream: S,
    /// What came in.
    pub inbox: Inbox,
    /// What is to go out.
    pub outbox: Outbox,
    readable: bool,
    writable: bool,
    ended: bool,
    /// The kernel reports a reset once and then a clean end: what failed stays failed.
    failed: Option<io::ErrorKind>,
}

impl<S: Read + Write> Channel<S> {
    /// A channel with both bits clear: the first events set them.
    pub fn new(stream: S, inbox: Inbox, outbox: Outbox) -> Self {
        Self {
            stream,
            inbox,
            outbox,
            readable: false,
            writable: false,
            ended: false,
            failed: None,
        }
    }

    /// Sets the bits that an event brings; never clears one.
    pub fn mark(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Whether a read may bring something: bytes, the end or an error.
    pub fn can_receive(&self) -> bool {
        self.readable && !self.ended
    }

    /// Whether a write may take something.
    pub fn can_send(&self) -> bool {
        self.writable && !self.outbox.is_empty()
    }

    /// Whether the peer has shut down its writing side, as far as it was read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once into the inbox.
    ///
    /// # Errors
    /// The stream failed, now or before: it is gone.
    pub fn receive(&mut self) -> io::Result<Received> {
        self.check()?;
        if !self.can_receive() {
            return Ok(if self.ended {
                Received::End
            } else {
                Received::NotYet
            });
        }
        let stream = &mut self.stream;
        match self.inbox.fill(|space| retry(|| stream.read(space))) {
            Ok(None) => Ok(Received::Full),
            Ok(Some(0)) => {
                self.ended = true;
                Ok(Received::End)
            }
            Ok(Some(count)) => Ok(Received::Bytes(count)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Received::NotYet)
            }
            Err(e) => Err(self.fail(e)),
        }
    }

    /// Writes from the outbox until it is empty or the stream takes no more; says whether it is empty.
    ///
    /// # Errors
    /// The stream failed, now or before: it is gone.
    pub fn send(&mut self) -> io::Result<bool> {
        self.check()?;
        while self.can_send() {
            let stream = &mut self.stream;
            match self.outbox.drain(|bytes| retry(|| stream.write(bytes))) {
                Ok(Some(0)) => return Err(self.fail(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) => return Err(self.fail(e)),
            }
        }
        Ok(self.outbox.is_empty())
    }

    /// The stream, for what is neither reading nor writing.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, for what is neither reading nor writing.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn check(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn fail(&mut self, e: io::Error) -> io::Error {
        self.failed = Some(e.kind());
        e
    }
}

fn retry(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match io() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
