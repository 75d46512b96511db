//! A lottery to look at: a central with its pages, and about forty scripted peers at human speed.
//!
//! ```text
//! central starts -> a scene begins every ten seconds, each in threads of its own -> all agencies finish: the draw
//!     -> peers that read slowly or not at all -> SIGTERM while replies are owed -> everybody has ended
//! ```
//!
//! Each scene checks what its peers are answered: a show that went wrong ends with an error. The caller is told what there is
//! to see, in its order; nothing is printed here.

mod agencies;
mod scenes;
mod state;
pub mod trace;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use fixtures::programs::{Running, listen_address, program};

pub use self::scenes::{SCENES, Scene};
use self::state::{Phase, Show};

/// How long the show lasts, where nobody makes it shorter; the times of the scenes are seconds of it.
pub const LENGTH: Duration = Duration::from_secs(180);

/// When the central is told to stop, in seconds of the show.
const STOPS: f64 = 170.0;

/// How long the central waits for a peer, and how long it sends what it owes at the end, in seconds of the show.
const IDLE: f64 = 40.0;
const GRACE: f64 = 5.0;

/// Where the pages are, if nobody else listens there; otherwise at a port that is free.
const HTTP: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);

/// How a show is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long it lasts.
    pub length: Duration,
    /// Where the central leaves a trace of its loop.
    pub trace: Option<PathBuf>,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// The central is there, and its pages are at this address.
    Opened(SocketAddr),
    /// A scene begins.
    Begins(&'a Scene),
    /// The result of a scene, as a sentence.
    Came(&'a str),
    /// The central is told to stop.
    Stops,
}

/// Plays the show to its end, or until `stopped` says so; returns the central's log.
///
/// # Errors
/// The central could not be started or did not end in order, or a peer was not answered as it should be.
pub fn play(
    settings: &Settings,
    stopped: impl Fn() -> bool + Sync,
    tell: impl Fn(Told<'_>) + Sync,
) -> io::Result<String> {
    let folder = tempfile::Builder::new().prefix("lottery-").tempdir()?;
    let pace = settings.length.as_secs_f64() / LENGTH.as_secs_f64();
    let (central, address, http) = start(folder.path(), settings, pace)?;
    tell(Told::Opened(http));
    let came = |what: &str| tell(Told::Came(what));
    let show = Show::new(address, pace, &came);
    let (log, failures) = thread::scope(|scope| {
        let (show, stopped) = (&show, &stopped);
        let mut peers = Vec::new();
        for scene in SCENES {
            if !show.wait_for(scene.at, stopped) {
                break;
            }
            tell(Told::Begins(scene));
            show.enter(scene.phase);
            for (act, count) in scene.peers {
                for number in 1..=*count {
                    peers.push((scene.name, scope.spawn(move || act(show, number))));
                }
            }
        }
        show.wait_for(STOPS, stopped);
        tell(Told::Stops);
        show.enter(Phase::Over);
        let ended = central.stop();
        show.enter(Phase::Ended);
        let failures: Vec<String> = peers
            .into_iter()
            .filter_map(|(name, peer)| Some(format!("{name}: {}", failure(peer)?)))
            .collect();
        (ended, failures)
    });
    let (status, log) = log?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "the central ended with {status}:\n{log}"
        )));
    }
    match failures.is_empty() {
        true => Ok(log),
        false => Err(io::Error::other(failures.join("\n"))),
    }
}

/// Returns what went wrong with a peer.
fn failure(peer: ScopedJoinHandle<'_, io::Result<()>>) -> Option<String> {
    match peer.join() {
        Ok(outcome) => outcome.err().map(|e| e.to_string()),
        Err(_) => Some("its thread failed".to_owned()),
    }
}

/// Starts the central; returns where agencies find it, and where its pages are. Ctrl-C at a terminal does not reach it: it
/// is told to stop when the show ends.
fn start(
    folder: &Path,
    settings: &Settings,
    pace: f64,
) -> io::Result<(Running, SocketAddr, SocketAddr)> {
    let http = TcpListener::bind(HTTP).map_or(0, |_| HTTP.1);
    let http = SocketAddr::from((HTTP.0, http));
    let milliseconds = |seconds: f64| format!("{}ms", (seconds * pace * 1e3) as u64);
    let mut command = Command::new(program("event-server")?);
    command
        .current_dir(folder)
        .process_group(0)
        .env("SERVER_BIND", "127.0.0.1")
        .env("SERVER_PORT", "0")
        .env("SERVER_DATA_DIR", folder)
        .env("SERVER_HTTP", http.to_string())
        .env("SERVER_NAME", "show")
        .env("SERVER_AGENCIES", scenes::AGENCIES.to_string())
        .env("SERVER_IDLE_TIMEOUT", milliseconds(IDLE))
        .env("SERVER_SHUTDOWN_GRACE", milliseconds(GRACE))
        .env("LOGGING_LEVEL", "DEBUG");
    if let Some(trace) = &settings.trace {
        command.env("SERVER_TRACE", std::path::absolute(trace)?);
    }
    let central = Running::start(&mut command)?;
    let address = |action: &str| {
        let line = central.wait_for(&format!("action: {action} | result: success"))?;
        listen_address(&line).ok_or_else(|| io::Error::other(line))
    };
    let (http, lottery) = (address("listen_http")?, address("listen")?);
    Ok((central, lottery, http))
}
