//! The agency, or the operator, that behaves well while a crowd does not.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use frame::{Inbox, MAX_REPLY, kind};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::central::{Central, expect, refused};
use crate::peer::{self, Peer};

const REFUSED: &str = "{result:failure}";

/// What it asks for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// A new connection, and a request: a new agency. With mutual TLS, with its certificate.
    Anew,
    /// A request on a connection that stays.
    On,
    /// Its winners, of which there are none, on a connection that stays.
    Winners,
    /// The HTTP port, whether the central is alive.
    Health,
}

pub(super) struct Honest<'a> {
    asks: Asks,
    central: &'a Central,
    peer: Peer,
}

impl<'a> Honest<'a> {
    pub(super) fn new(asks: Asks, central: &'a Central) -> io::Result<Self> {
        let peer = Peer::connect(central.address, None)?;
        Ok(Self {
            asks,
            central,
            peer,
        })
    }

    /// Asks once, and takes the answer.
    pub(super) fn ask(&mut self) -> io::Result<()> {
        let Self {
            asks,
            central,
            peer,
        } = self;
        match (asks, &central.tls) {
            (Asks::Anew, Some(config)) => ask_over_tls(central, config),
            (Asks::Anew, None) => {
                *peer = Peer::connect(central.address, None)?;
                expect(&peer.ask(kind::FINISHED, b"{agency:999}")?, REFUSED)
            }
            (Asks::On, _) => expect(&peer.ask(kind::FINISHED, b"{agency:999}")?, REFUSED),
            (Asks::Winners, _) => {
                let told = peer.ask(kind::WINNERS_QUERY, b"{agency:2}")?;
                expect(&told, "{ganadores:}")
            }
            (Asks::Health, _) => get(central, "/healthz"),
        }
    }
}

/// Asks the HTTP port for a path that has to be answered with 200.
pub(super) fn get(central: &Central, path: &str) -> io::Result<()> {
    let mut stream = peer::connect(central.http, None)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    expect(answer.get(..12).unwrap_or(&answer), "HTTP/1.1 200")
}

/// Sends a new agency's request with its certificate: it is refused, since it asks for another agency.
fn ask_over_tls(central: &Central, config: &Arc<ClientConfig>) -> io::Result<()> {
    let stream: TcpStream = peer::connect(central.address, None)?;
    let name = ServerName::try_from("central").map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    stream.write_all(&refused())?;
    stream.flush()?;
    let mut inbox = Inbox::new(MAX_REPLY, 0);
    loop {
        if let Some(frame) = inbox.frame().map_err(io::Error::other)? {
            let answer = String::from_utf8_lossy(frame.payload).into_owned();
            return match answer.starts_with("{result:failure") {
                true => Ok(()),
                false => expect(&answer, REFUSED),
            };
        }
        if inbox.fill(|space| stream.read(space))? == Some(0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
