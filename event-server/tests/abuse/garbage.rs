//! Peers that send bytes which are no request at all.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use frame::{Frame, MAX_REPLY, kind};

use crate::common::{batch, bet, encode, raw};
use crate::log::{tells, times};
use crate::lottery::endures;

/// What comes on one connection.
struct Garbage {
    bytes: Vec<u8>,
    /// How often the server says that it could not receive.
    failures: usize,
    /// Frames that are refused one by one.
    replies: usize,
}

impl Garbage {
    /// Nothing that could be read, and not a reply.
    fn unreadable(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            failures: 1,
            replies: 0,
        }
    }

    fn any(rng: &mut fastrand::Rng) -> Self {
        let length = rng.usize(..5_000);
        let mut noise: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
        let good = encode(&batch(&bet(1, "1", false))).0;
        match rng.u8(..7) {
            // No first byte of anything.
            0 => {
                let first = [1, 8, 11, 12, 14, 31][rng.usize(..6)];
                noise.insert(0, first);
                Self::unreadable(noise)
            }
            // Frames of length zero.
            1 => Self::unreadable(vec![0; 4 + length]),
            // Too small, or oversized.
            2 => {
                let announced = [rng.u32(1..18), rng.u32(65_537..0x0100_0000)];
                let header = announced[rng.usize(..2)].to_be_bytes();
                Self::unreadable([&header[..], &noise].concat())
            }
            // Truncated.
            3 => {
                let cut = rng.usize(1..good.len());
                Self::unreadable(good[..cut].to_vec())
            }
            // Truncated behind whole ones that are spoilt.
            4 => {
                let (mut spoilt, cut) = (good.clone(), rng.usize(1..good.len()));
                spoilt[rng.usize(6..good.len())] ^= 1 << rng.u8(..8);
                let count = rng.usize(1..50);
                Self {
                    bytes: [&spoilt.repeat(count), &good[..cut]].concat(),
                    failures: 1,
                    replies: count,
                }
            }
            // Noise in whole frames.
            5 => {
                let kinds = [kind::BET, kind::BATCH, kind::WINNERS_QUERY, kind::RESUME];
                let frames = kinds.map(|kind| raw(kind, &noise));
                Self {
                    bytes: frames.concat(),
                    // Of a query and a resume.
                    failures: 2,
                    replies: 4,
                }
            }
            // Types that no request has; what follows is not looked at.
            _ => {
                let kinds = [0, kind::ACK, kind::WINNERS, kind::RESUMED, 9, u16::MAX];
                let frame = raw(kinds[rng.usize(..6)], &noise);
                Self {
                    bytes: [frame, good].concat(),
                    failures: 1,
                    replies: 1,
                }
            }
        }
    }
}

#[test]
fn garbage_truncated_oversized_and_zero_length_frames() {
    const CONNECTIONS: usize = 1_000;
    let mut failures = 0;
    let outcome = endures("garbage", &[], |abuse| {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut connections = 0;
        while connections < CONNECTIONS || !abuse.is_over() {
            let garbage = Garbage::any(&mut rng);
            let mut stream = abuse.connect();
            stream.write_all(&garbage.bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut replies = Vec::new();
            stream.read_to_end(&mut replies).unwrap();
            let (mut rest, mut count) = (replies.as_slice(), 0);
            while let Some(size) = Frame::size(rest, MAX_REPLY).unwrap() {
                let payload = Frame::split(&rest[..size]).unwrap().payload;
                assert!(payload.starts_with(b"{result:failure"), "{payload:?}");
                (rest, count) = (&rest[size..], count + 1);
            }
            assert_eq!(count, garbage.replies);
            failures += garbage.failures;
            connections += 1;
            if connections == 100 {
                abuse.is_under_way();
            }
        }
    });
    let log = &outcome.log;
    assert_eq!(times(log, "receive_message", "fail"), failures);
    for why in [
        "begins neither a frame nor a line of text",
        "error: a frame of length 0 is announced, allowed are 18 to 65536",
        "error: the stream ended in the middle of a frame",
        "error: the id is not the MD5 of the payload",
        "error: no request has type 65535",
        "error: byte 0 of the payload: expected",
    ] {
        tells(&outcome.log, why);
    }
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

#[test]
fn text_without_end() {
    const LINE: usize = 1_024;
    let environment = [("LOGGING_LEVEL", "DEBUG")];
    let outcome = endures("text without end", &environment, |abuse| {
        let text = [b'x'; 16 * 1024];
        let mut lines = 0;
        while lines < 20 || !abuse.is_over() {
            let mut stream = abuse.connect();
            stream
                .set_write_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            stream.write_all(&text).unwrap();
            let mut answer = [0; LINE + 1];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer[..LINE], text[..LINE]);
            assert_eq!(
                stream.read(&mut answer).unwrap(),
                0,
                "one line, and no more"
            );
            // It is read away for a while, and then no more.
            while stream.write_all(&text).is_ok() {}
            lines += 1;
            if lines == 5 {
                abuse.is_under_way();
            }
        }
    });
    let told = format!("msg: {}\n", "x".repeat(LINE));
    tells(&outcome.log, &told);
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}
