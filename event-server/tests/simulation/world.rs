//! A world: the central and its clients, and all that befalls them.
//!
//! First a storm, then calm. In the storm anything may happen; when it is over every client has to come to its end
//! within a bounded number of turns, and the server to rest.

use std::hash::Hasher as _;

use crate::central::Central;
use crate::intruder::Intruder;
use crate::ledger::Ledger;
use crate::net::{Link, Net};
use crate::plain::{Plain, Task};
use crate::uploader::Uploader;

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

enum Client {
    Uploader(Box<Uploader>),
    Plain(Box<Plain>),
    Intruder(Box<Intruder>),
}

impl Client {
    fn is_done(&self) -> bool {
        match self {
            Self::Uploader(client) => client.is_done(),
            Self::Plain(client) => client.is_done(),
            Self::Intruder(client) => client.is_done(),
        }
    }

    fn link(&mut self) -> &mut Option<Link> {
        match self {
            Self::Uploader(client) => client.link(),
            Self::Plain(client) => client.link(),
            Self::Intruder(client) => client.link(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Uploader(_) => "an uploader",
            Self::Plain(_) => "a plain client",
            Self::Intruder(_) => "a intruder",
        }
    }
}

pub struct World {
    rng: fastrand::Rng,
    weather: Weather,
    agencies: u32,
    central: Central,
    net: Net,
    ledger: Ledger,
    clients: Vec<Client>,
}

impl World {
    /// A world of this seed; what happens in it is printed where somebody looks.
    pub fn new(seed: u64, weather: Weather, printed: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let piece = [1, 7, 50, 400, 100_000][rng.usize(..5)];
        let mut world = Self {
            weather,
            agencies: rng.u32(1..4),
            central: Central::new(weather == Weather::Streams, rng.fork()),
            net: Net::new(piece, rng.fork()),
            ledger: Ledger::default(),
            clients: Vec::new(),
            rng,
        };
        world.ledger.trace.printed = printed;
        (1..=world.agencies).for_each(|agency| world.populate(agency));
        if world.rng.u8(..6) == 0 {
            let stranger = world.agencies + world.rng.u32(1..3);
            world.plain(stranger, 1, 1, true, true);
        }
        for _ in 0..world.rng.usize(..3) {
            let agency = world.rng.u32(1..=world.agencies);
            let intruder = Intruder::new(agency, &mut world.ledger, &mut world.rng);
            world.clients.push(Client::Intruder(Box::new(intruder)));
        }
        world
    }

    /// An agency's client, and those that get in its way.
    fn populate(&mut self, agency: u32) {
        if self.rng.u8(..4) == 0 {
            let (batches, bets) = (self.rng.usize(..5), self.rng.usize(..3));
            self.plain(agency, batches, bets, true, false);
        } else {
            let file = self.file(agency);
            let rival = self.rng.u8(..5) == 0;
            self.uploader(file, rival);
            if rival {
                self.uploader(file, rival);
            }
        }
        if self.rng.u8(..6) == 0 {
            let file = self.file(agency);
            self.uploader(file, false);
        }
        if self.rng.u8(..8) == 0 {
            self.plain(agency, 2, 1, true, false);
        }
        if self.rng.u8(..3) == 0 {
            let bets = self.rng.usize(..4);
            self.plain(agency, 0, bets, false, false);
        }
    }

    fn file(&mut self, agency: u32) -> usize {
        let bets = self.rng.usize(..14);
        self.ledger.file(agency, bets, &mut self.rng)
    }

    fn uploader(&mut self, file: usize, rival: bool) {
        let uploader = Uploader::new(&self.ledger, file, rival, &mut self.rng);
        self.clients.push(Client::Uploader(Box::new(uploader)));
    }

    /// A client of so many batches and single bets; it asks for its winners in the end.
    fn plain(&mut self, agency: u32, batches: usize, bets: usize, finishes: bool, stranger: bool) {
        if batches > 0 {
            self.ledger.plain_source(agency);
        }
        let (ledger, rng) = (&mut self.ledger, &mut self.rng);
        let mut tasks = Vec::new();
        for _ in 0..batches {
            let count = rng.usize(1..5);
            tasks.push(Task::Parcel(ledger.parcel(agency, count, true, rng)));
        }
        for _ in 0..bets {
            tasks.push(Task::Parcel(ledger.parcel(agency, 1, false, rng)));
        }
        rng.shuffle(&mut tasks);
        if finishes {
            tasks.push(Task::Finished);
            if rng.u8(..3) == 0 {
                // Comes too late.
                tasks.push(Task::Parcel(ledger.parcel(agency, 1, batches > 0, rng)));
            }
        }
        tasks.push(Task::Query);
        let plain = Plain::new(agency, tasks, stranger, rng);
        self.clients.push(Client::Plain(Box::new(plain)));
    }

    /// Lives through all of it; gives the hash of what happened.
    pub fn run(mut self) -> u64 {
        let storm = [50, 300, 1_500][self.rng.usize(..3)];
        for _ in 0..self.rng.u32(..storm) {
            self.act(false);
            self.mishap();
            self.net.hop(false);
            self.fate();
            self.central.turn(&mut self.net, &mut self.ledger);
        }
        self.calm_down();
        self.until("everybody comes to an end", |world| {
            world.clients.iter().all(Client::is_done)
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
        if partial {
            central.kill(net, ledger);
        }
    }

    /// Turns of calm until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..CALM {
            if is_so(self) {
                return;
            }
            self.act(true);
            self.net.hop(true);
            self.central.turn(&mut self.net, &mut self.ledger);
            if !self.central.is_running() {
                self.boot();
            }
        }
        let starved = self.clients.iter().filter(|client| !client.is_done());
        let starved: Vec<&str> = starved.map(Client::name).collect();
        panic!("not within {CALM} turns: {what}; still waiting: {starved:?}");
    }

    /// Starts a server, in the storm now and then with another configuration.
    fn boot(&mut self) {
        let Self {
            rng, net, ledger, ..
        } = self;
        let other = self.weather == Weather::Everything && rng.u8(..4) == 0;
        let agencies = if other && !self.central.is_calm() {
            rng.u32(..=self.agencies)
        } else {
            self.agencies
        };
        let winner = [7574, 1, 2][rng.usize(..3)];
        self.central.boot(agencies, winner, net, ledger);
    }

    fn act(&mut self, calm: bool) {
        let Self {
            rng,
            net,
            ledger,
            clients,
            ..
        } = self;
        let mut order: Vec<usize> = (0..clients.len()).collect();
        rng.shuffle(&mut order);
        for i in order {
            if !calm && rng.u8(..3) == 0 {
                continue;
            }
            match &mut clients[i] {
                Client::Uploader(uploader) => uploader.act(net, ledger, rng),
                Client::Plain(plain) => plain.act(net, ledger, rng),
                Client::Intruder(intruder) => intruder.act(net, ledger),
            }
        }
    }

    /// Something happens to a client's connection.
    fn mishap(&mut self) {
        let Self {
            rng,
            ledger,
            clients,
            ..
        } = self;
        if clients.is_empty() || rng.u8(..20) > 0 {
            return;
        }
        let client = rng.usize(..clients.len());
        let Some(link) = clients[client].link() else {
            return;
        };
        let duplex = link.end.duplex();
        let kind = rng.u8(..3);
        ledger.note(format_args!("mishap {kind} {}", link.number));
        match kind {
            0 => duplex.borrow_mut().reset(),
            1 => duplex.borrow_mut().vanish(),
            // The client just closes it.
            _ => duplex.borrow_mut().excused = true,
        }
        match &mut clients[client] {
            Client::Uploader(client) => client.lose(ledger, rng),
            Client::Plain(client) => client.lose(ledger),
            Client::Intruder(client) => client.lose(ledger),
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
