//! The clients of a world: for each agency those that send its bets and those that get in its way; now and then a
//! stranger, intruders, a latecomer, idlers, and stallers.

use std::time::Duration;

use crate::idler::Idler;
use crate::intruder::Intruder;
use crate::latecomer::Latecomer;
use crate::ledger::Ledger;
use crate::net::{ClientConnection, Net};
use crate::plain::{Plain, Task};
use crate::staller::Staller;
use crate::uploader::Uploader;

/// The longest timeout with which there are idlers and stallers.
const SHORT: Duration = Duration::from_secs(1);

enum Client {
    Uploader(Box<Uploader>),
    Plain(Box<Plain>),
    Intruder(Box<Intruder>),
    Idler(Box<Idler>),
    Latecomer(Box<Latecomer>),
    Staller(Box<Staller>),
}

impl Client {
    fn is_done(&self) -> bool {
        match self {
            Self::Uploader(client) => client.is_done(),
            Self::Plain(client) => client.is_done(),
            Self::Intruder(client) => client.is_done(),
            Self::Idler(client) => client.is_done(),
            Self::Latecomer(client) => client.is_done(),
            Self::Staller(client) => client.is_done(),
        }
    }

    fn connection(&mut self) -> &mut Option<ClientConnection> {
        match self {
            Self::Uploader(client) => client.connection(),
            Self::Plain(client) => client.connection(),
            Self::Intruder(client) => client.connection(),
            Self::Idler(client) => client.connection(),
            Self::Latecomer(client) => client.connection(),
            Self::Staller(client) => client.connection(),
        }
    }

    /// Its connection is lost.
    fn lose(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        match self {
            Self::Uploader(client) => client.lose(ledger, rng),
            Self::Plain(client) => client.lose(ledger),
            Self::Intruder(client) => client.lose(ledger),
            Self::Idler(client) => client.lose(ledger),
            Self::Latecomer(client) => client.lose(ledger),
            Self::Staller(client) => client.lose(ledger),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Uploader(_) => "an uploader",
            Self::Plain(_) => "a plain client",
            Self::Intruder(_) => "an intruder",
            Self::Idler(_) => "an idler",
            Self::Latecomer(_) => "a latecomer",
            Self::Staller(_) => "a staller",
        }
    }
}

/// All clients.
pub struct Population {
    clients: Vec<Client>,
    /// One of them is of an agency that does not take part.
    pub has_stranger: bool,
    /// Where clients stop for a while, as on SIGSTOP, with all that they have under way.
    stops: Option<Stops>,
    rng: fastrand::Rng,
}

/// Clients that stop, one at a time.
struct Stops {
    rng: fastrand::Rng,
    /// The one that is stopped, and for how many turns.
    stopped: Option<(usize, u32)>,
}

impl Stops {
    /// The client that does nothing in this turn.
    fn next(&mut self, clients: usize) -> Option<usize> {
        let (client, turns) = match self.stopped.take() {
            Some((_, 0)) | None if self.rng.u8(..20) > 0 => return None,
            Some((client, turns @ 1..)) => (client, turns - 1),
            _ => (self.rng.usize(..clients), self.rng.u32(5..100)),
        };
        self.stopped = Some((client, turns));
        Some(client)
    }
}

impl Population {
    /// The clients of agencies 1 to `agencies`, at servers with this timeout.
    pub fn new(
        agencies: u32,
        idle_timeout: Duration,
        ledger: &mut Ledger,
        rng: fastrand::Rng,
    ) -> Self {
        let clients = Vec::new();
        let mut population = Self {
            clients,
            has_stranger: false,
            stops: None,
            rng,
        };
        (1..=agencies).for_each(|agency| population.populate(agency, ledger));
        if population.rng.u8(..6) == 0 {
            let stranger = agencies + population.rng.u32(1..3);
            population.has_stranger = true;
            population.plain(stranger, 1, 1, true, true, ledger);
        }
        for _ in 0..population.rng.usize(..3) {
            let agency = population.rng.u32(1..=agencies);
            let intruder = Intruder::new(agency, ledger, &mut population.rng);
            population
                .clients
                .push(Client::Intruder(Box::new(intruder)));
        }
        if population.rng.u8(..4) == 0 {
            let latecomer = Latecomer::new(agencies, &mut population.rng);
            population
                .clients
                .push(Client::Latecomer(Box::new(latecomer)));
        }
        // With a long timeout the world would take too long.
        if idle_timeout <= SHORT {
            for _ in 0..population.rng.usize(..4) {
                let idler = Idler::new(&mut population.rng);
                population.clients.push(Client::Idler(Box::new(idler)));
            }
            for _ in 0..population.rng.usize(..5) {
                let agency = population.rng.u32(1..=agencies);
                let staller = Staller::new(agency, &mut population.rng);
                population.clients.push(Client::Staller(Box::new(staller)));
            }
        }
        population
    }

    /// From now on clients stop for a while.
    pub fn begin_stops(&mut self) {
        let rng = self.rng.fork();
        let stopped = None;
        self.stops = Some(Stops { rng, stopped });
    }

    /// An agency's client, and those that get in its way.
    fn populate(&mut self, agency: u32, ledger: &mut Ledger) {
        if self.rng.u8(..4) == 0 {
            let (batches, bets) = (self.rng.usize(..5), self.rng.usize(..3));
            self.plain(agency, batches, bets, true, false, ledger);
        } else {
            let file = self.file(agency, ledger);
            let rival = self.rng.u8(..5) == 0;
            self.uploader(file, rival, ledger);
            if rival {
                self.uploader(file, rival, ledger);
            }
        }
        if self.rng.u8(..6) == 0 {
            let file = self.file(agency, ledger);
            self.uploader(file, false, ledger);
        }
        if self.rng.u8(..8) == 0 {
            self.plain(agency, 2, 1, true, false, ledger);
        }
        if self.rng.u8(..3) == 0 {
            // Where another client's batches are stored, its own are refused between bets that are taken; where its own are,
            // nobody else can finish.
            let batches = if self.rng.u8(..3) == 0 { 3 } else { 0 };
            let bets = self.rng.usize(..6);
            self.plain(agency, batches, bets, batches > 0, false, ledger);
        }
    }

    fn file(&mut self, agency: u32, ledger: &mut Ledger) -> usize {
        let bets = self.rng.usize(..14);
        ledger.file(agency, bets, &mut self.rng)
    }

    fn uploader(&mut self, file: usize, rival: bool, ledger: &Ledger) {
        let uploader = Uploader::new(ledger, file, rival, &mut self.rng);
        self.clients.push(Client::Uploader(Box::new(uploader)));
    }

    /// A client of `batches` batches and `bets` single bets; it asks for its winners in the end.
    fn plain(
        &mut self,
        agency: u32,
        batches: usize,
        bets: usize,
        finishes: bool,
        stranger: bool,
        ledger: &mut Ledger,
    ) {
        if batches > 0 {
            ledger.plain_source(agency);
        }
        let rng = &mut self.rng;
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
                // These bets come after the agency has finished.
                tasks.push(Task::Parcel(ledger.parcel(agency, 1, batches > 0, rng)));
            }
        }
        tasks.push(Task::Query);
        let plain = Plain::new(agency, tasks, stranger, rng);
        self.clients.push(Client::Plain(Box::new(plain)));
    }

    /// Whether all are done.
    pub fn is_done(&self) -> bool {
        self.clients.iter().all(Client::is_done)
    }

    /// Those that are not done, in words.
    pub fn waiting(&self) -> Vec<&str> {
        let waiting = self.clients.iter().filter(|client| !client.is_done());
        waiting.map(Client::name).collect()
    }

    /// Each does what it can do now; in the storm, not always.
    pub fn act(&mut self, calm: bool, net: &mut Net, ledger: &mut Ledger) {
        let Self {
            clients,
            stops,
            rng,
            ..
        } = self;
        let stops = stops.as_mut().filter(|_| !calm && !clients.is_empty());
        let stopped = stops.and_then(|stops| stops.next(clients.len()));
        let mut order: Vec<usize> = (0..clients.len()).collect();
        rng.shuffle(&mut order);
        for i in order {
            if stopped == Some(i) || !calm && rng.u8(..3) == 0 {
                continue;
            }
            match &mut clients[i] {
                Client::Uploader(uploader) => uploader.act(net, ledger, rng),
                Client::Plain(plain) => plain.act(net, ledger, rng),
                Client::Intruder(intruder) => intruder.act(net, ledger),
                Client::Idler(idler) => idler.act(net, ledger, rng),
                Client::Latecomer(latecomer) => latecomer.act(net, ledger, rng),
                Client::Staller(staller) => staller.act(net, ledger, rng),
            }
        }
    }

    /// Something happens to a client's connection, now and then.
    pub fn mishap(&mut self, ledger: &mut Ledger) {
        let Self { clients, rng, .. } = self;
        if clients.is_empty() || rng.u8(..20) > 0 {
            return;
        }
        let client = rng.usize(..clients.len());
        let Some(connection) = clients[client].connection() else {
            return;
        };
        let duplex = connection.end.duplex();
        let kind = rng.u8(..3);
        ledger.note(format_args!("mishap {kind} {}", connection.number));
        match kind {
            0 => duplex.borrow_mut().reset(),
            1 => duplex.borrow_mut().vanish(),
            // The client just closes it.
            _ => duplex.borrow_mut().excused = true,
        }
        clients[client].lose(ledger, rng);
    }

    /// Those that miss a reply from the server of this life, not the winners, give it up, sooner or later.
    pub fn lose_patience(&mut self, life: usize, ledger: &mut Ledger) {
        let Self { clients, rng, .. } = self;
        for client in clients {
            // Not all requests of intruders and stallers are counted.
            let intrudes = matches!(client, Client::Intruder(_) | Client::Staller(_));
            let connection = client
                .connection()
                .as_ref()
                .filter(|connection| connection.life == life);
            let misses =
                connection.is_some_and(|connection| intrudes || connection.misses_a_reply());
            if misses && rng.u8(..20) == 0 {
                client.lose(ledger, rng);
            }
        }
    }

    /// All lose their connections, and what they have not read.
    pub fn lose_all(&mut self, ledger: &mut Ledger) {
        let Self { clients, rng, .. } = self;
        clients
            .iter_mut()
            .for_each(|client| client.lose(ledger, rng));
    }

    /// All lose their connections, and begin again, as if nothing was acknowledged.
    pub fn begin_anew(&mut self, ledger: &mut Ledger) {
        let Self { clients, rng, .. } = self;
        for client in clients {
            match client {
                Client::Uploader(client) => client.begin_anew(ledger, rng),
                Client::Plain(client) => client.begin_anew(ledger),
                Client::Intruder(client) => client.lose(ledger),
                Client::Idler(client) => client.lose(ledger),
                Client::Latecomer(client) => client.lose(ledger),
                Client::Staller(client) => client.lose(ledger),
            }
        }
    }
}
