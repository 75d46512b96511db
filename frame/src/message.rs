//! The messages, types 1 to 8: requests go from an agency to the central, replies come back.

use std::borrow::Cow;
use std::fmt;

use crate::bet::{Bet, Bets};
use crate::digest;
use crate::error::{BetError, Field, Flaw, PayloadError};
use crate::fields::Agency;
use crate::payload;

/// The reason of a refusal begins with these words where the server's disk is full: once there is space on it, the
/// same request is accepted.
pub const NO_SPACE: &str = "no space";

/// The reason of a refusal begins with these words where nothing is known to be wrong with the request: the server waits
/// for something, and the same request may be accepted in a while.
pub const NOT_NOW: &str = "not now";

/// The reason of a refusal begins with these words where another client goes on with the upload: the server takes no more
/// of it on this connection, and closes it.
pub const REPLACED: &str = "another client";

/// The reason of a refusal begins with these words where an operator has taken out what was stored of this file: it is not
/// to be sent again.
pub const TAKEN_OUT: &str = "this file was taken out";

/// What an agency sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Type 1: store one bet. Answered by an [`Ack`].
    Bet(Bet<'a>),
    /// Type 3: store all of these bets or none. Answered by an [`Ack`].
    Batch(Batch<'a>),
    /// Type 4: no more bets will come. Answered by an [`Ack`].
    Finished {
        /// The agency that has finished.
        agency: Agency,
        /// How many bets its upload has; only where the connection began with a resume. A value that is not a number
        /// counts as missing.
        bets: Option<u64>,
    },
    /// Type 5: the question who won. Answered by [`Winners`], once the draw is done.
    Winners {
        /// The agency that asks for its winners.
        agency: Agency,
    },
    /// Type 7: the question how many bets of this upload are stored. Answered by [`Reply::Resumed`], or a failed
    /// [`Ack`].
    Resume {
        /// The agency that uploads.
        agency: Agency,
        /// The name of the upload.
        upload: UploadId,
    },
}

/// What the central replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Type 2: to a bet, a batch, finished, or a resume that is refused.
    Ack(Ack<'a>),
    /// Type 6: to a winners query.
    Winners(Winners<'a>),
    /// Type 8, to a resume: how many bets of the upload are stored.
    Resumed(u64),
}

/// Whether a request was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ack<'a> {
    /// Done, and durable.
    Success,
    /// Refused; nothing was stored.
    Failure {
        /// The reason; sent only where the server knows that the client reads it.
        reason: Option<Cow<'a, str>>,
    },
}

/// The answer to a winners query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Winners<'a> {
    /// The documents that won.
    Drawn(Documents<'a>),
    /// Not now, because the server cannot hold more queries, or tells too many others the same list: ask again.
    InProgress,
    /// Refused.
    Refused {
        /// The reason; sent only where the server knows that the client reads it.
        reason: Option<Cow<'a, str>>,
    },
}

/// Bets joined by `|`. Each is parsed only when it is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a>(&'a [u8]);

impl<'a> Batch<'a> {
    /// Creates a batch of this payload, which is not checked here.
    pub fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// Returns the payload as it is sent.
    pub fn payload(&self) -> &'a [u8] {
        self.0
    }

    /// Returns the bets in their order. An error is the last item.
    pub fn bets(&self) -> Bets<'a> {
        Bets::new(self.0)
    }

    /// Returns how many bets the batch seems to hold: for a report on a batch that cannot be read to its end.
    pub fn apparent_len(&self) -> usize {
        memchr::memmem::find_iter(self.0, b"}|{").count() + 1
    }
}

/// The documents of winners. Each is parsed only when it is taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Documents<'a>(&'a [u8]);

impl<'a> Documents<'a> {
    /// Creates the documents of this text: values joined by `|`, as [`payload::write_value`] writes them.
    pub fn new(list: &'a [u8]) -> Self {
        Self(list)
    }

    /// Returns the list as it is sent.
    pub fn list(&self) -> &'a [u8] {
        self.0
    }

    /// Takes out the documents in their order.
    ///
    /// # Errors
    /// The text is not a list of values, or a value is not UTF-8. Those before were taken out.
    pub fn for_each(&self, mut take: impl FnMut(Cow<'a, str>)) -> Result<(), BetError> {
        payload::read_list(self.0, |value| {
            take(utf8(value).map_err(|flaw| BetError::Field(Field::Winners, flaw))?);
            Ok::<_, BetError>(())
        })
    }

    /// Returns the documents in their order.
    ///
    /// # Errors
    /// Those of [`for_each`](Self::for_each).
    pub fn to_vec(&self) -> Result<Vec<Cow<'a, str>>, BetError> {
        let mut documents = Vec::new();
        self.for_each(|document| documents.push(document))?;
        Ok(documents)
    }
}

pub(crate) fn utf8(value: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Flaw> {
    match value {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| Flaw::NotUtf8),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_| Flaw::NotUtf8),
    }
}

/// Returns the list between `{ganadores:` and `}`; the grammar of objects has no lists. `None` where the payload does not
/// begin so.
pub(crate) fn winners_list(payload: &[u8]) -> Result<Option<&[u8]>, PayloadError> {
    let Some(rest) = payload.strip_prefix(b"{ganadores:") else {
        return Ok(None);
    };
    let error = PayloadError {
        at: payload.len(),
        expected: "'}' after the winners",
    };
    rest.strip_suffix(b"}").map(Some).ok_or(error)
}

/// The MD5 of a request's payload. The reply carries the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// Computes the id of a request with this payload.
    pub fn of(payload: &[u8]) -> Self {
        Self(digest::md5(payload))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// The name of an upload: 16 bytes that the client derives from the content of its file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

impl UploadId {
    /// Reads 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`Flaw::NotUpload`] for anything else.
    pub fn parse(text: &[u8]) -> Result<Self, Flaw> {
        let digit = |d: u8| match d {
            b'0'..=b'9' => Ok(d - b'0'),
            b'a'..=b'f' => Ok(d - b'a' + 10),
            _ => Err(Flaw::NotUpload),
        };
        if text.len() != 32 {
            return Err(Flaw::NotUpload);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// Writes 32 lower-case hexadecimal digits.
fn hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    let mut text = [0; 32];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    // This never gives the default: digits are UTF-8. One piece is written faster than sixteen.
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_written_as_two_digits_for_each_byte(bytes in any::<[u8; 16]>()) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(MessageId(bytes).to_string(), digits.as_str());
            prop_assert_eq!(format!("{:?}", MessageId(bytes)), digits.as_str());
            prop_assert_eq!(UploadId(bytes).to_string(), digits.as_str());
            prop_assert_eq!(format!("{:?}", UploadId(bytes)), digits.as_str());
            prop_assert_eq!(UploadId::parse(digits.as_bytes()), Ok(UploadId(bytes)));
        }
    }
}
