//! The central's HTTP port: a scrape every second, and readers that take little of their answers now and then.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::Abuser;
use crate::peer;

/// Connections that read slowly; with that of the scrape as many as the port allows.
const SLOW: usize = 63;

/// Requests that a slow connection sends at once: their answers do not fit into the system's buffers.
const REQUESTS: usize = 20;

/// Bytes that it takes at once.
const SIP: usize = 64;

/// Between two scrapes.
const SCRAPE: Duration = Duration::from_secs(1);

pub(super) fn watching(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let http = abuser.scene.http;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let slow = || -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(http), Type::STREAM, None)?;
        socket.set_recv_buffer_size(4 * 1024)?;
        socket.connect(&http.into())?;
        socket.set_nonblocking(true)?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(request("/").repeat(REQUESTS).as_bytes())?;
        Ok(stream)
    };
    let mut crowd = (0..SLOW).map(|_| slow()).collect::<io::Result<Vec<_>>>()?;
    let mut scraper = peer::connect(http, None)?;
    abuser.settle()?;
    let (mut next, mut due) = (0, Instant::now());
    while abuser.goes_on() {
        match crowd[next].read(&mut [0; SIP]) {
            Ok(1..) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            // It took too long to read, and was closed.
            Ok(0) | Err(_) => crowd[next] = slow()?,
        }
        next = (next + 1) % SLOW;
        if Instant::now() >= due {
            due += SCRAPE;
            scraper.write_all(request("/metrics").as_bytes())?;
            read_answer(&mut scraper)?;
        }
    }
    Ok(())
}

/// Reads an answer to its end.
fn read_answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let length = head.split_once("Content-Length: ").map(|(_, rest)| rest);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    let read = io::copy(&mut stream.take(length), &mut io::sink())?;
    match read == length {
        true => Ok(()),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}
