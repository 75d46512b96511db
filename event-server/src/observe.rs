//! What can be seen of a central from outside: how the lottery stands, and figures of the program.
//!
//! Values alone: whoever looks gets copies, and changes nothing. No names, documents or birthdates are among them.

mod counters;
mod histogram;

use frame::{Agency, Number};

pub use self::counters::{Counters, RequestKind};
pub use self::histogram::Histogram;

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
    /// Its name in the JSON of the HTTP port.
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
    /// Which.
    pub agency: Agency,
    /// How many of its bets are stored, as far as is known here.
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
    /// Each that takes part or has sent something, in the order of their numbers.
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
    /// Whether a bet could be stored now.
    pub store_up: bool,
}

/// Something that can be watched: the hub, or what a test puts in its place.
pub trait Observe {
    /// Tells that somebody looks at [`lottery`](Self::lottery) now and then, or nobody any more: a store that others write
    /// to, too, then has a look at what they have stored.
    fn watch(&mut self, watched: bool);

    /// Why no bet would be taken now: one sentence.
    fn unavailable(&self) -> Option<String>;

    /// How the lottery stands. Takes time in proportion to the agencies and the connections.
    fn lottery(&self) -> LotteryView;

    /// How many bets are stored; `None` where others store, too, and nobody has looked lately.
    fn bets(&self) -> Option<u64>;

    /// Figures for metrics. Takes time in proportion to the connections.
    fn figures(&self) -> Figures;
}
