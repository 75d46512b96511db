//! How long to pause before the next try, and when to give up.
//!
//! Pauses grow, and are partly random, so that many agencies do not connect at the same moment. Only progress makes them
//! short again. Only the time without a sign of the server counts against the limit: a server that answers, that holds a
//! winners query, or that wants to be asked later may take any time.
//! Reads no clock: the caller says what time it is.

use std::time::{Duration, Instant};

use frame::Pauses;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pauses and the remaining time of one client.
#[derive(Debug)]
pub struct Backoff {
    limit: Duration,
    pauses: Pauses,
    /// The time up to `since` in which nothing came from the server.
    spent: Duration,
    since: Instant,
}

impl Backoff {
    /// Begins; gives up after `limit` without progress.
    pub fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            pauses: Pauses::new(LONGEST_PAUSE),
            spent: Duration::ZERO,
            since: now,
        }
    }

    /// Notes that something came from the server, or that no reply was due: the time up to now does not count.
    pub fn sign_of_life(&mut self, now: Instant) {
        self.since = now;
    }

    /// Notes that the server is known to be there: the limit begins anew, and the pauses go on growing.
    pub fn alive(&mut self, now: Instant) {
        self.spent = Duration::ZERO;
        self.since = now;
    }

    /// Returns when something came last, or when the last pause ends.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Notes progress: pauses and limit begin anew.
    pub fn progress(&mut self, now: Instant) {
        *self = Self::new(self.limit, now);
    }

    /// Notes that an attempt failed, and returns how long to pause before the next one.
    ///
    /// # Errors
    /// The limit is reached; the error is the time that was spent.
    pub fn failed(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Result<Duration, Duration> {
        self.spent += now.saturating_duration_since(self.since);
        if self.spent >= self.limit {
            return Err(self.spent);
        }
        let pause = self.pauses.next(rng.f64()).min(self.limit - self.spent);
        self.spent += pause;
        self.since = now + pause;
        Ok(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of the first pause.
    const FIRST_PAUSE: Duration = Duration::from_millis(100);

    #[test]
    fn pauses_grow_to_a_bound_and_fill_exactly_the_limit() {
        for seed in 0..100 {
            println!("seed {seed}");
            let mut rng = fastrand::Rng::with_seed(seed);
            let limit = Duration::from_millis(rng.u64(..200_000));
            let begin = Instant::now();
            let (mut now, mut longest) = (begin, FIRST_PAUSE);
            let mut backoff = Backoff::new(limit, now);
            let spent = loop {
                now += Duration::from_millis(rng.u64(..50));
                match backoff.failed(now, &mut rng) {
                    Err(spent) => break spent,
                    Ok(pause) => {
                        assert!(pause <= longest);
                        assert!(pause >= longest / 2 || now + pause == begin + limit);
                        longest = (longest * 2).min(LONGEST_PAUSE);
                        now += pause;
                        assert_eq!(backoff.since(), now);
                    }
                }
            };
            assert_eq!(spent, now - begin);
            assert!(spent >= limit && spent < limit + Duration::from_millis(50));
        }
    }

    #[test]
    fn only_progress_begins_anew_and_time_with_a_server_that_answers_does_not_count() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut now = Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(10), now);
        for _ in 0..10 {
            now += Duration::from_secs(3_600);
            backoff.sign_of_life(now);
            if let Ok(pause) = backoff.failed(now, &mut rng) {
                now += pause;
            }
        }
        assert!(backoff.failed(now, &mut rng).is_err());
        // A server that is there may take any time, and is not asked more often.
        for _ in 0..100 {
            backoff.alive(now);
            let pause = backoff.failed(now, &mut rng).unwrap();
            assert!(pause >= LONGEST_PAUSE / 2);
            now += pause;
        }
        backoff.progress(now);
        assert!(backoff.failed(now, &mut rng).unwrap() <= FIRST_PAUSE);
    }
}
