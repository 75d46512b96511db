//! A TLS session between a stream and its buffers. It has no I/O of its own: a [`Channel`](crate::Channel)
//! brings the bytes and takes them away.
//!
//! ```text
//! stream -> records   -> decrypt -> plain -> Inbox     input
//! stream <- encrypted <- encrypt <---------- Outbox    output
//!                          ^
//!                          '- messages of the session itself: handshake, alerts, close_notify
//! ```
//!
//! Bytes in [`records`](Tls::records) are decrypted as soon as a record is complete. The stream is not read while
//! [`plain`](Tls::plain) holds bytes that the inbox has no space for. So all three buffers are bounded: `records` by
//! [`RECORDS`], `plain` by the content of that many bytes, `encrypted` by [`ENCRYPTED_AT_ONCE`] and a few handshake messages.
//!
//! The end of the stream is valid only after the peer's `close_notify` (RFC 8446, section 6.1). Without it, an attacker
//! may have cut off the last bytes. There is no session resumption and no early data: certificates are checked on every
//! connection. The rustls configuration, which the caller makes, decides which certificates are trusted.

mod certificates;
mod error;
mod session;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, ServerConfig};

pub use self::certificates::{SOON, Validity, pem};
pub use self::error::TlsError;
use self::session::{ENCRYPTED_AT_ONCE, Session, Step};
use crate::inbox::Inbox;
use crate::outbox::Outbox;

/// The most bytes that are kept before they are decrypted. A record has at most 16,645 bytes, and a handshake message
/// may take several records.
const RECORDS: usize = 32 * 1024;

/// Bytes that a session itself takes during its handshake, rounded up from a measurement: what it has said and heard
/// so far, and keys.
const HANDSHAKE: usize = 8 * 1024;

/// One side of a TLS 1.3 session.
pub struct Tls {
    session: Session,
    /// Bytes that came in and are not decrypted. Between two calls they are less than a record.
    records: Inbox,
    /// Decrypted bytes that are not in the inbox yet.
    plain: Outbox,
    /// Encrypted bytes that the stream has not taken yet.
    encrypted: Outbox,
    /// The peer has sent `close_notify`.
    peer_closed: bool,
    /// Nothing more is put into the outbox, and nothing more is decrypted.
    finishing: bool,
    /// Our `close_notify` was encrypted.
    closed: bool,
    /// The error that ended the session; every later call returns it again.
    failed: Option<TlsError>,
}

impl Tls {
    /// Begins the client's side of a session; the server's certificate has to be for `name`.
    ///
    /// # Errors
    /// The configuration does not work with this name.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        Self::new(Session::client(config, name))
    }

    /// Begins the server's side of a session.
    ///
    /// # Errors
    /// The configuration cannot work with any client.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Self::new(Session::server(config))
    }

    fn new(session: Result<Session, Error>) -> Result<Self, TlsError> {
        let mut tls = Self {
            session: session.map_err(|e| TlsError::from_rustls(&e))?,
            records: Inbox::unframed(RECORDS),
            plain: Outbox::new(RECORDS),
            encrypted: Outbox::new(ENCRYPTED_AT_ONCE),
            peer_closed: false,
            finishing: false,
            closed: false,
            failed: None,
        };
        tls.advance();
        Ok(tls)
    }

    /// Returns whether the handshake is complete and nothing has failed since.
    pub(crate) fn is_established(&self) -> bool {
        !self.session.common().is_handshaking() && self.failed.is_none()
    }

    /// Returns the protocol that both sides have agreed on (ALPN, RFC 7301).
    pub(crate) fn agreed_protocol(&self) -> Option<&[u8]> {
        self.session.common().alpn_protocol()
    }

    /// Takes the bytes that were read from the stream before it was known that it carries TLS.
    pub(crate) fn begin_with(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failed.is_none() {
            // Reading from a slice never fails.
            let _ = self.fill(|space| io::Read::read(&mut bytes, space));
        }
    }

    /// Calls `read` once with the free space for records, decrypts the complete ones, and returns the number of bytes
    /// that `read` returned. It is 0 at the end of the stream and where a message is larger than the buffer; then
    /// [`end`](Self::end) returns the error or the end.
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
                let what = format!(
                    "a message of more than {RECORDS} bytes, such as a long chain of certificates"
                );
                self.failed.get_or_insert(TlsError::Incompatible(what));
                return Ok(0);
            }
        };
        self.advance();
        Ok(count)
    }

    /// Moves decrypted bytes into `inbox`; returns how many, `None` where it has no space.
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
                // The inbox is full; copying never fails.
                Ok(None) | Err(_) => break,
            }
        }
        (moved > 0 || self.plain.is_empty()).then_some(moved)
    }

    /// Returns whether the peer has sent `close_notify`. To be asked once all decrypted bytes are delivered.
    ///
    /// # Errors
    /// The session failed, now or before.
    pub(crate) fn end(&self) -> Result<bool, TlsError> {
        match &self.failed {
            Some(e) => Err(e.clone()),
            None => Ok(self.peer_closed),
        }
    }

    /// Encrypts bytes that wait in `outbox`, at most [`ENCRYPTED_AT_ONCE`] at once, and `close_notify` after the last of them
    /// where the session is finishing. Does nothing while the stream has not taken the bytes that were encrypted
    /// before, or after the session has failed.
    ///
    /// # Errors
    /// The session failed, now or before.
    pub(crate) fn encrypt(&mut self, outbox: &mut Outbox) -> Result<(), TlsError> {
        if !self.encrypted.is_empty() || !self.may_encrypt(outbox) {
            return Ok(());
        }
        // Messages of the session itself are sent first.
        self.advance();
        let (records, encrypted) = (&mut self.records, &mut self.encrypted);
        let close = self.finishing;
        match self.session.encrypt(records, outbox, encrypted, close) {
            Ok(closed) => self.closed |= closed,
            Err(e) => self.fail(&e),
        }
        self.end().map(drop)
    }

    /// Whether [`encrypt`](Self::encrypt) has something to encrypt.
    fn may_encrypt(&self, outbox: &Outbox) -> bool {
        self.is_established() && (!outbox.is_empty() || self.finishing && !self.closed)
    }

    /// Returns whether there are bytes for the stream.
    pub(crate) fn wants_to_send(&self, outbox: &Outbox) -> bool {
        !self.encrypted.is_empty() || self.may_encrypt(outbox)
    }

    /// Returns whether there is nothing more to send. A session that has failed sends only its alert.
    pub(crate) fn all_sent(&self, outbox: &Outbox) -> bool {
        let unsent = self.failed.is_none() && !outbox.is_empty();
        !unsent && !self.wants_to_send(outbox)
    }

    /// Returns the encrypted bytes, for the stream to take.
    pub(crate) fn encrypted(&mut self) -> &mut Outbox {
        &mut self.encrypted
    }

    /// Declares that nothing more is put into the outbox and nothing more is decrypted. `close_notify` is sent after
    /// the last waiting byte.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
        self.plain.clear();
    }

    /// Returns whether [`finish`](Self::finish) was called.
    pub(crate) fn is_finishing(&self) -> bool {
        self.finishing
    }

    /// Returns the number of bytes that came in and are not in an inbox yet.
    pub(crate) fn unread(&self) -> usize {
        self.records.unread().len() + self.plain.waiting()
    }

    /// Returns the number of encrypted bytes that the stream has not taken.
    pub(crate) fn unsent(&self) -> usize {
        self.encrypted.waiting()
    }

    /// Returns whether the next fill would allocate.
    pub(crate) fn needs_memory(&self) -> bool {
        self.records.needs_memory()
    }

    /// Frees the buffers that hold nothing.
    pub(crate) fn release(&mut self) {
        self.records.release();
        self.plain.release();
        self.encrypted.release();
    }

    /// Returns the number of bytes allocated for its buffers, and for a handshake that is not complete.
    pub(crate) fn allocated(&self) -> usize {
        let handshaking = self.session.common().is_handshaking();
        let handshake = if handshaking { HANDSHAKE } else { 0 };
        self.records.allocated() + self.plain.allocated() + self.encrypted.allocated() + handshake
    }

    /// Works on the received records until the session needs more bytes or something to encrypt.
    fn advance(&mut self) {
        while self.failed.is_none() {
            let (records, plain) = (&mut self.records, &mut self.plain);
            match self.session.step(records, plain, &mut self.encrypted) {
                Ok(Step::Again) => {}
                Ok(Step::PeerClosed) => self.peer_closed = true,
                Ok(Step::Waits) => return,
                Err(e) => self.fail(&e),
            }
        }
    }

    /// Keeps the error, and takes the alert that tells it to the peer. The session is not used after that.
    fn fail(&mut self, error: &Error) {
        let (records, plain) = (&mut self.records, &mut self.plain);
        self.session.take_alert(records, plain, &mut self.encrypted);
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
