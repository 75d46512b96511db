//! What agencies and the central speak.
//!
//! ```text
//! 0        4      6                22
//! +--------+------+----------------+----------------------+
//! | length | type |       id       |  payload             |
//! | u32 BE | u16  |    16 bytes    |  length - 18 bytes   |
//! +--------+------+----------------+----------------------+
//! ```
//!
//! `length` counts all that follows it, in bytes. The id of a request is the MD5 of its payload; a reply
//! carries the id of the request it answers. Bytes travel one way through this crate, values the other:
//!
//! ```text
//! stream -> Channel -> Inbox -> Frame -> Request   (at the client: Reply)
//! stream <- Channel <- Outbox <--------- Reply     (at the client: Request)
//! ```
//!
//! Where a peer speaks TLS, a [`Tls`] session stands between the stream and the two buffers.
//!
//! A value that exists is valid: a [`Bet`] holds a real date and a number in range, whoever made it. What
//! is incomplete is no error but `Ok(None)`: come again with more bytes. What is wrong says whose fault it
//! is: [`FramingError`] (hang up), [`RequestError`] (refuse, go on).
//!
//! [`Channel`] is generic over its stream; nothing here opens a socket or a file, knows a clock or any
//! rule of the lottery. Beside the wire, the two programs share the form of a log line: [`log`](mod@log).

pub mod log;

mod bet;
mod channel;
mod codec;
mod error;
mod inbox;
mod message;
mod outbox;
pub mod payload;
mod plain;
mod tls;

pub use bet::{Agency, Bet, Birthdate, Document, Name, Number, Text};
pub use channel::{Channel, Received};
pub use codec::{Frame, HEADER, LENGTH_FIELD, MAX_LENGTH, MIN_LENGTH, kind};
pub use error::{
    BatchError, BetError, Field, Flaw, FramingError, PayloadError, ReplyError, RequestError,
};
pub use inbox::Inbox;
pub use message::{Ack, Batch, Documents, MessageId, NO_SPACE, Reply, Request, UploadId, Winners};
pub use outbox::Outbox;
pub use tls::{Tls, TlsError, pem};

/// The largest frame that our client sends, its four length bytes included.
pub const MAX_CLIENT_FRAME: usize = 8_192;

/// The largest reply that a client accepts, as `length` counts it: an agency may have many winners.
pub const MAX_REPLY: usize = 16 * 1024 * 1024;
