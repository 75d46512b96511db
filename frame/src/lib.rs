//! The protocol that agencies and the central speak.
//!
//! ```text
//! 0        4      6                22
//! +--------+------+----------------+----------------------+
//! | length | type |       id       |  payload             |
//! | u32 BE | u16  |    16 bytes    |  length - 18 bytes   |
//! +--------+------+----------------+----------------------+
//! ```
//!
//! `length` counts all bytes after it. The id of a request is the MD5 of its payload; a reply carries the id of the
//! request it answers. Bytes pass through this crate in one direction, values in the other:
//!
//! ```text
//! stream -> Channel -> Inbox -> Frame -> Request   (at the client: Reply)
//! stream <- Channel <- Outbox <--------- Reply     (at the client: Request)
//! ```
//!
//! Where a peer speaks TLS, a [`Tls`] session stands between the stream and the two buffers.
//!
//! A value that exists is valid: every [`Bet`] holds a real date and a number in range. Input that is not complete is
//! no error but `Ok(None)`: call again with more bytes. The type of an error says what to do: [`FramingError`] (close
//! the connection), [`RequestError`] (refuse the request and go on).
//!
//! [`Channel`] is generic over its stream. Nothing here opens a connection, or knows a rule of the lottery. What both programs
//! need beside the protocol is here, too: [`log`](mod@log), the form of their log lines, and [`trace`], both of which write
//! and read the clock; [`small_file`] reads the files that they are given; [`Lookup`] asks the system for the addresses of a
//! name, and [`Pauses`] says how long to wait between attempts.

pub mod log;

mod bet;
mod calls;
mod channel;
mod codec;
mod connecting;
pub mod copy;
pub mod digest;
mod display;
mod error;
mod fields;
mod inbox;
mod layout;
mod message;
mod outbox;
pub mod payload;
mod plain;
pub mod small_file;
mod tls;
pub mod trace;

pub use bet::{Bet, Bets};
pub use calls::{Calls, ReadOutcome, WriteOutcome};
pub use channel::{Channel, Received};
pub use codec::Frame;
pub use connecting::{Lookup, Pauses, check_peer};
pub use display::{Count, Escaped, escape_json};
pub use error::{
    BatchError, BetError, Field, Flaw, FramingError, PayloadError, ReplyError, RequestError,
};
pub use fields::{Agency, Birthdate, Document, Name, Number, Text};
pub use inbox::Inbox;
pub use layout::{HEADER, LENGTH_FIELD, MAX_CLIENT_FRAME, MAX_LENGTH, MAX_REPLY, MIN_LENGTH, kind};
pub use message::{
    Ack, Batch, Documents, MessageId, NO_SPACE, NOT_NOW, REPLACED, Reply, Request, TAKEN_OUT,
    UploadId, Winners,
};
pub use outbox::{Outbox, Requests};
pub use tls::{SOON, Tls, TlsError, Validity, pem};
