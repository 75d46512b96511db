//! MD5 (RFC 1321) of one message or of several at once.
//!
//! Each step of MD5 needs the result of the step before it, so a processor that computes one MD5 waits most of the time.
//! Here up to [`LANES`] messages are hashed in step, one in each lane, four lanes in a vector: eight messages take about
//! a fifth of the time that they take one after another. Their lengths may differ: the messages that have blocks left go on
//! in step. The last of them, and a message alone, are hashed by the `md-5` crate.
//!
//! In come byte slices, out come digests of 16 bytes. Allocates nothing. Knows nothing of frames.

mod lanes;

use std::array;
use std::cmp::Reverse;

use md5::{Digest as _, Md5, block_api};

use self::lanes::{Block, State, VECTOR};

/// How many messages are hashed at once.
pub const LANES: usize = 2 * VECTOR;

/// Returns the MD5 of one message.
///
/// ```
/// let empty = frame::digest::md5(b"");
/// assert_eq!(empty[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
/// ```
pub fn md5(message: &[u8]) -> [u8; 16] {
    Md5::digest(message).into()
}

/// Computes the MD5 of each message, in their order; [`LANES`] of them are hashed at once.
///
/// This is fastest where the number of messages is a multiple of [`LANES`] and their lengths are similar.
///
/// ```
/// use frame::digest::{md5, md5_many};
///
/// let mut digests = [[0; 16]; 2];
/// md5_many(&[b"one", b"another"], &mut digests);
/// assert_eq!(digests, [md5(b"one"), md5(b"another")]);
/// ```
///
/// # Panics
/// There are not as many digests as messages.
pub fn md5_many(messages: &[&[u8]], digests: &mut [[u8; 16]]) {
    assert_eq!(
        messages.len(),
        digests.len(),
        "there must be room for one digest of each message"
    );
    let groups = messages.chunks(LANES).zip(digests.chunks_mut(LANES));
    for (messages, digests) in groups {
        match (messages, &mut *digests) {
            ([message], [digest]) => *digest = md5(message),
            _ => md5_group(messages, digests),
        }
    }
}

/// The same for at most [`LANES`] messages.
fn md5_group(messages: &[&[u8]], digests: &mut [[u8; 16]]) {
    let count = messages.len();
    let mut states = [lanes::INITIAL; LANES];
    let mut blocks: [&[Block]; LANES] = [&[]; LANES];
    let mut paddings = [[[0; 64]; 2]; LANES];
    let mut last_blocks: [&[Block]; LANES] = [&[]; LANES];
    for (i, (message, padding)) in messages.iter().zip(&mut paddings).enumerate() {
        let (whole, rest) = message.as_chunks();
        blocks[i] = whole;
        last_blocks[i] = pad(rest, message.len(), padding);
    }
    hash_blocks(&mut states[..count], &blocks[..count]);
    hash_blocks(&mut states[..count], &last_blocks[..count]);
    for (digest, state) in digests.iter_mut().zip(states) {
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_le_bytes();
        }
    }
}

/// The last blocks of a message: the bytes after its whole blocks, a bit that is set, zeros, and the length in bits.
fn pad<'p>(rest: &[u8], length: usize, padding: &'p mut [Block; 2]) -> &'p [Block] {
    let count = if rest.len() < 56 { 1 } else { 2 };
    let bytes = &mut padding.as_flattened_mut()[..64 * count];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    let bits = (length as u64).wrapping_mul(8).to_le_bytes();
    bytes[64 * count - 8..].copy_from_slice(&bits);
    &padding[..count]
}

/// Hashes the blocks of each message into its state: in step as long as two or more messages have blocks left.
fn hash_blocks(states: &mut [State], blocks: &[&[Block]]) {
    let mut order: [usize; LANES] = array::from_fn(|lane| lane);
    let order = &mut order[..blocks.len()];
    order.sort_unstable_by_key(|lane| Reverse(blocks[*lane].len()));
    let mut done = 0;
    for count in (1..=order.len()).rev() {
        // These have blocks left, and the last of them has the fewest.
        let active = &order[..count];
        let until = blocks[active[count - 1]].len();
        match *active {
            _ if done == until => {}
            [alone] => block_api::compress(&mut states[alone], &blocks[alone][done..until]),
            _ if count <= VECTOR => lanes::hash::<1>(states, blocks, active, done..until),
            _ => lanes::hash::<2>(states, blocks, active, done..until),
        }
        done = until;
    }
}
