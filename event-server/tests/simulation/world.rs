//! A world: the central and its clients, and what goes wrong.
//!
//! First a storm, then calm. In the storm anything may happen; when it is over every client has to come to its end
//! within a bounded number of turns, and the server to rest.

use std::hash::Hasher as _;

use crate::central::Central;
use crate::ledger::Ledger;
use crate::net::Net;
use crate::population::Population;
use crate::running::idle_timeout;

/// Turns of calm within which everybody has to come to an end.
const CALM: u32 = 4_000;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// The streams and the clients alone.
    Streams,
    /// The server and its disk, too.
    Everything,
}

pub struct World {
    rng: fastrand::Rng,
    weather: Weather,
    agencies: u32,
    central: Central,
    net: Net,
    ledger: Ledger,
    population: Population,
}

impl World {
    /// A world of this seed. `printed`: what happens in it is printed.
    pub fn new(seed: u64, weather: Weather, printed: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let piece = [1, 7, 50, 400, 100_000][rng.usize(..5)];
        let mut ledger = Ledger::default();
        ledger.trace.printed = printed;
        let agencies = rng.u32(1..4);
        let idle_timeout = idle_timeout(&mut rng);
        Self {
            weather,
            agencies,
            central: Central::new(weather == Weather::Streams, idle_timeout, rng.fork()),
            net: Net::new(piece, false, rng.fork()),
            population: Population::new(agencies, idle_timeout, &mut ledger, rng.fork()),
            ledger,
            rng,
        }
    }

    /// Runs it; returns the hash of what happened.
    pub fn run(mut self) -> u64 {
        let storm = [50, 300, 1_500][self.rng.usize(..3)];
        for _ in 0..self.rng.u32(..storm) {
            self.population.act(false, &mut self.net, &mut self.ledger);
            self.population.mishap(&mut self.ledger);
            self.net.hop(false);
            self.fate();
            self.central.turn(&mut self.net, &mut self.ledger);
        }
        self.calm_down();
        self.until("everybody comes to an end", |world| {
            world.population.is_done()
        });
        self.until("the server comes to rest", |world| {
            world.central.is_at_rest()
        });
        self.central.stop(&mut self.net, &mut self.ledger);
        self.central.turn(&mut self.net, &mut self.ledger);
        assert!(!self.central.is_running(), "it has nothing to wait for");
        self.boot();
        self.ledger.trace.hasher.finish()
    }

    /// The storm is over; the server that is left knows all agencies, or another one comes.
    fn calm_down(&mut self) {
        let Self {
            central,
            net,
            ledger,
            ..
        } = self;
        ledger.note(format_args!("calm"));
        central.calm_down(net, ledger);
        let partial = ledger
            .lives
            .last()
            .is_none_or(|life| life.agencies != self.agencies);
        let reopened = ledger.reopened().next().is_some();
        if partial || reopened {
            central.kill(net, ledger);
        }
    }

    /// Takes turns of calm until `is_so`, which is called `what`; panics where that takes too many.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..CALM {
            if is_so(self) {
                return;
            }
            self.population.act(true, &mut self.net, &mut self.ledger);
            self.net.hop(true);
            self.central.turn(&mut self.net, &mut self.ledger);
            if !self.central.is_running() {
                self.boot();
            }
        }
        let waiting = self.population.waiting();
        panic!("not within {CALM} turns: {what}; still waiting: {waiting:?}");
    }

    /// Starts a server, in the storm now and then with another configuration.
    fn boot(&mut self) {
        let Self {
            rng, net, ledger, ..
        } = self;
        let other = self.weather == Weather::Everything && rng.u8(..4) == 0;
        let agencies = if other && !self.central.is_calm() {
            // In a lottery that anyone may join a stranger becomes an agency, and the number cannot go below it.
            let least = u32::from(self.population.has_stranger);
            rng.u32(least..=self.agencies)
        } else {
            self.agencies
        };
        let winner = [7574, 1, 2][rng.usize(..3)];
        if self.central.boot(agencies, winner, net, ledger) {
            self.population.lose_all(ledger);
        }
    }

    /// Something happens to the server or its disk.
    fn fate(&mut self) {
        if self.weather == Weather::Streams {
            if !self.central.is_running() {
                self.boot();
            }
            return;
        }
        let Self {
            rng,
            central,
            net,
            ledger,
            ..
        } = self;
        match (rng.u8(..240), central.is_running()) {
            (0..3, _) => central.fill_up(ledger),
            (3..6, _) => central.make_room(),
            (6, true) => central.kill(net, ledger),
            (7, true) => central.power_cut(net, ledger),
            (8, true) => central.stop(net, ledger),
            (9..12, true) => central.plan(ledger),
            (6..40, false) => self.boot(),
            _ => {}
        }
    }
}
