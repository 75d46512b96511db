//! Looking up the name of a host. The system's resolver blocks, so it has a thread of its own while it works.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

/// The last name that was asked for.
#[derive(Debug, Default)]
pub struct Lookup(Option<Receiver<io::Result<Vec<SocketAddr>>>>);

impl Lookup {
    /// Begins to look up a name with its port; calls `done` once there is an answer. An earlier name is given up.
    pub fn begin(
        &mut self,
        name: impl ToSocketAddrs + Send + 'static,
        done: impl FnOnce() + Send + 'static,
    ) {
        let (answer, lookup) = mpsc::channel();
        let failed = answer.clone();
        self.0 = Some(lookup);
        let resolver = move || {
            let addresses = name.to_socket_addrs();
            // Nobody listens any more where another name is looked up.
            let _ = answer.send(addresses.map(Vec::from_iter));
            done();
        };
        if let Err(e) = thread::Builder::new().spawn(resolver) {
            let _ = failed.send(Err(e));
        }
    }

    /// Returns the addresses, once they are known; `None` before, and where no name was asked for.
    pub fn answer(&self) -> Option<io::Result<Vec<SocketAddr>>> {
        match self.0.as_ref()?.try_recv() {
            Ok(addresses) => Some(addresses),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(io::ErrorKind::Other.into())),
        }
    }
}
