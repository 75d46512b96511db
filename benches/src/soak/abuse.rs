//! The abusers of the central: a thread for each, at its own pace, until the lottery's upload is stored.
//!
//! Every abuser first settles: it opens what is to be open when the upload begins. It then acts once a tick, so that
//! its load on the machine is bounded, and is the same beside a slow central as beside a fast one.

mod connections;
pub mod list;
mod requests;
mod watching;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::peer::{self, Peer};
use crate::process::echo;

/// Between two acts of an abuser.
const TICK: Duration = Duration::from_millis(1);

/// Connections that are opened before an echo shows that the central has accepted them: fewer than its backlog.
const AT_ONCE: usize = 500;

/// A kind of abuse.
pub struct Abuse {
    /// What it does, in a few words.
    pub name: &'static str,
    pub(super) act: fn(&mut Abuser<'_>) -> io::Result<()>,
}

const SETTLING: u8 = 0;
const ACTING: u8 = 1;
const ENDED: u8 = 2;

/// What the abusers of a lottery share.
pub struct Scene<'a> {
    /// The address of the central.
    pub(super) address: SocketAddr,
    /// The address of its HTTP port.
    http: SocketAddr,
    crowd: usize,
    /// What each agency is to be told.
    winners: &'a [Vec<String>],
    phase: AtomicU8,
    failed: AtomicBool,
}

/// Ends a scene when it is dropped.
pub(super) struct EndOnDrop<'a>(&'a Scene<'a>);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        address: SocketAddr,
        http: SocketAddr,
        crowd: usize,
        winners: &'a [Vec<String>],
    ) -> Self {
        Self {
            address,
            http,
            crowd,
            winners,
            phase: AtomicU8::new(SETTLING),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn begin(&self) {
        self.phase.store(ACTING, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.phase.store(ENDED, Ordering::Relaxed);
    }

    pub(super) fn end_on_drop(&self) -> EndOnDrop<'_> {
        EndOnDrop(self)
    }

    pub(super) fn ended(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == ENDED
    }

    /// Returns whether an abuser has failed.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// What an abuser did, to be compared with the central's files.
#[derive(Debug, Default)]
pub(super) struct Actions {
    /// Connections that it made.
    pub(super) connections: u64,
    /// Requests that the central accepted.
    pub(super) accepted: u64,
    /// The rows of the bets that are stored for it.
    pub(super) rows: Vec<String>,
}

impl Actions {
    pub(super) fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.accepted += other.accepted;
        self.rows.extend(other.rows);
    }
}

/// An abuser.
pub(super) struct Abuser<'a> {
    scene: &'a Scene<'a>,
    /// Dropped once it asks the central for nothing more.
    acting: Option<Sender<()>>,
    /// The address from which its connections come, and no others.
    from: Ipv4Addr,
    rng: Rng,
    actions: Actions,
}

impl<'a> Abuser<'a> {
    /// The abuser of this number, from 1 on. It says once through `acting` that it has settled, and drops it when
    /// it asks the central for nothing more.
    pub(super) fn new(scene: &'a Scene<'a>, acting: Sender<()>, number: u8, seed: u64) -> Self {
        // The ports of a connection that is closed stay taken for a minute.
        static ADDRESSES: AtomicU32 = AtomicU32::new(Ipv4Addr::new(127, 1, 0, 1).to_bits());
        let from = Ipv4Addr::from_bits(ADDRESSES.fetch_add(1, Ordering::Relaxed));
        Self {
            scene,
            acting: Some(acting),
            from,
            rng: Rng::with_seed(seed ^ u64::from(number)),
            actions: Actions::default(),
        }
    }

    /// Acts until the end; returns what it did.
    ///
    /// # Errors
    /// The central did what it may not do.
    pub(super) fn run(mut self, abuse: &Abuse) -> io::Result<Actions> {
        let acted = (abuse.act)(&mut self);
        if acted.is_err() {
            self.scene.failed.store(true, Ordering::Relaxed);
            // Nobody has to wait for this abuser. The receiver may be gone.
            let _ = self.acting.as_ref().map(|acting| acting.send(()));
        }
        match acted {
            Ok(()) => Ok(self.actions),
            Err(e) => Err(io::Error::other(format!("{}: {e}", abuse.name))),
        }
    }

    /// Notes that everything is open that is to be open before the upload begins, and waits for that moment.
    fn settle(&self) -> io::Result<()> {
        let settled = self.acting.as_ref().map(|acting| acting.send(()));
        settled.unwrap_or(Ok(())).map_err(io::Error::other)?;
        while self.scene.phase.load(Ordering::Relaxed) == SETTLING {
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Notes that from here on it only waits for replies.
    fn stop_asking(&mut self) {
        self.acting = None;
    }

    /// Waits for the next tick; `false` at the end.
    fn goes_on(&self) -> bool {
        thread::sleep(TICK);
        !self.scene.ended()
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        self.actions.connections += 1;
        peer::connect(self.scene.address, Some(self.from))
    }

    fn peer(&mut self) -> io::Result<Peer> {
        self.actions.connections += 1;
        Peer::connect(self.scene.address, Some(self.from))
    }

    /// Opens so many connections, all of them accepted.
    fn crowd<T>(
        &mut self,
        count: usize,
        mut open: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        let mut crowd = Vec::with_capacity(count);
        while crowd.len() < count {
            for _ in 0..AT_ONCE.min(count - crowd.len()) {
                crowd.push(open(self)?);
            }
            self.actions.connections += 1;
            echo(self.scene.address)?;
        }
        Ok(crowd)
    }
}
