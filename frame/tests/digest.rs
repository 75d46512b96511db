//! Many MD5s at once are the same as one after another, by the `md-5` crate.

use frame::digest::{LANES, md5, md5_many};
use md5::{Digest, Md5};
use proptest::prelude::*;

/// Lengths at which the number of blocks or of padding blocks changes, and those beside them.
const BORDERS: [usize; 14] = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 184, 8_170];

/// Bytes that differ from message to message.
fn message(seed: usize, length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed as u64);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// Checks every digest of these messages.
fn check(messages: &[Vec<u8>]) {
    let parts: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut digests = vec![[0xaa; 16]; parts.len()];
    md5_many(&parts, &mut digests);
    for (i, part) in parts.iter().enumerate() {
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let expected: [u8; 16] = Md5::digest(part).into();
        assert_eq!(digests[i], expected, "message {i} of {lengths:?}");
        assert_eq!(md5(part), expected);
    }
}

#[test]
fn the_examples_of_rfc_1321_have_their_digests() {
    let examples: [(&[u8], u128); 7] = [
        (b"", 0xd41d8cd98f00b204e9800998ecf8427e),
        (b"a", 0x0cc175b9c0f1b6a831c399e269772661),
        (b"abc", 0x900150983cd24fb0d6963f7d28e17f72),
        (b"message digest", 0xf96b697d7cb7938d525a2f31aaf161d0),
        (
            b"abcdefghijklmnopqrstuvwxyz",
            0xc3fcd3d76192e4007dfb496cca67e13b,
        ),
        (
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            0xd174ab98d277d9f5a5611c2c9f419d9f,
        ),
        (
            b"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            0x57edf4a22be3c955ac49da2e2107b67a,
        ),
    ];
    let expected = examples.map(|(_, digest)| digest.to_be_bytes());
    let mut digests = [[0; 16]; 7];
    md5_many(&examples.map(|(message, _)| message), &mut digests);
    assert_eq!(digests, expected);
    assert_eq!(examples.map(|(message, _)| md5(message)), expected);
}

#[test]
fn every_length_up_to_300_is_hashed_beside_messages_of_other_lengths() {
    for length in 0..=300 {
        for count in 1..=LANES {
            let same: Vec<_> = (0..count).map(|i| message(i, length)).collect();
            check(&same);
            let rising: Vec<_> = (0..count).map(|i| message(i, length + 61 * i)).collect();
            check(&rising);
        }
    }
}

#[test]
fn lengths_at_the_borders_of_blocks_mix_in_every_lane() {
    for a in BORDERS {
        for b in BORDERS {
            for c in BORDERS {
                let others = (0..).map(|i| BORDERS[(a + b + c + i) % BORDERS.len()]);
                let lengths = [a, b, c].into_iter().chain(others);
                let all: Vec<_> = lengths
                    .enumerate()
                    .map(|(i, l)| message(i, l))
                    .take(LANES)
                    .collect();
                check(&all[..2 + (a + b) % (LANES - 1)]);
            }
        }
    }
}

#[test]
#[should_panic(expected = "room for one digest of each message")]
fn digests_without_a_place_are_a_bug_of_the_caller() {
    md5_many(&[b"one", b"two"], &mut [[0; 16]]);
}

proptest! {
    #[test]
    fn any_messages_have_their_digests(messages in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
        check(&messages);
    }
}
