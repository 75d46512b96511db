//! What the store records and the lottery lives by: the vocabulary between the two.
//!
//! Every change of the lottery's state is a fact. A fact is staged, becomes durable with its turn, and is
//! told again, in the same order, when the server starts: the state is what the facts add up to.

use frame::{Agency, MessageId, Number, UploadId};

/// The most agencies that one lottery knows: the bound of its memory where anyone may take part.
pub const MAX_AGENCIES: usize = 65_536;

/// Where the bets of a batch come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Batches of a client that knows no resume.
    Plain,
    /// A file that is sent as an upload.
    Upload(UploadId),
    /// Rows of a bets.csv that was taken over: nobody knows of which file.
    TakenOver,
}

/// Something that happened, once durable, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A single bet was stored, beside any batch.
    Bet {
        /// Whose.
        agency: Agency,
    },
    /// A batch was stored whole.
    Batch {
        /// Whose.
        agency: Agency,
        /// What it is a part of.
        source: Source,
        /// The request that brought it.
        id: MessageId,
        /// How many bets it has; at least one.
        bets: u32,
    },
    /// An agency has finished.
    Finished {
        /// Which.
        agency: Agency,
    },
    /// How many agencies take part, from now on: 1 to this number; 0: anyone, and there is no draw.
    Agencies {
        /// That number.
        agencies: u32,
    },
    /// An upload was taken out by an operator: it is not to be sent again.
    Barred {
        /// Whose.
        agency: Agency,
        /// Which.
        upload: UploadId,
    },
    /// The draw was done.
    Drawn {
        /// The bytes of bets.csv that it covers.
        position: u64,
        /// The number that won.
        winner: Number,
    },
    /// All batches of an agency so far, in a checkpoint's stead for each of them.
    Stored {
        /// Whose.
        agency: Agency,
        /// What they are parts of.
        source: Source,
        /// How many bets they have.
        bets: u64,
    },
}
