//! The HTTP port without a socket: streams that give and take as many bytes as they are told to, and a central that has
//! little to show.
#![allow(dead_code, reason = "each user has its own part")]

use std::cell::{Ref, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::net::Stream;
use event_server::observe::{
    AgencyView, Bounds, ConnectionView, Counters, Figures, LotteryView, Observe, Stage, Turns,
};
use event_server::web::Web;
use frame::{Agency, Calls};

/// Turns in a row after which a port that still wants another one runs in circles.
const RESTLESS: usize = 100_000;

/// What a stream holds, seen from both ends.
#[derive(Default)]
pub struct Wire {
    /// Bytes that the port may read.
    pub input: Vec<u8>,
    /// No more will come.
    pub ended: bool,
    /// Bytes that the port may still write.
    pub room: usize,
    /// What it has written.
    pub output: Vec<u8>,
    /// It will write nothing more.
    pub shut: bool,
    /// It has dropped its end.
    pub dropped: bool,
}

/// The port's end of a stream.
pub struct End(Rc<RefCell<Wire>>);

impl Read for End {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = wire.input.len().min(space.len());
        if count == 0 && !wire.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        space[..count].copy_from_slice(&wire.input[..count]);
        wire.input.drain(..count);
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.shut, "it writes after it has said that it will not");
        let count = wire.room.min(bytes.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room -= count;
        wire.output.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for End {
    fn shutdown_write(&self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

/// A central of this many agencies that have sent nothing.
struct Quiet(u32, Turns);

impl Observe for Quiet {
    fn watch(&mut self, _watched: bool) {}

    fn unavailable(&self) -> Option<String> {
        Some("nothing is stored here".to_owned())
    }

    fn lottery(&self) -> LotteryView {
        let view = |agency| AgencyView {
            agency,
            bets: 0,
            finished: false,
            connected: false,
            winners: None,
        };
        LotteryView {
            stage: Stage::Open,
            winner: None,
            expected: self.0,
            agencies: (1..=self.0).filter_map(Agency::new).map(view).collect(),
        }
    }

    fn bets(&self) -> Option<u64> {
        Some(0)
    }

    fn calls(&self) -> Calls {
        Calls::default()
    }

    fn turns(&self) -> &Turns {
        &self.1
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            connections: 0,
            inbox: 0,
            outbox: 0,
            states: &[],
        }
    }

    fn slots(&self) -> usize {
        0
    }

    fn connections(&self, _: Range<usize>, _: Instant, _: &mut dyn FnMut(&ConnectionView)) {}

    fn figures(&self) -> Figures {
        Figures {
            counters: Counters::new(),
            connections: Vec::new(),
            held: 0,
            buffered: 0,
            unsent: 0,
            certificate_seconds: None,
            store_up: false,
            accepted: 0,
            partial_frames: 0,
            ready: 0,
            calls: Calls::default(),
            phases: Default::default(),
        }
    }
}

/// A port, and its only peer.
pub struct Machine {
    web: Web<End>,
    central: Quiet,
    wire: Rc<RefCell<Wire>>,
    slot: usize,
    pub now: Instant,
}

impl Machine {
    /// A port of a central of `agencies` agencies, to which a peer has connected.
    pub fn new(agencies: u32) -> Self {
        let now = Instant::now();
        let wire = Rc::new(RefCell::new(Wire {
            room: usize::MAX,
            ..Wire::default()
        }));
        let mut web = Web::new("quiet", Vec::new(), now);
        let slot = web.next_slot();
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        web.insert(End(Rc::clone(&wire)), ip, now);
        let mut machine = Self {
            web,
            central: Quiet(agencies, Turns::default()),
            wire,
            slot,
            now,
        };
        machine.rest();
        machine
    }

    pub fn wire(&self) -> Ref<'_, Wire> {
        self.wire.borrow()
    }

    /// Changes what the stream holds and allows, and tells the port so.
    pub fn change(&mut self, change: impl FnOnce(&mut Wire)) {
        change(&mut self.wire.borrow_mut());
        self.web.mark(self.slot, true, true, false);
    }

    /// One turn.
    pub fn tick(&mut self) {
        self.web.tick(self.now, &mut self.central);
    }

    /// Turns until there is nothing to do.
    pub fn rest(&mut self) {
        for _ in 0..RESTLESS {
            self.tick();
            if !self.web.has_work() {
                return;
            }
        }
        panic!("the port does not come to rest");
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.rest();
    }

    /// All that was answered, without what differs from moment to moment: the date, figures of the process, and the length
    /// of what has them.
    pub fn answers(&self) -> String {
        let text = String::from_utf8_lossy(&self.wire().output).into_owned();
        let lines = text.split_inclusive('\n');
        let momentary = ["Date: ", "Content-Length: ", "process_"];
        let lasts = |line: &&str| !momentary.iter().any(|begin| line.starts_with(begin));
        lines.filter(lasts).collect()
    }
}
