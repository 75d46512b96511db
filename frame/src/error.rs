//! What can be wrong with bytes from a peer, and whose fault it is.
//!
//! No message holds a value of the peer's: names and birthdates must not reach a log.

use std::fmt;

/// The peer broke the framing: nothing after this point can be read, so hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// A header announced a length outside the bounds.
    Length {
        /// What the header said.
        length: u32,
        /// The largest length accepted here; the smallest is [`MIN_LENGTH`](crate::MIN_LENGTH).
        max: usize,
    },
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Length { length, max } = self;
        write!(
            f,
            "a frame of length {length} is announced, allowed are {} to {max}",
            crate::MIN_LENGTH
        )
    }
}

impl std::error::Error for FramingError {}

/// A payload that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadError {
    /// Bytes of the payload before the one that could not be read.
    pub at: usize,
    /// What should have stood there.
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

/// A key that a message gives a meaning to, under its name on the wire.
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
    /// The key as it stands on the wire.
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
    /// The key is not there.
    Missing,
    /// The key is there more than once.
    Repeated,
    /// There is no text.
    Empty,
    /// More bytes than this.
    TooLong(usize),
    /// A control character.
    Control,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// No number from 1 to 4,294,967,295 in plain digits.
    NotAgency,
    /// Not the form YYYY-MM-DD, or no day of the calendar.
    NotDate,
    /// Not 1 to 9 decimal digits.
    NotNumber,
    /// Not 32 lower-case hexadecimal digits.
    NotUpload,
    /// Not a count of bets in plain digits.
    NotCount,
    /// A word that means nothing here.
    NotResult,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Repeated => "is there twice",
            Self::Empty => "is empty",
            Self::TooLong(max) => return write!(f, "is longer than {max} bytes"),
            Self::Control => "holds a control character",
            Self::NotUtf8 => "is not UTF-8",
            Self::NotAgency => "is not a number from 1 to 4294967295",
            Self::NotDate => "is no calendar date in the form YYYY-MM-DD",
            Self::NotNumber => "is not 1 to 9 decimal digits",
            Self::NotUpload => "is not 32 lower-case hexadecimal digits",
            Self::NotCount => "is not a count of bets",
            Self::NotResult => "is none of success, failure and in_progress",
        })
    }
}

/// One object that is not what its message needs.
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

/// A batch with a bet that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// Which bet of the batch, counted from 1.
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

/// A whole frame that holds no request: refuse it and go on, the framing is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The id is not the MD5 of the payload.
    WrongId,
    /// No request has this type: answer, then hang up.
    UnknownType(u16),
    /// The payload is not what the type asks for.
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

/// A whole frame that holds no reply: the peer is no server of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// No reply has this type.
    UnknownType(u16),
    /// The payload is not what the type asks for.
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
