//! Which fault begins when, and for how long: decided by a seed alone.

use std::time::Duration;

use fastrand::Rng;

use super::fault::Kind;

/// When the first fault begins, and between two at least and at most. Shorter than what a fault lasts, so that faults
/// overlap.
const FIRST: Duration = Duration::from_secs(3);
const GAP: [f64; 2] = [1.0, 9.0];

/// How long a fault lasts at least and at most. The lease of a primary is 20 s: some faults end before another node takes
/// over, some after.
const LASTS: [f64; 2] = [1.0, 30.0];

/// A fault that comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// What happens.
    pub kind: Kind,
    /// When it begins, from the start of the clients.
    pub at: Duration,
    /// How long until it is mended.
    pub lasts: Duration,
    /// Which of several is hit, where the kind does not say: a central, an agency.
    pub pick: usize,
}

/// Every kind of fault once, in random order, many at the same time.
pub fn overlapping(seed: u64) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let mut kinds = Kind::ALL;
    rng.shuffle(&mut kinds);
    let mut at = FIRST;
    let planned = kinds.map(|kind| {
        let lasts = between(&mut rng, LASTS);
        let pick = rng.usize(..);
        let planned = Planned {
            kind,
            at,
            lasts,
            pick,
        };
        at += between(&mut rng, GAP);
        planned
    });
    planned.to_vec()
}

/// One fault, long enough for another node to take over.
pub fn one_by_one(seed: u64, kind: Kind) -> Vec<Planned> {
    let pick = Rng::with_seed(seed).usize(..);
    let lasts = Duration::from_secs_f64(LASTS[1]);
    let at = FIRST;
    vec![Planned {
        kind,
        at,
        lasts,
        pick,
    }]
}

fn between(rng: &mut Rng, [least, most]: [f64; 2]) -> Duration {
    Duration::from_secs_f64(least + rng.f64() * (most - least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_schedule_with_every_kind_of_fault_and_overlaps() {
        for seed in 0..100 {
            let schedule = overlapping(seed);
            assert_eq!(schedule, overlapping(seed));
            for kind in Kind::ALL {
                let times = schedule.iter().filter(|fault| fault.kind == kind).count();
                assert_eq!(times, 1, "{kind:?} with seed {seed}");
            }
            let overlaps = schedule.windows(2);
            let overlaps = overlaps.filter(|pair| pair[0].at + pair[0].lasts > pair[1].at);
            assert!(overlaps.count() >= 2, "seed {seed}");
        }
        assert_ne!(overlapping(1), overlapping(2));
    }
}
