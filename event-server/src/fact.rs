//! What the store records and the lottery lives by: facts, and what those of an agency add up to.
//!
//! Every change of the lottery's state is a fact. A fact is staged, and becomes durable with its commit. Files keep the
//! facts, or what those before a checkpoint add up to, and tell them in the same order when the server starts. A database
//! keeps what the facts of an agency add up to, its [`Account`].

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

impl Fact {
    /// The agency whose state it changes.
    pub fn agency(&self) -> Option<Agency> {
        match *self {
            Self::Bet { agency }
            | Self::Batch { agency, .. }
            | Self::Finished { agency }
            | Self::Stored { agency, .. } => Some(agency),
            Self::Agencies { .. } | Self::Barred { .. } | Self::Drawn { .. } => None,
        }
    }
}

/// What the facts of an agency add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What its batches are parts of; decided by the first of them. `None`: it has none.
    pub source: Option<Source>,
    /// Bets in batches.
    pub batched: u64,
    /// Bets in all. A checkpoint of the files knows no single ones: there they count from the start of the server on.
    pub bets: u64,
    /// Whether it has finished.
    pub finished: bool,
}

impl Account {
    /// Adds a fact of the agency.
    pub fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::Bet { .. } => self.bets += 1,
            Fact::Batch { source, bets, .. } => self.add(source, bets.into()),
            Fact::Stored { source, bets, .. } => self.add(source, bets),
            Fact::Finished { .. } => self.finished = true,
            Fact::Agencies { .. } | Fact::Barred { .. } | Fact::Drawn { .. } => {}
        }
    }

    fn add(&mut self, source: Source, bets: u64) {
        self.source.get_or_insert(source);
        self.batched += bets;
        self.bets += bets;
    }
}
