//! The state of a connection, what it waits for in the central, how soon it gives way, and the result of a step of serving it.

use frame::{Agency, MessageId, Outbox};

use crate::store::Ticket;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No byte has come: text, a frame or TLS may begin.
    Sniffing,
    /// A line of text is coming.
    Echoing,
    /// A TLS session is being made: each side shows its certificate.
    Handshaking,
    /// A frame in the clear is coming, where only TLS is spoken: it will be refused.
    InClear,
    /// Frames are served.
    Open,
    /// The frame in front waits for its agency to be read; nothing is decoded until then.
    Reading(Agency),
    /// This winners query waits for the draw; nothing behind it is served.
    Held {
        agency: Agency,
        query: MessageId,
        /// Its number among all queries that were held.
        number: u64,
    },
    /// Nothing more is served; the last replies go out.
    Draining,
    /// The last reply is out and the writing side is shut down. So many bytes of input were thrown away since.
    Drained { discarded: usize },
    /// To be dropped.
    Closed,
    /// To be dropped, and reported already.
    Lost,
}

impl State {
    /// The names of states in metrics.
    pub(super) const METRIC_NAMES: [&str; 8] = [
        "new",
        "echoing",
        "handshaking",
        "open",
        "reading",
        Self::COMMITTING,
        "held",
        "closing",
    ];

    /// The name in metrics of a connection whose replies wait for a commit.
    pub(super) const COMMITTING: &str = "committing";

    /// The names of states in traces and on pages, where each state has its own.
    pub(super) const TRACE_NAMES: [&str; 11] = [
        "sniffing",
        "echoing",
        "handshaking",
        "in_clear",
        "open",
        "reading",
        Self::COMMITTING,
        "held",
        "draining",
        "drained",
        "closed",
    ];

    /// The index in [`TRACE_NAMES`](Self::TRACE_NAMES) of a connection whose replies wait for a commit.
    pub(super) const COMMITTING_TRACE_INDEX: usize = 6;

    /// Returns the index of its name in [`TRACE_NAMES`](Self::TRACE_NAMES).
    pub(super) fn trace_index(self) -> usize {
        match self {
            Self::Sniffing => 0,
            Self::Echoing => 1,
            Self::Handshaking => 2,
            Self::InClear => 3,
            Self::Open => 4,
            Self::Reading(_) => 5,
            Self::Held { .. } => 7,
            Self::Draining => 8,
            Self::Drained { .. } => 9,
            Self::Closed | Self::Lost => 10,
        }
    }

    /// Returns the name in metrics of a connection in this state whose replies do not wait for a commit.
    pub(super) fn metric_name(self) -> &'static str {
        match self {
            Self::Sniffing => "new",
            Self::Echoing => "echoing",
            Self::Handshaking => "handshaking",
            Self::Open => "open",
            Self::Reading(_) => "reading",
            Self::Held { .. } => "held",
            Self::InClear | Self::Draining | Self::Drained { .. } | Self::Closed | Self::Lost => {
                "closing"
            }
        }
    }
}

/// How soon a connection gives way when its place is needed: those of the first rank do so first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// It has said nothing.
    Silent,
    /// None of its frames was served yet, or no more will be: it sends a line of text, makes a TLS session, or got its last
    /// reply.
    Opening,
    /// It has done nothing since its last reply.
    Idle,
    /// The central waits for its peer: for the rest of a frame, or to take its replies.
    Owing,
}

impl Rank {
    /// All ranks, in their order.
    pub const ALL: [Self; 4] = [Self::Silent, Self::Opening, Self::Idle, Self::Owing];
}

/// Replies in the outbox that wait for a commit: nothing is sent until it is done, in whatever state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    /// The agency that they are about.
    pub agency: Agency,
    /// The commit.
    pub ticket: Ticket,
    /// Bytes in the outbox before the first of them: an outbox is far smaller than 4 GiB.
    pub before: u32,
    /// No request is served before that commit is done.
    pub stops: bool,
}

/// Replies behind those that are [owed](Owed), and about the same agency, which wait for the next commit of its session. All
/// that is decoded while a commit is under way is answered here.
#[derive(Debug)]
pub(super) struct Later {
    /// The agency that they are about.
    pub agency: Agency,
    /// The commit.
    pub ticket: Ticket,
    /// The replies.
    pub replies: Outbox,
}

/// What a connection waits for in the central. Ordered, commits come first and draws last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// This commit.
    Commit(Ticket),
    /// The reading of this agency.
    Read(Agency),
    /// The draw: its winners query is of this agency, and has this number among all that were held.
    Draw(Agency, u64),
}

impl Awaited {
    /// Returns whether it is the draw.
    pub fn is_draw(self) -> bool {
        matches!(self, Self::Draw(..))
    }
}

/// The result of a step of serving.
pub(super) enum Step {
    /// The state may allow another step.
    Again,
    /// Only more bytes help.
    NeedsInput,
    /// The store or the draw has to go on first.
    Wait,
}
