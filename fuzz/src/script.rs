//! A stream of frames as lines of text, because no fuzzer finds the MD5 of a payload.
//!
//! | a line | stands for |
//! |---|---|
//! | `3{agency:1,…}` | a frame of type 3 with this payload, its length and its id right |
//! | `!3{agency:1,…}` | the same with a wrong id |
//! | `~3{agency:1,…}` | the same with a length that is four too large |
//! | `=text` | the bytes themselves |
//! | `>text` | the bytes themselves and a line feed |

use frame::{Frame, HEADER, MIN_LENGTH, MessageId};

/// Returns the bytes that a script stands for.
pub fn stream(script: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in script.split(|byte| *byte == b'\n') {
        match line {
            [] => {}
            [b'=', raw @ ..] => stream.extend_from_slice(raw),
            [b'>', raw @ ..] => {
                stream.extend_from_slice(raw);
                stream.push(b'\n');
            }
            [b'!', kind, payload @ ..] => push(&mut stream, *kind, 0, !0, payload),
            [b'~', kind, payload @ ..] => push(&mut stream, *kind, 4, 0, payload),
            [kind, payload @ ..] => push(&mut stream, *kind, 0, 0, payload),
        }
    }
    stream
}

fn push(stream: &mut Vec<u8>, kind: u8, surplus: u32, spoil: u8, payload: &[u8]) {
    let length = (MIN_LENGTH + payload.len()) as u32 + surplus;
    let mut id = MessageId::of(payload);
    id.0[0] ^= spoil;
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(&u16::from(kind.wrapping_sub(b'0')).to_be_bytes());
    stream.extend_from_slice(&id.0);
    stream.extend_from_slice(payload);
}

/// Returns the line of a script that stands for a frame; `None` where no line does.
pub fn line(frame: Frame<'_>) -> Option<Vec<u8>> {
    let kind = u8::try_from(frame.kind).ok()?.wrapping_add(b'0');
    let line = [&[kind], frame.payload].concat();
    (!line.contains(&b'\n')).then_some(line)
}

/// What a stream holds: its frames, what is left after them, and whether that begins with a length outside
/// the bounds.
#[derive(Debug)]
pub struct Frames<'a> {
    /// Each with its header.
    pub frames: Vec<&'a [u8]>,
    pub rest: &'a [u8],
    pub broken: bool,
}

/// Cuts a stream into frames, all of it at once.
pub fn frames(stream: &[u8], max_length: usize) -> Frames<'_> {
    let (mut frames, mut rest, mut broken) = (Vec::new(), stream, false);
    while let [a, b, c, d, ..] = *rest {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        broken = length < MIN_LENGTH || length > max_length;
        if broken || rest.len() < 4 + length {
            break;
        }
        let (frame, later) = rest.split_at(4 + length);
        frames.push(frame);
        rest = later;
    }
    Frames {
        frames,
        rest,
        broken,
    }
}

/// Returns a frame's parts, by their places.
pub fn parts(frame: &[u8]) -> Frame<'_> {
    Frame {
        kind: u16::from_be_bytes([frame[4], frame[5]]),
        id: MessageId(frame[6..HEADER].try_into().expect("16 bytes")),
        payload: &frame[HEADER..],
    }
}
