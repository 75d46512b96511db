//! One place of the cluster: the centrals that run there, one after another.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use event_server::limits::Limits;
use event_server::lottery::Lottery;
use event_server::service::Service;
use frame::Number;

use super::database::Database;
use super::link::Wire;
use super::sessions::{SeenStore, Sessions};
use crate::ledger::{Ledger, Life};
use crate::net::Net;
use crate::running::{Running, Turn, limits};

pub struct Central {
    place: usize,
    /// How many sessions its centrals have.
    sessions: u8,
    rng: fastrand::Rng,
    limits: Limits,
    running: Option<Alive>,
}

struct Alive {
    server: Running<SeenStore>,
    /// One for each of its sessions.
    wires: Vec<Rc<RefCell<Wire>>>,
    life: usize,
}

impl Central {
    pub fn new(place: usize, sessions: u8, idle_timeout: Duration, mut rng: fastrand::Rng) -> Self {
        Self {
            place,
            sessions,
            limits: limits(idle_timeout, &mut rng),
            rng,
            running: None,
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The server that runs, if one does.
    pub fn server(&self) -> Option<&Running<SeenStore>> {
        self.running.as_ref().map(|alive| &alive.server)
    }

    /// The life of the server in the ledger.
    pub fn life(&self) -> Option<usize> {
        self.running.as_ref().map(|alive| alive.life)
    }

    /// Starts a central.
    pub fn boot(
        &mut self,
        agencies: u32,
        most_known: usize,
        database: &mut Database,
        net: &mut Net,
        ledger: &mut Ledger,
    ) {
        let winner = [7574, 1, 2][self.rng.usize(..3)];
        let life = ledger.lives.len();
        ledger.note(format_args!("boot {life} at {}, {winner}", self.place));
        ledger.lives.push(Life {
            agencies,
            winner,
            tight: database.full,
            crowded: false,
            remote: true,
            stopping: false,
        });
        let sessions = Rc::new(RefCell::new(Sessions::default()));
        let (links, wires) = (0..self.sessions)
            .map(|number| database.link(life, number, &sessions))
            .unzip();
        let winner = Number::new(winner).expect("a small number");
        let store = SeenStore::new(links, sessions, winner, most_known);
        let service = Service::new(Lottery::new(agencies), store, winner);
        let service = service.unwrap_or_else(|e| panic!("{e}"));
        self.running = Some(Alive {
            server: Running::new(service, self.limits, self.place, life, net),
            wires,
            life,
        });
    }

    /// One turn.
    pub fn turn(&mut self, calm: bool, net: &mut Net, ledger: &mut Ledger) {
        let Some(Alive { server, wires, .. }) = &mut self.running else {
            return;
        };
        let mut event = false;
        for (number, wire) in (0..self.sessions).zip(wires) {
            if wire.borrow_mut().take_event() {
                server.hub.mark_store(number, true, true, false);
                event = true;
            }
        }
        match server.turn(event, calm, net, ledger, &mut self.rng) {
            Turn::Asleep | Turn::Taken => {}
            Turn::Over => self.close(ledger),
            Turn::Failed(e) => panic!("{e}"),
        }
    }

    /// Begins to end in order.
    pub fn stop(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if let Some(alive) = &mut self.running {
            alive.server.stop(net, ledger);
        }
    }

    fn close(&mut self, ledger: &mut Ledger) {
        ledger.note(format_args!("closed {}", self.place));
        if let Some(alive) = self.running.take() {
            alive.server.hub.close().unwrap_or_else(|e| panic!("{e}"));
        }
    }

    /// It is killed, and the kernel closes its connections.
    pub fn kill(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if let Some(alive) = self.running.take() {
            ledger.note(format_args!("killed {}", self.place));
            net.stop_listening(self.place);
            for wire in alive.wires {
                wire.borrow_mut().closed = true;
            }
        }
    }
}
