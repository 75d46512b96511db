//! The outcomes of the calls on a stream: each read and each write has one, and is counted under it.
//!
//! On a non-blocking stream short reads and short writes happen to every message sooner or later; here they are counted.
//! Counting takes no clock, no memory and no lock.

use std::io;
use std::ops::AddAssign;

/// The outcome of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// All of the space was filled: more bytes may be there.
    Full,
    /// Fewer bytes came than there was space for.
    Short,
    /// No bytes are there yet.
    WouldBlock,
    /// The peer has finished writing.
    End,
    /// The stream failed.
    Error,
}

impl ReadOutcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::Short,
        Self::WouldBlock,
        Self::End,
        Self::Error,
    ];

    /// Returns its name in metrics, traces and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Short => "short",
            Self::WouldBlock => "would_block",
            Self::End => "end",
            Self::Error => "error",
        }
    }

    /// Returns the outcome of a read into this many bytes of space, at least one.
    fn of(result: &io::Result<usize>, space: usize) -> Self {
        match result {
            Ok(0) => Self::End,
            Ok(count) if *count == space => Self::Full,
            Ok(_) => Self::Short,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Self::WouldBlock,
            Err(_) => Self::Error,
        }
    }
}

/// The outcome of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// All bytes that were offered were written.
    Whole,
    /// Fewer bytes were written than were offered: the rest waits for the next event.
    Short,
    /// The stream takes no bytes now.
    WouldBlock,
    /// The stream failed.
    Error,
}

impl WriteOutcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Short, Self::WouldBlock, Self::Error];

    /// Returns its name in metrics, traces and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Short => "short",
            Self::WouldBlock => "would_block",
            Self::Error => "error",
        }
    }

    /// Returns the outcome of a write of this many bytes, at least one.
    fn of(result: &io::Result<usize>, offered: usize) -> Self {
        match result {
            Ok(0) => Self::Error,
            Ok(count) if *count == offered => Self::Whole,
            Ok(_) => Self::Short,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Self::WouldBlock,
            Err(_) => Self::Error,
        }
    }
}

/// The counts of one stream, as small as they can be: a count of calls that has reached `u32::MAX` stays there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    received: u64,
    sent: u64,
    reads: [u32; 3],
    writes: [u32; 3],
    /// A stream ends once, and fails once in each direction.
    ended: bool,
    read_failed: bool,
    write_failed: bool,
}

impl Counts {
    /// Counts a read into `space` bytes.
    pub(crate) fn read(&mut self, result: &io::Result<usize>, space: usize) -> ReadOutcome {
        let outcome = ReadOutcome::of(result, space);
        self.received += *result.as_ref().unwrap_or(&0) as u64;
        match outcome {
            ReadOutcome::End => self.ended = true,
            ReadOutcome::Error => self.read_failed = true,
            counted => increment(&mut self.reads[counted as usize]),
        }
        outcome
    }

    /// Counts a write of `offered` bytes.
    pub(crate) fn write(&mut self, result: &io::Result<usize>, offered: usize) -> WriteOutcome {
        let outcome = WriteOutcome::of(result, offered);
        self.sent += *result.as_ref().unwrap_or(&0) as u64;
        match outcome {
            WriteOutcome::Error => self.write_failed = true,
            counted => increment(&mut self.writes[counted as usize]),
        }
        outcome
    }
}

fn increment(count: &mut u32) {
    *count = count.saturating_add(1);
}

/// How many reads and writes had each outcome, and how many bytes they moved: of one stream, or of many together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Bytes that were read.
    pub received: u64,
    /// Bytes that were written.
    pub sent: u64,
    /// Reads, in the order of [`ReadOutcome::ALL`].
    pub reads: [u64; ReadOutcome::ALL.len()],
    /// Writes, in the order of [`WriteOutcome::ALL`].
    pub writes: [u64; WriteOutcome::ALL.len()],
}

impl From<&Counts> for Calls {
    fn from(counts: &Counts) -> Self {
        let [full, short, would_block] = counts.reads.map(u64::from);
        let (ended, failed) = (u64::from(counts.ended), u64::from(counts.read_failed));
        let [whole, written_short, refused] = counts.writes.map(u64::from);
        Self {
            received: counts.received,
            sent: counts.sent,
            reads: [full, short, would_block, ended, failed],
            writes: [
                whole,
                written_short,
                refused,
                u64::from(counts.write_failed),
            ],
        }
    }
}

impl AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.sent += other.sent;
        let reads = self.reads.iter_mut().zip(other.reads);
        reads.for_each(|(sum, count)| *sum += count);
        let writes = self.writes.iter_mut().zip(other.writes);
        writes.for_each(|(sum, count)| *sum += count);
    }
}
