//! A stream of bytes comes out of an [`Inbox`] as the same frames however it is cut and whenever they are taken
//! out, with or without their MD5s, within the bound of its memory.

#![no_main]

use frame::{Inbox, LENGTH_FIELD, MessageId};
use fuzz::input;
use fuzz::script::{self, Frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, data) = input::split(bytes, 192 * 1024);
    let max_length = controls.choose(&[65_536, 18, 64, 1_000, 5_000]);
    let bound = controls.choose(&[131_072, 0, 30, 4_096, 10_000]);
    let stream = if controls.byte() < 128 {
        data
    } else {
        script::stream(&data)
    };
    let Frames {
        frames,
        rest,
        broken,
    } = script::frames(&stream, max_length);
    let mut expected = frames.iter();

    let mut inbox = Inbox::new(max_length, bound);
    let (mut given, mut given_out, mut failed) = (0, 0, false);
    loop {
        let mut take = controls.below(5);
        if given < stream.len() {
            let (allocated, grows) = (inbox.allocated(), inbox.needs_memory());
            failed = !failed && controls.byte() == 1;
            let piece = controls.piece().min(stream.len() - given);
            let filled = inbox.fill(|space| {
                if failed {
                    return Err(std::io::ErrorKind::WouldBlock.into());
                }
                let count = piece.min(space.len());
                space[..count].copy_from_slice(&stream[given..given + count]);
                Ok(count)
            });
            match filled {
                Ok(Some(count)) => given += count,
                Ok(None) => {
                    assert!(inbox.has_frame(), "full without a whole frame");
                    take += 1;
                }
                Err(_) => take += 1,
            }
            assert!(grows || inbox.allocated() == allocated, "grew unannounced");
            assert!(inbox.allocated() <= bound.max(LENGTH_FIELD + max_length));
        } else {
            take = usize::MAX;
        }
        assert_eq!(inbox.unread(), &stream[given_out..given]);
        for _ in 0..take {
            let told = inbox.has_frame();
            let way = controls.below(4);
            let taken = match way {
                0 => inbox.frame().map(|frame| frame.map(|frame| (frame, None))),
                _ => inbox
                    .hashed_frame()
                    .map(|hashed| hashed.map(|(frame, md5)| (frame, Some(md5)))),
            };
            match taken {
                Ok(Some((frame, md5))) => {
                    let expected = expected.next().expect("a frame that nobody sent");
                    assert!(told && frame == script::parts(expected));
                    let right = MessageId::of(frame.payload);
                    assert!(md5.is_none_or(|md5| md5 == right), "the MD5 of another");
                    if way == 3 {
                        inbox.put_back(expected.len());
                        assert_eq!(
                            inbox.hashed_frame(),
                            Ok(Some((script::parts(expected), right)))
                        );
                    }
                    given_out += expected.len();
                }
                Ok(None) => {
                    assert!(!told);
                    break;
                }
                Err(error) => {
                    assert!(told && broken && expected.next().is_none());
                    assert_eq!(inbox.frame(), Err(error), "it stays one");
                    return;
                }
            }
        }
        if controls.byte() == 2 {
            inbox.release();
        }
        if take == usize::MAX {
            break;
        }
    }
    assert!(!broken && expected.next().is_none(), "a frame is missing");
    assert_eq!(inbox.unread(), rest);
});
