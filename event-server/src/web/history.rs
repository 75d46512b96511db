//! Samples of totals over the last ten minutes, which the live pages plot; and the speed, which follows from them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time between two samples.
const PERIOD: Duration = Duration::from_secs(2);

/// Samples that are kept: ten minutes.
const SAMPLES: usize = 300;

/// The time that the speed is measured over.
const SPEED: Duration = Duration::from_secs(10);

/// Samples of a total, each with its time.
#[derive(Debug)]
pub(super) struct History<T> {
    samples: VecDeque<(Instant, T)>,
    due: Instant,
}

impl<T: Copy> History<T> {
    /// Begins without a sample; the first is due now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            samples: VecDeque::with_capacity(SAMPLES),
            due: now,
        }
    }

    /// Returns when the next sample is due.
    pub(super) fn deadline(&self) -> Instant {
        self.due
    }

    /// Takes a sample if one is due: only then it calls `total`. There is no sample if that returns `None`: not known.
    pub(super) fn advance(&mut self, now: Instant, total: impl FnOnce() -> Option<T>) {
        if now < self.due {
            return;
        }
        self.due = now + PERIOD;
        if let Some(total) = total() {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, total));
        }
    }

    /// Returns the samples, oldest first: how many seconds ago, and the total then.
    pub(super) fn samples(&self, now: Instant) -> impl Iterator<Item = (f64, T)> {
        let ago = move |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        self.samples
            .iter()
            .map(move |(at, total)| (ago(*at), *total))
    }
}

impl History<u64> {
    /// Returns how many bets a second came in the last [`SPEED`], if there are `bets` now. 0 if there are fewer than
    /// before: an agency's bets were taken out.
    pub(super) fn speed(&self, now: Instant, bets: u64) -> f64 {
        let recent = |(at, _): &&(Instant, u64)| now.saturating_duration_since(*at) <= SPEED;
        let mut recent = self.samples.iter().rev().take_while(recent);
        let Some((at, before)) = recent.by_ref().last() else {
            return 0.0;
        };
        let seconds = now.saturating_duration_since(*at).as_secs_f64();
        match bets.saturating_sub(*before) {
            0 => 0.0,
            more => more as f64 / seconds.max(0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_taken_in_time_and_the_oldest_go() {
        let start = Instant::now();
        let mut history = History::new(start);
        for second in 0..2_000 {
            let now = start + Duration::from_secs(second);
            history.advance(now, || (second % 100 != 0).then_some(second));
        }
        let now = start + Duration::from_secs(1_999);
        let samples: Vec<_> = history.samples(now).collect();
        assert_eq!(samples.len(), SAMPLES);
        assert_eq!(samples.last(), Some(&(1.0, 1_998)));
        assert!(
            samples
                .iter()
                .all(|(ago, bets)| *ago == (1_999 - bets) as f64)
        );
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds_and_never_negative() {
        let start = Instant::now();
        let mut history = History::new(start);
        assert_eq!(history.speed(start, 5), 0.0);
        for second in 0..20 {
            let now = start + Duration::from_secs(second);
            history.advance(now, || Some(second * 100));
        }
        let now = start + Duration::from_secs(20);
        assert_eq!(history.speed(now, 2_000), 100.0);
        assert_eq!(history.speed(now, 10), 0.0);
        assert_eq!(history.speed(now + SPEED * 2, 2_000), 0.0);
    }
}
