//! What was counted in the last minutes: the plots of the live pages, and the speed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(2);

/// Samples that are kept: ten minutes.
const SAMPLES: usize = 300;

/// The speed is that of this time.
const SPEED: Duration = Duration::from_secs(10);

/// Totals, and when they were so.
#[derive(Debug)]
pub(super) struct History<T> {
    samples: VecDeque<(Instant, T)>,
    due: Instant,
}

impl<T: Copy> History<T> {
    /// Without a sample; the first is due now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            samples: VecDeque::with_capacity(SAMPLES),
            due: now,
        }
    }

    /// When the next sample is due.
    pub(super) fn deadline(&self) -> Instant {
        self.due
    }

    /// Takes a sample where one is due; `total` is not called where none is, and `None` where it is not known.
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

    /// The samples, oldest first: how many seconds ago, and the total then.
    pub(super) fn samples(&self, now: Instant) -> impl Iterator<Item = (f64, T)> {
        let ago = move |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        self.samples
            .iter()
            .map(move |(at, total)| (ago(*at), *total))
    }
}

impl History<u64> {
    /// Bets a second in the last seconds, where the total is this now. 0 where fewer are stored than before: an agency's
    /// bets were taken out.
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
