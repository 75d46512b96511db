//! What a central counts since its start, in numbers and histograms. Counting takes no lock and allocates nothing.

use std::time::Duration;

use frame::{Calls, kind};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;

/// The histograms' bounds of durations, in nanoseconds.
const TIMES: [u64; 18] = [
    10 * MICROSECOND,
    25 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2_500 * MILLISECOND,
    10 * SECOND,
];

/// The histogram's bounds of how many bets a commit has.
const BETS: [u64; 14] = [
    0, 1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
];

/// The histogram's bounds of how many connections a turn serves.
const SERVED: [u64; 13] = [0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// To store one bet.
    Bet,
    /// To store a batch.
    Batch,
    /// To note that an agency has finished.
    Finished,
    /// To tell an agency's winners.
    Winners,
    /// To go on with an upload.
    Resume,
    /// Something unknown.
    Unknown,
}

impl RequestKind {
    /// All kinds, in the order of the variants.
    pub const ALL: [Self; 6] = [
        Self::Bet,
        Self::Batch,
        Self::Finished,
        Self::Winners,
        Self::Resume,
        Self::Unknown,
    ];

    /// Returns what a frame of this type asks for.
    pub fn of(frame_kind: u16) -> Self {
        match frame_kind {
            kind::BET => Self::Bet,
            kind::BATCH => Self::Batch,
            kind::FINISHED => Self::Finished,
            kind::WINNERS_QUERY => Self::Winners,
            kind::RESUME => Self::Resume,
            _ => Self::Unknown,
        }
    }

    /// Returns its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bet => "bet",
            Self::Batch => "batch",
            Self::Finished => "finished",
            Self::Winners => "winners",
            Self::Resume => "resume",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It ended in order, or its peer went.
    Finished,
    /// Its stream failed: a reset, mostly.
    Reset,
    /// Its peer took too long.
    TimedOut,
    /// Another connection goes on with its upload.
    Fenced,
    /// Its place or its memory was needed.
    Evicted,
    /// What came cannot be read, or is not spoken here.
    BrokenFrame,
    /// The store is away, or nobody knows what is stored of its agency.
    Dropped,
    /// The central stopped.
    Shutdown,
}

impl CloseReason {
    /// All reasons, in the order of the variants.
    pub const ALL: [Self; 8] = [
        Self::Finished,
        Self::Reset,
        Self::TimedOut,
        Self::Fenced,
        Self::Evicted,
        Self::BrokenFrame,
        Self::Dropped,
        Self::Shutdown,
    ];

    /// Returns its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Reset => "reset",
            Self::TimedOut => "timed_out",
            Self::Fenced => "fenced",
            Self::Evicted => "evicted",
            Self::BrokenFrame => "broken_frame",
            Self::Dropped => "dropped",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How often requests of one kind were accepted and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct VerdictCounts {
    accepted: u64,
    refused: u64,
}

/// What was counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    requests: [VerdictCounts; RequestKind::ALL.len()],
    /// Bets that are durable.
    pub bets_stored: u64,
    /// How long commits took, in nanoseconds.
    pub commit_duration: Histogram,
    /// How many bets each commit had.
    pub commit_bets: Histogram,
    /// How long turns of the loop took, in nanoseconds.
    pub turn_duration: Histogram,
    /// How many connections turns of the loop served.
    pub served: Histogram,
    /// How often the loop asked for events.
    pub polls: u64,
    /// Events that it got.
    pub events: u64,
    /// The outcomes of the reads and writes of closed connections.
    pub closed_calls: Calls,
    closed: [u64; CloseReason::ALL.len()],
    /// How often a remote store could be reached again after it was lost.
    pub store_reconnects: u64,
}

impl Counters {
    /// Begins with nothing counted.
    pub fn new() -> Self {
        Self {
            requests: Default::default(),
            bets_stored: 0,
            commit_duration: Histogram::new(&TIMES),
            commit_bets: Histogram::new(&BETS),
            turn_duration: Histogram::new(&TIMES),
            served: Histogram::new(&SERVED),
            polls: 0,
            events: 0,
            closed_calls: Calls::default(),
            closed: Default::default(),
            store_reconnects: 0,
        }
    }

    /// Counts a request that was judged.
    pub fn request(&mut self, kind: RequestKind, accepted: bool) {
        let counts = &mut self.requests[kind as usize];
        match accepted {
            true => counts.accepted += 1,
            false => counts.refused += 1,
        }
    }

    /// Returns how often requests of each kind were accepted, and refused.
    pub fn requests(&self) -> impl Iterator<Item = (RequestKind, u64, u64)> {
        let counts = RequestKind::ALL.iter().zip(&self.requests);
        counts.map(|(kind, counts)| (*kind, counts.accepted, counts.refused))
    }

    /// Counts a poll that brought so many events.
    pub fn poll(&mut self, events: u64) {
        self.polls += 1;
        self.events += events;
    }

    /// Counts a connection that is closed.
    pub fn close(&mut self, reason: CloseReason, calls: Calls) {
        self.closed[reason as usize] += 1;
        self.closed_calls += calls;
    }

    /// Returns how many connections were closed for each reason.
    pub fn closed(&self) -> impl Iterator<Item = (CloseReason, u64)> {
        CloseReason::ALL.into_iter().zip(self.closed)
    }

    /// Counts a commit that is done; `None`: it was not timed.
    pub fn commit(&mut self, bets: u64, took: Option<Duration>) {
        self.bets_stored += bets;
        self.commit_bets.record(bets);
        if let Some(took) = took {
            self.commit_duration.record(nanoseconds(took));
        }
    }

    /// Counts a turn of the loop.
    pub fn turn(&mut self, took: Duration) {
        self.turn_duration.record(nanoseconds(took));
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram of fixed bounds: plain numbers, so that recording a value takes no lock and allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bounds, ascending: each is the largest value of its bucket.
    bounds: &'static [u64],
    /// How many values there were up to each bound and above the one before; last come those above all bounds.
    counts: Box<[u64]>,
    sum: u64,
}

impl Histogram {
    /// Begins without values. `bounds` ascend.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1].into(),
            sum: 0,
        }
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Returns the sum of all values; it stays at the maximum instead of overflowing.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns how many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns each bound, and how many values lie up to it and above the one before; `None`: those above all bounds.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once_under_the_first_bound_that_is_not_below_it() {
        let mut histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, u64::MAX] {
            histogram.record(value);
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(Some(10), 2), (Some(100), 2), (None, 2)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, u64::MAX));
    }

    #[test]
    fn counting_takes_no_memory() {
        let mut counters = Counters::new();
        let count = allocation_counter::measure(|| {
            for i in 0..1_000 {
                counters.turn(Duration::from_micros(i));
                counters.served.record(i);
                counters.poll(i);
                counters.close(CloseReason::Reset, Calls::default());
                counters.commit(i, Some(Duration::from_millis(i)));
                counters.request(RequestKind::Batch, i % 3 == 0);
            }
        });
        assert_eq!(count.count_total, 0);
        let batches = counters
            .requests()
            .find(|(kind, ..)| *kind == RequestKind::Batch);
        assert_eq!(batches, Some((RequestKind::Batch, 334, 666)));
        assert_eq!(counters.bets_stored, 499_500);
        assert_eq!(counters.commit_duration.count(), 1_000);
        assert_eq!(counters.turn_duration.sum(), 499_500 * MICROSECOND);
    }
}
