//! A server that runs: its hub, and its turns as `server.rs` takes them, only where an event, a deadline or work of its
//! own wakes it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use event_server::hub::Hub;
use event_server::limits::Limits;
use event_server::observe::Observe as _;
use event_server::service::Service;
use event_server::store::Store;

use crate::ledger::Ledger;
use crate::net::Net;
use crate::wire::ServerEnd;

/// Turns without anything to do after which the time of the next deadline comes.
const IDLE_TURNS: u32 = 6;

/// Turns in a row that a server may take without an event, and not read or write a byte in them: while it gathers replies,
/// it serves 8 requests of 32 bytes in each.
const MAX_VAIN_TURNS: u32 = 8_000 / (8 * 32) + 8;

/// Turns that a server which stops may still take.
const GRACE: u32 = 60;

pub struct Running<R: Store> {
    pub hub: Hub<ServerEnd, R>,
    /// Its place in the net.
    server: usize,
    /// Its life in the ledger.
    life: usize,
    limits: Limits,
    /// Turns that are left once it stops.
    stopping: Option<u32>,
    idle_turns: u32,
    vain_turns: u32,
}

/// How a turn ended.
pub enum Turn<E> {
    /// Nothing woke the server.
    Asleep,
    /// It goes on.
    Taken,
    /// It has stopped, and is to be closed.
    Over,
    /// Its store failed.
    Failed(E),
}

impl<R: Store> Running<R> {
    /// A server that listens at its place.
    pub fn new(
        service: Service<R>,
        limits: Limits,
        server: usize,
        life: usize,
        net: &mut Net,
    ) -> Self {
        net.listen(server, life);
        Self {
            hub: Hub::new(service, None, limits),
            server,
            life,
            limits,
            stopping: None,
            idle_turns: 0,
            vain_turns: 0,
        }
    }

    /// One turn; `woken` by something beside its connections and its deadline.
    pub fn turn(
        &mut self,
        woken: bool,
        calm: bool,
        net: &mut Net,
        ledger: &mut Ledger,
        rng: &mut fastrand::Rng,
    ) -> Turn<R::Error> {
        let Self { hub, server, .. } = self;
        let now = net.now();
        let events = net.events(*server, calm);
        let mut acceptable = net.has_backlog(*server) && hub.has_room(now);
        // Where a database keeps the bets, an event of a silent one may wait until the store takes more.
        let may_keep = ledger.lives[self.life].remote || !net.has_to_give_way(*server);
        assert!(
            acceptable || !net.has_backlog(*server) || may_keep,
            "whoever is silent keeps a place that another one waits for"
        );
        let due = hub.deadline().is_some_and(|deadline| deadline <= now);
        let woken = woken || !events.is_empty() || acceptable || due || self.stopping.is_some();
        if !woken && !hub.has_work() {
            self.idle_turns += 1;
            return Turn::Asleep;
        }
        self.idle_turns = 0;
        self.vain_turns = if net.has_moved(*server) || woken {
            0
        } else {
            self.vain_turns + 1
        };
        assert!(
            self.vain_turns < MAX_VAIN_TURNS,
            "the server does not come to rest"
        );
        for (slot, edges) in events {
            hub.mark(slot, edges.readable, edges.writable, edges.dead);
        }
        while acceptable {
            // Those that came in this turn count, too.
            net.crowd(*server, self.limits.max_connections);
            hub.make_room(now);
            let Some(end) = net.accept(*server, hub.next_slot(), &self.limits) else {
                break;
            };
            let host = [127, 172][rng.usize(..2)];
            hub.insert(end, IpAddr::V4(Ipv4Addr::new(host, 0, 0, 1)), now);
            acceptable = net.has_backlog(*server) && hub.has_room(now) && (calm || rng.bool());
        }
        let crowded = net.crowd(*server, self.limits.max_connections);
        ledger.lives[self.life].crowded |= crowded;
        if let Err(e) = hub.tick(now) {
            return Turn::Failed(e);
        }
        let most = self.limits.max_buffered;
        assert!(
            most == usize::MAX || hub.figures().buffered <= most as u64,
            "the buffers hold more than {most} bytes"
        );
        match &mut self.stopping {
            Some(turns) if *turns <= 1 || hub.is_empty() => Turn::Over,
            Some(turns) => {
                *turns -= 1;
                Turn::Taken
            }
            None => Turn::Taken,
        }
    }

    /// The time that comes next for a server which has had nothing to do for long.
    pub fn next_deadline(&self, net: &Net) -> Option<Instant> {
        let waits = net.has_backlog(self.server);
        let room_at = waits.then(|| self.hub.room_at(net.now())).flatten();
        let deadlines = [self.hub.deadline(), room_at];
        let next = deadlines.into_iter().flatten().min();
        next.filter(|_| self.is_idle())
    }

    /// Whether it has had nothing to do for long.
    pub fn is_idle(&self) -> bool {
        self.idle_turns >= IDLE_TURNS
    }

    /// Whether it has no connection, nothing to do and nothing to wait for.
    pub fn is_at_rest(&self) -> bool {
        self.hub.is_empty() && !self.hub.has_work() && self.hub.deadline().is_none()
    }

    /// Begins to end in order.
    pub fn stop(&mut self, net: &mut Net, ledger: &mut Ledger) {
        ledger.note(format_args!("stop {}", self.server));
        self.stopping.get_or_insert(GRACE);
        self.hub.stop();
        net.stop_listening(self.server);
        ledger.lives[self.life].stopping = true;
    }
}

/// Small bounds, so that they are met.
pub fn limits(idle_timeout: Duration, rng: &mut fastrand::Rng) -> Limits {
    let most_outbox = if rng.u8(..4) == 0 { 8_000 } else { 400 };
    Limits {
        max_connections: rng.usize(2..14),
        max_frame: 4_096,
        max_inbox: rng.usize(..8_192),
        max_outbox: rng.usize(1..most_outbox),
        turn_bytes: rng.usize(100..4_000),
        turn_requests: rng.usize(8..24),
        gathered_bytes: rng.usize(..8_000),
        max_buffered: if rng.u8(..4) == 0 {
            rng.usize(16_000..40_000)
        } else {
            usize::MAX
        },
        idle_timeout,
    }
}

/// Often that of a real server; else so short that clients meet it.
pub fn idle_timeout(rng: &mut fastrand::Rng) -> Duration {
    match rng.u8(..6) {
        0 => Duration::from_millis(30),
        1 => Duration::from_millis(200),
        2 => Duration::from_secs(1),
        _ => Duration::from_secs(60),
    }
}
