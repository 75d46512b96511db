//! A world of several centrals over one database.
//!
//! First a storm, then calm. In the storm anything may happen to the centrals, their sessions and the database; when it is
//! over every client has to come to its end within a bounded number of turns, and every central to rest.

use std::hash::Hasher as _;
use std::time::Duration;

use super::central::Central;
use super::database::{Database, Faults};
use crate::ledger::Ledger;
use crate::net::Net;
use crate::population::Population;
use crate::running::idle_timeout;

/// Turns of calm within which everybody has to come to an end.
const CALM: u32 = 6_000;

pub struct ClusterWorld {
    rng: fastrand::Rng,
    faults: Faults,
    /// Nothing happens to the clients' connections and to the centrals: then a client that waits in vain is found.
    spared: bool,
    /// A central's timeout is long enough for ten seconds to pass in few turns.
    is_patient: bool,
    agencies: u32,
    /// The most agencies that a central which is started in the storm keeps in memory.
    most_known: usize,
    centrals: Vec<Central>,
    /// The life of a central that has lost the database until everybody has come to an end.
    stranded: Option<usize>,
    database: Database,
    net: Net,
    ledger: Ledger,
    population: Population,
}

impl ClusterWorld {
    /// A world of this seed, whose centrals have `sessions` sessions each. `printed`: what happens in it is printed.
    pub fn new(seed: u64, faults: Faults, sessions: u8, printed: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let piece = [1, 7, 50, 400, 100_000][rng.usize(..5)];
        let mut ledger = Ledger::default();
        ledger.trace.printed = printed;
        ledger.lossy = faults == Faults::AllWithoutReplication;
        let agencies = rng.u32(1..4);
        let idle_timeout = idle_timeout(&mut rng);
        // Where several serve an agency, each may close the other's connections.
        let (centrals, closes_any) = match faults {
            Faults::Slowness => (0..1, false),
            _ => (0..rng.usize(2..4), true),
        };
        let spared = rng.bool();
        let most_known = match faults {
            _ if spared => usize::MAX,
            Faults::Slowness => usize::MAX,
            _ => [1, 2, usize::MAX][rng.usize(..3)],
        };
        Self {
            faults,
            most_known,
            spared,
            is_patient: idle_timeout >= Duration::from_secs(1),
            agencies,
            centrals: centrals
                .map(|place| Central::new(place, sessions, idle_timeout, rng.fork()))
                .collect(),
            stranded: None,
            database: Database::new(faults, agencies, rng.fork()),
            net: Net::new(piece, closes_any, rng.fork()),
            population: Population::new(agencies, idle_timeout, &mut ledger, rng.fork()),
            ledger,
            rng,
        }
    }

    /// Has clients stop for a while, at centrals that keep one agency in memory: each forgets the others while their clients
    /// are connected.
    pub fn forgetful(mut self) -> Self {
        self.spared = false;
        self.most_known = 1;
        self.population.begin_stops();
        self
    }

    /// Runs it; returns the hash of what happened.
    pub fn run(mut self) -> u64 {
        let storm = [60, 150, 600][self.rng.usize(..3)];
        for _ in 0..self.rng.u32(..storm) {
            self.fate();
            if !self.spared {
                self.population.mishap(&mut self.ledger);
            }
            self.turn(false);
        }
        self.ledger.note(format_args!("calm"));
        self.database.calm_down();
        if self.faults == Faults::AllWithoutReplication {
            self.settle();
        }
        // Where agencies push each other out for ever, nobody comes to an end.
        if self.most_known < self.agencies as usize {
            self.most_known = usize::MAX;
            for central in &mut self.centrals {
                central.kill(&mut self.net, &mut self.ledger);
            }
        }
        self.strand();
        self.until("everybody comes to an end", |world| {
            world.population.is_done()
        });
        self.database.strand(None);
        self.until("the centrals come to rest", |world| {
            let mut servers = world.centrals.iter().filter_map(Central::server);
            servers.all(|server| server.is_at_rest())
        });
        for central in &mut self.centrals {
            central.stop(&mut self.net, &mut self.ledger);
            central.turn(true, &mut self.net, &mut self.ledger);
            assert!(!central.is_running(), "it has nothing to wait for");
        }
        self.finish_queries();
        self.database.audit(&mut self.ledger);
        self.ledger.trace.hasher.finish()
    }

    /// One central of several may lose the database for long, and take no connection any more: whoever has one there, and
    /// has only the winners to wait for, has to be sent to another.
    fn strand(&mut self) {
        let place = self.rng.usize(..self.centrals.len());
        let life = self.centrals[place].life();
        let chosen = self.is_patient && self.centrals.len() > 1 && self.rng.u8(..3) == 0;
        if let Some(life) = life.filter(|_| chosen) {
            self.ledger.note(format_args!("stranded {life} at {place}"));
            self.database.strand(Some(life));
            self.net.stop_listening(place);
            self.stranded = Some(life);
        }
    }

    /// Takes turns of calm until `is_so`, which is called `what`; panics where that takes too many.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..CALM {
            if is_so(self) {
                return;
            }
            for place in 0..self.centrals.len() {
                self.boot(place);
            }
            self.turn(true);
        }
        let waiting = self.population.waiting();
        panic!("not within {CALM} turns: {what}; still waiting: {waiting:?}");
    }

    /// Everybody does what it can do now, and time passes.
    fn turn(&mut self, calm: bool) {
        let Self {
            net,
            ledger,
            centrals,
            rng,
            ..
        } = self;
        if let Some(life) = self.stranded {
            self.population.lose_patience(life, ledger);
        }
        self.population.act(calm, net, ledger);
        net.hop(calm);
        self.database.hop(ledger);
        net.pass(Duration::from_millis(rng.u64(..4)));
        let mut order: Vec<usize> = (0..centrals.len()).collect();
        rng.shuffle(&mut order);
        for place in order {
            centrals[place].turn(calm, net, ledger);
        }
        let servers = || centrals.iter().filter_map(Central::server);
        if servers().all(|server| server.is_idle()) {
            let next = servers()
                .filter_map(|server| server.next_deadline(net))
                .min();
            next.into_iter().for_each(|then| net.pass_until(then));
        }
        for promise in std::mem::take(&mut ledger.promises) {
            self.database.assert_kept(&promise, ledger);
        }
    }

    fn boot(&mut self, place: usize) {
        let Self {
            database,
            net,
            ledger,
            ..
        } = self;
        let central = &mut self.centrals[place];
        if !central.is_running() {
            central.boot(self.agencies, self.most_known, database, net, ledger);
        }
    }

    /// Something happens to a central, or to the database.
    fn fate(&mut self) {
        if self.faults == Faults::Slowness {
            self.boot(0);
            if self.rng.u8(..100) == 0 {
                self.database.stall();
            }
            return;
        }
        let place = self.rng.usize(..self.centrals.len());
        let Self {
            rng,
            database,
            net,
            ledger,
            centrals,
            ..
        } = self;
        match rng.u16(..400) {
            0 if !self.spared => centrals[place].kill(net, ledger),
            1 if !self.spared => centrals[place].stop(net, ledger),
            2..4 => database.fail_over(ledger),
            4 => database.go_away(ledger),
            5..7 => database.stall(),
            7 => {
                database.full = true;
                let running = centrals.iter().filter_map(Central::life);
                running.for_each(|life| ledger.lives[life].tight = true);
            }
            8..12 => database.full = false,
            12..15 => database.rewrite(),
            15..18 => database.lock(),
            18..24 => database.drop_claims(),
            24..66 => self.boot(place),
            _ => {}
        }
    }

    /// A failover may have lost what was acknowledged: all begin again, and go on from what is stored.
    fn settle(&mut self) {
        for central in &mut self.centrals {
            central.kill(&mut self.net, &mut self.ledger);
        }
        self.finish_queries();
        self.population.begin_anew(&mut self.ledger);
        self.ledger.forgive();
        self.database.audit(&mut self.ledger);
    }

    /// No central is left; what was asked is carried out, or lost.
    fn finish_queries(&mut self) {
        self.database.hop(&mut self.ledger);
        while !self.database.is_quiet() {
            self.database.hop(&mut self.ledger);
        }
    }
}
