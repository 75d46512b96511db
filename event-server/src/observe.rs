//! What can be seen of a central from outside: how the lottery stands, its connections, and figures of the program.
//!
//! Plain values: a reader gets copies and changes nothing. No names, documents or birthdates are among them.

mod counters;
mod turns;

use std::ops::Range;
use std::time::{Duration, Instant};

use frame::{Agency, Calls, Number};

pub use self::counters::{CloseReason, Counters, Histogram, RequestKind};
pub use self::turns::{Phase, Second, Turns};

/// How far the lottery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Bets are taken; some agency has not finished.
    Open,
    /// All agencies have finished; the winners are being counted.
    Drawing,
    /// The winners are known.
    Drawn,
}

impl Stage {
    /// Returns its name in the JSON of the HTTP port.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Drawing => "drawing",
            Self::Drawn => "drawn",
        }
    }
}

/// How an agency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgencyView {
    /// The agency.
    pub agency: Agency,
    /// How many of its bets are stored, as far as this central knows.
    pub bets: u64,
    /// Whether it has finished.
    pub finished: bool,
    /// Whether a connection to this central speaks for it.
    pub connected: bool,
    /// How many of its bets won, once the winners are known.
    pub winners: Option<u64>,
}

/// How the lottery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotteryView {
    /// How far it is.
    pub stage: Stage,
    /// The number that won, once it is drawn.
    pub winner: Option<Number>,
    /// How many agencies take part; 0: anyone, and there is no draw.
    pub expected: u32,
    /// Each agency that takes part or has sent something, in the order of their numbers.
    pub agencies: Vec<AgencyView>,
}

/// Figures of the program, for metrics.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was counted since the start.
    pub counters: Counters,
    /// How many connections of agencies are in each state, by the state's name.
    pub connections: Vec<(&'static str, u64)>,
    /// How many winners queries wait for the draw.
    pub held: u64,
    /// Bytes that the buffers of all connections of agencies hold.
    pub buffered: u64,
    /// Bytes of replies to all of them that are not sent yet; a list that several share counts for each.
    pub unsent: u64,
    /// Whether a bet could be stored now.
    pub store_up: bool,
    /// Seconds until the central's certificate ends, negative after that; `None` without TLS.
    pub certificate_seconds: Option<i64>,
    /// How many connections were accepted so far.
    pub accepted: u64,
    /// Connections in the middle of a frame.
    pub partial_frames: u64,
    /// Connections that go on in the next turn without an event.
    pub ready: u64,
    /// The outcomes of the reads and writes of all connections so far.
    pub calls: Calls,
    /// The time of each phase of all turns, in the order of [`Phase::ALL`]; 0 if nobody watches.
    pub phases: [Duration; Phase::COUNT],
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing: it is idle.
    Nothing,
    /// The first byte of its peer.
    FirstByte,
    /// The rest of a frame, a line or a handshake that was begun.
    Rest,
    /// That its peer takes its replies.
    RepliesTaken,
    /// That its peer closes, too.
    Close,
    /// Its next turn.
    Turn,
    /// That its agency is read.
    Read,
    /// A commit.
    Commit,
    /// The draw.
    Draw,
}

impl Wait {
    /// Their names in traces and pages, in the order of the variants.
    pub const NAMES: [&str; 9] = [
        "nothing",
        "first_byte",
        "rest",
        "replies_taken",
        "close",
        "turn",
        "read",
        "commit",
        "draw",
    ];
}

/// A connection as it is now: nothing of its peer's address, nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Its slot.
    pub slot: usize,
    /// Which one it is of all that were accepted, from 0 on.
    pub serial: u64,
    /// The index of its state in [`Bounds::states`].
    pub state: usize,
    /// The agency that it speaks for.
    pub agency: Option<Agency>,
    /// How long ago it was accepted.
    pub age: Duration,
    /// Bytes in its inbox.
    pub inbox: usize,
    /// Bytes in its outbox.
    pub outbox: usize,
    /// The outcomes of its reads and writes so far.
    pub calls: Calls,
    /// The frame that has begun: its bytes so far, and its size, once that is known.
    pub begun: Option<(usize, Option<usize>)>,
    /// What it waits for.
    pub waits: Wait,
}

/// The bounds of connections, and the states that they may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Bytes in an inbox.
    pub inbox: usize,
    /// Bytes in an outbox; one reply may come on top.
    pub outbox: usize,
    /// The names of the states.
    pub states: &'static [&'static str],
}

/// Something that can be watched: the hub, or what a test puts in its place.
pub trait Observe {
    /// Notes whether somebody keeps asking for [`lottery`](Self::lottery). While somebody does, a store to which other
    /// centrals write reads what they have stored.
    fn watch(&mut self, watched: bool);

    /// Returns why no bet would be taken now: one sentence.
    fn unavailable(&self) -> Option<String>;

    /// Returns how the lottery stands. Takes time in proportion to the agencies and the connections.
    fn lottery(&self) -> LotteryView;

    /// Returns how many bets are stored; `None` if others store, too, and what they have stored was not read lately.
    fn bets(&self) -> Option<u64>;

    /// Returns the outcomes of all connections' reads and writes so far. Takes time in proportion to the connections.
    fn calls(&self) -> Calls;

    /// Returns figures of the turns of the loop.
    fn turns(&self) -> &Turns;

    /// Returns the bounds of connections.
    fn bounds(&self) -> Bounds;

    /// Returns a number that is larger than every slot.
    fn slots(&self) -> usize;

    /// Calls `each` for every connection in these slots, in their order.
    fn connections(&self, slots: Range<usize>, now: Instant, each: &mut dyn FnMut(&ConnectionView));

    /// Returns figures for metrics. Takes time in proportion to the connections.
    fn figures(&self) -> Figures;
}
