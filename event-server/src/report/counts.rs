//! Counts of the lines that peers can cause at will: the first ones are written, further ones are only counted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use frame::Agency;

/// An action and its result.
pub(super) type Kind = (&'static str, &'static str);

#[derive(Default)]
struct LineCount {
    written: u64,
    withheld: u64,
}

/// Agencies up to this number are remembered, in a bit for each kind and agency: as many as a lottery may have.
const REMEMBERED: u32 = 1 << 16;

thread_local! {
    static COUNTS: RefCell<BTreeMap<Kind, LineCount>> = const { RefCell::new(BTreeMap::new()) };
    static TOLD: RefCell<BTreeMap<Kind, Vec<u64>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Returns whether this is the first call for this kind and agency; `false` for agencies that are not remembered.
pub(super) fn is_first(kind: Kind, agency: Agency) -> bool {
    let number = agency.get();
    if number > REMEMBERED {
        return false;
    }
    let (word, bit) = (number as usize / 64, 1 << (number % 64));
    TOLD.with_borrow_mut(|told| {
        let words = told.entry(kind).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let first = words[word] & bit == 0;
        words[word] |= bit;
        first
    })
}

/// Counts a line of this kind. Returns whether it is to be written: fewer than `most` were, since the last
/// [`take_withheld`].
pub(super) fn admit(kind: Kind, most: u64) -> bool {
    COUNTS.with_borrow_mut(|counts| {
        let count = counts.entry(kind).or_default();
        let admitted = count.written < most;
        if admitted {
            count.written += 1;
        } else {
            count.withheld += 1;
        }
        admitted
    })
}

/// Returns how many lines of each kind were withheld, if any, and begins to count anew.
pub(super) fn take_withheld() -> impl Iterator<Item = (Kind, u64)> {
    let counts = COUNTS.with_borrow_mut(std::mem::take).into_iter();
    counts
        .map(|(kind, count)| (kind, count.withheld))
        .filter(|(_, withheld)| *withheld > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agency_is_new_once_for_each_kind() {
        let agency = |number| Agency::new(number).unwrap();
        for kind in [("resume", "success"), ("notify_finished", "success")] {
            for number in [1, 64, 65, 5_000, REMEMBERED] {
                assert!(is_first(kind, agency(number)), "{number}");
                assert!(!is_first(kind, agency(number)), "{number}");
            }
            assert!(!is_first(kind, agency(REMEMBERED + 1)));
        }
    }

    #[test]
    fn of_each_kind_so_many_are_written_and_the_rest_is_counted_until_it_is_told() {
        let (refused, lost) = (("resume", "fail"), ("close_connection", "fail"));
        for _ in 0..2 {
            let admitted = (0..7).filter(|_| admit(refused, 5)).count();
            assert_eq!(admitted, 5);
            assert!((0..5).all(|_| admit(lost, 5)));
            assert_eq!(take_withheld().collect::<Vec<_>>(), [(refused, 2)]);
        }
        assert_eq!(take_withheld().count(), 0);
    }
}
