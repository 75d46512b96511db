//! What both programs need to make a connection: the addresses of a name, the pauses between attempts, and a check of the
//! connection that was made. Opens no connection.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// The look-up of a name. The system's resolver blocks, so each name has a thread of its own.
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

/// Refuses a connection of a socket with itself, given the addresses of its two ends.
///
/// A client gets a port of the system's range (32768 to 60999, as a rule). Where it connects to a port of that range on its own
/// machine, and nobody listens there, both ports may be the same; then the socket is connected with itself, and reads what it
/// has written.
///
/// # Errors
/// [`ConnectionRefused`](ErrorKind::ConnectionRefused): both ends have the same address, so nobody listens there.
pub fn check_peer(own: SocketAddr, peer: SocketAddr) -> io::Result<()> {
    if own == peer {
        Err(ErrorKind::ConnectionRefused.into())
    } else {
        Ok(())
    }
}

/// The first pause is at most this long.
const FIRST: Duration = Duration::from_millis(100);

/// The pauses between the attempts of one program: longer each time, and partly random, so that many programs do not connect at
/// the same moment. Reads no clock and makes no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The next pause is at most this long.
    next: Duration,
    /// No pause is longer.
    bound: Duration,
}

impl Pauses {
    /// Begins; no pause will be longer than `bound`.
    pub fn new(bound: Duration) -> Self {
        Self { next: FIRST, bound }
    }

    /// Notes that an attempt failed, and returns how long to pause: from half of the longest pause now to all of it. `chance`
    /// is a random number from 0 to 1.
    pub fn next(&mut self, chance: f64) -> Duration {
        let pause = self.next.mul_f64(0.5 + chance / 2.0);
        self.next = (self.next * 2).min(self.bound);
        pause
    }

    /// Notes that an attempt succeeded: the pauses begin anew.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_anew_after_a_success() {
        let milliseconds = |pause: Duration| pause.as_millis();
        let mut pauses = Pauses::new(Duration::from_millis(500));
        for _ in 0..2 {
            let longest: Vec<u128> = (0..5).map(|_| milliseconds(pauses.next(1.0))).collect();
            assert_eq!(longest, [100, 200, 400, 500, 500]);
            assert_eq!(milliseconds(pauses.next(0.0)), 250);
            pauses.reset();
        }
    }

    /// The answer for a name, once it is there.
    fn looked_up(lookup: &mut Lookup, name: &'static str) -> io::Result<Vec<SocketAddr>> {
        let (done, is_done) = mpsc::channel();
        lookup.begin(name, move || done.send(()).unwrap());
        is_done.recv().unwrap();
        lookup.answer().unwrap()
    }

    #[test]
    fn a_name_is_answered_once_with_its_addresses_or_the_error() {
        let mut lookup = Lookup::default();
        assert!(lookup.answer().is_none(), "nobody has asked");
        let answer = looked_up(&mut lookup, "127.0.0.1:80").unwrap();
        assert_eq!(answer, [SocketAddr::from(([127, 0, 0, 1], 80))]);
        let error = looked_up(&mut lookup, "without a port").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        // Before the answer there is none, and an earlier name is given up.
        let (go_on, waits) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let slow = Slow(waits);
        lookup.begin(slow, move || done.send(()).unwrap());
        assert!(lookup.answer().is_none());
        let answer = looked_up(&mut lookup, "[::1]:7").unwrap();
        assert_eq!(answer, ["[::1]:7".parse().unwrap()]);
        drop(go_on);
        is_done.recv().unwrap();
    }

    /// A name whose addresses are known when the test says so.
    struct Slow(Receiver<()>);

    impl ToSocketAddrs for Slow {
        type Iter = std::option::IntoIter<SocketAddr>;

        fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
            let _ = self.0.recv();
            Ok(None.into_iter())
        }
    }

    #[test]
    fn a_connection_with_itself_is_refused_and_any_other_is_not() {
        let [one, other] = [40_000, 40_001].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let error = check_peer(one, one).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        check_peer(one, other).unwrap();
    }
}
