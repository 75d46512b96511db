//! A proxy that delays: what a database far away is like, on one machine.
//!
//! ```text
//! central ── socket ── reader ─→ pieces with the moment in which they may go on ─→ writer ── socket ── database
//! ```
//!
//! Each direction of each connection has two threads of its own. A piece goes on half of a round trip after it came, however
//! many came before it: the delay costs time, not bandwidth.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// The most pieces of one direction that are on their way: what is sent beyond them waits in the sockets.
const ON_THE_WAY: usize = 256;

/// Delays whoever connects to it until the process ends.
#[derive(Debug)]
pub struct Delay {
    address: SocketAddr,
}

impl Delay {
    /// Begins to pass on to this port of the machine, with a delay of `round_trip` there and back.
    ///
    /// # Errors
    /// The system has no port for it.
    pub fn start(port: u16, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for near in listener.incoming() {
                // A connection that fails ends for both sides, as it would without a proxy.
                let _ = near.and_then(|near| pass_on(&near, port, round_trip / 2));
            }
        });
        Ok(Self { address })
    }

    /// Returns the port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

fn pass_on(near: &TcpStream, port: u16, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    for stream in [near, &far] {
        stream.set_nodelay(true)?;
    }
    carry(near.try_clone()?, far.try_clone()?, delay);
    carry(far, near.try_clone()?, delay);
    Ok(())
}

/// Carries all that comes from one stream to the other, and its end, each after the delay.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, pieces) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    thread::spawn(move || {
        let mut space = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut space) {
            let piece = (Instant::now() + delay, space[..count].to_vec());
            if sender.send(piece).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_goes_on_whole_and_later_in_both_directions() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            stream.read_to_end(&mut text).unwrap();
            stream.write_all(&text).unwrap();
        });
        let round_trip = Duration::from_millis(40);
        let delay = Delay::start(port, round_trip).unwrap();
        let begin = Instant::now();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, delay.port())).unwrap();
        let sent = vec![7; 3 * PIECE];
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(begin.elapsed() >= round_trip);
        assert!(answer == sent);
        echo.join().unwrap();
    }
}
