//! Everything is killed in the middle.
//!
//! Clients, centrals, sessions and the database itself, in a seeded order, while five agencies send their files through
//! three centrals; then every row is there exactly once. SURVIVAL_SEED runs one seed, SURVIVAL_SEEDS that many.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use fixtures::programs::{Running, Signal};

use crate::common::eventually;
use crate::stage::{Agency, Stage, run};

const AGENCIES: u32 = 5;
const ROWS: usize = 6_000;

/// Within this time everybody has come to an end, whatever was done to them.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a central lets the database be silent: short, so that a frozen one is noticed soon.
const STORE_TIMEOUT: &str = "400ms";

struct World {
    stage: Stage,
    rng: fastrand::Rng,
    centrals: Vec<(Running, SocketAddr)>,
    clients: Vec<(Agency, Option<Running>)>,
    /// What was done, to be read where a test fails.
    history: Vec<String>,
    began: Instant,
}

impl World {
    fn new(seed: u64) -> Option<Self> {
        let stage = Stage::set()?;
        let mut world = Self {
            centrals: Vec::new(),
            clients: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            history: vec![format!("seed {seed}")],
            began: Instant::now(),
            stage,
        };
        for i in 0..3 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
            let central = world.central(i, free.unwrap().port());
            world.centrals.push(central);
        }
        let agencies = world.stage.agencies(AGENCIES, ROWS);
        world.clients = agencies.into_iter().map(|agency| (agency, None)).collect();
        Some(world)
    }

    fn central(&self, number: usize, port: u16) -> (Running, SocketAddr) {
        self.stage.central(&[
            ("SERVER_NAME", &format!("central-{number}")),
            ("SERVER_PORT", &port.to_string()),
            ("SERVER_STORE_TIMEOUT", STORE_TIMEOUT),
            ("SERVER_SHUTDOWN_GRACE", "200ms"),
        ])
    }

    fn note(&mut self, what: &str) {
        let line = format!("{:>8.3?} {what}", self.began.elapsed());
        self.history.push(line);
    }

    /// Starts the clients that do not run and have not ended well. Returns whether all have ended well.
    fn tend(&mut self) -> bool {
        let mut all = true;
        for (agency, client) in &mut self.clients {
            if client
                .as_ref()
                .is_some_and(|client| client.log().contains("cant_ganadores"))
            {
                continue;
            }
            all = false;
            let ended = client.as_ref().is_none_or(Running::has_ended);
            if ended {
                let (_, address) = self.centrals[self.rng.usize(..self.centrals.len())];
                let mut command = self.stage.client(agency, address);
                command
                    .env("CLI_BATCH_MAXAMOUNT", "2")
                    .env("CLI_BATCH_WINDOW", self.rng.usize(1..20).to_string())
                    .env("CLI_SERVER_TIMEOUT", "2s")
                    .env("CLI_SERVER_RETRY", "1s")
                    .stdout(Stdio::null());
                *client = Some(Running::start(&mut command).unwrap());
            }
        }
        all
    }

    fn strike(&mut self) {
        match self.rng.u8(..12) {
            0..4 => {
                self.note("a session is ended");
                // While the database is starting up, there is no session to end, and this fails.
                let _ = self.stage.database.sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name like 'event-server%' order by random() limit 1",
                );
            }
            4..7 => {
                let number = self.rng.usize(..self.centrals.len());
                self.note(&format!("central {number} is killed"));
                let (central, address) = self.centrals.remove(number);
                central.signal(Signal::KILL).unwrap();
                central.wait().unwrap();
                let again = self.central(number, address.port());
                self.centrals.insert(number, again);
            }
            7 => {
                let number = self.rng.usize(..self.centrals.len());
                self.note(&format!("central {number} is stopped"));
                let (central, address) = self.centrals.remove(number);
                let (status, log) = central.stop().unwrap();
                assert!(status.success(), "{log}");
                let again = self.central(number, address.port());
                self.centrals.insert(number, again);
            }
            8..10 => {
                let number = self.rng.usize(..self.clients.len());
                self.note(&format!("client {} is killed", number + 1));
                if let Some(client) = &self.clients[number].1 {
                    // It may have ended.
                    let _ = client.signal(Signal::KILL);
                }
            }
            10 => {
                self.note("the database crashes");
                self.stage.database.crash().unwrap();
                self.stage.database.run().unwrap();
            }
            _ => {
                self.note("the database is frozen");
                self.stage.database.freeze(true).unwrap();
                // Waits until a central has noticed, or a second: the log of one that was just started is a new one.
                let logs = |world: &Self| -> usize {
                    let silent = |(central, _): &(Running, SocketAddr)| {
                        central.log().matches("it was silent").count()
                    };
                    world.centrals.iter().map(silent).sum()
                };
                let (before, began) = (logs(self), Instant::now());
                eventually("a central notices", || {
                    logs(self) > before || began.elapsed() > Duration::from_secs(1)
                });
                self.stage.database.freeze(false).unwrap();
            }
        }
    }

    fn stored(&self) -> u64 {
        let stored = self.stage.database.sql("select count(*) from lottery.bets");
        stored
            .ok()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }

    fn live(mut self) {
        let all = u64::from(AGENCIES) * ROWS as u64;
        let mut next = 0;
        while !self.tend() {
            assert!(self.began.elapsed() < PATIENCE, "{:#?}", self.history);
            let stored = self.stored();
            if stored >= next && stored < all {
                self.strike();
                next = stored + self.rng.u64(..all / 40);
            }
        }
        let winners = self
            .stage
            .assert_whole(&self.stage.agencies(AGENCIES, ROWS));
        for (_, address) in &self.centrals {
            for ((agency, _), winners) in self.clients.iter().zip(&winners) {
                let ended = run(&mut self.stage.client(agency, *address));
                assert_eq!(ended.told, *winners, "{}\n{:#?}", ended.log, self.history);
            }
        }
        let strikes = self.history.len() - 1;
        assert!(strikes > 0, "nothing has happened: {:?}", self.history);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_is_killed_every_bet_is_stored_once_and_every_central_tells_the_same_winners() {
    let seeds = match number("SURVIVAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SURVIVAL_SEEDS").unwrap_or(2),
    };
    for seed in seeds {
        let Some(world) = World::new(seed) else {
            return;
        };
        eprintln!(
            "again: SURVIVAL_SEED={seed} cargo test -p event-server --test postgres survival"
        );
        world.live();
    }
}
