//! Where the time of the loop's turns goes: in total, and second by second for the last minute.
//!
//! A clock is read, and turns are counted here, only if somebody watches or traces.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use frame::trace;

/// What the loop does in a turn, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for events.
    Wait,
    /// Notes what the events say, and accepts connections.
    Mark,
    /// Reads, decodes and judges.
    Serve,
    /// Makes the turn durable.
    Commit,
    /// Counts the winners.
    Draw,
    /// Sends replies.
    Send,
    /// Frees the connections that ended.
    Reap,
    /// Answers requests to the HTTP port.
    Http,
}

impl Phase {
    /// The number of phases.
    pub const COUNT: usize = 8;

    /// All phases, in the order of the variants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Wait,
        Self::Mark,
        Self::Serve,
        Self::Commit,
        Self::Draw,
        Self::Send,
        Self::Reap,
        Self::Http,
    ];

    /// Returns its name in metrics, traces and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Mark => "mark",
            Self::Serve => "serve",
            Self::Commit => "commit",
            Self::Draw => "draw",
            Self::Send => "send",
            Self::Reap => "reap",
            Self::Http => "http",
        }
    }
}

/// Seconds that are kept.
const SECONDS: usize = 60;

/// The turns that ended within one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Second {
    /// When it began.
    pub began: Instant,
    /// How many turns there were.
    pub turns: u64,
    /// Events of their polls.
    pub events: u64,
    /// Connections that were served.
    pub served: u64,
    /// The time of each phase, in the order of [`Phase::ALL`].
    pub phases: [Duration; Phase::COUNT],
}

/// The turns so far.
#[derive(Debug, Default)]
pub struct Turns {
    /// Phases are timed: somebody may ask for them.
    measured: bool,
    /// When the turn under way began.
    began: Option<Instant>,
    /// When the phase under way began.
    at: Option<Instant>,
    /// The phases of the turn under way.
    phases: [Duration; Phase::COUNT],
    events: u64,
    served: u64,
    total: [Duration; Phase::COUNT],
    recent: VecDeque<Second>,
}

impl Turns {
    /// Begins to time phases.
    pub fn measure(&mut self) {
        self.measured = true;
        self.recent.reserve_exact(SECONDS);
    }

    /// Notes how many events the turn under way got.
    pub fn polled(&mut self, events: u64) {
        self.events = events;
    }

    /// Notes how many connections the turn under way serves.
    pub fn serve(&mut self, connections: u64) {
        self.served = connections;
    }

    /// Ends a phase of the turn under way, and begins the next one.
    pub fn lap(&mut self, phase: Phase) {
        if !self.measured && !trace::is_on() {
            (self.began, self.at) = (None, None);
            return;
        }
        let now = Instant::now();
        if let Some(began) = self.at.replace(now) {
            self.phases[phase as usize] += now - began;
            if self.began == Some(began) {
                // chrome://tracing draws two slices that begin at the same time on top of each other.
                trace::phase(phase.name(), began + Duration::from_nanos(1), now);
            } else if self.began.is_some() {
                trace::phase(phase.name(), began, now);
            }
        }
    }

    /// Ends the turn under way, and begins the next one. Returns how long it took without its wait, if it was timed.
    pub fn end(&mut self) -> Option<Duration> {
        let (events, served) = (self.events, self.served);
        (self.events, self.served) = (0, 0);
        let now = self.at?;
        if let Some(began) = self.began.replace(now) {
            trace::phase("turn", began, now);
        }
        let phases = std::mem::take(&mut self.phases);
        let second = self.second(now);
        second.turns += 1;
        second.events += events;
        second.served += served;
        add(&mut second.phases, &phases);
        add(&mut self.total, &phases);
        Some(phases[1..].iter().sum())
    }

    /// Returns the second that `now` is in: the last one, or a new one.
    fn second(&mut self, now: Instant) -> &mut Second {
        let is_over = |last: &Second| now - last.began >= Duration::from_secs(1);
        if self.recent.back().is_none_or(is_over) {
            if self.recent.len() == SECONDS {
                self.recent.pop_front();
            }
            self.recent.push_back(Second {
                began: now,
                turns: 0,
                events: 0,
                served: 0,
                phases: Default::default(),
            });
        }
        let last = self.recent.len() - 1;
        &mut self.recent[last]
    }

    /// Returns the time of each phase so far, in the order of [`Phase::ALL`].
    pub fn total(&self) -> [Duration; Phase::COUNT] {
        self.total
    }

    /// Returns the last seconds that had a turn, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Second> {
        self.recent.iter()
    }
}

fn add(sums: &mut [Duration], more: &[Duration]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += *more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_of_all_turns_are_the_time_that_passed_and_each_second_has_its_turns() {
        let mut turns = Turns::default();
        turns.lap(Phase::Serve);
        assert_eq!((turns.end(), turns.total()), (None, Default::default()));
        turns.measure();
        turns.lap(Phase::Http);
        let began = turns.at.unwrap();
        for _ in 0..100 {
            turns.polled(3);
            turns.serve(2);
            Phase::ALL.iter().for_each(|phase| turns.lap(*phase));
            assert!(turns.end().is_some());
        }
        let passed = turns.at.unwrap() - began;
        assert_eq!(turns.total().iter().sum::<Duration>(), passed);
        let sum = |part: fn(&Second) -> u64| turns.recent().map(part).sum::<u64>();
        let counted = (
            sum(|second| second.turns),
            sum(|second| second.events),
            sum(|second| second.served),
        );
        assert_eq!(counted, (100, 300, 200));
    }
}
