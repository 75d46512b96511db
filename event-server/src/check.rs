//! `event-server --check`: sends a line of text to a running server and expects it back.
//!
//! For health checks where there is neither a shell nor a netcat. Runs instead of a server, so it may
//! block.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Echoes a line off the server that listens on `address`.
///
/// # Errors
/// Nobody answers there in time, or not with the same line.
pub fn check(address: SocketAddr) -> io::Result<()> {
    let line = format!("check {}\n", std::process::id());
    let mut stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT)?;
    frame::check_peer(stream.local_addr()?, stream.peer_addr()?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(line.as_bytes())?;
    let mut answer = Vec::new();
    let mut reply = stream.take(line.len() as u64 + 1);
    reply.read_to_end(&mut answer).map_err(explain)?;
    match answer.as_slice() {
        echo if echo == line.as_bytes() => Ok(()),
        b"" => Err(io::Error::other(
            "the connection was closed without a reply: it stops, or it is no central",
        )),
        reply => Err(io::Error::other(match reply {
            [b'H', b'T', b'T', b'P', ..] => {
                "an HTTP server is there, no central: SERVER_PORT is the port of the agencies, SERVER_HTTP another one"
            }
            _ => "something else than the line came back: it is no central",
        })),
    }
}

/// The system takes connections for a server that accepts none.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::other(format!(
            "no reply within {TIMEOUT:?}: it is full (all places for connections are taken, and nobody gives way), or stands still"
        )),
        _ => error,
    }
}

/// A server bound to every address is reached through the loopback one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
