//! A central that is started for one scenario: its certificates, and the lottery that is drawn before anybody comes.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fixtures::certificates::{Authority, Role, Term};
use frame::kind;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::peer::{Peer, frame};
use crate::process::{Process, central, free_address};

/// Documents of the long list, of 32 bytes each: together 16.5 MB.
const WINNERS: usize = 500_000;

/// The state of the central before the crowd comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// A lottery of two agencies that has just begun.
    Open,
    /// The same, with mutual TLS.
    Tls,
    /// The draw is done: agency 1 has won a list of 16.5 MB, agency 2 nothing.
    Drawn,
}

/// A central, and how to reach it.
pub(super) struct Central {
    pub(super) server: Process,
    pub(super) folder: TempDir,
    /// The address for frames.
    pub(super) address: SocketAddr,
    pub(super) http: SocketAddr,
    /// The configuration with which the honest agency shows its certificate.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The crowd is gone, or has to go.
    over: AtomicBool,
    /// Connections that were made.
    connections: AtomicU64,
}

impl Central {
    pub(super) fn start(setting: Setting) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (own, http) = (own_address(), free_address()?);
        let mut environment = vec![
            ("SERVER_BIND", "0.0.0.0".to_owned()),
            ("SERVER_HTTP", http.to_string()),
            ("SERVER_AGENCIES", "2".to_owned()),
            ("SERVER_DURABILITY", "never".to_owned()),
        ];
        let tls = match setting {
            Setting::Tls => Some(certificates(&folder, &mut environment)?),
            Setting::Open | Setting::Drawn => None,
        };
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(key, value)| (*key, &**value))
            .collect();
        let (server, local) = central(folder.path(), &environment)?;
        let address = SocketAddr::new(own, local.port());
        let central = Self {
            server,
            folder,
            address,
            http,
            tls,
            over: AtomicBool::new(false),
            connections: AtomicU64::new(0),
        };
        if setting == Setting::Drawn {
            central.draw()?;
        }
        Ok(central)
    }

    fn draw(&self) -> io::Result<()> {
        let mut peers = [
            Peer::connect(self.address, None)?,
            Peer::connect(self.address, None)?,
        ];
        let documents: Vec<usize> = (0..WINNERS).collect();
        for hundred in documents.chunks(100) {
            let bet = |i| {
                format!(
                    "{{agency:1,nombre:A,apellido:B,dni:{i:032},nacimiento:1999-12-31,numero:7574}}"
                )
            };
            let bets: Vec<String> = hundred.iter().map(bet).collect();
            expect(
                &peers[0].ask(kind::BATCH, bets.join("|").as_bytes())?,
                "{result:success}",
            )?;
        }
        for (peer, agency) in peers.iter_mut().zip(1..) {
            let finished = format!("{{agency:{agency}}}");
            expect(
                &peer.ask(kind::FINISHED, finished.as_bytes())?,
                "{result:success}",
            )?;
        }
        expect(
            &peers[1].ask(kind::WINNERS_QUERY, b"{agency:2}")?,
            "{ganadores:}",
        )
    }

    /// Tells the crowd to go.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Connections that were made.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Counts a connection of the crowd.
    pub(super) fn count(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Returns the bytes of the central's log.
    pub(super) fn logged(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.log())?.len())
    }
}

/// Checks that an answer is the expected one.
pub(super) fn expect(answer: &str, expected: &str) -> io::Result<()> {
    match answer == expected {
        true => Ok(()),
        false => Err(io::Error::other(format!("{answer}, not {expected}"))),
    }
}

/// Returns an address of this machine that is not the loopback one, where it has any.
fn own_address() -> IpAddr {
    let found = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
        // Nothing is sent: the system only says from where it would be.
        socket.connect(("192.0.2.1", 9))?;
        socket.local_addr()
    });
    found.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}

/// Makes the central's certificate, and what the honest agency needs.
fn certificates(
    folder: &TempDir,
    environment: &mut Vec<(&str, String)>,
) -> io::Result<Arc<ClientConfig>> {
    let made = || {
        let authority = Authority::new("lottery")?;
        let server = authority.sign(Role::Server, &["central"], Term::Current)?;
        let agency = authority.sign(Role::Client, &["agency-1"], Term::Current)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((authority, server, agency))
    };
    let (authority, server, agency) = made().map_err(io::Error::other)?;
    let (certificate, key) = server.write(folder.path(), "central")?;
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.certificate())?;
    for (name, path) in [
        ("SERVER_TLS_CERT", certificate),
        ("SERVER_TLS_KEY", key),
        ("SERVER_TLS_CLIENT_CA", ca),
    ] {
        environment.push((name, path.display().to_string()));
    }
    let parsed = || {
        let roots: RootCertStore = frame::pem::authorities(authority.certificate().as_bytes())?;
        let chain = frame::pem::certificates(agency.certificate.as_bytes())?;
        let key = frame::pem::key(agency.key.as_bytes())?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots))
            .and_then(|builder| builder.with_client_auth_cert(chain, key));
        config.map_err(|e| e.to_string())
    };
    parsed().map(Arc::new).map_err(io::Error::other)
}

/// Returns a request that is refused, and changes nothing.
pub(super) fn refused() -> Vec<u8> {
    frame(kind::FINISHED, b"{agency:999}")
}
