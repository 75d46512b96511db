//! The blocks of the agency file and their checksums, so that a later reading gives the bytes of the first one or none.
//!
//! ```text
//! first reading    bytes in any pieces ---------------------------> bytes, and the checksum of each block
//! later readings   a whole block, whose checksum is compared -----> its bytes, or Changed
//! ```
//!
//! No byte of a block is given before the whole block was compared. Blocks have [`SMALLEST`] bytes. Where a file would
//! have more than `MAX_BLOCKS` of them, they are doubled: so the checksums take 256 KiB at most, and a later reading holds
//! one block, of 64 KiB for a file of up to 4 GiB and of 1 MiB for one of 64 GiB. The checksums are CRC-32: they notice what
//! happens by chance, and nobody gains from forging them. Opens no file.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crc32fast::Hasher;

/// The bytes of a block, unless the file is larger than `MAX_BLOCKS` of them.
pub const SMALLEST: usize = 64 * 1024;

/// How many blocks a file has at most.
const MAX_BLOCKS: usize = 64 * 1024;

// Doubling joins the blocks in pairs.
const _: () = assert!(MAX_BLOCKS.is_multiple_of(2));

/// The checksums of a file's blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The bytes of each block but the last.
    size: usize,
    /// The bytes of the file.
    length: u64,
    checksums: Vec<u32>,
}

impl Blocks {
    /// Reads the blocks of what a reader gives, of `size` bytes unless these would be too many. A scan takes blocks of
    /// [`SMALLEST`] bytes.
    ///
    /// # Errors
    /// The reader failed.
    pub fn of(mut reader: impl Read, size: usize) -> io::Result<Self> {
        let mut recorder = Recorder::new(size.max(1), MAX_BLOCKS);
        let mut space = vec![0; SMALLEST];
        loop {
            match read_some(&mut reader, &mut space)? {
                0 => return Ok(recorder.blocks()),
                count => recorder.add(&space[..count]),
            }
        }
    }

    /// Returns how many bytes the file has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of the block with this index; 0 after the last one.
    fn bytes_of(&self, index: usize) -> usize {
        let begin = index as u64 * self.size as u64;
        let left = self.length.saturating_sub(begin);
        self.size.min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

/// The bytes are not those of the first reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed;

impl Changed {
    /// Returns whether an error of [`Reading::read`] says so.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

impl From<Changed> for io::Error {
    fn from(changed: Changed) -> Self {
        Self::new(io::ErrorKind::InvalidData, changed)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the content has changed")
    }
}

impl Error for Changed {}

/// One reading of a file, from its beginning to its end.
pub(crate) struct Reading<R> {
    inner: R,
    kind: Kind,
}

enum Kind {
    First(Recorder),
    /// A later one, which has given the blocks before `next`.
    Again {
        blocks: Arc<Blocks>,
        next: usize,
    },
}

impl<R: Read> Reading<R> {
    /// Begins the first reading.
    pub(crate) fn first(inner: R) -> Self {
        let kind = Kind::First(Recorder::new(SMALLEST, MAX_BLOCKS));
        Self { inner, kind }
    }

    /// Begins a later reading of the file that has these blocks.
    pub(crate) fn again(inner: R, blocks: Arc<Blocks>) -> Self {
        let kind = Kind::Again { blocks, next: 0 };
        Self { inner, kind }
    }

    /// Returns whether it is the first reading.
    pub(crate) fn is_first(&self) -> bool {
        matches!(self.kind, Kind::First(_))
    }

    /// Returns for how many bytes [`read`](Self::read) needs space.
    pub(crate) fn needs(&self) -> usize {
        match &self.kind {
            Kind::First(_) => SMALLEST,
            Kind::Again { blocks, .. } => blocks.size,
        }
    }

    /// Reads the next bytes to the front of `space`, and returns how many these are: 0 at the end. A later reading gives
    /// whole blocks.
    ///
    /// # Errors
    /// The reader failed; [`Changed`].
    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::First(recorder) => {
                let count = read_some(&mut self.inner, space)?;
                recorder.add(&space[..count]);
                Ok(count)
            }
            Kind::Again { blocks, next } => {
                let size = blocks.bytes_of(*next);
                let space = &mut space[..size];
                let mut count = 0;
                while count < size {
                    match read_some(&mut self.inner, &mut space[count..])? {
                        0 => return Err(Changed.into()),
                        more => count += more,
                    }
                }
                let is_last = blocks.bytes_of(*next + 1) == 0;
                if is_last && read_some(&mut self.inner, &mut [0])? > 0 {
                    return Err(Changed.into());
                }
                if size > 0 {
                    if blocks.checksums.get(*next) != Some(&crc32fast::hash(space)) {
                        return Err(Changed.into());
                    }
                    *next += 1;
                }
                Ok(size)
            }
        }
    }

    /// Returns the blocks of all that was read.
    pub(crate) fn blocks(&self) -> Blocks {
        match &self.kind {
            Kind::First(recorder) => recorder.blocks(),
            Kind::Again { blocks, .. } => Blocks::clone(blocks),
        }
    }

    /// Returns the reader that gives the bytes.
    pub(crate) fn reader(&self) -> &R {
        &self.inner
    }
}

/// Reads once, and again where a signal came in between.
fn read_some(reader: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(space) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Takes the checksums of blocks, of which there are at most `most`.
struct Recorder {
    size: usize,
    most: usize,
    length: u64,
    /// The checksums of whole blocks.
    checksums: Vec<u32>,
    /// The block that is not whole yet, and how many bytes it has.
    open: Hasher,
    filled: usize,
}

impl Recorder {
    fn new(size: usize, most: usize) -> Self {
        Self {
            size,
            most,
            length: 0,
            checksums: Vec::new(),
            open: Hasher::new(),
            filled: 0,
        }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.size - self.filled));
            self.open.update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == self.size {
                self.checksums
                    .push(std::mem::take(&mut self.open).finalize());
                self.filled = 0;
            }
            if self.checksums.len() == self.most {
                self.double();
            }
        }
    }

    /// Joins each two blocks to one.
    fn double(&mut self) {
        let size = self.size as u64;
        let of_two = |pair: &[u32; 2]| {
            let [mut first, second] = pair.map(|crc| Hasher::new_with_initial_len(crc, size));
            first.combine(&second);
            first.finalize()
        };
        self.checksums = self.checksums.as_chunks().0.iter().map(of_two).collect();
        self.size *= 2;
    }

    fn blocks(&self) -> Blocks {
        let last = (self.filled > 0).then(|| self.open.clone().finalize());
        Blocks {
            size: self.size,
            length: self.length,
            checksums: self.checksums.iter().copied().chain(last).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 4 bytes, or larger ones where there would be more than 8.
    fn blocks(file: &[u8], rng: &mut fastrand::Rng) -> Blocks {
        let mut recorder = Recorder::new(4, 8);
        let mut rest = file;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.usize(1..=rest.len().min(9)));
            recorder.add(now);
            rest = later;
        }
        recorder.blocks()
    }

    /// What a later reading of `file` gives, and whether it comes to the end.
    fn read_again(file: &[u8], blocks: Blocks) -> (Vec<u8>, bool) {
        let mut reading = Reading::again(file, Arc::new(blocks));
        let (mut given, mut space) = (Vec::new(), vec![0; reading.needs()]);
        loop {
            match reading.read(&mut space) {
                Ok(0) => return (given, true),
                Ok(count) => given.extend_from_slice(&space[..count]),
                Err(e) => {
                    assert!(Changed::is_in(&e), "{e}");
                    return (given, false);
                }
            }
        }
    }

    #[test]
    fn there_are_never_more_blocks_than_the_bound_and_each_has_the_checksum_of_its_bytes() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let length = rng.usize(..300);
            let file: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            let blocks = blocks(&file, &mut rng);
            let expected: Vec<u32> = file.chunks(blocks.size).map(crc32fast::hash).collect();
            assert_eq!(
                (&blocks.checksums, blocks.length),
                (&expected, length as u64)
            );
            assert!(expected.len() <= 8 && (blocks.size == 4 || expected.len() > 3));
            assert_eq!(read_again(&file, blocks), (file, true), "seed {seed}");
        }
    }

    #[test]
    fn a_later_reading_gives_a_prefix_of_the_first_one_however_the_file_was_changed() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let length = rng.usize(..200);
            let file: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            let mut changed = file.clone();
            match rng.u8(..4) {
                0 => changed.truncate(rng.usize(..=length)),
                1 => changed.push(rng.u8(..)),
                2 if length > 0 => changed[rng.usize(..length)] ^= rng.u8(1..),
                _ => changed = std::iter::repeat_with(|| rng.u8(..)).take(length).collect(),
            }
            let (given, all) = read_again(&changed, blocks(&file, &mut rng));
            assert!(file.starts_with(&given), "seed {seed}");
            assert_eq!(all, changed == file, "seed {seed}");
        }
    }
}
