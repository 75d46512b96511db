//! Messages of any lengths, hashed together, have the MD5s that they have one by one.

#![no_main]

use frame::digest::{LANES, md5, md5_many};
use fuzz::input;
use libfuzzer_sys::fuzz_target;

/// The most messages that are hashed together here: more than two groups of lanes.
const MOST: usize = 2 * LANES + 2;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, data) = input::split(bytes, 64 * 1024);
    let mut rest = &data[..];
    let mut messages = Vec::new();
    for _ in 0..controls.below(MOST + 1) {
        let (message, after) = rest.split_at(controls.piece().min(rest.len()));
        messages.push(message);
        // Some messages overlap with the one before, so that little data makes many messages.
        if controls.below(3) > 0 {
            rest = after;
        }
    }
    let mut digests = vec![[0; 16]; messages.len()];
    md5_many(&messages, &mut digests);
    for (i, message) in messages.iter().enumerate() {
        let lengths: Vec<usize> = messages.iter().map(|message| message.len()).collect();
        assert_eq!(digests[i], md5(message), "message {i} of {lengths:?}");
    }
});
