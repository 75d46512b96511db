//! A non-blocking stream with its buffers and its readiness: the one place that reads or writes a stream.
//!
//! Readiness is sticky. An edge-triggered poll tells once that a stream became readable or writable; the
//! bit it sets stays until the stream itself says [`WouldBlock`](io::ErrorKind::WouldBlock). So whoever
//! stops early, out of budget or out of room, may come back at any time without a new event.
//!
//! With a [`Tls`] session between the stream and the buffers, the same holds for what the session keeps: the stream
//! is not read, so it does not block, before all that was decrypted is in the inbox; and a channel can send while the
//! session has something to say.

use std::io::{self, Read, Write};

use crate::{Inbox, Outbox, Tls};

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one, came. They are in the inbox; with TLS, what of them is not whole or says
    /// nothing to us is not.
    Bytes(usize),
    /// Nothing for now.
    NotYet,
    /// The inbox is full.
    Full,
    /// The peer has shut down its writing side; with TLS, it has said goodbye. It may still read.
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
    /// Between the stream and the buffers, where the peer speaks TLS.
    tls: Option<Box<Tls>>,
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
            tls: None,
        }
    }

    /// From now on the stream carries TLS. What has come in so far is the beginning of it.
    pub fn secure(&mut self, mut tls: Tls) {
        tls.begin_with(self.inbox.unread());
        self.inbox.clear();
        self.tls = Some(Box::new(tls));
    }

    /// Whether frames can be exchanged: always, but during the handshake of a TLS session and after its failure.
    pub fn is_established(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_established())
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
        self.writable
            && match &self.tls {
                Some(tls) => tls.wants_to_send(&self.outbox),
                None => !self.outbox.is_empty(),
            }
    }

    /// Whether the peer has shut down its writing side, as far as it was read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once into the inbox.
    ///
    /// # Errors
    /// The stream failed, now or before: it is gone. Or the TLS session did, and [`TlsError::of`] says how: the
    /// stream is still there to take the session's last words.
    ///
    /// [`TlsError::of`]: crate::TlsError::of
    pub fn receive(&mut self) -> io::Result<Received> {
        self.check()?;
        if !self.can_receive() {
            return Ok(if self.ended {
                Received::End
            } else {
                Received::NotYet
            });
        }
        if self.tls_listens() {
            return self.receive_sealed();
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

    /// Delivers what was decrypted before, or else reads once and decrypts. Apart, so that reading in the clear
    /// stays small.
    #[inline(never)]
    fn receive_sealed(&mut self) -> io::Result<Received> {
        let Some(tls) = &mut self.tls else {
            return Ok(Received::NotYet);
        };
        match tls.deliver(&mut self.inbox) {
            None => return Ok(Received::Full),
            Some(0) => {}
            Some(count) => return Ok(Received::Bytes(count)),
        }
        if tls.end()? {
            self.ended = true;
            return Ok(Received::End);
        }
        if !self.readable {
            return Ok(Received::NotYet);
        }
        let stream = &mut self.stream;
        match tls.fill(|space| retry(|| stream.read(space))) {
            // Now it has failed, and says so.
            Ok(0) => tls.end().map(|_| Received::NotYet).map_err(io::Error::from),
            Ok(count) => {
                tls.deliver(&mut self.inbox);
                Ok(Received::Bytes(count))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Received::NotYet)
            }
            Err(e) => Err(self.fail(e)),
        }
    }

    /// Writes from the outbox until it is empty or the stream takes no more; says whether nothing is left to
    /// send.
    ///
    /// # Errors
    /// The stream failed, now or before: it is gone. Or the TLS session cannot encrypt any more.
    pub fn send(&mut self) -> io::Result<bool> {
        self.check()?;
        while self.can_send() {
            let stream = &mut self.stream;
            let waiting = match &mut self.tls {
                None => &mut self.outbox,
                Some(tls) => {
                    if let Err(e) = tls.seal(&mut self.outbox) {
                        return Err(self.fail(e.into()));
                    }
                    tls.sealed()
                }
            };
            match waiting.drain(|bytes| retry(|| stream.write(bytes))) {
                Ok(Some(0)) => return Err(self.fail(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) => return Err(self.fail(e)),
            }
        }
        Ok(self.all_sent())
    }

    /// Nothing more will be put into the outbox, and nothing more that comes in matters: what waits goes out, then
    /// the goodbye of a TLS session, and what comes in after it is for throwing away.
    pub fn finish(&mut self) {
        self.inbox.clear();
        if let Some(tls) = &mut self.tls {
            tls.finish();
        }
    }

    /// Whether nothing is left to send.
    pub fn all_sent(&self) -> bool {
        match &self.tls {
            None => self.outbox.is_empty(),
            Some(tls) => tls.all_sent(&self.outbox),
        }
    }

    /// Bytes that the stream has not taken yet.
    pub fn unsent(&self) -> usize {
        self.outbox.waiting() + self.tls.as_ref().map_or(0, |tls| tls.unsent())
    }

    /// Bytes that came and were not taken out of the inbox, or are not in it yet.
    pub fn unread(&self) -> usize {
        self.inbox.unread().len() + self.tls.as_ref().map_or(0, |tls| tls.unread())
    }

    /// Whether the next read would allocate, the bounds permitting.
    pub fn needs_memory(&self) -> bool {
        self.inbox.needs_memory() || self.tls.as_ref().is_some_and(|tls| tls.needs_memory())
    }

    /// Gives back memory that holds nothing: an idle connection holds none.
    pub fn release(&mut self) {
        self.inbox.release();
        self.outbox.release();
        if let Some(tls) = &mut self.tls {
            tls.release();
        }
    }

    /// Bytes allocated for all buffers.
    pub fn allocated(&self) -> usize {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.allocated());
        self.inbox.allocated() + self.outbox.allocated() + tls
    }

    /// The stream, for what is neither reading nor writing.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, for what is neither reading nor writing.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Whether what comes in is meant for a session: one that has finished does not listen.
    fn tls_listens(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.is_finishing())
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
