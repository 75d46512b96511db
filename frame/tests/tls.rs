//! Two channels that speak TLS with each other over a wire that does all that streams may do: take and give a
//! few bytes, block, be cut, be tampered with.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use fixtures::certificates::{Authority, Identity, Role, Term};
use frame::{Channel, Inbox, Outbox, Received, Tls, TlsError};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Smaller than a record, so that what is decrypted has to wait.
const INBOX: usize = 5_000;

/// Bytes beside an inbox and an outbox that a session may hold: its records, what they decrypt to, and what is
/// encrypted, with what doubling buffers take too much.
const SESSION: usize = (32 + 2 * 32 + 2 * 128) * 1024;

/// One direction of a wire.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// So many bytes went in, ever.
    count: usize,
    closed: bool,
    /// So many more go in; the rest is lost, and then the way is closed.
    budget: Option<usize>,
    /// The byte with this number is altered.
    altered: Option<usize>,
    /// Nobody takes anything off this wire.
    stuck: bool,
}

/// An end of a wire. Like an edge-triggered poll, it tells once that it is ready again after it blocked: to ask
/// before is a bug of the channel.
struct End {
    from: Rc<RefCell<Way>>,
    to: Rc<RefCell<Way>>,
    rng: fastrand::Rng,
    /// It gives and takes at most so many bytes at once, and blocks now and then.
    pieces: usize,
    read_blocked: bool,
    write_blocked: bool,
}

impl End {
    fn piece(&mut self, most: usize) -> usize {
        match self.pieces {
            usize::MAX => most,
            _ if self.rng.u8(..4) == 0 => 0,
            pieces => self.rng.usize(1..=pieces).min(most),
        }
    }
}

impl Read for End {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!self.read_blocked, "read again without an event");
        assert!(!space.is_empty(), "no room to read into");
        let waiting = self.from.borrow().bytes.len();
        let count = self.piece(space.len().min(waiting));
        if waiting == 0 && self.from.borrow().closed {
            return Ok(0);
        }
        if count == 0 {
            self.read_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = self
            .from
            .borrow_mut()
            .bytes
            .drain(..count)
            .collect::<Vec<u8>>();
        space[..count].copy_from_slice(&taken);
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.write_blocked, "written again without an event");
        let count = self.piece(bytes.len());
        let mut way = self.to.borrow_mut();
        if count == 0 || way.stuck {
            self.write_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        for byte in &bytes[..count] {
            if way.budget == Some(0) {
                way.closed = true;
                break;
            }
            way.budget = way.budget.map(|budget| budget - 1);
            let altered = way.altered == Some(way.count);
            way.bytes.push_back(if altered { byte ^ 1 } else { *byte });
            way.count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everybody's certificates.
struct World {
    authority: Authority,
    server: Identity,
    agency: Identity,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new("lottery").unwrap();
        let server = authority.sign(Role::Server, &["central"], Term::Current);
        let agency = authority.sign(Role::Client, &["agency-3"], Term::Current);
        Self {
            server: server.unwrap(),
            agency: agency.unwrap(),
            authority,
        }
    }

    fn client(&self, name: &'static str) -> Tls {
        let (chain, key) = parsed(&self.agency);
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&self.authority))
            .with_client_auth_cert(chain, key)
            .unwrap();
        Tls::client(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap()
    }

    fn server(&self) -> Tls {
        let (chain, key) = parsed(&self.server);
        let provider = Arc::new(default_provider());
        let roots = Arc::new(roots(&self.authority));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
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
struct Pair {
    client: Channel<End>,
    server: Channel<End>,
    /// How often something happened; a session that stalls fails instead of hanging.
    events: u32,
}

impl Pair {
    fn new(world: &World, seed: u64, pieces: usize) -> Self {
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
        let mut client = end(&down, &up, seed);
        let mut server = end(&up, &down, !seed);
        client.secure(world.client("central"));
        server.secure(world.server());
        let mut pair = Self {
            client,
            server,
            events: 0,
        };
        pair.event();
        pair
    }

    /// A pair whose handshake is done.
    fn established(world: &World) -> Self {
        let mut pair = Self::new(world, 0, usize::MAX);
        while !(pair.client.is_established() && pair.server.is_established()) {
            pair.turn().unwrap();
        }
        pair
    }

    /// What a poll would tell about both ends.
    fn event(&mut self) {
        self.events += 1;
        assert!(self.events < 200_000, "nothing moves");
        for channel in [&mut self.client, &mut self.server] {
            let stream = channel.stream_mut();
            (stream.read_blocked, stream.write_blocked) = (false, false);
            channel.mark(true, true);
        }
    }

    /// One receive and one send at each end.
    fn turn(&mut self) -> io::Result<(Received, Received)> {
        self.event();
        let client = self.client.receive();
        let server = self.server.receive();
        self.client.send().unwrap();
        self.server.send().unwrap();
        Ok((client?, server?))
    }

    fn up(&self) -> std::cell::RefMut<'_, Way> {
        self.client.stream().to.borrow_mut()
    }

    fn down(&self) -> std::cell::RefMut<'_, Way> {
        self.server.stream().to.borrow_mut()
    }
}

fn noise(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(..most)).map(|_| rng.u8(..)).collect()
}

/// What the session says of an error, which has to be one of its.
fn said(error: &io::Error) -> TlsError {
    TlsError::of(error)
        .expect("an error of the session")
        .clone()
}

#[test]
fn bytes_arrive_whole_and_in_order_both_ways_and_end_with_a_goodbye_however_they_are_split() {
    let world = World::new();
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let pieces = *rng.choice(&[1, 30, 1_000, 20_000, usize::MAX]).unwrap();
        let most = if pieces == 1 { 500 } else { 60_000 };
        let sent = [noise(&mut rng, most), noise(&mut rng, most)];
        let mut received = [Vec::new(), Vec::new()];
        let mut done = [0, 0];
        let mut pair = Pair::new(&world, seed, pieces);
        for round in 0.. {
            assert!(round < 200_000, "seed {seed}: stalled");
            let channels = [&mut pair.client, &mut pair.server];
            for (i, channel) in channels.into_iter().enumerate() {
                if channel.outbox.has_room() && done[i] < sent[i].len() {
                    // The client need not wait for the end of the handshake.
                    let to = (done[i] + rng.usize(1..50_000)).min(sent[i].len());
                    channel.outbox.text(&sent[i][done[i]..to]);
                    done[i] = to;
                }
                // Who works within a budget does not always receive, send or take out all there is.
                for _ in 0..rng.u32(..3) {
                    let what = channel.receive();
                    assert!(what.is_ok(), "seed {seed}: {what:?}");
                }
                if rng.bool() {
                    received[i].extend_from_slice(channel.inbox.unread());
                    channel.inbox.clear();
                }
                if rng.bool() {
                    channel.send().unwrap();
                }
                if rng.bool() {
                    let stream = channel.stream_mut();
                    let ready = (stream.read_blocked, stream.write_blocked);
                    (stream.read_blocked, stream.write_blocked) = (false, false);
                    channel.mark(ready.0, ready.1);
                }
            }
            if received[1].len() == sent[0].len() && received[0].len() == sent[1].len() {
                break;
            }
        }
        assert!(
            received[1] == sent[0] && received[0] == sent[1],
            "seed {seed}"
        );
        while !pair.client.is_established() || !pair.server.is_established() {
            pair.turn().unwrap();
        }
        pair.client.finish();
        while pair.turn().unwrap().1 != Received::End {}
        assert!(pair.server.ended() && !pair.server.can_receive());
        // The server may still answer; its last words have to reach nobody.
        pair.server.outbox.text(b"reply");
        pair.server.finish();
        while !pair.server.all_sent() {
            pair.turn().unwrap();
        }
        assert_eq!((pair.server.unsent(), pair.client.unsent()), (0, 0));
    }
}

#[test]
fn what_waits_in_the_session_is_received_without_a_new_event() {
    let world = World::new();
    let mut pair = Pair::established(&world);
    let text = noise(&mut fastrand::Rng::with_seed(1), 60_000);
    pair.client.outbox.text(&text);
    pair.turn().unwrap();
    pair.event();
    let server = &mut pair.server;
    let mut received = Vec::new();
    let mut blocked = false;
    while server.can_receive() {
        match server.receive().unwrap() {
            Received::Bytes(_) => assert!(server.inbox.unread().len() <= INBOX),
            Received::Full => {
                assert!(
                    server.can_receive(),
                    "a full inbox says nothing about the rest"
                );
                received.extend_from_slice(server.inbox.unread());
                server.inbox.clear();
            }
            Received::NotYet => blocked = true,
            Received::End => panic!("nobody said goodbye"),
        }
    }
    assert!(blocked, "only a block clears readiness");
    received.extend_from_slice(server.inbox.unread());
    assert!(received == text);
    assert_eq!(
        server.receive().unwrap(),
        Received::NotYet,
        "the stream is not asked"
    );
}

#[test]
fn a_stream_cut_anywhere_is_no_end() {
    let world = World::new();
    let whole = {
        let mut pair = Pair::established(&world);
        pair.server.outbox.text(b"the winners");
        pair.server.finish();
        while pair.turn().unwrap().0 != Received::End {}
        assert_eq!(pair.client.inbox.unread(), b"the winners");
        pair.down().count
    };
    let mut rng = fastrand::Rng::with_seed(2);
    let some = (0..60).map(|_| rng.usize(..whole - 60));
    // Signatures are not always of one length: the last bytes of one run may be all of another.
    for place in some.chain(whole - 60..whole - 4) {
        let mut pair = Pair::new(&world, 0, usize::MAX);
        pair.down().budget = Some(place);
        pair.server.outbox.text(b"the winners");
        let error = loop {
            if pair.server.is_established() {
                pair.server.finish();
            }
            match pair.turn() {
                Ok((Received::End, _)) => panic!("cut at byte {place}, and it passed for an end"),
                Ok(_) => {}
                Err(e) => break e,
            }
        };
        let handshake = !matches!(said(&error), TlsError::Cut { handshake: false });
        assert!(
            matches!(said(&error), TlsError::Cut { .. }),
            "{place}: {error}"
        );
        assert!(!handshake || pair.client.inbox.is_empty());
        let again = pair.client.receive().unwrap_err();
        assert_eq!(said(&again), said(&error), "what failed stays failed");
    }
}

#[test]
fn an_altered_byte_anywhere_breaks_the_session_and_the_peer_is_told() {
    let world = World::new();
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut pair = Pair::established(&world);
        let text = noise(&mut rng, 3_000);
        let before = pair.down().count;
        let place = {
            let mut up = pair.up();
            let place = up.count + rng.usize(..text.len() + 5);
            up.altered = Some(place);
            place
        };
        pair.client.outbox.text(&text);
        pair.client.finish();
        let mut server = None;
        while server.is_none() {
            pair.event();
            let received = pair.server.receive();
            assert!(
                !matches!(received, Ok(Received::End)),
                "seed {seed}: altered at {place}"
            );
            server = received.err();
            pair.client.send().unwrap();
            pair.server.send().unwrap();
            // A length that was raised waits for bytes that never come.
            let closed = pair.client.all_sent() && pair.up().bytes.is_empty();
            pair.up().closed |= closed;
        }
        let server = said(&server.unwrap());
        let told = matches!(server, TlsError::Broken(_));
        assert!(
            told || matches!(server, TlsError::Cut { .. }),
            "seed {seed}: {server}"
        );
        assert!(
            pair.server.inbox.is_empty(),
            "seed {seed}: nothing altered is read"
        );
        assert!(
            pair.server.all_sent(),
            "seed {seed}: nothing but last words"
        );
        assert_eq!(pair.down().count > before, told, "seed {seed}: {server}");
    }
}

#[test]
fn a_peer_that_floods_or_takes_nothing_costs_a_bounded_amount() {
    let world = World::new();
    let mut pair = Pair::established(&world);
    pair.client.outbox.text(&vec![7; 1_000_000]);
    pair.server.outbox.text(&vec![7; 1_000_000]);
    pair.down().stuck = true;
    for _ in 0..1_000 {
        pair.turn().unwrap();
        // Nobody takes anything out of the inbox.
        let session = pair.server.allocated() - pair.server.outbox.allocated();
        assert!(session <= INBOX + SESSION, "{session} bytes");
    }
    assert_eq!(pair.server.inbox.unread().len(), INBOX);
    assert!(
        pair.up().bytes.len() > 800_000,
        "the rest stays in the stream"
    );
    assert!(
        pair.server.outbox.waiting() >= 860_000,
        "the rest stays in the outbox"
    );
    assert!(pair.server.unsent() > 1_000_000);
    let before = pair.server.allocated();
    pair.server.release();
    assert!(pair.server.allocated() <= before);

    let mut idle = Pair::established(&world);
    idle.server.release();
    assert_eq!(
        idle.server.allocated(),
        0,
        "an idle connection holds no buffers"
    );
}

#[test]
fn what_is_no_tls_and_what_is_too_long_breaks_the_session() {
    let world = World::new();
    let record = |kind: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3], &length[..], bytes].concat()
    };
    // A hello that announces 65,535 bytes and brings them record by record.
    let mut endless = record(22, &[&[1, 0, 255, 255][..], &[0; 10_000]].concat());
    for _ in 0..5 {
        endless.extend(record(22, &[0; 10_000]));
    }
    let rubbish = b"GET / HTTP/1.1\r\n\r\n".repeat(10);
    for (bytes, words) in [(endless, "a message of more than"), (rubbish, "the TLS 1.3 session failed")] {
        let mut pair = Pair::new(&world, 0, usize::MAX);
        pair.up().bytes.extend(bytes);
        let error = loop {
            pair.event();
            match pair.server.receive() {
                Ok(_) => assert!(pair.server.allocated() <= SESSION),
                Err(e) => break e,
            }
        };
        assert!(said(&error).to_string().contains(words), "{error}");
    }
}

#[test]
fn each_side_says_in_words_why_it_refuses_a_certificate_and_that_its_own_was_refused() {
    use Role::{Client, Server};
    use Term::{Current, Future, Past};
    let foreign = "it was not signed by the authority that is trusted here";
    let other_use = "it was made for the other side of a connection";
    let other_name = "it is for elsewhere, not for central";
    for (side, made_for, name, term, own, words) in [
        (Server, Server, "central", Past, true, "it has expired"),
        (
            Server,
            Server,
            "central",
            Future,
            true,
            "it is not valid yet",
        ),
        (Server, Server, "elsewhere", Current, true, other_name),
        (Server, Server, "central", Current, false, foreign),
        (Server, Client, "central", Current, true, other_use),
        (Client, Client, "agency-3", Past, true, "it has expired"),
        (Client, Client, "agency-3", Current, false, foreign),
        (Client, Server, "agency-3", Current, true, other_use),
    ] {
        let mut world = World::new();
        // Of the same name, but with another key.
        let other = Authority::new("lottery").unwrap();
        let authority = if own { &world.authority } else { &other };
        let identity = authority.sign(made_for, &[name], term).unwrap();
        match side {
            Server => world.server = identity,
            Client => world.agency = identity,
        }
        let mut pair = Pair::new(&world, 0, usize::MAX);
        let (mut client, mut server) = (None, None);
        for _ in 0..20 {
            pair.event();
            client = pair.client.receive().err().or(client);
            server = pair.server.receive().err().or(server);
            pair.client.send().unwrap();
            pair.server.send().unwrap();
        }
        let (client, server) = (said(&client.expect(words)), said(&server.expect(words)));
        let (refuses, refused) = match side {
            Server => (client, server),
            Client => (server, client),
        };
        assert_eq!(refuses, TlsError::Untrusted(words.to_owned()));
        assert!(matches!(refused, TlsError::Distrusted(_)), "{refused}");
    }
}
