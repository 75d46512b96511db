//! Where the time of the loop's turns goes: in sum, and second by second for the last minute.
//!
//! A clock is read only where somebody watches, or traces; turns, events and served connections are counted in any case.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use frame::trace;

/// What the loop does in a turn, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for events.
    Wait,
    /// Notes what the events say, and accepts.
    Mark,
    /// Reads, decodes and judges.
    Serve,
    /// Makes durable.
    Commit,
    /// Counts the winners.
    Draw,
    /// Sends replies.
    Send,
    /// Frees what ended.
    Reap,
    /// Answers whoever watches.
    Http,
}

impl Phase {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// All of them.
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

    /// Its name in metrics, traces and pages.
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
    /// When the turn under way began, and the phase under way.
    began: Option<Instant>,
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

    /// The turn under way got so many events.
    pub fn polled(&mut self, events: u64) {
        self.events = events;
    }

    /// The turn under way serves so many connections.
    pub fn serve(&mut self, connections: u64) {
        self.served = connections;
    }

    /// A phase of the turn under way is over, and the next one begins.
    pub fn lap(&mut self, phase: Phase) {
        if !self.measured && !trace::is_on() {
            (self.began, self.at) = (None, None);
            return;
        }
        let now = Instant::now();
        if let Some(began) = self.at.replace(now) {
            self.phases[phase as usize] += now - began;
            if self.began == Some(began) {
                // chrome://tracing draws two slices that begin together one over the other.
                trace::phase(phase.name(), began + Duration::from_nanos(1), now);
            } else if self.began.is_some() {
                trace::phase(phase.name(), began, now);
            }
        }
    }

    /// The turn under way is over, and the next one begins. Returns how long it took without its wait, where it was timed.
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

    /// The second that this is in: the last one, or a new one.
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

    /// The time of each phase so far, in the order of [`Phase::ALL`].
    pub fn total(&self) -> [Duration; Phase::COUNT] {
        self.total
    }

    /// The last seconds that had a turn, oldest first.
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
