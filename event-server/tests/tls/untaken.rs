//! A handshake whose messages the peer does not take, on a clock that is set by hand.

#[path = "../limits/central.rs"]
mod central;

use std::time::Duration;

use central::Central;
use event_server::config::TlsFiles;
use event_server::limits::Limits;
use event_server::tls::TlsAcceptor;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::trust::Trust;

/// The longest time between two looks at the connections' timeouts.
const SWEEP: Duration = Duration::from_secs(1);

#[test]
fn a_peer_that_takes_nothing_of_a_handshake_costs_no_turns_and_is_ended_in_its_time() {
    let trust = Trust::new();
    let (cert, key) = trust.server.write(trust.folder(), "central").unwrap();
    let client_ca = trust.write_authority("ca", &trust.authority);
    let files = TlsFiles {
        cert,
        key,
        client_ca,
    };
    let limits = Limits::default();
    let mut central = Central::with(Some(TlsAcceptor::open(&files).unwrap()), limits);
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
