//! A TLS session of rustls, by its unbuffered API: each step gets the received records and says what to do next.
//!
//! rustls decrypts the records in place and keeps no bytes between two steps: decrypted bytes go to `plain`, bytes to
//! be sent go to `encrypted`. rustls has one type for the client's side and one for the server's; only this file knows
//! both.

use std::io;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

use crate::inbox::Inbox;
use crate::outbox::Outbox;

/// Bytes of the outbox that are encrypted at once. With fewer, the peer would be woken more often, each time for less
/// work than it could do in one turn.
pub(super) const ENCRYPTED_AT_ONCE: usize = 128 * 1024;

/// The most bytes that encryption adds to [`ENCRYPTED_AT_ONCE`] bytes: 22 for each record, and messages of the session itself.
const OVERHEAD: usize = 512;

/// One side of a session.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// The result of one step.
pub(super) enum Step {
    /// Something was done: call again.
    Again,
    /// The peer has sent `close_notify`.
    PeerClosed,
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

    /// Returns the part that both sides have.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Client(connection) => connection,
            Self::Server(connection) => connection,
        }
    }

    /// Takes one step with the received records. After an error, only [`take_alert`](Self::take_alert) may be called.
    pub(super) fn step(
        &mut self,
        records: &mut Inbox,
        plain: &mut Outbox,
        encrypted: &mut Outbox,
    ) -> Result<Step, Error> {
        let bytes = records.unread_mut();
        let (discard, step) = match self {
            Self::Client(connection) => {
                take(connection.process_tls_records(bytes), plain, encrypted)
            }
            Self::Server(connection) => {
                take(connection.process_tls_records(bytes), plain, encrypted)
            }
        };
        records.skip(discard);
        step
    }

    /// After an error: encrypts the alert that tells it to the peer.
    pub(super) fn take_alert(
        &mut self,
        records: &mut Inbox,
        plain: &mut Outbox,
        encrypted: &mut Outbox,
    ) {
        while self.common().wants_write()
            && matches!(self.step(records, plain, encrypted), Ok(Step::Again))
        {}
    }

    /// Encrypts bytes of `outbox`, and after the last of them `close_notify` where `close` is set; returns whether that
    /// was encrypted. To be called once the handshake is complete and [`step`](Self::step) has nothing more to do.
    pub(super) fn encrypt(
        &mut self,
        records: &mut Inbox,
        outbox: &mut Outbox,
        encrypted: &mut Outbox,
        close: bool,
    ) -> Result<bool, Error> {
        let bytes = records.unread_mut();
        match self {
            Self::Client(connection) => encrypt(
                connection.process_tls_records(bytes),
                outbox,
                encrypted,
                close,
            ),
            Self::Server(connection) => encrypt(
                connection.process_tls_records(bytes),
                outbox,
                encrypted,
                close,
            ),
        }
    }
}

/// Does what the session asks for; returns how many bytes of the records are not needed any more, and the result.
fn take<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Outbox,
    encrypted: &mut Outbox,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                plain.append(record.payload);
                discard += record.discard;
            }
            Ok(Step::Again)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(encrypted, 0, |space| {
                data.encode(space).map_err(|e| match e {
                    EncodeError::InsufficientSize(size) => Some(size.required_size),
                    EncodeError::AlreadyEncoded => None,
                })
            })?;
            Ok(Step::Again)
        }
        // The bytes are in `encrypted`, from where the stream takes them.
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::PeerClosed => Ok(Step::PeerClosed),
        ConnectionState::Closed
        | ConnectionState::BlockedHandshake
        | ConnectionState::WriteTraffic(_) => Ok(Step::Waits),
        _ => Err(Error::General(
            "early data came, which is not allowed".to_owned(),
        )),
    });
    (discard, step)
}

/// Encrypts bytes of `outbox` where the session is able to; returns whether `close_notify` was encrypted.
fn encrypt<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    outbox: &mut Outbox,
    encrypted: &mut Outbox,
    close: bool,
) -> Result<bool, Error> {
    let ConnectionState::WriteTraffic(mut traffic) = status.state? else {
        return Err(Error::EncryptError);
    };
    let too_small = |e| match e {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    };
    let encrypting = outbox.drain(|bytes| {
        let bytes = &bytes[..bytes.len().min(ENCRYPTED_AT_ONCE)];
        append(encrypted, bytes.len() + OVERHEAD, |space| {
            traffic.encrypt(bytes, space).map_err(too_small)
        })
        .map_err(io::Error::other)?;
        Ok(bytes.len())
    });
    encrypting.map_err(|_| Error::EncryptError)?;
    if !close || !outbox.is_empty() {
        return Ok(false);
    }
    append(encrypted, OVERHEAD, |space| {
        traffic.queue_close_notify(space).map_err(too_small)
    })?;
    Ok(true)
}

/// Appends to `encrypted` what `write` writes: first with `room` bytes of space, then with as many as it says it needs.
fn append(
    encrypted: &mut Outbox,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    loop {
        match encrypted.extend(room, &mut write) {
            Ok(()) => return Ok(()),
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => return Err(Error::EncryptError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_more_space_has_it_and_who_needs_what_there_was_has_failed() {
        let mut outbox = Outbox::new(1_000);
        let written = append(&mut outbox, 8, |space| match space.len() {
            8 => Err(Some(20)),
            _ => Ok(space.len()),
        });
        assert_eq!((written, outbox.waiting()), (Ok(()), 20));
        for needed in [None, Some(7), Some(8)] {
            let mut asked = 0;
            let failed = append(&mut outbox, 8, |_| {
                asked += 1;
                assert_eq!(asked, 1);
                Err(needed)
            });
            assert_eq!(failed, Err(Error::EncryptError));
        }
    }
}
