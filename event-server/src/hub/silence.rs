//! Which connection has been silent the longest: it is found at once when a place is needed.
//!
//! A list for each [`Rank`]: a slot that moved goes to the end of its list, so the one in front has been silent the
//! longest. The lists are links between slots, 12 bytes for each slot, and nothing is ever searched.

use crate::connection::Rank;

/// Stands for no slot: there are at most a million.
const NONE: u32 = u32::MAX;

/// Slots by rank, each rank in the order in which they fell silent.
#[derive(Debug)]
pub(super) struct Silence {
    /// By slot.
    links: Vec<Link>,
    /// By rank: the first and the last slot.
    ends: [(u32, u32); Rank::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Link {
    rank: Option<Rank>,
    before: u32,
    after: u32,
}

impl Silence {
    pub(super) fn new() -> Self {
        Self {
            links: Vec::new(),
            ends: [(NONE, NONE); Rank::ALL.len()],
        }
    }

    /// Returns the slot of this rank that has been silent the longest.
    pub(super) fn longest(&self, rank: Rank) -> Option<usize> {
        let (first, _) = self.ends[rank as usize];
        (first != NONE).then_some(first as usize)
    }

    /// Notes that the slot is silent from now on, in this rank.
    pub(super) fn begin(&mut self, slot: usize, rank: Rank) {
        self.end(slot);
        if self.links.len() <= slot {
            let free = Link {
                rank: None,
                before: NONE,
                after: NONE,
            };
            self.links.resize(slot + 1, free);
        }
        let (_, last) = self.ends[rank as usize];
        self.links[slot] = Link {
            rank: Some(rank),
            before: last,
            after: NONE,
        };
        self.set_after(rank, last, slot as u32);
        self.set_before(rank, NONE, slot as u32);
    }

    /// Notes that the slot is not silent any more, or is free.
    pub(super) fn end(&mut self, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else {
            return;
        };
        let Link { before, after, .. } = *link;
        if let Some(rank) = link.rank.take() {
            self.set_after(rank, before, after);
            self.set_before(rank, after, before);
        }
    }

    /// Gives back the memory of all slots from this one on; none of them is silent.
    pub(super) fn shrink_to(&mut self, slots: usize) {
        self.links.truncate(slots);
        self.links.shrink_to_fit();
    }

    /// Sets what comes after a slot; with [`NONE`] as the slot, the first of the list.
    fn set_after(&mut self, rank: Rank, slot: u32, after: u32) {
        match self.links.get_mut(slot as usize) {
            Some(link) => link.after = after,
            None => self.ends[rank as usize].0 = after,
        }
    }

    /// Sets what comes before a slot; with [`NONE`] as the slot, the last of the list.
    fn set_before(&mut self, rank: Rank, slot: u32, before: u32) {
        match self.links.get_mut(slot as usize) {
            Some(link) => link.before = before,
            None => self.ends[rank as usize].1 = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_rank_is_always_the_one_that_has_been_silent_the_longest() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut silence = Silence::new();
        // In the order in which they fell silent.
        let mut model: Vec<(usize, Rank)> = Vec::new();
        for _ in 0..100_000 {
            let slot = rng.usize(..20);
            model.retain(|(other, _)| *other != slot);
            match rng.u8(..3) {
                0 => silence.end(slot),
                _ => {
                    let rank = Rank::ALL[rng.usize(..Rank::ALL.len())];
                    model.push((slot, rank));
                    silence.begin(slot, rank);
                }
            }
            for rank in Rank::ALL {
                let first = model.iter().find(|(_, other)| *other == rank);
                assert_eq!(silence.longest(rank), first.map(|(slot, _)| *slot));
            }
            if rng.u8(..100) == 0 {
                let most = model.iter().map(|(slot, _)| slot + 1).max();
                silence.shrink_to(most.unwrap_or_default());
            }
        }
    }
}
