//! The servers of a world, one after another on one disk: each is started, takes its turns, and ends in order
//! or in no order at all. What it finds at its start is audited.

use std::time::Duration;

use event_server::facts::Fact;
use event_server::limits::Limits;
use event_server::lottery::{Draw, Lottery};
use event_server::service::Service;
use event_server::store::files::{Durability, FileName, FileStore, StoreError};
use event_server::store::{Draft as _, Store};
use frame::{Agency, Number};

use crate::ledger::{Ledger, Life};
use crate::net::Net;
use crate::running::{Running, Turn, limits};
use crate::store_disk::{Disk, DiskFiles, Fault};

/// The server's place in the net: there is one alone.
const PLACE: usize = 0;

pub struct Central {
    rng: fastrand::Rng,
    disk: Disk,
    running: Option<Running<FileStore<DiskFiles>>>,
    limits: Limits,
    /// A fault was planned for this server.
    planned: bool,
    /// The disk has a bound.
    tight: bool,
    /// Nothing happens to it any more.
    calm: bool,
    /// Nothing ever happens to it.
    fair: bool,
    /// How many agencies the lottery is of, as the last server began or an operator said.
    number: Option<u32>,
}

impl Central {
    pub fn new(fair: bool, idle_timeout: Duration, mut rng: fastrand::Rng) -> Self {
        Self {
            disk: Disk::new(rng.u64(..)),
            limits: limits(idle_timeout, &mut rng),
            rng,
            running: None,
            planned: false,
            tight: false,
            calm: false,
            fair,
            number: None,
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
        self.running.as_ref().is_some_and(Running::is_at_rest)
    }

    /// Starts a server, and audits what it finds. Where the start fails, none runs. Returns whether an operator has
    /// reopened an agency just before: then no client may read any more what an earlier server has told it.
    pub fn boot(&mut self, agencies: u32, winner: u32, net: &mut Net, ledger: &mut Ledger) -> bool {
        let reopened = ledger.reopenings;
        self.start(agencies, winner, net, ledger);
        ledger.reopenings > reopened
    }

    fn start(&mut self, agencies: u32, winner: u32, net: &mut Net, ledger: &mut Ledger) {
        let files = self.disk.boot();
        self.planned = false;
        if !self.calm && !self.fair && self.rng.u8(..6) == 0 {
            self.plan(ledger);
        }
        let mut lottery = Lottery::new(agencies);
        let mut facts = Vec::new();
        let opened = FileStore::open(files, Durability::Always, |fact| {
            lottery.apply(fact);
            facts.push(*fact);
        });
        let mut store = match opened {
            Ok((store, _)) => store,
            Err(e) => return self.start_failed(&e, ledger),
        };
        let bets = self.disk.bytes(FileName::Bets).unwrap_or_default();
        let bets = String::from_utf8_lossy(&bets);
        ledger.note(format_args!("boot {agencies} {winner} {facts:?}\n{bets}"));
        let before = ledger.lives.last().copied();
        let is_whole = store.status().unavailable.is_none();
        ledger.audit(&facts, is_whole.then_some(&*bets), before);
        let empty = bets.is_empty() && lottery.accounts().next().is_none();
        match lottery.start(agencies, store.has_rows()) {
            Ok(()) => assert!(
                empty || self.number.is_none_or(|number| number == agencies),
                "a lottery of {:?} agencies goes on with {agencies}",
                self.number
            ),
            Err(_) => {
                assert_ne!(self.number, Some(agencies), "its own number is refused");
                if let Err(e) = self.change_number(agencies, &mut lottery, &mut store, ledger) {
                    return self.start_failed(&e, ledger);
                }
            }
        }
        if let Err(e) = self.operate(&mut lottery, &mut store, net, ledger) {
            return self.start_failed(&e, ledger);
        }
        let agencies = lottery.agencies();
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
            remote: false,
            stopping: false,
        });
        let life = ledger.lives.len() - 1;
        self.number = Some(agencies);
        self.running = Some(Running::new(service, self.limits, PLACE, life, net));
    }

    /// Before the draw an operator changes the number now and then; in the calm whenever it has to be.
    fn change_number(
        &mut self,
        agencies: u32,
        lottery: &mut Lottery,
        store: &mut FileStore<DiskFiles>,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        let wanted = self.calm || self.rng.bool();
        if !wanted || lottery.check_number(agencies).is_err() {
            return Ok(());
        }
        ledger.note(format_args!("the number is changed to {agencies}"));
        store.commit(|| lottery.facts())?;
        let fact = Fact::Agencies { agencies };
        if store.draft(0).map(|draft| draft.stage(fact)).is_ok() {
            self.number = None;
            lottery.apply(&fact);
            store.commit(|| lottery.facts())?;
        }
        Ok(())
    }

    /// Before the draw an operator reopens an agency now and then, or closes one. In the calm each that was reopened is
    /// closed, since its client may end without finishing.
    fn operate(
        &mut self,
        lottery: &mut Lottery,
        store: &mut FileStore<DiskFiles>,
        net: &mut Net,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        // Whoever runs a command waits for its end, and for room.
        let undisturbed = !self.fair && !self.planned && !self.tight;
        if !undisturbed || matches!(lottery.draw(), Draw::Done { .. }) || lottery.agencies() == 0 {
            return Ok(());
        }
        let open = ledger.reopened();
        let open = open.filter(|agency| self.calm && *agency <= lottery.agencies());
        let mut closed: Vec<u32> = open.collect();
        let chosen = self.rng.u32(1..=lottery.agencies());
        match self.rng.u8(..32) {
            _ if self.calm => {}
            0..4 => {
                let allowed = self.rng.u8(..3) == 0;
                ledger.note(format_args!(
                    "agency {chosen} is reopened, allowed {allowed}"
                ));
                net.cut(PLACE);
                store.commit(|| lottery.facts())?;
                let agency = Agency::new(chosen).expect("a number above 0");
                lottery.reopen(agency, allowed);
                store.remove_agency(agency, lottery.facts())?;
                ledger.taken_out(chosen, allowed);
            }
            4 => closed.push(chosen),
            _ => {}
        }
        for agency in closed {
            ledger.note(format_args!("agency {agency} is closed"));
            store.commit(|| lottery.facts())?;
            let agency = Agency::new(agency).expect("a number above 0");
            let fact = Fact::Finished { agency };
            store.draft(0).expect("there is room").stage(fact);
            lottery.apply(&fact);
            store.commit(|| lottery.facts())?;
            ledger.send_finished(agency.get());
            ledger.finished(agency.get());
        }
        Ok(())
    }

    fn start_failed(&mut self, e: &StoreError, ledger: &mut Ledger) {
        ledger.note(format_args!("no start: {e}"));
        // A new lottery cannot begin on a full disk.
        let full = self.tight && self.disk.bytes(FileName::Log).is_none();
        assert!(self.was_struck() || full, "no start: {e}");
        self.make_room();
    }

    fn was_struck(&self) -> bool {
        self.planned && self.disk.struck()
    }

    /// One turn.
    pub fn turn(&mut self, net: &mut Net, ledger: &mut Ledger) {
        net.pass(Duration::from_millis(self.rng.u64(..4)));
        let Some(running) = &mut self.running else {
            return;
        };
        let turn = running.turn(false, self.calm, net, ledger, &mut self.rng);
        let next_deadline = running.next_deadline(net);
        match turn {
            Turn::Asleep => next_deadline
                .into_iter()
                .for_each(|then| net.pass_until(then)),
            Turn::Failed(e) => self.gave_up(&e, net, ledger),
            // The fault struck where the store could do without.
            Turn::Taken | Turn::Over if !self.disk.is_alive() => self.end(net, ledger),
            Turn::Over => self.close(net, ledger),
            Turn::Taken => {}
        }
    }

    /// Begins to end in order.
    pub fn stop(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if let Some(running) = &mut self.running {
            running.stop(net, ledger);
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

    /// Ends the server. Where its disk is dead, the power may have failed: then what is on its connections is lost,
    /// too.
    fn end(&mut self, net: &mut Net, ledger: &mut Ledger) {
        let power = !self.disk.is_alive() && self.rng.bool();
        self.kill(net, ledger);
        if power {
            net.cut(PLACE);
        }
    }

    /// The server is killed, and the kernel closes its connections.
    pub fn kill(&mut self, net: &mut Net, ledger: &mut Ledger) {
        ledger.note(format_args!("the server is gone"));
        net.stop_listening(PLACE);
        self.running = None;
    }

    /// The power fails between two operations.
    pub fn power_cut(&mut self, net: &mut Net, ledger: &mut Ledger) {
        self.disk.power_cut();
        self.kill(net, ledger);
        net.cut(PLACE);
    }

    /// Something will happen to an operation on the disk.
    pub fn plan(&mut self, ledger: &mut Ledger) {
        // One fault that the server will notice in its next turn is enough.
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
