//! A TLS session between a stream and its buffers. It has no I/O of its own: a [`Channel`](crate::Channel)
//! brings the bytes and takes them away.
//!
//! ```text
//! stream -> records -> decrypt -> plain -> Inbox     what came: first sealed, then open
//! stream <- sealed  <- encrypt <---------- Outbox    what goes: the other way round
//!                        ^
//!                        '- handshake, alerts, goodbye: the session's own
//! ```
//!
//! The session reads what [`records`](Tls::records) holds as soon as it is there, and nothing more is read
//! from the stream while [`plain`](Tls::plain) waits for room in the inbox. So all three buffers are bounded:
//! `records` by [`RECORDS`], `plain` by what fits into it, `sealed` by [`SEALED`] and a few handshake messages.
//!
//! An end of the stream counts only after the peer's goodbye (`close_notify`, RFC 8446, section 6.1): without
//! it, somebody may have cut off the rest. There is no resumption and no early data: every connection shows
//! its certificates. Whom to trust is the business of whoever makes the rustls configuration.

mod error;
pub mod pem;
mod session;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, ServerConfig};

pub use self::error::TlsError;
use self::session::{SEALED, Session, Step};
use crate::{Inbox, Outbox};

/// Bytes as they came that are not decrypted: a record has 16,645 at most, and a handshake message may take
/// several records.
const RECORDS: usize = 32 * 1024;

/// One side of a TLS 1.3 session.
pub struct Tls {
    session: Session,
    /// What came and is not decrypted; between two calls, no whole record.
    records: Inbox,
    /// What was decrypted and found no room yet.
    plain: Outbox,
    /// What the stream is to take next.
    sealed: Outbox,
    /// The peer has said goodbye.
    peer_done: bool,
    /// We have nothing to say any more, and nobody listens to what the peer says.
    finishing: bool,
    /// The goodbye is among what was encrypted.
    said_goodbye: bool,
    /// What failed stays failed.
    failed: Option<TlsError>,
}

impl Tls {
    /// The side that begins; `name` is the one that the server's certificate has to be for.
    ///
    /// # Errors
    /// The configuration and the name do not go together.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        Self::new(Session::client(config, name))
    }

    /// The side that waits for the other.
    ///
    /// # Errors
    /// The configuration serves nobody.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Self::new(Session::server(config))
    }

    fn new(session: Result<Session, Error>) -> Result<Self, TlsError> {
        let mut tls = Self {
            session: session.map_err(|e| TlsError::from_rustls(&e))?,
            records: Inbox::new(0, RECORDS),
            plain: Outbox::new(RECORDS),
            sealed: Outbox::new(SEALED),
            peer_done: false,
            finishing: false,
            said_goodbye: false,
            failed: None,
        };
        tls.advance();
        Ok(tls)
    }

    /// Whether the handshake is complete and nothing has failed since.
    pub(crate) fn is_established(&self) -> bool {
        !self.session.common().is_handshaking() && self.failed.is_none()
    }

    /// Takes in bytes that were read from the stream before it was known that they are TLS.
    pub(crate) fn begin_with(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failed.is_none() {
            // Reading from a slice does not fail.
            let _ = self.fill(|space| io::Read::read(&mut bytes, space));
        }
    }

    /// Lets `read` put bytes into the buffer of records, once, and decrypts what is whole; returns what it
    /// returns. A peer that says nothing whole within the bound has broken the session.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = match self.records.fill(read)? {
            Some(0) => {
                let handshake = self.session.common().is_handshaking();
                self.failed.get_or_insert(TlsError::Cut { handshake });
                return Ok(0);
            }
            Some(count) => count,
            None => {
                let what = format!("a message of more than {RECORDS} bytes");
                self.failed.get_or_insert(TlsError::Broken(what));
                return Ok(0);
            }
        };
        self.advance();
        Ok(count)
    }

    /// Moves what was decrypted into `inbox`; says how many bytes, `None` where there is no room for any.
    pub(crate) fn deliver(&mut self, inbox: &mut Inbox) -> Option<usize> {
        let mut moved = 0;
        while !self.plain.is_empty() {
            let plain = &mut self.plain;
            let filled = inbox.fill(|space| {
                let taken = plain.drain(|bytes| {
                    let count = bytes.len().min(space.len());
                    space[..count].copy_from_slice(&bytes[..count]);
                    Ok(count)
                });
                Ok(taken?.unwrap_or_default())
            });
            match filled {
                Ok(Some(count)) => moved += count,
                // Only the room can be missing: copying does not fail.
                Ok(None) | Err(_) => break,
            }
        }
        (moved > 0 || self.plain.is_empty()).then_some(moved)
    }

    /// With all delivered: whether the peer has said goodbye.
    ///
    /// # Errors
    /// The session failed, now or before.
    pub(crate) fn end(&self) -> Result<bool, TlsError> {
        match &self.failed {
            Some(e) => Err(e.clone()),
            None => Ok(self.peer_done),
        }
    }

    /// Encrypts what waits in `outbox`, as far as the bound goes, and behind the last of it the goodbye where it
    /// is time for that. Does nothing while the stream has not taken what was encrypted before, nor once the session
    /// has failed.
    ///
    /// # Errors
    /// The session fails here.
    pub(crate) fn seal(&mut self, outbox: &mut Outbox) -> Result<(), TlsError> {
        if !self.sealed.is_empty() || !self.may_seal(outbox) {
            return Ok(());
        }
        // What the session has to say by itself comes first.
        self.advance();
        let (records, sealed) = (&mut self.records, &mut self.sealed);
        let goodbye = self.finishing;
        match self.session.encrypt(records, outbox, sealed, goodbye) {
            Ok(said_goodbye) => self.said_goodbye |= said_goodbye,
            Err(e) => self.fail(&e),
        }
        self.end().map(drop)
    }

    /// Whether [`seal`](Self::seal) would encrypt something, once the stream has taken what was before.
    fn may_seal(&self, outbox: &Outbox) -> bool {
        self.is_established() && (!outbox.is_empty() || self.finishing && !self.said_goodbye)
    }

    /// Whether the stream, if it takes bytes, has some to take.
    pub(crate) fn wants_to_send(&self, outbox: &Outbox) -> bool {
        !self.sealed.is_empty() || self.may_seal(outbox)
    }

    /// Whether there is nothing more to send. A session that has failed sends nothing but its last words.
    pub(crate) fn all_sent(&self, outbox: &Outbox) -> bool {
        let owes = self.failed.is_none() && !outbox.is_empty();
        !owes && !self.wants_to_send(outbox)
    }

    /// What was encrypted, for the stream to take.
    pub(crate) fn sealed(&mut self) -> &mut Outbox {
        &mut self.sealed
    }

    /// Nothing more will be put into the outbox, and nothing more is read: the goodbye goes out behind the last
    /// of it.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
        self.plain.clear();
    }

    /// Whether it was told to [`finish`](Self::finish).
    pub(crate) fn is_finishing(&self) -> bool {
        self.finishing
    }

    /// Bytes that came and are not in an inbox.
    pub(crate) fn unread(&self) -> usize {
        self.records.unread().len() + self.plain.waiting()
    }

    /// Bytes that were taken from an outbox, and those of the session itself, that the stream has not taken.
    pub(crate) fn unsent(&self) -> usize {
        self.sealed.waiting()
    }

    /// Whether the next fill would allocate.
    pub(crate) fn needs_memory(&self) -> bool {
        self.records.needs_memory()
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn release(&mut self) {
        self.records.release();
        self.plain.release();
        self.sealed.release();
    }

    /// Bytes allocated for its buffers.
    pub(crate) fn allocated(&self) -> usize {
        self.records.allocated() + self.plain.allocated() + self.sealed.allocated()
    }

    /// Goes through what came until only more bytes, or something to send, would lead on.
    fn advance(&mut self) {
        while self.failed.is_none() {
            let (records, plain) = (&mut self.records, &mut self.plain);
            match self.session.step(records, plain, &mut self.sealed) {
                Ok(Step::Again) => {}
                Ok(Step::PeerDone) => self.peer_done = true,
                Ok(Step::Waits) => return,
                Err(e) => self.fail(&e),
            }
        }
    }

    /// Notes what failed, and takes the alert that tells the peer; beyond that, the session is not asked again.
    fn fail(&mut self, error: &Error) {
        let (records, plain) = (&mut self.records, &mut self.plain);
        self.session.last_words(records, plain, &mut self.sealed);
        self.failed.get_or_insert(TlsError::from_rustls(error));
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("established", &self.is_established())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
