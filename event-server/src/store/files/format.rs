//! The bytes of the log. All numbers are big-endian.
//!
//! ```text
//! bets.wal  0      52      start
//!           +------+-------+--------+--------+--------+-----------------+
//!           | head | facts | turn n | n + 1  | n + 2  | no turns of it  |
//!           +------+-------+--------+--------+--------+-----------------+
//!           checkpoint     |        |
//!           ,--------------'        '--------------.
//! turn n    | header | rows | facts                |
//!           '--------------------------------------'
//! bets.csv  | rows up to the checkpoint | rows of turn n | of n + 1 | of n + 2 |
//!           0                           ^ length         ^ position of n + 1
//!
//! head      0          8         12           16     24         32       40         44      48    52
//!           | BETS.WAL | version | durability | salt | sequence | length | bets crc | facts | crc |
//!
//! header    0      8          16         24     32      36    40
//!           | salt | sequence | position | rows | facts | crc |
//! ```
//!
//! - A head says how long bets.csv was at the checkpoint, all of it synced, and its CRC-32. The facts behind it are what
//!   the state was then.
//! - `salt` is random, and no peer can know it. Every record repeats that of its head: no bytes that a peer has sent pass
//!   for a record, nor does a record of another log. Behind the last turn stand zeros, or what an earlier log has left in
//!   the same file.
//! - `sequence` counts turns, and goes on from log to log. That of a head is of the last turn before it.
//! - `position` is the byte of bets.csv at which the rows of the turn go.
//! - `rows` is in bytes, `facts` a number of them. A fact has 48 bytes, which are pictured in `entry.rs`.
//! - The `crc` of a head is over the head and its facts, that of a header over the whole record; neither over itself.
//!
//! Each value is decoded from just the bytes that it is encoded to.

use crc32fast::Hasher;

/// The first bytes of a log.
const MAGIC: [u8; 8] = *b"BETS.WAL";

/// The version that is written. Version 1, of release 0.1.0, is read too: it has no facts of the kinds above 5. That
/// release refuses every other version.
pub(super) const VERSION: u32 = 2;

/// Bytes of a log's head, its facts not counted.
pub(super) const HEAD: usize = 52;

/// Bytes of a turn's header.
pub(super) const HEADER: usize = 40;

/// Bytes of a fact.
pub(super) const FACT: usize = 48;

/// Bytes of a checksum: the last of a head and of a header.
const CRC: usize = 4;

/// The largest number that a head may hold: far more than any server counts or any file reaches, so that what a log
/// adds to it cannot overflow.
const FAR: u64 = u64::MAX / 2;

/// Whether what is acknowledged outlives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does: every turn is synced before it is acknowledged.
    Always,
    /// It outlives the process alone: nothing is synced.
    Never,
}

/// How a log begins: a checkpoint. The facts that the state adds up to stand right behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) durability: Durability,
    /// Marks every record of this log.
    pub(super) salt: u64,
    /// The last turn before this log; its records count on from it.
    pub(super) sequence: u64,
    /// Bytes of bets.csv, all of them synced.
    pub(super) length: u64,
    /// Their checksum.
    pub(super) bets_crc: u32,
    /// How many facts follow.
    pub(super) facts: u32,
}

impl Head {
    /// A head before its facts are counted. Its salt is never zero, or zeros behind the last turn could pass for a
    /// record.
    pub(super) fn new(
        durability: Durability,
        salt: u64,
        sequence: u64,
        length: u64,
        bets: &Hasher,
    ) -> Self {
        let bets_crc = bets.clone().finalize();
        Self {
            version: VERSION,
            durability,
            salt: salt.max(1),
            sequence,
            length,
            bets_crc,
            facts: 0,
        }
    }

    /// The head's bytes. `facts` is the checksum of the facts, which the head's own covers too.
    pub(super) fn encode(&self, facts: &Hasher) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let (covered, crc) = bytes.split_at_mut(HEAD - CRC);
        let durability = match self.durability {
            Durability::Never => 0_u32,
            Durability::Always => 1,
        };
        put(
            covered,
            &[
                &MAGIC,
                &self.version.to_be_bytes(),
                &durability.to_be_bytes(),
                &self.salt.to_be_bytes(),
                &self.sequence.to_be_bytes(),
                &self.length.to_be_bytes(),
                &self.bets_crc.to_be_bytes(),
                &self.facts.to_be_bytes(),
            ],
        );
        let mut hasher = begin(covered);
        hasher.combine(facts);
        put(crc, &[&hasher.finalize().to_be_bytes()]);
        bytes
    }

    /// The head, the checksum stored in it, and a hasher that has taken in the head: with the facts added, it has to
    /// give that checksum. `None`: this is no log.
    pub(super) fn decode(bytes: &[u8; HEAD]) -> Option<(Self, u32, Hasher)> {
        let mut fields = Fields(bytes);
        if fields.take::<8>() != MAGIC {
            return None;
        }
        let head = Self {
            version: fields.u32(),
            durability: match fields.u32() {
                0 => Durability::Never,
                1 => Durability::Always,
                _ => return None,
            },
            salt: fields.u64(),
            sequence: fields.u64(),
            length: fields.u64(),
            bets_crc: fields.u32(),
            facts: fields.u32(),
        };
        if head.sequence.max(head.length) > FAR {
            return None;
        }
        Some((head, fields.u32(), begin(&bytes[..HEAD - CRC])))
    }
}

/// What stands before the rows and facts of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The log's.
    pub(super) salt: u64,
    /// Which turn; it counts up by one, and goes on from log to log.
    pub(super) sequence: u64,
    /// The byte of bets.csv at which the rows go.
    pub(super) position: u64,
    /// Bytes of rows.
    pub(super) rows: u64,
    /// Number of facts.
    pub(super) facts: u32,
    /// The record's checksum; it covers all of it but these four bytes.
    pub(super) crc: u32,
}

impl Header {
    /// Writes the header, with the record's checksum, to the place kept for it at the record's beginning.
    pub(super) fn seal(&self, record: &mut [u8]) {
        let (header, body) = record.split_at_mut(HEADER);
        let (covered, crc) = header.split_at_mut(HEADER - CRC);
        put(
            covered,
            &[
                &self.salt.to_be_bytes(),
                &self.sequence.to_be_bytes(),
                &self.position.to_be_bytes(),
                &self.rows.to_be_bytes(),
                &self.facts.to_be_bytes(),
            ],
        );
        let mut hasher = begin(covered);
        hasher.update(body);
        put(crc, &[&hasher.finalize().to_be_bytes()]);
    }

    /// The header, and a hasher that has taken in its bytes.
    pub(super) fn decode(bytes: &[u8; HEADER]) -> (Self, Hasher) {
        let mut fields = Fields(bytes);
        let header = Self {
            salt: fields.u64(),
            sequence: fields.u64(),
            position: fields.u64(),
            rows: fields.u64(),
            facts: fields.u32(),
            crc: fields.u32(),
        };
        (header, begin(&bytes[..HEADER - CRC]))
    }

    /// Where the record that begins at `at` ends; `None` where that overflows: no file is so long.
    pub(super) fn end(&self, at: u64) -> Option<u64> {
        let facts = u64::from(self.facts) * FACT as u64;
        at.checked_add(HEADER as u64)?
            .checked_add(self.rows)?
            .checked_add(facts)
    }
}

/// A hasher that has taken in these bytes.
pub(super) fn begin(bytes: &[u8]) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher
}

/// Fills `place` with `parts`, one behind the other; together they have its size.
pub(super) fn put(place: &mut [u8], parts: &[&[u8]]) {
    let mut rest = place;
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    debug_assert!(rest.is_empty(), "parts fill their place");
}

/// Reads fields one behind the other; together they have the size of these bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("the sizes of the fields add up");
        self.0 = rest;
        *field
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_and_a_header_come_back_as_they_went() {
        let head = Head {
            version: VERSION,
            durability: Durability::Always,
            salt: 1 << 60,
            sequence: 2 << 50,
            length: 3 << 40,
            bets_crc: 4,
            facts: 5,
        };
        let bytes = head.encode(&begin(b"facts"));
        let (decoded, said, mut found) = Head::decode(&bytes).unwrap();
        found.update(b"facts");
        assert_eq!((decoded, said), (head, found.finalize()));

        let mut record = vec![7; HEADER + 100];
        let header = Header {
            salt: 1,
            sequence: 2,
            position: 3,
            rows: 52,
            facts: 1,
            crc: 0,
        };
        header.seal(&mut record);
        let (decoded, mut found) = Header::decode(record.first_chunk().unwrap());
        found.update(&record[HEADER..]);
        assert_eq!(
            decoded,
            Header {
                crc: found.finalize(),
                ..header
            }
        );
        assert_eq!(decoded.end(10), Some(10 + 140));
        assert_eq!(
            Header {
                rows: u64::MAX,
                ..header
            }
            .end(10),
            None
        );
    }

    #[test]
    fn a_head_that_counts_just_so_far_is_one_and_one_farther_is_none() {
        let far = |sequence, length| {
            let head = Head {
                version: VERSION,
                durability: Durability::Always,
                salt: 1,
                sequence,
                length,
                bets_crc: 0,
                facts: 0,
            };
            Head::decode(&head.encode(&Hasher::new())).is_some()
        };
        assert!(far(FAR, FAR));
        assert!(!far(FAR + 1, 0) && !far(0, FAR + 1));
    }
}
