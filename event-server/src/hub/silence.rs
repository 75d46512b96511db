//! Which connection has been silent the longest: it is found at once when a place is needed.
//!
//! A list for each [`Rank`]: a slot that did something goes to the end of its list, so the one in front has been silent the
//! longest. The lists are links between slots, 12 bytes for each slot. Nothing is searched; slots of which nobody knows yet
//! whether they are silent any more keep their places, and are passed over.

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

    /// Returns the slots of this rank, the one that has been silent the longest first.
    pub(super) fn iter(&self, rank: Rank) -> impl Iterator<Item = usize> {
        let (first, _) = self.ends[rank as usize];
        let next = |slot: &u32| self.links.get(*slot as usize).map(|link| link.after);
        std::iter::successors(Some(first), next)
            .take_while(|slot| *slot != NONE)
            .map(|slot| slot as usize)
    }

    /// Returns the rank in which a slot is silent.
    pub(super) fn rank(&self, slot: usize) -> Option<Rank> {
        self.links.get(slot)?.rank
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
    fn the_slots_of_each_rank_are_in_the_order_in_which_they_fell_silent() {
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
                let silent = model.iter().filter(|(_, other)| *other == rank);
                let slots: Vec<usize> = silent.map(|(slot, _)| *slot).collect();
                assert_eq!(silence.iter(rank).collect::<Vec<_>>(), slots);
                assert!(slots.iter().all(|slot| silence.rank(*slot) == Some(rank)));
            }
            if rng.u8(..100) == 0 {
                let most = model.iter().map(|(slot, _)| slot + 1).max();
                silence.shrink_to(most.unwrap_or_default());
            }
        }
    }
}
