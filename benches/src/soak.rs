//! A whole lottery while others abuse its central, watched from outside; and what must be true afterwards.
//!
//! ```text
//! central starts -> abusers settle -> central stopped, clients start and wait -> it goes on
//!     -> the upload, the abuse and the echo check at once, timed until the last bet is stored
//!     -> abuse ends, the draw -> everybody leaves -> memory -> SIGTERM -> log and files are read
//! ```
//!
//! Five agencies upload with the real client. The abusers have an agency to themselves, the sixth: what they may
//! store is stored for it, and the draw waits for it. Times are judged by the caller; everything else is judged here.

pub mod abuse;
mod check;
mod echo;
pub mod pressure;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fixtures::programs::Signal;
use frame::kind;

use self::abuse::{Abuse, Abuser, Actions, Scene};
pub use self::echo::Latencies;
use crate::ingest::{Connection, Upload};
use crate::peer::Peer;
use crate::process::{Process, central, durability, echo, free_address, wait_until};
use crate::winners;

/// Agencies that upload.
const AGENCIES: u32 = 5;

/// The agency of the abusers.
pub const ABUSERS: u32 = AGENCIES + 1;

/// More connections than all abusers together open.
const MAX_CONNECTIONS: usize = 16_000;

/// By how much the central's memory may have grown when everybody is gone, in bytes: the buffers of one turn, and the
/// places of the connections that there were.
const MAY_KEEP: u64 = 12 * 1024 * 1024;

/// How long memory may take to be given back: the central does so once a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lottery that is played again and again, beside one abuse or another.
pub struct Lottery {
    upload: Upload,
    /// What each agency is told, in the order of its file.
    winners: Vec<Vec<String>>,
}

/// What goes on beside the upload.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Who does what.
    pub abuses: &'a [&'static Abuse],
    /// Connections of an abuse that is about their number.
    pub crowd: usize,
    /// Whether a line is echoed all the time.
    pub echo: bool,
    /// Whether every turn is synced.
    pub durable: bool,
    /// Decides what the abusers do.
    pub seed: u64,
}

/// What was seen.
pub struct Seen {
    /// From the first connection to the last bet stored.
    pub time: Duration,
    /// How long the echoed lines took.
    pub echo: Latencies,
    /// The central's own memory before anybody came, in bytes.
    pub before: u64,
    /// The same after everybody had gone.
    pub after: u64,
    /// The most memory that the central had, in bytes.
    pub peak: u64,
    /// Lines of the central's log.
    pub lines: u64,
    /// Connections of abusers, and those of the echo check.
    pub connections: u64,
    /// How often a client had to connect again.
    pub reconnects: u64,
    /// What was wrong, a sentence each.
    pub broken: Vec<String>,
}

impl Lottery {
    /// Makes the five files, with `bets` bets in all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn make(folder: &Path, bets: u64) -> io::Result<Self> {
        let upload = Upload::make(folder, AGENCIES, bets, Connection::Pipelined)?;
        let winners = upload.files.iter().map(|file| winners(file));
        let winners = winners.collect::<io::Result<_>>()?;
        Ok(Self { upload, winners })
    }

    /// Returns the number of bets of all agencies.
    pub fn bets(&self) -> u64 {
        self.upload.bets
    }

    /// Plays it once.
    ///
    /// # Errors
    /// It could not be played to its end.
    pub fn play(&self, beside: Beside<'_>) -> io::Result<Seen> {
        let folder = tempfile::tempdir()?;
        let http = free_address()?;
        // An undisturbed central has no port to be watched on.
        let watched = match beside.abuses {
            [] => "off".to_owned(),
            _ => http.to_string(),
        };
        let environment = [
            ("SERVER_HTTP", watched),
            ("SERVER_AGENCIES", ABUSERS.to_string()),
            ("SERVER_MAX_CONNECTIONS", MAX_CONNECTIONS.to_string()),
            ("SERVER_DURABILITY", durability(beside.durable).to_owned()),
        ];
        let environment = environment
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        let (server, address) = central(folder.path(), &environment)?;
        let before = server.own_memory()?;
        let began = Instant::now();

        let scene = Scene::new(address, http, beside.crowd, &self.winners);
        let played = thread::scope(|scope| {
            // Whatever happens here, the abusers are told to stop.
            let _end = scene.end_on_drop();
            let (acting, settling) = mpsc::channel();
            let abusers: Vec<_> = (1..)
                .zip(beside.abuses)
                .map(|(number, abuse)| {
                    let abuser = Abuser::new(&scene, acting.clone(), number, beside.seed);
                    scope.spawn(move || abuser.run(abuse))
                })
                .collect();
            drop(acting);
            abusers
                .iter()
                .try_for_each(|_| settling.recv())
                .map_err(io::Error::other)?;
            echo(address)?;

            server.signal(Signal::STOP)?;
            let clients = self.upload.start_clients(folder.path(), address, "INFO")?;
            let begin = Instant::now();
            server.signal(Signal::CONT)?;
            scene.begin();
            let echoing = beside.echo.then(|| scope.spawn(|| echo::sample(&scene)));
            let bets = folder.path().join("bets.csv");
            let stored = || fs::metadata(&bets).map_or(0, |file| file.len());
            let end = wait_until(|| stored() >= self.upload.stored || scene.failed())?;
            scene.end();

            let echo = echoing.map_or(Ok(Ok(Latencies::default())), |thread| thread.join());
            let echo = echo.map_err(|_| io::Error::other("the echo check failed"))??;
            // An abuser in the middle of a request would find its agency finished.
            while settling.recv().is_ok() {}
            finish(&scene)?;
            clients.into_iter().try_for_each(Process::end)?;
            let mut actions = Actions::default();
            for abuser in abusers {
                let done = abuser
                    .join()
                    .map_err(|_| io::Error::other("an abuser failed"))?;
                actions.add(done?);
            }
            Ok::<_, io::Error>((end - begin, echo, actions))
        });
        let (time, echo, actions) = played.map_err(|e| last_words(e, folder.path()))?;

        let after = settle(&server, before + MAY_KEEP)?;
        let peak = server.memory()?;
        server.signal(Signal::TERM)?;
        server.end()?;

        let mut broken = Vec::new();
        if after > before + MAY_KEEP {
            broken.push(format!("{before} bytes of memory have become {after}"));
        }
        let connections = actions.connections + echo.count() as u64;
        let log = check::log(
            &folder.path().join("server.log"),
            &check::Expected {
                bets: self.upload.bets,
                connections: connections + u64::from(AGENCIES),
                accepted: actions.accepted,
                time: began.elapsed(),
            },
        )?;
        broken.extend(log.broken);
        let rows = BTreeMap::from_iter((1..).zip(&self.upload.files));
        broken.extend(check::stored(
            &folder.path().join("bets.csv"),
            &rows,
            actions.rows,
        )?);
        let mut reconnects = 0;
        for (agency, winners) in (1..).zip(&self.winners) {
            let file = |name| folder.path().join(format!("{name}{agency}"));
            let told = fs::read_to_string(file("winners"))?;
            if !told.lines().eq(winners) {
                broken.push(format!(
                    "agency {agency} was told other winners than its own"
                ));
            }
            let log = fs::read_to_string(file("client").with_extension("log"))?;
            reconnects += log.matches("action: connect | result: in_progress").count() as u64;
        }
        Ok(Seen {
            time,
            echo,
            before,
            after,
            peak,
            lines: log.lines,
            connections,
            reconnects,
            broken,
        })
    }
}

/// Says that the last of the six agencies has finished, which begins the draw.
fn finish(scene: &Scene<'_>) -> io::Result<()> {
    let mut peer = Peer::connect(scene.address, None)?;
    let reply = peer.ask(kind::FINISHED, format!("{{agency:{ABUSERS}}}").as_bytes())?;
    match &*reply {
        "{result:success}" => Ok(()),
        other => Err(io::Error::other(format!("finished was answered {other}"))),
    }
}

/// Waits until the central has given memory back; returns what it has in the end.
fn settle(server: &Process, bound: u64) -> io::Result<u64> {
    let until = Instant::now() + PATIENCE;
    loop {
        let memory = server.own_memory()?;
        if memory <= bound || Instant::now() > until {
            return Ok(memory);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Returns an error with the end of the central's log.
fn last_words(error: io::Error, folder: &Path) -> io::Error {
    let log = fs::read(folder.join("server.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let last = log.lines().last().unwrap_or_default();
    io::Error::other(format!("{error}; the central's last line: {last}"))
}
