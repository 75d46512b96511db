//! An input, cut into what decides how things happen and what they happen to.
//!
//! ```text
//! | n | n control bytes | data |
//! ```
//!
//! The controls go round and round, so that few of them describe a long run; without any all are 0. In the
//! data a byte 0xFF and a count stand for many copies of the byte before them: long names, rows and frames
//! are then few bytes to a fuzzer.

/// Copies for each count of a stretch.
const COPIES: usize = 64;

/// The control bytes, in an endless round.
#[derive(Clone, Debug)]
pub struct Controls<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Controls<'_> {
    /// Returns the next control byte.
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at = (self.at + 1) % self.bytes.len().max(1);
        byte
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Returns one of these.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Returns the bytes of a piece: any number up to 200, some larger ones, or all.
    pub fn piece(&mut self) -> usize {
        match self.byte() {
            0 => usize::MAX,
            small @ 1..=200 => small.into(),
            large => usize::from(large - 200) * 1_021,
        }
    }
}

/// Cuts an input into controls and data, of which there are at most `most` bytes.
pub fn split(input: &[u8], most: usize) -> (Controls<'_>, Vec<u8>) {
    let (count, rest) = input.split_first().unwrap_or((&0, &[]));
    let (bytes, data) = rest.split_at(rest.len().min((*count).into()));
    (Controls { bytes, at: 0 }, stretched(data, most))
}

/// Returns the input that is cut into these controls and this data.
pub fn join(controls: &[u8], data: &[u8]) -> Vec<u8> {
    let count = u8::try_from(controls.len()).expect("at most 255 controls");
    let mut input = [&[count], controls].concat();
    for byte in data {
        input.push(*byte);
        if *byte == 0xff {
            input.push(0);
        }
    }
    input
}

/// Unpacks the data: 0xFF 0x00 is one byte 0xFF; 0xFF and another count `n` are `n` times [`COPIES`] copies of the byte
/// before.
fn stretched(mut data: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let [byte, rest @ ..] = data {
        data = rest;
        if *byte != 0xff {
            out.push(*byte);
        } else if let [count, rest @ ..] = data {
            data = rest;
            let (copies, byte) = match (*count, out.last()) {
                (1.., Some(last)) => (usize::from(*count) * COPIES, *last),
                _ => (1, 0xff),
            };
            out.resize((out.len() + copies).min(most), byte);
        }
    }
    out.truncate(most);
    out
}
