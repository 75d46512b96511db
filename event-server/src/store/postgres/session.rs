//! A PostgreSQL session as a state machine: bytes in, events and bytes out. No I/O, no clock.
//!
//! ```text
//! AwaitingTls ─ S ─→ (TLS begins) ─┐
//! BeginningTls ────→ (TLS begins) ─┤
//!      (none asked for) ───────────┴─→ Authenticating ─→ Settling ─→ Idle ⇄ Busy
//! ```
//!
//! The messages are `postgres-protocol`'s. What the server sends is kept until a message is whole, in a buffer with a
//! bound; what is to be sent lies in another until the owner of the stream takes it. Rows are handed on one by one.

mod authentication;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use frame::Outbox;
use postgres_protocol::authentication::sasl::ScramSha256;
use postgres_protocol::message::backend::{DataRowBody, Header, Message};
use postgres_protocol::message::frontend;

use super::error::{DatabaseError, SessionError};
use super::rows::SealedRows;
use super::tls::Shown;
use super::url::{DatabaseUrl, Host, Secret, Transport};

/// The largest message that is taken from a server: no row of ours comes near it.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Who begins a session, and with which settings.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// How the server's statistics name the session.
    pub application: String,
    /// Settings for the server, as its command line takes them.
    pub options: Option<String>,
    /// The session may begin only with a password that is bound to the server's certificate.
    pub channel_binding_required: bool,
}

impl Login {
    /// Returns the login of this central at a host of the URL. The application's name begins with `event-server` and
    /// the central's name, whatever the URL says: centrals are found by it.
    pub fn new(url: &DatabaseUrl, host: &Host, central: &str) -> Self {
        let mut application = format!("event-server {central}");
        if let Some(more) = &url.application {
            application.push(' ');
            application.push_str(more);
        }
        Self {
            user: url.user.clone(),
            database: url.database.clone(),
            password: url.password_for(host).cloned(),
            application,
            options: url.options.clone(),
            channel_binding_required: url.channel_binding_required,
        }
    }
}

/// What the stream of a binary COPY begins with (the manual, COPY, "Binary Format"): signature, flags, extension.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What that stream ends with, behind its tuples.
const COPY_TRAILER: &[u8] = &[0xff, 0xff];

/// Bytes of a message before its length, which counts its own bytes, too: its type.
const TYPE: usize = 1;

/// What a server says about itself at the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// It takes no writes.
    pub read_only: bool,
    /// How it encodes texts.
    pub encoding: String,
    /// Its version.
    pub version: String,
}

/// What happened in a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// From now on the stream carries TLS.
    BeginTls,
    /// The session is established, with a server that takes writes and texts in UTF-8.
    Established(Parameters),
    /// A row of a result.
    Row(DataRow),
    /// The query is done, and its transaction committed; or it failed, and nothing of it is stored.
    Done(Result<(), DatabaseError>),
    /// Somebody notified a channel that this session listens to, with this text.
    Notified(String),
    /// A warning came that says nothing about how durable a commit is.
    Warned(DatabaseError),
}

/// A row, its columns as text.
#[derive(Debug)]
pub struct DataRow(DataRowBody);

impl DataRow {
    /// Returns the columns; `None` is null.
    ///
    /// # Errors
    /// The row is malformed.
    pub fn columns(&self) -> Result<Vec<Option<&[u8]>>, SessionError> {
        let buffer = self.0.buffer();
        let columns = self
            .0
            .ranges()
            .map(|range| Ok(range.and_then(|range| buffer.get(range))));
        columns.collect().map_err(|e| SessionError::protocol(&e))
    }
}

enum State {
    AwaitingTls,
    /// TLS begins without a request.
    BeginningTls,
    Authenticating(Proof),
    Settling,
    Idle,
    Busy {
        /// The first error of the query under way, so far.
        failed: Option<DatabaseError>,
        /// Queries that were sent behind it.
        behind: u32,
    },
}

/// How far both sides have shown who they are.
enum Proof {
    /// The server has not asked yet. It may not ask at all.
    NotAsked,
    /// The server was given the password, or a hash of it.
    Given,
    /// SCRAM is under way: the server still owes its own proof.
    Scram {
        scram: Box<ScramSha256>,
        /// The password is bound to the server's certificate.
        bound: bool,
    },
    /// The server has shown that it knows the password.
    Mutual,
    /// The same, and the password was bound to its certificate.
    Bound,
}

/// One session, from its first byte.
pub struct Session {
    login: Login,
    transport: Transport,
    state: State,
    parameters: Parameters,
    /// Nobody stands in between: the stream carries TLS and the server has shown a certificate that an authority of ours has
    /// signed, or it is a socket of this machine.
    verified: bool,
    /// The stream carries TLS.
    encrypted: bool,
    /// What identifies the server's certificate, where it can be bound to the password.
    certificate: Option<Vec<u8>>,
    received: BytesMut,
    to_send: BytesMut,
}

impl Session {
    /// Creates a session over a stream of this kind, from its first byte.
    pub fn new(login: Login, transport: Transport) -> Self {
        let mut session = Self {
            login,
            transport,
            state: State::AwaitingTls,
            parameters: Parameters::default(),
            verified: transport == Transport::UnixSocket,
            encrypted: false,
            certificate: None,
            received: BytesMut::new(),
            to_send: BytesMut::new(),
        };
        match transport {
            Transport::Tls => frontend::ssl_request(&mut session.to_send),
            Transport::DirectTls => session.state = State::BeginningTls,
            Transport::UnixSocket | Transport::Plain => session.start_up(),
        }
        session
    }

    /// Goes on once TLS is established, with a server that has shown this.
    ///
    /// # Errors
    /// TLS began at once, and the server has not chosen PostgreSQL's protocol: it may be a server of anything, which would
    /// take the session's bytes for its own protocol. The session is over, and nothing was sent.
    pub fn tls_established(&mut self, server: Shown) -> Result<(), SessionError> {
        if self.transport == Transport::DirectTls && !server.speaks_postgres {
            return Err(SessionError::NoProtocol);
        }
        self.encrypted = true;
        self.verified = server.verified;
        self.certificate = server.certificate;
        self.start_up();
        Ok(())
    }

    fn start_up(&mut self) {
        let Login {
            user,
            database,
            application,
            options,
            ..
        } = &self.login;
        let options = options.as_deref().map(|options| ("options", options));
        let parameters = [
            ("user", user.as_str()),
            ("database", database),
            ("application_name", application),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("standard_conforming_strings", "on"),
        ];
        let parameters = parameters.into_iter().chain(options);
        // Zero bytes are the only error: the URL refuses them.
        let _ = frontend::startup_message(parameters, &mut self.to_send);
        self.state = State::Authenticating(Proof::NotAsked);
    }

    /// Returns whether a query may be sent.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Takes in bytes that came.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Takes out what is to be sent.
    pub fn take_output(&mut self) -> BytesMut {
        self.to_send.split()
    }

    /// Sends statements as one simple query: one implicit transaction.
    pub fn query(&mut self, sql: &str) {
        debug_assert!(self.is_idle(), "one query at a time");
        // Zero bytes are the only error: names with one are refused where they are configured.
        let _ = frontend::query(sql, &mut self.to_send);
        self.state = State::Busy {
            failed: None,
            behind: 0,
        };
    }

    /// Sends another query behind the one that was just sent, without waiting: a transaction of its own, with a
    /// [`Done`](SessionEvent::Done) of its own, whatever becomes of the first.
    pub fn query_behind(&mut self, sql: &str) {
        if let State::Busy { behind, .. } = &mut self.state {
            *behind += 1;
            let _ = frontend::query(sql, &mut self.to_send);
        }
    }

    /// Sends statements of which the last is a binary COPY, and its rows behind them without waiting: where a statement
    /// before it fails, the server ignores them. The rows go into this outbox behind all that was to be sent before; many of
    /// them are not copied.
    pub fn query_with_copy(&mut self, sql: &str, rows: &SealedRows, outbox: &mut Outbox) {
        self.query(sql);
        self.copy_data(COPY_HEADER);
        outbox.append(&self.take_output());
        self.copy_data(COPY_TRAILER);
        frontend::copy_done(&mut self.to_send);
        outbox.append_shared(rows.messages(), &self.take_output());
    }

    fn copy_data(&mut self, piece: &[u8]) {
        // Only a piece of 2 GiB is an error.
        if let Ok(message) = frontend::CopyData::new(piece) {
            message.write(&mut self.to_send);
        }
    }

    /// Says that the session ends.
    pub fn terminate(&mut self) {
        frontend::terminate(&mut self.to_send);
    }

    /// Returns the next thing that happened; `None`: more bytes are needed.
    ///
    /// # Errors
    /// The session is over: refused, broken, or in doubt.
    pub fn poll(&mut self) -> Result<Option<SessionEvent>, SessionError> {
        match self.state {
            State::AwaitingTls => return self.tls_answer(),
            State::BeginningTls => {
                self.state = State::Authenticating(Proof::NotAsked);
                return Ok(Some(SessionEvent::BeginTls));
            }
            _ => {}
        }
        while let Some(message) = self.message()? {
            if let Some(event) = self.take(message)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// One byte answers the request for TLS.
    fn tls_answer(&mut self) -> Result<Option<SessionEvent>, SessionError> {
        match self.received.first() {
            None => Ok(None),
            Some(b'S') if self.received.len() == 1 => {
                self.received.clear();
                Ok(Some(SessionEvent::BeginTls))
            }
            // More in the clear could have been put there by somebody in between.
            Some(b'S') => Err(SessionError::Protocol(
                "bytes in the clear follow the answer to the request for TLS".to_owned(),
            )),
            Some(b'N') => Err(SessionError::NoTls),
            Some(_) => Err(SessionError::Protocol(
                "it does not answer the request for TLS as PostgreSQL does".to_owned(),
            )),
        }
    }

    fn message(&mut self) -> Result<Option<Message>, SessionError> {
        let header = Header::parse(&self.received).map_err(|e| SessionError::protocol(&e))?;
        let Some(header) = header else {
            return Ok(None);
        };
        let length = usize::try_from(header.len()).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE {
            return Err(SessionError::Protocol(format!(
                "a message of {length} bytes is announced, at most {MAX_MESSAGE} are taken"
            )));
        }
        if self.received.len() < TYPE + length {
            return Ok(None);
        }
        Message::parse(&mut self.received).map_err(|e| SessionError::protocol(&e))
    }

    fn take(&mut self, message: Message) -> Result<Option<SessionEvent>, SessionError> {
        match message {
            Message::ParameterStatus(status) => {
                let name = status.name().map_err(|e| SessionError::protocol(&e))?;
                let value = status.value().map_err(|e| SessionError::protocol(&e))?;
                match name {
                    "in_hot_standby" | "default_transaction_read_only" => {
                        self.parameters.read_only |= value == "on";
                    }
                    "server_encoding" => self.parameters.encoding = value.to_owned(),
                    "server_version" => self.parameters.version = value.to_owned(),
                    _ => {}
                }
                Ok(None)
            }
            Message::NoticeResponse(notice) => {
                let notice = DatabaseError::read(notice.fields())?;
                // A wait for a replica that was given up is reported as success with a warning.
                match self.state {
                    State::Busy { .. } if notice.is_doubt() => Err(SessionError::Doubt(notice)),
                    State::Busy { .. } if notice.is_warning() => {
                        Ok(Some(SessionEvent::Warned(notice)))
                    }
                    _ => Ok(None),
                }
            }
            Message::NotificationResponse(body) => {
                // What is no text says nothing.
                let about = body.message().unwrap_or_default().to_owned();
                Ok(Some(SessionEvent::Notified(about)))
            }
            Message::ErrorResponse(error) => {
                let error = DatabaseError::read(error.fields())?;
                match &mut self.state {
                    State::Busy { failed, .. } if !error.is_fatal() => {
                        failed.get_or_insert(error);
                        Ok(None)
                    }
                    _ => Err(SessionError::Refused(error)),
                }
            }
            message => match &self.state {
                State::Authenticating(_) => self.authenticate(&message),
                State::Settling => self.settle(&message),
                State::Busy { .. } => Ok(self.progress(message)),
                State::AwaitingTls | State::BeginningTls | State::Idle => Ok(None),
            },
        }
    }

    fn settle(&mut self, message: &Message) -> Result<Option<SessionEvent>, SessionError> {
        match message {
            Message::ReadyForQuery(_) => {
                let parameters = self.parameters.clone();
                if parameters.read_only {
                    return Err(SessionError::Standby);
                }
                if parameters.encoding != "UTF8" {
                    return Err(SessionError::Encoding {
                        database: self.login.database.clone(),
                        encoding: parameters.encoding,
                    });
                }
                self.state = State::Idle;
                Ok(Some(SessionEvent::Established(parameters)))
            }
            Message::BackendKeyData(_) => Ok(None),
            _ => Err(SessionError::Protocol(
                "it sends results before a query".to_owned(),
            )),
        }
    }

    fn progress(&mut self, message: Message) -> Option<SessionEvent> {
        match message {
            Message::DataRow(row) => Some(SessionEvent::Row(DataRow(row))),
            Message::ReadyForQuery(_) => {
                let State::Busy { failed, behind } = &mut self.state else {
                    return None;
                };
                let failed = failed.take();
                match behind.checked_sub(1) {
                    Some(rest) => *behind = rest,
                    None => self.state = State::Idle,
                }
                Some(SessionEvent::Done(failed.map_or(Ok(()), Err)))
            }
            _ => None,
        }
    }
}
