//! The compression function of MD5 (RFC 1321, section 3.4) over a block of each of several messages, in step.
//!
//! A word of four messages is a vector, and each operation is done on all vectors before the next one. So a processor does
//! it for four messages at once, and works on the other vectors where it would wait. `wide` makes vectors of whatever every
//! processor of its kind has: SSE2 on x86-64.

use std::array;
use std::ops::Range;

use wide::u32x4;

/// 64 bytes of a message.
pub(super) type Block = [u8; 64];

/// The four words of an MD5 that is being computed.
pub(super) type State = [u32; 4];

/// The state before the first block.
pub(super) const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Messages of a vector.
pub(super) const VECTOR: usize = 4;

/// One word of each message, in `N` vectors.
type Words<const N: usize> = [u32x4; N];

/// Hashes these blocks of the messages with these numbers, of which there are at most `N` vectors, into the states with the
/// same numbers.
pub(super) fn hash<const N: usize>(
    states: &mut [State],
    blocks: &[&[Block]],
    lanes: &[usize],
    range: Range<usize>,
) {
    // Where there are fewer messages, the first one is hashed more than once.
    let lanes: [[usize; VECTOR]; N] = array::from_fn(|n| {
        array::from_fn(|i| lanes.get(VECTOR * n + i).copied().unwrap_or(lanes[0]))
    });
    let blocks = lanes.map(|lanes| lanes.map(|lane| &blocks[lane][range.clone()]));
    let mut state =
        array::from_fn(|word| lanes.map(|lanes| u32x4::new(lanes.map(|lane| states[lane][word]))));
    for i in 0..range.len() {
        compress(
            &mut state,
            blocks.map(|blocks| blocks.map(|blocks| &blocks[i])),
        );
    }
    for (n, lanes) in lanes.into_iter().enumerate() {
        for (i, lane) in lanes.into_iter().enumerate() {
            states[lane] = state.map(|words| words[n].to_array()[i]);
        }
    }
}

#[inline(always)]
fn compress<const N: usize>(state: &mut [Words<N>; 4], blocks: [[&Block; VECTOR]; N]) {
    let blocks = words(blocks);
    let mut new = *state;
    new = round(new, &blocks, &ROUND_1, |i| i, |b, c, d| d ^ (b & (c ^ d)));
    new = round(
        new,
        &blocks,
        &ROUND_2,
        |i| 5 * i + 1,
        |b, c, d| c ^ (d & (b ^ c)),
    );
    new = round(new, &blocks, &ROUND_3, |i| 3 * i + 5, |b, c, d| b ^ c ^ d);
    new = round(new, &blocks, &ROUND_4, |i| 7 * i, |b, c, d| c ^ (b | !d));
    *state = array::from_fn(|word| array::from_fn(|n| state[word][n] + new[word][n]));
}

/// The sixteen words of each block. Four words of each of four blocks are read at once, and then exchange rows and columns: that
/// is half of the work of picking the words one by one.
#[inline(always)]
fn words<const N: usize>(blocks: [[&Block; VECTOR]; N]) -> [Words<N>; 16] {
    let mut words = [[u32x4::ZERO; N]; 16];
    for (n, blocks) in blocks.into_iter().enumerate() {
        for (quarter, words) in words.as_chunks_mut::<VECTOR>().0.iter_mut().enumerate() {
            let rows = blocks.map(|block| {
                let word = |i| u32::from_le_bytes(block.as_chunks().0[VECTOR * quarter + i]);
                u32x4::new(array::from_fn(word))
            });
            for (words, column) in words.iter_mut().zip(u32x4::transpose(rows)) {
                words[n] = column;
            }
        }
    }
    words
}

/// What differs between the four rounds, beside the order of the words and the function.
struct Round {
    shifts: [u32; 4],
    constants: [u32; 16],
}

/// Sixteen steps. Step `i` takes the word `order(i)`, modulo 16, of each block. Written out, since a loop over them is a
/// tenth slower.
#[inline(always)]
fn round<const N: usize>(
    [mut a, mut b, mut c, mut d]: [Words<N>; 4],
    blocks: &[Words<N>; 16],
    round: &Round,
    order: impl Fn(usize) -> usize,
    function: impl Fn(u32x4, u32x4, u32x4) -> u32x4,
) -> [Words<N>; 4] {
    let step = |a: Words<N>, b: Words<N>, c: Words<N>, d: Words<N>, i: usize| {
        array::from_fn(|n| {
            let sum = blocks[order(i) % 16][n]
                + u32x4::splat(round.constants[i])
                + a[n]
                + function(b[n], c[n], d[n]);
            rotate_left(sum, round.shifts[i % 4]) + b[n]
        })
    };
    a = step(a, b, c, d, 0);
    d = step(d, a, b, c, 1);
    c = step(c, d, a, b, 2);
    b = step(b, c, d, a, 3);
    a = step(a, b, c, d, 4);
    d = step(d, a, b, c, 5);
    c = step(c, d, a, b, 6);
    b = step(b, c, d, a, 7);
    a = step(a, b, c, d, 8);
    d = step(d, a, b, c, 9);
    c = step(c, d, a, b, 10);
    b = step(b, c, d, a, 11);
    a = step(a, b, c, d, 12);
    d = step(d, a, b, c, 13);
    c = step(c, d, a, b, 14);
    b = step(b, c, d, a, 15);
    [a, b, c, d]
}

#[inline(always)]
fn rotate_left(words: u32x4, by: u32) -> u32x4 {
    (words << by) | (words >> (32 - by))
}

// The constant of step i, counted from 1 over all rounds, is the whole part of 2^32 * |sin(i)|.

const ROUND_1: Round = Round {
    shifts: [7, 12, 17, 22],
    constants: [
        0xd76a_a478,
        0xe8c7_b756,
        0x2420_70db,
        0xc1bd_ceee,
        0xf57c_0faf,
        0x4787_c62a,
        0xa830_4613,
        0xfd46_9501,
        0x6980_98d8,
        0x8b44_f7af,
        0xffff_5bb1,
        0x895c_d7be,
        0x6b90_1122,
        0xfd98_7193,
        0xa679_438e,
        0x49b4_0821,
    ],
};

const ROUND_2: Round = Round {
    shifts: [5, 9, 14, 20],
    constants: [
        0xf61e_2562,
        0xc040_b340,
        0x265e_5a51,
        0xe9b6_c7aa,
        0xd62f_105d,
        0x0244_1453,
        0xd8a1_e681,
        0xe7d3_fbc8,
        0x21e1_cde6,
        0xc337_07d6,
        0xf4d5_0d87,
        0x455a_14ed,
        0xa9e3_e905,
        0xfcef_a3f8,
        0x676f_02d9,
        0x8d2a_4c8a,
    ],
};

const ROUND_3: Round = Round {
    shifts: [4, 11, 16, 23],
    constants: [
        0xfffa_3942,
        0x8771_f681,
        0x6d9d_6122,
        0xfde5_380c,
        0xa4be_ea44,
        0x4bde_cfa9,
        0xf6bb_4b60,
        0xbebf_bc70,
        0x289b_7ec6,
        0xeaa1_27fa,
        0xd4ef_3085,
        0x0488_1d05,
        0xd9d4_d039,
        0xe6db_99e5,
        0x1fa2_7cf8,
        0xc4ac_5665,
    ],
};

const ROUND_4: Round = Round {
    shifts: [6, 10, 15, 21],
    constants: [
        0xf429_2244,
        0x432a_ff97,
        0xab94_23a7,
        0xfc93_a039,
        0x655b_59c3,
        0x8f0c_cc92,
        0xffef_f47d,
        0x8584_5dd1,
        0x6fa8_7e4f,
        0xfe2c_e6e0,
        0xa301_4314,
        0x4e08_11a1,
        0xf753_7e82,
        0xbd3a_f235,
        0x2ad7_d2bb,
        0xeb86_d391,
    ],
};
