//! Sessions that are cut, altered, or were never TLS.

use std::io::ErrorKind;

use frame::{Received, TlsError};

use crate::pair::{Pair, SESSION, World, noise, said};

#[test]
fn a_stream_cut_anywhere_is_no_end() {
    let world = World::new();
    let whole = {
        let mut pair = Pair::established(&world);
        pair.server.outbox.append(b"the winners");
        pair.server.finish();
        while pair.turn().unwrap().0 != Received::End {}
        assert_eq!(pair.client.inbox.unread(), b"the winners");
        pair.down().count
    };
    let mut rng = fastrand::Rng::with_seed(2);
    let some = (0..60).map(|_| rng.usize(..whole - 60));
    // The length of a signature varies, so another run may be a few bytes shorter than `whole`.
    for place in some.chain(whole - 60..whole - 4) {
        let mut pair = Pair::new(&world, 0, usize::MAX);
        pair.down().budget = Some(place);
        pair.server.outbox.append(b"the winners");
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
fn a_stream_that_fails_is_no_failure_of_the_session_and_stays_failed() {
    let mut pair = Pair::established(&World::new());
    pair.client.outbox.append(b"a bet");
    pair.client.send().unwrap();
    pair.up().reset = true;
    pair.event();
    assert!(matches!(pair.server.receive(), Ok(Received::Bytes(_))));
    for _ in 0..2 {
        let error = pair.server.receive().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(TlsError::of(&error).is_none());
        // As with a stream in the clear, nothing is sent after that.
        assert!(pair.server.send().is_err());
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
        pair.client.outbox.append(&text);
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
            // Where the altered byte raised a length, the server waits for bytes that never come.
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
            "seed {seed}: only the alert is sent"
        );
        assert_eq!(pair.down().count > before, told, "seed {seed}: {server}");
    }
}

#[test]
fn input_that_is_not_tls_or_is_too_long_ends_the_session() {
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
    for (bytes, words) in [
        (endless, "a message of more than"),
        (rubbish, "the TLS 1.3 session failed"),
    ] {
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
