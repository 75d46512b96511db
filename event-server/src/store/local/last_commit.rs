//! The last acknowledged turn, noted in the lock file.
//!
//! ```text
//! 0      8          16    20
//! | salt | sequence | crc |        big-endian; crc over the 16 bytes before it
//! ```
//!
//! Written after a turn is durable, never synced. So it tells nothing that is not true: a log with this salt
//! did hold this turn. A power cut may take it back; a killed server leaves it. With it, recovery tells
//! a last turn that was damaged, or cut off together with the end of the log, from one that never was
//! acknowledged.

use super::bytes::{Fields, put};
use super::error::StoreError;
use super::files::{Open, RandomAccess};
use super::record;

const SIZE: usize = 20;

/// Says that a turn was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastCommit {
    /// Of the log that has the turn.
    pub(super) salt: u64,
    /// The turn.
    pub(super) sequence: u64,
}

impl LastCommit {
    pub(super) fn write<H: RandomAccess>(self, lock: &Open<H>) -> Result<(), StoreError> {
        let mut bytes = [0; SIZE];
        let (covered, crc) = bytes.split_at_mut(16);
        put(
            covered,
            &[&self.salt.to_be_bytes(), &self.sequence.to_be_bytes()],
        );
        put(crc, &[&record::begin(covered).finalize().to_be_bytes()]);
        lock.write(&bytes, 0)
    }

    /// What the lock file holds, where it is whole.
    pub(super) fn read<H: RandomAccess>(lock: &Open<H>) -> Result<Option<Self>, StoreError> {
        let mut bytes = [0; SIZE];
        lock.read(&mut bytes, 0)?;
        let mut fields = Fields(&bytes);
        let last = Self {
            salt: fields.u64(),
            sequence: fields.u64(),
        };
        let whole = fields.u32() == record::begin(&bytes[..16]).finalize();
        Ok(whole.then_some(last))
    }
}
