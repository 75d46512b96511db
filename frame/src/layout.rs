//! The layout of a frame: its sizes in bytes, and the types of messages.

/// Bytes of the length field. The length does not count them.
pub const LENGTH_FIELD: usize = 4;

/// Bytes before the payload: the length, the type and the id.
pub const HEADER: usize = LENGTH_FIELD + MIN_LENGTH;

/// The smallest valid `length`: a type, an id and an empty payload.
pub const MIN_LENGTH: usize = 18;

/// The largest `length` that may be allowed. Its first byte is still 0x00, by which a server tells a frame from a
/// line of text.
pub const MAX_LENGTH: usize = 16_777_215;

/// The types of requests and replies, as they stand in the header.
pub mod kind {
    /// One bet.
    pub const BET: u16 = 1;
    /// The reply to 1, 3 and 4, and to a refused 7.
    pub const ACK: u16 = 2;
    /// Bets, joined by `|`.
    pub const BATCH: u16 = 3;
    /// No more bets will come.
    pub const FINISHED: u16 = 4;
    /// The question who won.
    pub const WINNERS_QUERY: u16 = 5;
    /// The reply to 5.
    pub const WINNERS: u16 = 6;
    /// The question how many bets of an upload are stored.
    pub const RESUME: u16 = 7;
    /// The reply to 7.
    pub const RESUMED: u16 = 8;
}

/// The largest frame that our client sends, in bytes, its length field included.
pub const MAX_CLIENT_FRAME: usize = 8_192;

/// The largest reply that a client accepts, as its length field counts it: an agency may have many winners.
pub const MAX_REPLY: usize = 16 * 1024 * 1024;
