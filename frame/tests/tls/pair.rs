//! A client and a server with certificates, connected by a [`wire`](crate::wire).

use std::cell::{RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use fixtures::certificates::{Authority, Identity, Role, Term};
use frame::{Channel, Inbox, Outbox, Received, Tls, TlsError};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::wire::{End, Way};

/// Bytes of an inbox. Smaller than a record, so that decrypted bytes have to wait.
pub const INBOX: usize = 5_000;

/// The protocol that both sides speak (ALPN).
pub const PROTOCOL: &[u8] = b"lottery";

/// The most bytes that a session may allocate beside an inbox and an outbox: its records, their decrypted bytes, and
/// encrypted bytes, where buffers that double may allocate too much.
pub const SESSION: usize = (32 + 2 * 32 + 2 * 128) * 1024;

/// The certificates of both sides, and their authority.
pub struct World {
    pub authority: Authority,
    pub server: Identity,
    pub agency: Identity,
}

impl World {
    pub fn new() -> Self {
        let authority = Authority::new("lottery").unwrap();
        let server = authority.sign(Role::Server, &["central"], Term::Current);
        let agency = authority.sign(Role::Client, &["agency-3"], Term::Current);
        Self {
            server: server.unwrap(),
            agency: agency.unwrap(),
            authority,
        }
    }

    pub fn client(&self, name: &'static str) -> Tls {
        let (chain, key) = parsed(&self.agency);
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&self.authority))
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Tls::client(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap()
    }

    pub fn server(&self) -> Tls {
        let (chain, key) = parsed(&self.server);
        let provider = Arc::new(default_provider());
        let roots = Arc::new(roots(&self.authority));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"another".to_vec(), PROTOCOL.to_vec()];
        Tls::server(Arc::new(config)).unwrap()
    }
}

fn parsed(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    (vec![chain], key)
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.certificate().as_bytes());
    roots.add(certificate.unwrap()).unwrap();
    roots
}

/// A client, a server, and the wire between them.
pub struct Pair {
    pub client: Channel<End>,
    pub server: Channel<End>,
    /// How many events there were: a session that makes no progress fails the test instead of running for ever.
    pub events: u32,
}

impl Pair {
    /// A pair whose sessions begin.
    pub fn new(world: &World, seed: u64, pieces: usize) -> Self {
        let mut pair = Self::in_the_clear(seed, pieces);
        pair.client.secure(world.client("central"));
        pair.server.secure(world.server());
        pair.event();
        pair
    }

    /// A pair without sessions.
    pub fn in_the_clear(seed: u64, pieces: usize) -> Self {
        let (up, down) = (Rc::default(), Rc::default());
        let end = |from: &Rc<RefCell<Way>>, to: &Rc<RefCell<Way>>, seed| {
            let (from, to) = (Rc::clone(from), Rc::clone(to));
            let stream = End {
                from,
                to,
                rng: fastrand::Rng::with_seed(seed),
                pieces,
                read_blocked: false,
                write_blocked: false,
            };
            Channel::new(stream, Inbox::new(200, INBOX), Outbox::new(1_000))
        };
        Self {
            client: end(&down, &up, seed),
            server: end(&up, &down, !seed),
            events: 0,
        }
    }

    /// A pair whose handshake is done.
    pub fn established(world: &World) -> Self {
        let mut pair = Self::new(world, 0, usize::MAX);
        while !(pair.client.is_established() && pair.server.is_established()) {
            pair.turn().unwrap();
        }
        pair
    }

    /// An event at both ends: each is readable and writable.
    pub fn event(&mut self) {
        self.events += 1;
        assert!(self.events < 200_000, "nothing moves");
        for channel in [&mut self.client, &mut self.server] {
            let stream = channel.stream_mut();
            (stream.read_blocked, stream.write_blocked) = (false, false);
            channel.mark(true, true);
        }
    }

    /// One receive and one send at each end.
    pub fn turn(&mut self) -> io::Result<(Received, Received)> {
        self.event();
        let client = self.client.receive();
        let server = self.server.receive();
        self.client.send().unwrap();
        self.server.send().unwrap();
        Ok((client?, server?))
    }

    pub fn up(&self) -> RefMut<'_, Way> {
        self.client.stream().to.borrow_mut()
    }

    pub fn down(&self) -> RefMut<'_, Way> {
        self.server.stream().to.borrow_mut()
    }
}

pub fn noise(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(..most)).map(|_| rng.u8(..)).collect()
}

/// The session's error, which this has to be.
pub fn said(error: &io::Error) -> TlsError {
    TlsError::of(error)
        .expect("an error of the session")
        .clone()
}
