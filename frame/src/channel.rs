//! A non-blocking stream with its buffers and its readiness: the one place that reads or writes a stream.
//!
//! An edge-triggered poll tells only once that a stream became readable or writable. So a channel keeps a bit for each;
//! an event sets it, and only [`WouldBlock`](io::ErrorKind::WouldBlock) from the stream clears it. A caller that stops
//! early, at the end of its budget or of the space in a buffer, can go on later without a new event.
//!
//! The same holds with a [`Tls`] session between the stream and the buffers. The stream is not read before all bytes
//! that were decrypted are in the inbox, so the bit for reading stays set until then. And a channel can send as long as
//! the session has bytes of its own to send.

use std::io::{self, Read, Write};

use crate::calls::{Calls, Counts};
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::tls::Tls;
use crate::trace;

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes came, at least one. They are in the inbox. With TLS, bytes of the session itself and parts of a
    /// record are counted, but are not in the inbox.
    Bytes(usize),
    /// Nothing came yet.
    NotYet,
    /// The inbox is full.
    Full,
    /// The peer has shut down its writing side; with TLS, it has sent `close_notify`. It may still read.
    End,
}

/// A stream, its [`Inbox`], its [`Outbox`] and its readiness.
#[derive(Debug)]
pub struct Channel<S> {
    stream: S,
    /// Bytes that came in.
    pub inbox: Inbox,
    /// Bytes to be sent.
    pub outbox: Outbox,
    readable: bool,
    writable: bool,
    ended: bool,
    /// The error of the stream. The kernel reports a reset once and an ordinary end of the stream after it, so the
    /// error is kept and returned again.
    failed: Option<io::ErrorKind>,
    /// The session between the stream and the buffers, where the peer speaks TLS.
    tls: Option<Box<Tls>>,
    counts: Counts,
}

impl<S: Read + Write> Channel<S> {
    /// Creates a channel with both bits clear; the first events set them.
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
            counts: Counts::default(),
        }
    }

    /// Puts a TLS session between the stream and the buffers. The bytes in the inbox are the beginning of the session.
    pub fn secure(&mut self, mut tls: Tls) {
        tls.begin_with(self.inbox.unread());
        self.inbox.clear();
        self.tls = Some(Box::new(tls));
    }

    /// Returns whether frames can be exchanged: always without TLS; with it, after the handshake and while the session has
    /// not failed.
    pub fn is_established(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_established())
    }

    /// Returns the protocol that both sides of a TLS session have agreed on (ALPN, RFC 7301), once it is established.
    pub fn agreed_protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.agreed_protocol()
    }

    /// Sets the bits that an event reports; never clears one.
    pub fn mark(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Returns whether a read may return bytes, the end or an error.
    pub fn can_receive(&self) -> bool {
        self.readable && !self.ended
    }

    /// Returns whether there is something to send and the stream may take it.
    pub fn can_send(&self) -> bool {
        self.writable
            && match &self.tls {
                Some(tls) => tls.wants_to_send(&self.outbox),
                None => !self.outbox.is_empty(),
            }
    }

    /// Returns whether the end of what the peer sends was read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once into the inbox.
    ///
    /// # Errors
    /// The stream failed, now or before: it cannot be used any more. Or the TLS session failed, and [`TlsError::of`]
    /// says why: then the stream can still send the session's alert.
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
        if self.tls_reads() {
            return self.receive_encrypted();
        }
        let (stream, counts) = (&mut self.stream, &mut self.counts);
        match self.inbox.fill(|space| read(stream, space, counts)) {
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

    /// Moves bytes that were decrypted before into the inbox, or else reads once and decrypts. Not inlined, so that the
    /// code for reading without TLS stays small.
    #[inline(never)]
    fn receive_encrypted(&mut self) -> io::Result<Received> {
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
        let (stream, counts) = (&mut self.stream, &mut self.counts);
        match tls.fill(|space| read(stream, space, counts)) {
            // The stream ended without close_notify, or the session cannot go on: `fill` noted the error.
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

    /// Writes from the outbox until it is empty or the stream takes no more; returns whether nothing is left to send.
    ///
    /// # Errors
    /// The stream failed, now or before: it cannot be used any more. Or the TLS session cannot encrypt any more.
    pub fn send(&mut self) -> io::Result<bool> {
        self.send_at_most(usize::MAX)
    }

    /// Does the same as [`send`](Self::send), but writes no more than `most` bytes. What is left [can be
    /// sent](Self::can_send) later.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_at_most(&mut self, most: usize) -> io::Result<bool> {
        self.check()?;
        let mut left = most;
        while left > 0 && self.can_send() {
            let (stream, counts) = (&mut self.stream, &mut self.counts);
            let waiting = match &mut self.tls {
                None => &mut self.outbox,
                Some(tls) => {
                    if let Err(e) = tls.encrypt(&mut self.outbox) {
                        return Err(self.fail(e.into()));
                    }
                    tls.encrypted()
                }
            };
            let write = |bytes: &[u8]| write(stream, &bytes[..bytes.len().min(left)], counts);
            match waiting.drain(write) {
                Ok(Some(0)) => return Err(self.fail(io::ErrorKind::WriteZero.into())),
                Ok(count) => left -= count.unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) => return Err(self.fail(e)),
            }
        }
        Ok(self.all_sent())
    }

    /// Declares that the outbox gets nothing more and that the input is of no interest any more. The waiting bytes
    /// are still sent, then `close_notify` where there is a TLS session. Bytes that come in after this are not
    /// decrypted: the caller discards them.
    pub fn finish(&mut self) {
        self.inbox.clear();
        if let Some(tls) = &mut self.tls {
            tls.finish();
        }
    }

    /// Returns whether nothing is left to send.
    pub fn all_sent(&self) -> bool {
        match &self.tls {
            None => self.outbox.is_empty(),
            Some(tls) => tls.all_sent(&self.outbox),
        }
    }

    /// Returns the number of bytes that the stream has not taken yet.
    pub fn unsent(&self) -> usize {
        self.outbox.waiting() + self.tls.as_ref().map_or(0, |tls| tls.unsent())
    }

    /// Returns the number of bytes that came in and were not taken out of the inbox, or are not in it yet.
    pub fn unread(&self) -> usize {
        self.inbox.unread().len() + self.tls.as_ref().map_or(0, |tls| tls.unread())
    }

    /// Returns whether the next read would allocate, where the bounds allow more.
    pub fn needs_memory(&self) -> bool {
        self.inbox.needs_memory() || self.tls.as_ref().is_some_and(|tls| tls.needs_memory())
    }

    /// Frees the buffers that hold nothing, so that an idle connection holds none.
    pub fn release(&mut self) {
        self.inbox.release();
        self.outbox.release();
        if let Some(tls) = &mut self.tls {
            tls.release();
        }
    }

    /// Returns the number of bytes that are allocated for all buffers.
    pub fn allocated(&self) -> usize {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.allocated());
        self.inbox.allocated() + self.outbox.allocated() + tls
    }

    /// Returns the counts of the calls on the stream so far.
    pub fn calls(&self) -> Calls {
        Calls::from(&self.counts)
    }

    /// Returns the stream. Do not read or write it.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Returns the stream, for example to shut it down. Do not read or write it.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns whether input goes to a TLS session. A session that is finishing does not read any more.
    fn tls_reads(&self) -> bool {
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

/// Reads once, and counts it: every read of a stream is this one.
fn read(stream: &mut impl Read, space: &mut [u8], counts: &mut Counts) -> io::Result<usize> {
    let result = retry(|| stream.read(space));
    let outcome = counts.read(&result, space.len());
    trace::read(outcome, *result.as_ref().unwrap_or(&0), space.len());
    result
}

/// Writes once, and counts it: every write to a stream is this one.
fn write(stream: &mut impl Write, bytes: &[u8], counts: &mut Counts) -> io::Result<usize> {
    let result = retry(|| stream.write(bytes));
    let outcome = counts.write(&result, bytes.len());
    trace::write(outcome, *result.as_ref().unwrap_or(&0), bytes.len());
    result
}

/// Calls `io` again where a signal interrupted it.
fn retry(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match io() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
