//! What can be wrong with bytes from a peer: with the framing, with a message, or with a bet.
//!
//! No text of an error holds a value that the peer sent: names and birthdates must not reach a log.

use std::fmt;

use crate::layout::MIN_LENGTH;

/// The peer broke the framing. Nothing after this point can be read: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// The length in a header is outside the bounds.
    Length {
        /// The length in the header, in bytes.
        length: u32,
        /// The largest length accepted here; the smallest is [`MIN_LENGTH`].
        max: usize,
    },
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Length { length, max } = self;
        if length.to_be_bytes() == *b"HTTP" {
            return f.write_str("it speaks HTTP: this is the port of a page, or of a proxy");
        }
        write!(
            f,
            "a frame of length {length} is announced, allowed are {} to {max}",
            MIN_LENGTH
        )
    }
}

impl std::error::Error for FramingError {}

/// A payload does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadError {
    /// The number of bytes of the payload before the first one that could not be read.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "byte {} of the payload: expected {}",
            self.at, self.expected
        )
    }
}

impl std::error::Error for PayloadError {}

/// A key that has a meaning in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `agency`
    Agency,
    /// `nombre`
    FirstName,
    /// `apellido`
    LastName,
    /// `dni`
    Document,
    /// `nacimiento`
    Birthdate,
    /// `numero`
    Number,
    /// `envio`
    Upload,
    /// `apuestas`
    Bets,
    /// `result`
    Result,
    /// `error`
    Error,
    /// `ganadores`
    Winners,
}

impl Field {
    /// Returns the key as it stands in a payload.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agency => "agency",
            Self::FirstName => "nombre",
            Self::LastName => "apellido",
            Self::Document => "dni",
            Self::Birthdate => "nacimiento",
            Self::Number => "numero",
            Self::Upload => "envio",
            Self::Bets => "apuestas",
            Self::Result => "result",
            Self::Error => "error",
            Self::Winners => "ganadores",
        }
    }
}

/// What is wrong with a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The key is missing.
    Missing,
    /// The key is there more than once.
    Repeated,
    /// The text is empty.
    Empty,
    /// The text has more bytes than this.
    TooLong(usize),
    /// The text holds a control character.
    Control,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// Not a number from 1 to 4,294,967,295 in plain digits.
    NotAgency,
    /// Not of the form YYYY-MM-DD, or a date that does not exist.
    NotDate,
    /// Not 1 to 9 decimal digits.
    NotNumber,
    /// Not 32 lower-case hexadecimal digits.
    NotUpload,
    /// Not a number of bets in plain digits.
    NotCount,
    /// Not a result that this reply may have.
    NotResult,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Repeated => "is there more than once",
            Self::Empty => "is empty",
            Self::TooLong(max) => return write!(f, "is longer than {max} bytes"),
            Self::Control => "holds a control character",
            Self::NotUtf8 => "is not UTF-8",
            Self::NotAgency => "is not a number from 1 to 4294967295",
            Self::NotDate => "is no calendar date in the form YYYY-MM-DD",
            Self::NotNumber => "is not 1 to 9 decimal digits",
            Self::NotUpload => "is not 32 lower-case hexadecimal digits",
            Self::NotCount => "is not a number of bets",
            Self::NotResult => "is not one that a reply of this type may have",
        })
    }
}

/// An object is not valid in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetError {
    /// The object could not be read.
    Payload(PayloadError),
    /// A field's value is missing, repeated or not allowed.
    Field(Field, Flaw),
}

impl fmt::Display for BetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(e) => e.fmt(f),
            Self::Field(field, flaw) => write!(f, "{} {flaw}", field.name()),
        }
    }
}

impl std::error::Error for BetError {}

impl From<PayloadError> for BetError {
    fn from(e: PayloadError) -> Self {
        Self::Payload(e)
    }
}

/// A bet of a batch is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// The number of the bet in the batch, counted from 1.
    pub bet: usize,
    /// What is wrong with it.
    pub error: BetError,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bet {}: {}", self.bet, self.error)
    }
}

impl std::error::Error for BatchError {}

/// A whole frame is not a valid request. Refuse it and go on: the framing is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The id is not the MD5 of the payload.
    WrongId,
    /// No request has this type. Answer, then close the connection.
    UnknownType(u16),
    /// The payload is not valid for the type.
    Malformed(BetError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongId => f.write_str("the id is not the MD5 of the payload"),
            Self::UnknownType(kind) => write!(f, "no request has type {kind}"),
            Self::Malformed(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

impl<E: Into<BetError>> From<E> for RequestError {
    fn from(e: E) -> Self {
        Self::Malformed(e.into())
    }
}

/// A whole frame is not a valid reply: the peer does not speak this protocol as a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// No reply has this type.
    UnknownType(u16),
    /// The payload is not valid for the type.
    Malformed(BetError),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(kind) => write!(f, "no reply has type {kind}"),
            Self::Malformed(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for ReplyError {}

impl<E: Into<BetError>> From<E> for ReplyError {
    fn from(e: E) -> Self {
        Self::Malformed(e.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_one_sentence_that_says_what_and_where() {
        let length = |length| {
            let max = 8_192;
            FramingError::Length { length, max }.to_string()
        };
        assert_eq!(
            length(17),
            "a frame of length 17 is announced, allowed are 18 to 8192"
        );
        assert_eq!(
            length(u32::from_be_bytes(*b"HTTP")),
            "it speaks HTTP: this is the port of a page, or of a proxy"
        );
        let payload = PayloadError {
            at: 7,
            expected: "a key",
        };
        let at = "byte 7 of the payload: expected a key";
        assert_eq!(payload.to_string(), at);
        let bet = BetError::from(payload);
        assert_eq!(bet.to_string(), at);
        let error = BetError::Field(Field::Document, Flaw::TooLong(32));
        assert_eq!(error.to_string(), "dni is longer than 32 bytes");
        let of_batch = BatchError { bet: 3, error };
        assert_eq!(of_batch.to_string(), "bet 3: dni is longer than 32 bytes");
        for (request, words) in [
            (
                RequestError::WrongId,
                "the id is not the MD5 of the payload",
            ),
            (RequestError::UnknownType(9), "no request has type 9"),
            (payload.into(), at),
        ] {
            assert_eq!(request.to_string(), words);
        }
        for (reply, words) in [
            (ReplyError::UnknownType(9), "no reply has type 9"),
            (payload.into(), at),
        ] {
            assert_eq!(reply.to_string(), words);
        }
    }

    #[test]
    fn each_flaw_of_a_field_completes_a_sentence() {
        for (flaw, words) in [
            (Flaw::Missing, "is missing"),
            (Flaw::Repeated, "is there more than once"),
            (Flaw::Empty, "is empty"),
            (Flaw::TooLong(255), "is longer than 255 bytes"),
            (Flaw::Control, "holds a control character"),
            (Flaw::NotUtf8, "is not UTF-8"),
            (Flaw::NotAgency, "is not a number from 1 to 4294967295"),
            (Flaw::NotDate, "is no calendar date in the form YYYY-MM-DD"),
            (Flaw::NotNumber, "is not 1 to 9 decimal digits"),
            (Flaw::NotUpload, "is not 32 lower-case hexadecimal digits"),
            (Flaw::NotCount, "is not a number of bets"),
            (
                Flaw::NotResult,
                "is not one that a reply of this type may have",
            ),
        ] {
            assert_eq!(flaw.to_string(), words);
        }
    }
}
