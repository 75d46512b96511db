//! The central, and peers written for the tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use frame::{Inbox, Request};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::common::{batch, bet, encode, finished, one, resume, row, winners};
use crate::trust::{Trust, failures};

/// How long to wait for what the server should do soon.
const PATIENCE: Duration = Duration::from_secs(30);

const SUCCESS: &str = "{result:success}";

/// A blocking socket that speaks frames over TLS.
pub struct Peer {
    stream: StreamOwned<ClientConnection, TcpStream>,
    inbox: Inbox,
}

impl Peer {
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("central").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self {
            stream: StreamOwned::new(connection, stream),
            inbox: Inbox::new(frame::MAX_REPLY, 64 * 1024),
        }
    }

    pub fn send(&mut self, request: &Request<'_>) {
        self.stream.write_all(&encode(request).0).unwrap();
        self.stream.flush().unwrap();
    }

    /// The payload of the next reply; `None` where the server has said goodbye.
    pub fn answer(&mut self) -> std::io::Result<Option<String>> {
        loop {
            if let Some(frame) = self.inbox.frame().unwrap() {
                return Ok(Some(String::from_utf8(frame.payload.to_vec()).unwrap()));
            }
            let stream = &mut self.stream;
            if self.inbox.fill(|space| stream.read(space))? == Some(0) {
                return Ok(None);
            }
        }
    }

    /// The certificate that the server has shown, in DER; only after an answer.
    pub fn shown(&self) -> &[u8] {
        &self.stream.conn.peer_certificates().unwrap()[0]
    }

    pub fn ask(&mut self, request: &Request<'_>) -> String {
        self.send(request);
        self.answer().unwrap().expect("a reply, no goodbye")
    }
}

/// Reads what a server sends in the clear until it closes.
fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn no_request_for_another_agency_passes_whatever_its_type() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let config = trust.config(Some(&trust.agency("agency-3")));
    let why = "{result:failure,error:\"the certificate speaks for agency 3, not 2\"}";
    for request in [
        one(&bet(2, "1", true)),
        batch(&bet(2, "1", true)),
        finished(2),
        resume(2, 7),
    ] {
        let mut peer = Peer::connect(central.address, &config);
        assert_eq!(peer.ask(&request), why);
        // Being refused binds to nothing, and opens nothing.
        assert_eq!(peer.ask(&finished(2)), why);
        assert_eq!(peer.ask(&one(&bet(3, "3", false))), SUCCESS);
    }
    let mut peer = Peer::connect(central.address, &config);
    assert_eq!(peer.ask(&winners(2)), "{result:failure}");
    assert_eq!(
        peer.ask(&resume(3, 7)),
        "{result:failure,error:resume must be the first message of a connection}"
    );
    let mixed = [bet(3, "4", false), bet(2, "5", false)].join("|");
    assert_eq!(peer.ask(&batch(&mixed)), "{result:failure}");
    let mut peer = Peer::connect(central.address, &config);
    assert_eq!(peer.ask(&resume(3, 7)), "{apuestas:0}");
    assert_eq!(peer.ask(&batch(&bet(3, "6", false))), SUCCESS);
    let (_, stored) = central.stop();
    let mut expected = vec![row(3, "3", false); 4];
    expected.push(row(3, "6", false));
    assert_eq!(stored, expected);
}

#[test]
fn a_client_without_a_certificate_is_turned_away() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let mut peer = Peer::connect(central.address, &trust.config(None));
    let _ = peer.stream.write_all(&encode(&finished(1)).0);
    let error = peer.answer().unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    drop(peer);
    let (log, _) = central.stop();
    let line = "ERROR    action: tls_handshake | result: fail | ip: 127.0.0.1 | error: the peer's certificate is refused: it sent none";
    assert_eq!(failures(&log), [line]);
}

#[test]
fn text_is_echoed_in_the_clear_on_a_tls_port() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let mut stream = TcpStream::connect(central.address).unwrap();
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(read_to_end(stream), b"hello\n");
    let mut check = Command::new(env!("CARGO_BIN_EXE_event-server"));
    let port = central.address.port().to_string();
    check
        .arg("--check")
        .current_dir(trust.folder())
        .env("SERVER_PORT", port);
    assert!(check.status().unwrap().success());
    let client = central.client(1);
    let mut echo = Command::new(client.get_program());
    echo.arg("echo")
        .current_dir(trust.folder())
        .env("CLI_LOOP_AMOUNT", "1");
    echo.envs(
        client
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    trust.secure(
        &mut echo,
        &trust.agency("agency-1"),
        &trust.authority,
        "echo",
    );
    let output = echo.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(failures(&central.stop().0), [""; 0]);
}

#[test]
fn a_peer_that_said_goodbye_still_gets_its_replies_and_one_that_was_cut_off_is_lost() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_AGENCIES", "1")]);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let mut asking = Peer::connect(central.address, &config);
    asking.send(&winners(1));
    asking.stream.conn.send_close_notify();
    asking.stream.flush().unwrap();
    let mut cut = Peer::connect(central.address, &config);
    assert_eq!(cut.ask(&one(&bet(1, "1", true))), SUCCESS);
    cut.stream.sock.shutdown(std::net::Shutdown::Both).unwrap();
    central
        .program
        .wait_for("close_connection | result: fail")
        .unwrap();
    let mut last = Peer::connect(central.address, &config);
    assert_eq!(last.ask(&finished(1)), SUCCESS);
    assert_eq!(asking.answer().unwrap().unwrap(), "{ganadores:1}");
    assert_eq!(asking.answer().unwrap(), None, "a goodbye for a goodbye");
    let (log, stored) = central.stop();
    let line = "INFO     action: close_connection | result: fail | ip: 127.0.0.1 | error: the connection ended without the close_notify of TLS";
    assert_eq!(failures(&log), [line]);
    assert_eq!(stored, [row(1, "1", true)]);
}

#[test]
fn sigterm_says_goodbye_on_every_session_and_leaves_half_made_ones() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_AGENCIES", "2")]);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let mut held = Peer::connect(central.address, &config);
    assert_eq!(held.ask(&finished(1)), SUCCESS);
    held.send(&winners(1));
    let mut idle = Peer::connect(central.address, &config);
    assert_eq!(idle.ask(&one(&bet(1, "1", true))), "{result:failure}");
    let mut half = TcpStream::connect(central.address).unwrap();
    half.write_all(&[0x16, 3, 1]).unwrap();
    let stopping = std::thread::spawn(move || central.stop());
    assert_eq!(held.answer().unwrap(), None);
    assert_eq!(idle.answer().unwrap(), None);
    drop((held, idle, half));
    let (log, _) = stopping.join().unwrap();
    assert!(log.contains("action: exit | result: success"), "{log}");
}

#[test]
fn a_handshake_has_the_time_of_a_frame() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_IDLE_TIMEOUT", "100ms")]);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let name = ServerName::try_from("central").unwrap();
    let mut connection = ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    for length in [1, hello.len() - 1, hello.len()] {
        let mut stream = TcpStream::connect(central.address).unwrap();
        stream.write_all(&hello[..length]).unwrap();
        let answered = !read_to_end(stream).is_empty();
        assert_eq!(answered, length == hello.len());
    }
    let (log, _) = central.stop();
    let line = "WARNING  action: receive_message | result: fail | ip: 127.0.0.1 | error: timed out waiting for the rest of what it began to send";
    assert_eq!(failures(&log), [line; 3]);
}

#[test]
fn those_that_show_no_certificate_take_no_place_of_those_that_did() {
    const PLACES: usize = 32;
    // At least this many places are kept for peers with a certificate.
    const KEPT: usize = 8;
    let trust = Trust::new();
    let most = PLACES.to_string();
    let central = trust.central(&trust.server, &[("SERVER_MAX_CONNECTIONS", &most)]);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let connect = || TcpStream::connect(central.address).unwrap();
    let mut strangers: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let mut verified: Vec<Peer> = Vec::new();
    for _ in 0..KEPT {
        let mut peer = Peer::connect(central.address, &config);
        assert_eq!(peer.ask(&finished(1)), SUCCESS);
        verified.push(peer);
    }
    // Now they are silent, and strangers come that say a little.
    for i in 0..300 {
        let mut stranger = connect();
        if i % 2 == 0 {
            stranger.write_all(&[0x16, 3, 1]).unwrap();
        }
        strangers.push(stranger);
    }
    // Once a line is echoed, those before it came in.
    let mut last = connect();
    last.write_all(b"last\n").unwrap();
    std::io::copy(&mut last, &mut std::io::sink()).unwrap();
    for peer in &mut verified {
        assert_eq!(peer.ask(&finished(1)), SUCCESS);
    }
    let (log, _) = central.stop();
    assert!(log.contains("its place is needed"), "{log}");
}

#[test]
fn what_sessions_buffer_counts_where_all_buffer_too_much() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_MAX_BUFFERED", "1048576")]);
    // A hello of 60,000 bytes, record by record, and its last bytes never come.
    let mut hello = Vec::new();
    for (i, size) in [15_000_u16, 14_000].into_iter().enumerate() {
        hello.extend([0x16, 3, 1]);
        hello.extend(size.to_be_bytes());
        let body = hello.len();
        hello.resize(body + usize::from(size), 0);
        if i == 0 {
            hello[body..body + 4].copy_from_slice(&[1, 0, 234, 96]);
        }
    }
    let peers: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(central.address).unwrap();
            // It may be evicted while it still sends.
            let _ = stream.write_all(&hello);
            stream
        })
        .collect();
    central
        .program
        .wait_for("action: evict_connection")
        .unwrap();
    drop(peers);
    central.stop();
}
