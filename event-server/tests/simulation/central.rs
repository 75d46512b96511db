//! The servers of a world, one after another on one disk: each is started, takes its turns, and ends in order
//! or in no order at all. What it finds at its start is audited.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use event_server::hub::Hub;
use event_server::limits::Limits;
use event_server::lottery::Lottery;
use event_server::service::Service;
use event_server::store::Store;
use event_server::store::local::{Durability, LocalStore, Name, StoreError};
use frame::Number;

use crate::ledger::{Ledger, Life};
use crate::net::Net;
use crate::store_disk::{Disk, DiskFiles, Fault};
use crate::wire::ServerEnd;

/// Turns without anything to do after which the time of the next deadline comes.
const BOREDOM: u32 = 6;

/// Turns in a row that a server may want of itself, and then not read or write a byte.
const RESTLESS: u32 = 8;

/// Turns that a server which stops may still take.
const GRACE: u32 = 60;

pub struct Central {
    rng: fastrand::Rng,
    disk: Disk,
    running: Option<Running>,
    limits: Limits,
    begin: Instant,
    /// A fault was planned for this server.
    planned: bool,
    /// The disk has a bound.
    tight: bool,
    /// Nothing happens to it any more.
    calm: bool,
    /// Nothing happens to it from the beginning.
    fair: bool,
}

struct Running {
    hub: Hub<ServerEnd, LocalStore<DiskFiles>>,
    /// Turns left of one that stops.
    stopping: Option<u32>,
    bored: u32,
    restless: u32,
}

impl Central {
    pub fn new(fair: bool, mut rng: fastrand::Rng) -> Self {
        Self {
            disk: Disk::new(rng.u64(..)),
            limits: limits(&mut rng),
            rng,
            running: None,
            begin: Instant::now(),
            planned: false,
            tight: false,
            calm: false,
            fair,
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// Whether it has no connection, nothing to do and nothing to wait for.
    pub fn is_at_rest(&self) -> bool {
        self.running.as_ref().is_some_and(|Running { hub, .. }| {
            hub.is_empty() && !hub.has_work() && hub.deadline().is_none()
        })
    }

    /// Starts a server, and audits what it finds. Where the start fails none runs.
    pub fn boot(&mut self, agencies: u32, winner: u32, net: &mut Net, ledger: &mut Ledger) {
        let files = self.disk.boot();
        self.planned = false;
        if !self.calm && !self.fair && self.rng.u8(..6) == 0 {
            self.plan(ledger);
        }
        let mut lottery = Lottery::new(agencies);
        let mut facts = Vec::new();
        let opened = LocalStore::open(files, Durability::Always, |fact| {
            lottery.apply(fact);
            facts.push(*fact);
        });
        let store = match opened {
            Ok((store, _)) => store,
            Err(e) => return self.start_failed(&e, ledger),
        };
        let bets = self.disk.bytes(Name::Bets).unwrap_or_default();
        let bets = String::from_utf8_lossy(&bets);
        ledger.note(format_args!("boot {agencies} {winner} {facts:?}\n{bets}"));
        ledger.audit(&facts, (!store.retries()).then_some(&*bets));
        let winner_number = Number::new(winner).expect("a small number");
        let service = match Service::new(lottery, store, winner_number) {
            Ok(service) if self.disk.is_alive() => service,
            // The fault struck where the store could do without.
            Ok(_) => return ledger.note(format_args!("dead at its start")),
            Err(e) => return self.start_failed(&e, ledger),
        };
        let tight = self.tight;
        ledger.lives.push(Life {
            agencies,
            winner,
            tight,
            crowded: false,
            stopping: false,
        });
        net.listening = Some(ledger.lives.len() - 1);
        self.running = Some(Running {
            hub: Hub::new(service, None, self.limits),
            stopping: None,
            bored: 0,
            restless: 0,
        });
    }

    fn start_failed(&mut self, e: &StoreError, ledger: &mut Ledger) {
        ledger.note(format_args!("no start: {e}"));
        // A new lottery cannot begin on a full disk.
        let full = self.tight && self.disk.bytes(Name::Log).is_none();
        assert!(self.was_struck() || full, "no start: {e}");
        self.make_room();
    }

    fn was_struck(&self) -> bool {
        self.planned && self.disk.struck()
    }

    /// One turn as `server.rs` takes it: only where an event, a deadline or work of its own wakes it.
    pub fn turn(&mut self, net: &mut Net, ledger: &mut Ledger) {
        net.now += Duration::from_millis(self.rng.u64(..4));
        let Some(Running {
            hub,
            stopping,
            bored,
            restless,
        }) = &mut self.running
        else {
            return;
        };
        let now = self.begin + net.now;
        let events = net.events(self.calm);
        let mut acceptable = net.has_backlog() && hub.has_room();
        let due = hub.deadline().is_some_and(|deadline| deadline <= now);
        let woken = !events.is_empty() || acceptable || due || stopping.is_some();
        if !woken && !hub.has_work() {
            *bored += 1;
            if let (BOREDOM.., Some(deadline)) = (*bored, hub.deadline()) {
                net.now = deadline.duration_since(self.begin);
            }
            return;
        }
        *bored = 0;
        *restless = if net.has_moved() || woken {
            0
        } else {
            *restless + 1
        };
        assert!(*restless < RESTLESS, "the server does not come to rest");
        for (slot, edges) in events {
            hub.mark(slot, edges.readable, edges.writable, edges.dead);
        }
        // Where all buffer too much together, anybody may have to go.
        let cramped = self.limits.max_buffered < usize::MAX;
        while acceptable && let Some(end) = net.accept(hub.next_slot(), cramped) {
            let host = [127, 172][self.rng.usize(..2)];
            hub.insert(end, IpAddr::V4(Ipv4Addr::new(host, 0, 0, 1)), now);
            acceptable = hub.has_room() && (self.calm || self.rng.bool());
        }
        if let Some(life) = ledger.lives.last_mut() {
            life.crowded |= net.connected() > self.limits.max_connections / 2;
        }
        let ticked = hub.tick(now);
        let over = stopping.as_mut().is_some_and(|turns| {
            *turns = turns.saturating_sub(1);
            hub.is_empty() || *turns == 0
        });
        match ticked {
            Err(e) => self.gave_up(&e, net, ledger),
            // The fault struck where the store could do without.
            Ok(()) if !self.disk.is_alive() => self.end(net, ledger),
            Ok(()) if over => self.close(net, ledger),
            Ok(()) => {}
        }
    }

    /// Begins to end in order.
    pub fn stop(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if let Some(running) = &mut self.running {
            ledger.note(format_args!("stop"));
            running.stopping.get_or_insert(GRACE);
            running.hub.stop();
            net.stop_listening();
            if let Some(life) = ledger.lives.last_mut() {
                life.stopping = true;
            }
        }
    }

    fn close(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if let Some(Err(e)) = self.running.take().map(|running| running.hub.close()) {
            self.gave_up(&e, net, ledger);
        }
    }

    /// A call on the disk failed. It may do so only where it was made to.
    fn gave_up(&mut self, e: &StoreError, net: &mut Net, ledger: &mut Ledger) {
        ledger.note(format_args!("{e}"));
        assert!(self.was_struck(), "the server gave up: {e}");
        self.end(net, ledger);
    }

    /// It is gone. Where all of the machine is, perhaps, so are its connections.
    fn end(&mut self, net: &mut Net, ledger: &mut Ledger) {
        let power = !self.disk.is_alive() && self.rng.bool();
        self.kill(net, ledger);
        if power {
            net.cut();
        }
    }

    /// It is killed, and the kernel closes its connections.
    pub fn kill(&mut self, net: &mut Net, ledger: &mut Ledger) {
        ledger.note(format_args!("the server is gone"));
        net.stop_listening();
        self.running = None;
    }

    /// The power fails between two operations.
    pub fn power_cut(&mut self, net: &mut Net, ledger: &mut Ledger) {
        self.disk.power_cut();
        self.kill(net, ledger);
        net.cut();
    }

    /// Something will happen to an operation on the disk.
    pub fn plan(&mut self, ledger: &mut Ledger) {
        // One that the server will notice at its next turn is enough.
        if self.was_struck() {
            return;
        }
        let fault = [Fault::Kill, Fault::PowerCut, Fault::Error][self.rng.usize(..3)];
        let reach = [10, 100][self.rng.usize(..2)];
        let operations = self.rng.u64(..reach);
        ledger.note(format_args!("{fault:?} after {operations} operations"));
        self.planned = true;
        self.disk.plan(operations, fault);
    }

    /// Little room is left on the disk.
    pub fn fill_up(&mut self, ledger: &mut Ledger) {
        let room = [100, 700, 3_000][self.rng.usize(..3)];
        let room = self.rng.u64(..room);
        ledger.note(format_args!("{room} bytes of room"));
        self.disk.set_capacity(self.disk.used() + room);
        self.tight = true;
        if let Some(life) = ledger.lives.last_mut() {
            life.tight = true;
        }
    }

    /// There is room again.
    pub fn make_room(&mut self) {
        self.tight = false;
        self.disk.set_capacity(u64::MAX);
    }

    /// From now on nothing happens to it or its disk.
    pub fn calm_down(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if self.was_struck() {
            self.end(net, ledger);
        }
        self.make_room();
        self.calm = true;
        self.planned = false;
        self.disk.plan(u64::MAX, Fault::Kill);
    }
}

/// Small bounds, so that they are met.
fn limits(rng: &mut fastrand::Rng) -> Limits {
    Limits {
        max_connections: rng.usize(2..14),
        max_frame: 4_096,
        max_inbox: rng.usize(..8_192),
        max_outbox: rng.usize(1..400),
        turn_bytes: rng.usize(100..4_000),
        turn_requests: rng.usize(8..24),
        max_buffered: if rng.u8(..4) == 0 {
            rng.usize(16_000..40_000)
        } else {
            usize::MAX
        },
        ..Limits::default()
    }
}
