//! How long to pause before the next attempt: longer each time, and not the same for all who try, so that many do not come
//! at the same moment.

use std::time::Duration;

/// The first pause is at most this long.
const FIRST: Duration = Duration::from_millis(100);

/// The pauses between the attempts of one program. Reads no clock and has no source of chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The next pause is at most this long.
    next: Duration,
    /// No pause is longer.
    bound: Duration,
}

impl Pauses {
    /// Begins; no pause will be longer than `bound`.
    pub fn new(bound: Duration) -> Self {
        Self { next: FIRST, bound }
    }

    /// Notes that an attempt failed, and returns how long to pause: at least half of the longest pause. `chance` is from 0 to
    /// 1, and another one each time.
    pub fn next(&mut self, chance: f64) -> Duration {
        let pause = self.next.mul_f64(0.5 + chance / 2.0);
        self.next = (self.next * 2).min(self.bound);
        pause
    }

    /// Notes that an attempt succeeded: the pauses begin anew.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_anew_after_a_success() {
        let milliseconds = |pause: Duration| pause.as_millis();
        let mut pauses = Pauses::new(Duration::from_millis(500));
        for _ in 0..2 {
            let longest: Vec<u128> = (0..5).map(|_| milliseconds(pauses.next(1.0))).collect();
            assert_eq!(longest, [100, 200, 400, 500, 500]);
            assert_eq!(milliseconds(pauses.next(0.0)), 250);
            pauses.reset();
        }
    }
}
