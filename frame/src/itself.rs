//! A connection that has met itself.
//!
//! Whoever connects gets a port of the system's range (32768 to 60999, as a rule). Where it connects to a port of that
//! range on its own machine, and nobody listens there, the two may be the same port; then the socket is connected with
//! itself, and reads what it has written.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Tells a connection from one that has met itself, by the addresses of its two ends.
///
/// # Errors
/// It has: nobody listens there, [`ConnectionRefused`](ErrorKind::ConnectionRefused).
pub fn check_peer(own: SocketAddr, peer: SocketAddr) -> io::Result<()> {
    match own == peer {
        true => Err(ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    }
}
