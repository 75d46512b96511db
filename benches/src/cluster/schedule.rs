//! Which fault begins when, and for how long: decided by a seed alone.

use std::time::Duration;

use fastrand::Rng;

use super::fault::{Kind, Role};

/// When the first fault begins.
const FIRST: Duration = Duration::from_secs(3);

/// Between the beginnings of two faults, at least and at most. Most gaps are shorter than a fault lasts, so that faults
/// overlap. Some are longer: a cluster that is whole has more to lose.
const GAP: [f64; 2] = [1.0, 9.0];
const LONG_GAP: [f64; 2] = [15.0, 30.0];

/// How many of ten gaps are long.
const LONG: u32 = 3;

/// How long a fault lasts at least and at most. The lease of a primary is 20 s: some faults end before another node takes
/// over, some after.
const LASTS: [f64; 2] = [1.0, 30.0];

/// How long the first one lasts, which hits the primary of a cluster that is whole: another node takes over.
const FIRST_LASTS: [f64; 2] = [24.0, 30.0];

/// A fault that comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// What happens.
    pub kind: Kind,
    /// When it begins, from the start of the clients.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Which of several is hit, where the kind does not say: a central, an agency.
    pub pick: usize,
}

/// Returns every kind of fault once, in random order but for the first, which hits the primary. Many overlap.
pub fn overlapping(seed: u64) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let mut kinds = Kind::ALL;
    rng.shuffle(&mut kinds);
    if let Some(first) = kinds.iter().position(|kind| kind.role() == Role::Primary) {
        kinds.swap(0, first);
    }
    let mut planned = Vec::new();
    let mut at = FIRST;
    for kind in kinds {
        let first = planned.is_empty();
        let lasts = between(&mut rng, if first { FIRST_LASTS } else { LASTS });
        let pick = rng.usize(..);
        planned.push(Planned {
            kind,
            at,
            lasts,
            pick,
        });
        let long = first || rng.u32(..10) < LONG;
        at += between(&mut rng, if long { LONG_GAP } else { GAP });
    }
    planned
}

/// Returns one fault alone, long enough for another node to take over.
pub fn alone(seed: u64, kind: Kind) -> Vec<Planned> {
    let pick = Rng::with_seed(seed).usize(..);
    let lasts = Duration::from_secs_f64(FIRST_LASTS[1]);
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
            assert_eq!(schedule[0].kind.role(), Role::Primary, "seed {seed}");
            let overlaps = schedule.windows(2);
            let overlaps = overlaps.filter(|pair| pair[0].at + pair[0].lasts > pair[1].at);
            assert!(overlaps.count() >= 1, "seed {seed}");
        }
        assert_ne!(overlapping(1), overlapping(2));
    }
}
