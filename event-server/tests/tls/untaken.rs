//! Peers of a port for TLS that let the central wait, on a clock that is set by hand.

use std::time::Duration;

use event_server::limits::Limits;
use frame::kind;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::central::Central;
use crate::common::raw;
use crate::trust::Trust;

/// The longest time between two looks at the connections' timeouts.
const SWEEP: Duration = Duration::from_secs(1);

#[test]
fn a_peer_that_takes_nothing_of_a_handshake_costs_no_turns_and_is_ended_in_its_time() {
    let trust = Trust::new();
    let limits = Limits::default();
    let mut central = Central::with(Some(trust.acceptor()), limits);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let name = ServerName::try_from("central").unwrap();
    let mut session = ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    for taken in [0, 1, 500] {
        let client = central.connect();
        central.take(&client, Some(taken));
        central.send(&client, &hello);
        central.settle();
        assert_eq!(client.received().len(), taken);
        central.later(limits.idle_timeout - SWEEP);
        assert!(!client.is_dropped(), "{taken}");
        central.later(2 * SWEEP);
        assert!(client.is_dropped(), "{taken}");
    }
}

#[test]
fn a_frame_in_the_clear_that_does_not_come_whole_is_ended_in_its_time() {
    let trust = Trust::new();
    let limits = Limits::default();
    let mut central = Central::with(Some(trust.acceptor()), limits);
    let client = central.client(&[0, 0, 0]);
    central.settle();
    central.later(limits.idle_timeout - SWEEP);
    assert!(!client.is_dropped());
    central.later(2 * SWEEP);
    assert!(client.is_dropped());
}

#[test]
fn a_frame_in_the_clear_that_takes_many_turns_is_refused_as_soon_as_it_is_whole() {
    let trust = Trust::new();
    let limits = Limits {
        turn_bytes: 1_000,
        ..Limits::default()
    };
    let mut central = Central::with(Some(trust.acceptor()), limits);
    let client = central.client(&raw(kind::FINISHED, &[b'x'; 60_000]));
    central.settle();
    assert_eq!(client.replies(), 1);
    assert!(client.is_shut());
}
