//! An honest agency beside a crowd that wants all of a central for itself: its places, its time, its memory, its log.
//!
//! ```text
//! central starts, perhaps a lottery is drawn -> the crowd comes, the honest agency asks again and again
//!     -> for some seconds more -> the crowd goes -> memory -> SIGTERM
//! ```
//!
//! The crowd comes from an address of this machine that is not the loopback one: such peers get their lines in the log.
//! The central has its default bounds. Times are judged by the caller; everything else is judged here.

mod central;
mod crowd;
mod honest;
pub mod scenarios;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::programs::Signal;

use self::central::Central;
use self::honest::{Asks, Honest, get};
use self::scenarios::{Crowd, Scenario};
use super::{Latencies, MAY_KEEP, settle};

/// How long the honest agency asks once the crowd is there.
const TIME: Duration = Duration::from_secs(5);

/// The pause between two of its requests.
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes of log a second that peers can bring about, whatever they do, and those of the lines about one connection.
const LOG_A_SECOND: u64 = 1_000_000;
const LOG_A_CONNECTION: u64 = 500;

/// Bytes of a TLS session that may stay with the allocator: glibc keeps what lies between other pieces that are in use. They
/// are of no connection (`malloc_trim` gives them back), and the next sessions get them. Of other crowds three quarters of
/// what was in use may stay.
const SESSION: u64 = 8 * 1024;

/// What was seen.
pub struct Seen {
    /// How long the honest agency's requests took.
    pub honest: Latencies,
    /// The central's own memory before anybody came, at its most, and after everybody had gone, in bytes.
    pub memory: [u64; 3],
    /// Connections of the crowd.
    pub connections: u64,
    /// Bytes of log a second.
    pub log: u64,
    /// What was wrong, a sentence each.
    pub broken: Vec<String>,
}

impl Scenario {
    /// Plays it once.
    ///
    /// # Errors
    /// It could not be played to its end.
    pub fn play(&self) -> io::Result<Seen> {
        let central = Central::start(self.setting)?;
        let mut honest = Honest::new(self.asks, &central)?;
        honest.ask()?;
        let memory = || central.server.own_memory();
        let (before, logged, began) = (memory()?, central.logged()?, Instant::now());
        let (mut most, mut times) = (before, Vec::new());
        let there = AtomicBool::new(false);
        let mut broken: Vec<String> = thread::scope(|scope| {
            let crowd = scope.spawn(|| {
                let acted = match self.crowd {
                    Crowd::Peers(peers) => peers.act(&central, &there),
                    Crowd::Clients(act) => act(&central, &there),
                };
                there.store(true, Ordering::Relaxed);
                acted
            });
            let mut until = None;
            let asked = loop {
                let begin = Instant::now();
                if until.is_some_and(|until| begin > until) {
                    break Ok(());
                }
                if let Err(e) = honest.ask() {
                    break Err(e);
                }
                times.push(begin.elapsed());
                match memory() {
                    Ok(memory) => most = most.max(memory),
                    Err(e) => break Err(e),
                }
                if until.is_none() && there.load(Ordering::Relaxed) {
                    until = Some(Instant::now() + TIME);
                }
                thread::sleep(PAUSE);
            };
            let ready = match self.asks {
                // It is served at once.
                Asks::Anew => get(&central, "/readyz"),
                _ => Ok(()),
            };
            central.end();
            let acted = crowd
                .join()
                .map_err(|_| io::Error::other("the crowd failed"))?;
            asked.map_err(|e| io::Error::other(format!("the honest agency: {e}")))?;
            ready.map_err(|e| io::Error::other(format!("/readyz: {e}")))?;
            acted
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let connections = central.connections();
        let log = central.logged()? - logged;
        drop(honest);
        let with_allocator = match central.tls {
            Some(_) => connections * SESSION,
            None => most.saturating_sub(before) / 4 * 3,
        };
        let bound = before + MAY_KEEP + with_allocator;
        let after = settle(&central.server, bound)?;
        if after > bound {
            broken.push(format!("{before} bytes of memory have become {after}"));
        }
        let explained = seconds * LOG_A_SECOND as f64 + (connections * LOG_A_CONNECTION) as f64;
        if log as f64 > explained {
            broken.push(format!(
                "{log} bytes of log, {explained:.0} at most are explained"
            ));
        }
        central.server.signal(Signal::TERM)?;
        central.server.end()?;
        Ok(Seen {
            honest: Latencies::from(times),
            memory: [before, most, after],
            connections,
            log: (log as f64 / seconds) as u64,
            broken,
        })
    }
}
