//! How many places are kept for peers whose certificate was verified, on a clock that is set by hand.

use std::time::Duration;

use event_server::limits::Limits;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::central::{Central, Client};
use crate::trust::Trust;

/// Whoever moved within this time gives way to nobody.
const SILENT: Duration = Duration::from_millis(500);

fn limits(max_connections: usize) -> Limits {
    Limits {
        max_connections,
        ..Limits::default()
    }
}

/// Peers that have said nothing yet, as many as are taken.
fn strangers(central: &mut Central) -> Vec<Client> {
    let mut all = Vec::new();
    while central.has_room() {
        all.push(central.connect());
    }
    all
}

/// A peer that has shown its certificate.
fn verified(central: &mut Central, trust: &Trust) -> Client {
    let config = trust.config(Some(&trust.agency("agency-1")));
    let name = ServerName::try_from("central").unwrap();
    let mut session = ClientConnection::new(config, name).unwrap();
    let client = central.connect();
    let mut read = 0;
    while session.is_handshaking() || session.wants_write() {
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).unwrap();
        central.send(&client, &bytes);
        central.settle();
        let received = client.received();
        read += session.read_tls(&mut &received[read..]).unwrap();
        session.process_new_packets().unwrap();
    }
    client
}

#[test]
fn a_sixteenth_of_the_places_at_least_eight_and_at_most_half_are_kept_for_verified_peers() {
    let trust = Trust::new();
    for (most, kept) in [(10, 5), (32, 8), (320, 20)] {
        let mut central = Central::with(Some(trust.acceptor()), limits(most));
        let strangers = strangers(&mut central);
        assert_eq!(strangers.len(), most - kept, "{most}");
        let mut plain = Central::new(limits(most));
        let all = self::strangers(&mut plain);
        assert_eq!(all.len(), most, "without TLS all places are for anyone");
    }
}

#[test]
fn verified_peers_take_none_of_the_places_of_others_and_strangers_give_way_to_strangers() {
    let trust = Trust::new();
    let mut central = Central::with(Some(trust.acceptor()), limits(32));
    let known = [(); 8].map(|()| verified(&mut central, &trust));
    let half = central.client(&[0x16, 3, 1]);
    let strangers = strangers(&mut central);
    assert_eq!(strangers.len() + 1, 24);
    for client in &strangers {
        central.send(client, &[0x16, 3, 1]);
    }
    central.settle();
    assert!(!central.has_room());
    central.later(SILENT);
    assert!(central.has_room());
    central.connect();
    assert!(half.is_dropped());
    assert!(!known.iter().any(Client::is_dropped));
}
