//! The scan for the bets that won: in slices of the table's blocks, so that each query of it is short however large the
//! table is and however slow its disk, and so that others are served between two of them.
//!
//! ```text
//! blocks   |0|1 2|3 4 5 6|7 8 9 10 11 12 13 14| …    a slice is twice as long as the one before, until one takes long
//! ```
//!
//! The draw is committed first. From then on nothing is added to `bets` and nothing taken out, so that slices which are
//! read one after the other are one whole, also in different sessions: a lost session costs the slice that was under way.
//! Only a rewrite of the table (`vacuum full`, `cluster`) moves rows between blocks. It gives the table another file, which
//! each slice tells: where that has changed, the scan begins again.
//!
//! A table that is not one file of blocks (partitioned, or of another engine) is read in one query.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use frame::{Agency, MAX_REPLY, Number};

use crate::facts::Tally;

/// How long a slice should take the database, and so keep others waiting: far below 100 ms, the shortest silence after
/// which a session may be given up.
const SLICE: Duration = Duration::from_millis(40);

/// The most blocks of a slice: bounds the winners that may come at once. 16 MiB, with the usual blocks.
const MAX_BLOCKS: u32 = 2_048;

/// A draw as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawRow {
    /// The number that won.
    pub winner: Number,
    /// When and by which central: two draws that differ in it are not the same draw.
    pub identity: String,
}

/// What one query of a scan reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// These blocks of the table.
    Blocks(Range<u32>),
    /// All of it.
    Whole,
}

/// How the database keeps the table of which a slice was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its file; `None` where it is not one file.
    pub file: Option<String>,
    /// How many blocks it has.
    pub blocks: u32,
    /// How long the slice took, by the database's clock: without the way to the database and back, which smaller slices
    /// would not shorten.
    pub took: Duration,
}

/// The scan for the winners of a draw.
#[derive(Debug)]
pub(super) struct Scan {
    draw: DrawRow,
    /// The file whose blocks were read.
    file: Option<String>,
    /// How many of its blocks were read.
    read: u32,
    /// How many blocks the next slice has.
    at_once: u32,
    /// The table cannot be read in blocks.
    is_whole: bool,
    winners: Winners,
}

impl Scan {
    /// A scan that begins.
    pub(super) fn new(draw: DrawRow) -> Self {
        Self {
            draw,
            file: None,
            read: 0,
            at_once: 1,
            is_whole: false,
            winners: Winners::default(),
        }
    }

    /// The draw whose winners are looked for.
    pub(super) fn draw(&self) -> &DrawRow {
        &self.draw
    }

    /// What to read next.
    pub(super) fn next(&self) -> Slice {
        match self.is_whole {
            true => Slice::Whole,
            false => Slice::Blocks(self.read..self.read.saturating_add(self.at_once)),
        }
    }

    /// Adds the winners of the slice that was read, and the layout, if it was of blocks. Returns whether it was the
    /// last.
    pub(super) fn add(&mut self, winners: Winners, layout: Option<Layout>) -> bool {
        if self.is_whole {
            self.winners = winners;
            return true;
        }
        let Some(Layout {
            file: Some(file),
            blocks,
            took,
        }) = layout
        else {
            self.read_whole();
            return false;
        };
        if self.file.as_ref().is_some_and(|before| *before != file) {
            self.begin_anew();
            return false;
        }
        self.file = Some(file);
        self.read = self.read.saturating_add(self.at_once);
        self.winners.append(winners);
        if took > SLICE {
            self.at_once = (self.at_once / 2).max(1);
        } else if took < SLICE / 2 {
            self.at_once = (self.at_once * 2).min(MAX_BLOCKS);
        }
        self.read >= blocks
    }

    /// Makes the slices smaller: the session was lost during one, which may have taken too long.
    pub(super) fn lost(&mut self) {
        self.at_once = (self.at_once / 4).max(1);
    }

    /// Begins again with the whole table in one slice: the database knows no blocks.
    pub(super) fn read_whole(&mut self) {
        self.begin_anew();
        self.is_whole = true;
    }

    fn begin_anew(&mut self) {
        (self.file, self.read) = (None, 0);
        self.winners = Winners::default();
    }

    /// Who won.
    pub(super) fn into_tally(self) -> Tally {
        self.winners.into_tally()
    }
}

/// The winners found so far: in any order, within a bound for each agency.
#[derive(Debug, Default)]
pub(super) struct Winners(BTreeMap<Agency, Found>);

/// The winners of one agency.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    /// Bytes of their documents.
    bytes: usize,
    /// The documents, each with its bet's place among those of the agency; none where they fit into no reply.
    documents: Vec<(u64, Box<[u8]>)>,
}

impl Winners {
    /// Adds the bet number `seq` of an agency.
    pub(super) fn add(&mut self, agency: Agency, seq: u64, document: &[u8]) {
        let found = self.0.entry(agency).or_default();
        found.count += 1;
        found.bytes += document.len();
        found.documents.push((seq, document.into()));
        found.bound();
    }

    /// Adds the winners in another part of the table.
    pub(super) fn append(&mut self, part: Self) {
        for (agency, mut more) in part.0 {
            let found = self.0.entry(agency).or_default();
            found.count += more.count;
            found.bytes += more.bytes;
            found.documents.append(&mut more.documents);
            found.bound();
        }
    }

    /// The tally of them, in the order of each agency's bets.
    pub(super) fn into_tally(self) -> Tally {
        let mut tally = Tally::default();
        for (agency, mut found) in self.0 {
            if found.is_too_large() {
                tally.add_too_many(agency, found.count);
            }
            found.documents.sort_unstable();
            for (_, document) in found.documents {
                tally.add(agency, &document);
            }
        }
        tally
    }
}

impl Found {
    /// Whether the documents fit into no reply, in whatever order.
    fn is_too_large(&self) -> bool {
        self.bytes > MAX_REPLY
    }

    fn bound(&mut self) {
        if self.is_too_large() {
            self.documents = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::TooManyWinners;

    fn scan() -> Scan {
        Scan::new(DrawRow {
            winner: Number::new(7).unwrap(),
            identity: "now".to_owned(),
        })
    }

    /// A table in one file.
    fn layout(file: &str, blocks: u32) -> Option<Layout> {
        Some(Layout {
            file: Some(file.to_owned()),
            blocks,
            took: Duration::ZERO,
        })
    }

    /// Reads the next slice of a table of which every block holds one winner and takes this time.
    fn read(scan: &mut Scan, mut layout: Option<Layout>, block: Duration) -> bool {
        let mut winners = Winners::default();
        let all = match scan.next() {
            Slice::Blocks(blocks) => blocks,
            Slice::Whole => 0..1_000,
        };
        for block in all.filter(|block| layout.as_ref().is_none_or(|layout| *block < layout.blocks))
        {
            winners.add(Agency::new(1).unwrap(), block.into(), b"1");
        }
        let length = winners.0.values().map(|found| found.count).sum::<u64>();
        if let Some(layout) = &mut layout {
            layout.took = block * length as u32;
        }
        scan.add(winners, layout)
    }

    fn count(scan: Scan) -> u64 {
        scan.into_tally().count(Agency::new(1).unwrap())
    }

    #[test]
    fn slices_grow_while_they_are_quick_shrink_when_they_are_slow_and_cover_every_block_once() {
        // Where one block takes longer than a slice should, there is never more than one.
        for (block, wanted) in [(1, 16..=64), (10, 2..=4), (21, 1..=1), (90, 1..=1)] {
            let mut scan = scan();
            let (mut longest, mut slices) = (0, 0);
            loop {
                let Slice::Blocks(blocks) = scan.next() else {
                    panic!("not in blocks");
                };
                longest = longest.max(blocks.end - blocks.start);
                slices += 1;
                if read(&mut scan, layout("a", 1_000), Duration::from_millis(block)) {
                    break;
                }
            }
            assert!(wanted.contains(&longest), "{block} ms: {longest}");
            assert!(
                slices <= 1_000 / wanted.start() + 20,
                "{block} ms: {slices}"
            );
            assert_eq!(count(scan), 1_000);
        }
    }

    #[test]
    fn a_table_that_is_rewritten_meanwhile_is_read_anew_and_one_without_blocks_in_one_piece() {
        let mut scan = scan();
        for _ in 0..4 {
            assert!(!read(&mut scan, layout("a", 1_000), Duration::ZERO));
        }
        scan.lost();
        assert!(!read(&mut scan, layout("b", 500), Duration::ZERO));
        assert_eq!(scan.next(), Slice::Blocks(0..4), "from the beginning");
        while !read(&mut scan, layout("b", 500), Duration::ZERO) {}
        assert_eq!(count(scan), 500);

        let mut partitioned = self::scan();
        let nowhere = Layout {
            file: None,
            blocks: 0,
            took: Duration::ZERO,
        };
        assert!(!read(&mut partitioned, Some(nowhere), Duration::ZERO));
        assert_eq!(partitioned.next(), Slice::Whole);
        assert!(read(&mut partitioned, None, Duration::from_secs(60)));
        assert_eq!(count(partitioned), 1_000);
    }

    #[test]
    fn winners_that_are_found_in_any_order_and_in_parts_are_told_in_the_order_of_the_bets() {
        let agency = |number| Agency::new(number).unwrap();
        let mut winners = Winners::default();
        let mut part = Winners::default();
        winners.add(agency(1), 300, b"c");
        winners.add(agency(2), 5, b"x");
        part.add(agency(1), 20, b"b");
        part.add(agency(1), 1, b"a");
        winners.append(part);
        let large = vec![b'7'; MAX_REPLY / 4];
        for seq in 0..10 {
            winners.add(agency(3), seq, &large);
        }
        assert!(winners.0[&agency(3)].documents.is_empty(), "they are kept");
        let tally = winners.into_tally();
        let told = |number| tally.winners(agency(number)).map(|won| won.to_vec());
        assert_eq!(told(1), Ok(b"a|b|c".to_vec()));
        assert_eq!(told(2), Ok(b"x".to_vec()));
        assert_eq!(told(3), Err(TooManyWinners));
        assert_eq!((tally.count(agency(1)), tally.count(agency(3))), (3, 10));
    }

    #[test]
    fn a_slice_that_takes_as_long_as_it_should_is_followed_by_one_of_the_same_length() {
        for (took, length) in [(19, 16), (20, 8), (30, 8), (40, 8), (41, 4), (60, 4)] {
            let mut scan = scan();
            for _ in 0..3 {
                scan.add(Winners::default(), layout("a", 1_000));
            }
            let mut layout = layout("a", 1_000).unwrap();
            layout.took = Duration::from_millis(took);
            assert!(!scan.add(Winners::default(), Some(layout)));
            assert_eq!(scan.next(), Slice::Blocks(15..15 + length), "{took} ms");
        }
    }

    #[test]
    fn winners_whose_documents_fill_a_reply_are_kept_and_one_byte_more_is_too_much() {
        let agency = Agency::new(1).unwrap();
        let half = vec![b'7'; MAX_REPLY / 2];
        for (more, kept) in [
            (MAX_REPLY - half.len(), true),
            (MAX_REPLY - half.len() + 1, false),
        ] {
            let (mut winners, mut part) = (Winners::default(), Winners::default());
            winners.add(agency, 1, &half);
            part.add(agency, 2, &vec![b'7'; more]);
            winners.append(part);
            let found = &winners.0[&agency];
            assert_eq!((found.count, found.bytes), (2, half.len() + more));
            assert_eq!(found.documents.len(), if kept { 2 } else { 0 });
        }
    }
}
