//! A server, the five agencies with their files, and what must hold whatever goes on beside them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use event_server::limits::room_for_connections;
use fixtures::FIXTURES;
use fixtures::programs::{self, Running};
use tempfile::TempDir;

use crate::common::{Peer, eventually, finished, status_of};
use crate::log;

/// By how much the memory of a server that was abused may differ from that of one that was not: by less than a
/// thousand connections take that have begun a frame.
const SLACK_KB: u64 = 2 * 1024;

/// What the server frees goes back at once, where the C library heeds this; else it keeps pages for later that lie
/// between others in use, and what the server holds could not be told from what it held.
const ALLOCATOR: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "4096");

/// No such agency takes part: what it asks for is answered, and changes nothing.
pub const NOBODY: u32 = 9;

/// Connections that are opened before an answer shows that they are accepted: fewer than the backlog holds.
const AT_ONCE: usize = 500;

/// One at a time: speeds are compared, and descriptors are few.
static TURN: Mutex<()> = Mutex::new(());

/// An undisturbed lottery: how long the agencies took, and the server's memory afterwards.
static CALM: OnceLock<(Duration, u64)> = OnceLock::new();

/// What goes on beside a lottery.
pub struct Abuse<'a> {
    pub address: SocketAddr,
    under_way: Sender<()>,
    over: &'a AtomicBool,
}

impl Abuse<'_> {
    /// Lets the agencies begin.
    pub fn is_under_way(&self) {
        self.under_way.send(()).unwrap();
    }

    /// Whether all agencies have their winners.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Opens `count` connections, all of them accepted.
    pub fn connections(&self, count: usize) -> Vec<TcpStream> {
        let mut all = Vec::new();
        while all.len() < count {
            let some = AT_ONCE.min(count - all.len());
            all.extend((0..some).map(|_| self.connect()));
            // Once this one is answered, those before it are in.
            self.peer().ask(&finished(NOBODY));
        }
        all
    }

    pub fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }
}

/// Returns `wanted`, or how many connections the limit of descriptors has room for; then it says so.
pub fn crowd(wanted: usize) -> usize {
    // This process has one end of each, the server the other; and something is left for the rest.
    let room = room_for_connections().unwrap().saturating_sub(100).max(1);
    if room < wanted {
        println!(
            "{room} connections instead of {wanted}: the limit of descriptors is too low (ulimit -Hn)"
        );
    }
    wanted.min(room)
}

/// How a lottery went.
pub struct Outcome {
    pub log: String,
    /// Rows that are stored and are in no agency's file, sorted.
    pub others: Vec<String>,
}

/// A lottery beside which `abuse` goes on; it ends when it sees that the agencies are done.
pub fn endures(
    what: &str,
    environment: &[(&str, &str)],
    abuse: impl FnOnce(&Abuse<'_>) + Send,
) -> Outcome {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (calm, memory) = *CALM.get_or_init(|| {
        let central = Central::start(&[]);
        let time = central.agencies_send();
        (time, status_of(central.server.pid(), "RssAnon"))
    });
    let central = Central::start(environment);
    let over = AtomicBool::new(false);
    let (under_way, begin) = mpsc::channel();
    let time = thread::scope(|scope| {
        let abusing = scope.spawn(|| {
            abuse(&Abuse {
                address: central.address,
                under_way,
                over: &over,
            });
        });
        // An abuse that failed never says that it began.
        let time = begin.recv().map(|()| central.agencies_send());
        over.store(true, Ordering::Relaxed);
        abusing.join().unwrap();
        time.unwrap()
    });
    let ratio = calm.as_secs_f64() / time.as_secs_f64();
    println!("{what}: {time:.2?}, undisturbed {calm:.2?}: {ratio:.2} of the speed");

    let now = || status_of(central.server.pid(), "RssAnon");
    println!("{what}: memory {} kB, undisturbed {memory} kB", now());
    eventually("memory returns to where it was", || {
        now() <= memory + SLACK_KB
    });
    let idle_timeout = environment
        .iter()
        .find(|(key, _)| *key == "SERVER_IDLE_TIMEOUT");
    let sweeps = if idle_timeout.is_some() { SWEEPS } else { 1 };
    central.end(sweeps)
}

/// The tests' only other [`SERVER_IDLE_TIMEOUT`](HURRY), and how often a second such a server sweeps.
pub const HURRY: (&str, &str) = ("SERVER_IDLE_TIMEOUT", "800ms");
const SWEEPS: usize = 5;

struct Central {
    server: Running,
    address: SocketAddr,
    folder: TempDir,
}

impl Central {
    fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = [environment, &[ALLOCATOR]].concat();
        let (server, address) = programs::central(folder.path(), &environment).unwrap();
        Self {
            server,
            address,
            folder,
        }
    }

    /// The five agencies send their files at once, each with the real client, and are told their winners;
    /// how long that took.
    fn agencies_send(&self) -> Duration {
        let began = Instant::now();
        let agencies = FIXTURES.map(|fixture| {
            let path = fixture.path();
            let cwd = self.folder.path();
            let mut client = programs::agency(fixture.agency, &path, self.address, cwd).unwrap();
            // A query that gave way to others is asked again soon.
            client.env("CLI_LOOP_PERIOD", "50ms");
            // A pipe that nobody reads yet would stop whoever fills it.
            let log = fs::File::create(self.log_of(fixture.agency)).unwrap();
            client.stdout(Stdio::piped()).stderr(log);
            client.spawn().unwrap()
        });
        for (fixture, agency) in FIXTURES.iter().zip(agencies) {
            let output = agency.wait_with_output().unwrap();
            let log = fs::read_to_string(self.log_of(fixture.agency)).unwrap();
            assert!(output.status.success(), "agency {}: {log}", fixture.agency);
            let told = String::from_utf8(output.stdout).unwrap();
            assert_eq!(told.lines().collect::<Vec<_>>(), fixture.winners, "{log}");
        }
        began.elapsed()
    }

    fn log_of(&self, agency: u32) -> PathBuf {
        self.folder.path().join(format!("client{agency}.log"))
    }

    /// Stops the server, and looks at what it leaves behind.
    fn end(self, sweeps: usize) -> Outcome {
        let (status, log) = self.server.stop().unwrap();
        assert!(status.success(), "{status}\n{log}");
        log::audit(&log, sweeps);
        assert_eq!(log.matches("action: sorteo | result: success").count(), 1);

        let bets = fs::read_to_string(self.folder.path().join("bets.csv")).unwrap();
        let mut others: BTreeMap<&str, i64> = BTreeMap::new();
        for row in bets.split_terminator("\r\n") {
            *others.entry(row).or_default() += 1;
        }
        for fixture in FIXTURES {
            let file = fs::read_to_string(fixture.path()).unwrap();
            for row in file.lines() {
                let row = format!("{},{row}", fixture.agency);
                let count = others.get_mut(row.as_str()).expect("a bet is not stored");
                *count -= 1;
            }
        }
        let others = others.into_iter().filter(|(_, count)| *count != 0);
        let others = others.map(|(row, count)| {
            assert_eq!(count, 1, "{row}");
            row.to_owned()
        });
        Outcome {
            log,
            others: others.collect(),
        }
    }
}
