//! What rustls knows of a session, in its unbuffered form: it is shown the records that came, and says what to do.
//!
//! rustls reads what it is shown in its place, and never holds bytes for longer than from one look to the next: what
//! it decrypted goes to `plain`, what it wants to send to `sealed`. One of its two kinds of connection stands behind
//! each side; nothing else tells them apart.

use std::io;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

use crate::{Inbox, Outbox};

/// Bytes of the outbox that are encrypted at once. Fewer would wake the peer for less than it could do in a turn.
pub(super) const SEALED: usize = 128 * 1024;

/// The most that encryption adds to [`SEALED`] bytes: 22 to each of its records, and what the session may have to
/// say itself.
const OVERHEAD: usize = 512;

/// One side of a session.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What a look at the records came to.
pub(super) enum Step {
    /// Something was done: look again.
    Again,
    /// The peer has said goodbye.
    PeerDone,
    /// More bytes are needed, or something to send.
    Waits,
}

impl Session {
    pub(super) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        UnbufferedClientConnection::new(config, name).map(Self::Client)
    }

    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        UnbufferedServerConnection::new(config).map(Self::Server)
    }

    /// What both sides have.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Client(connection) => connection,
            Self::Server(connection) => connection,
        }
    }

    /// Looks once at the records. After an error, it is not to be asked again but for its
    /// [`last_words`](Self::last_words).
    pub(super) fn step(
        &mut self,
        records: &mut Inbox,
        plain: &mut Outbox,
        sealed: &mut Outbox,
    ) -> Result<Step, Error> {
        let bytes = records.unread_mut();
        let (discard, step) = match self {
            Self::Client(connection) => take(connection.process_tls_records(bytes), plain, sealed),
            Self::Server(connection) => take(connection.process_tls_records(bytes), plain, sealed),
        };
        records.skip(discard);
        step
    }

    /// After an error: takes the alert that tells the peer, and asks for nothing else.
    pub(super) fn last_words(
        &mut self,
        records: &mut Inbox,
        plain: &mut Outbox,
        sealed: &mut Outbox,
    ) {
        while self.common().wants_write()
            && matches!(self.step(records, plain, sealed), Ok(Step::Again))
        {}
    }

    /// With the handshake complete, and nothing to [`step`](Self::step) over: encrypts from `outbox`, and behind the
    /// last of it the `goodbye`; says whether that is among it.
    pub(super) fn encrypt(
        &mut self,
        records: &mut Inbox,
        outbox: &mut Outbox,
        sealed: &mut Outbox,
        goodbye: bool,
    ) -> Result<bool, Error> {
        let bytes = records.unread_mut();
        match self {
            Self::Client(connection) => encrypt(
                connection.process_tls_records(bytes),
                outbox,
                sealed,
                goodbye,
            ),
            Self::Server(connection) => encrypt(
                connection.process_tls_records(bytes),
                outbox,
                sealed,
                goodbye,
            ),
        }
    }
}

/// Takes what the session offers; says how many bytes of the records are done with.
fn take<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Outbox,
    sealed: &mut Outbox,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                plain.text(record.payload);
                discard += record.discard;
            }
            Ok(Step::Again)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(sealed, 0, |space| {
                data.encode(space).map_err(|e| match e {
                    EncodeError::InsufficientSize(size) => Some(size.required_size),
                    EncodeError::AlreadyEncoded => None,
                })
            })?;
            Ok(Step::Again)
        }
        // It is in our hands now, and the stream will take it.
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::PeerClosed => Ok(Step::PeerDone),
        ConnectionState::Closed
        | ConnectionState::BlockedHandshake
        | ConnectionState::WriteTraffic(_) => Ok(Step::Waits),
        _ => Err(Error::General("early data, which nobody allows".to_owned())),
    });
    (discard, step)
}

/// Encrypts from `outbox` where the session may; says whether the goodbye is among it.
fn encrypt<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    outbox: &mut Outbox,
    sealed: &mut Outbox,
    goodbye: bool,
) -> Result<bool, Error> {
    let ConnectionState::WriteTraffic(mut traffic) = status.state? else {
        return Err(Error::EncryptError);
    };
    let too_small = |e| match e {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    };
    let sealing = outbox.drain(|bytes| {
        let bytes = &bytes[..bytes.len().min(SEALED)];
        append(sealed, bytes.len() + OVERHEAD, |space| {
            traffic.encrypt(bytes, space).map_err(too_small)
        })
        .map_err(io::Error::other)?;
        Ok(bytes.len())
    });
    sealing.map_err(|_| Error::EncryptError)?;
    if !goodbye || !outbox.is_empty() {
        return Ok(false);
    }
    append(sealed, OVERHEAD, |space| {
        traffic.queue_close_notify(space).map_err(too_small)
    })?;
    Ok(true)
}

/// Has `write` write to the end of `sealed`, in `room` bytes or in as many as it then says it needs.
fn append(
    sealed: &mut Outbox,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    loop {
        match sealed.extend(room, &mut write) {
            Ok(()) => return Ok(()),
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => return Err(Error::EncryptError),
        }
    }
}
