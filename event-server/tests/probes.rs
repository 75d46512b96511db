//! What the log says of peers at other addresses than this machine's: those that speak, and those that only try whether
//! somebody listens. This is the only test of its process, since a process has one log.

#[path = "common/mod.rs"]
mod common;

#[path = "limits/central.rs"]
mod central;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use central::Central;
use common::{encode, finished};
use event_server::limits::Limits;
use frame::log::{Level, Logger};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines since this was called last, without their times.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| line[20..].to_owned()).collect()
    }
}

#[test]
fn a_peer_that_says_nothing_leaves_no_line_at_info_and_one_that_speaks_all_of_its_lines_in_order() {
    let log = Log::default();
    Logger::immediate(Level::Info, log.clone()).install();
    let mut central = Central::new(Limits::default());
    let probe = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    for _ in 0..100 {
        let client = central.connect_from(probe);
        central.settle();
        central.close(&client);
        central.settle();
        assert!(client.is_dropped());
    }
    for _ in 0..100 {
        let client = central.connect_from(probe);
        central.settle();
        central.reset(&client);
        central.settle();
        assert!(client.is_dropped());
    }
    assert_eq!(log.lines(), Vec::<String>::new());

    let client = central.connect_from(probe);
    central.settle();
    central.send(&client, &encode(&finished(9)).0);
    central.settle();
    central.close(&client);
    central.settle();
    assert_eq!(
        log.lines(),
        [
            "INFO     action: accept_connections | result: success | ip: 192.0.2.7",
            "INFO     action: accept_connections | result: in_progress",
            "ERROR    action: notify_finished | result: fail | agency: 9 | error: agency 9 does not take part: only agencies 1 to 2 do",
            "INFO     action: close_connection | result: success | ip: 192.0.2.7",
        ]
    );

    let client = central.connect_from(probe);
    central.send(&client, b"a line\n");
    central.settle();
    central.close(&client);
    central.settle();
    assert_eq!(
        log.lines(),
        [
            "INFO     action: accept_connections | result: success | ip: 192.0.2.7",
            "INFO     action: accept_connections | result: in_progress",
            "INFO     action: receive_message | result: success | ip: 192.0.2.7 | msg: a line",
            "INFO     action: close_connection | result: success | ip: 192.0.2.7",
        ]
    );

    // A health check of this machine: it only tries whether somebody listens, or whether a line comes back.
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for said in [b"".as_slice(), b"a line\n"] {
        let client = central.connect_from(here);
        if !said.is_empty() {
            central.send(&client, said);
        }
        central.settle();
        assert_eq!(client.received(), said);
        central.close(&client);
        central.settle();
    }
    assert_eq!(log.lines(), Vec::<String>::new());
    let client = central.connect_from(here);
    central.send(&client, &encode(&finished(9)).0);
    central.settle();
    central.reset(&client);
    central.settle();
    assert_eq!(
        log.lines(),
        [
            "INFO     action: accept_connections | result: success | ip: 127.0.0.1",
            "INFO     action: accept_connections | result: in_progress",
            "ERROR    action: notify_finished | result: fail | agency: 9 | error: agency 9 does not take part: only agencies 1 to 2 do",
            "INFO     action: close_connection | result: fail | ip: 127.0.0.1 | error: connection reset",
        ]
    );

    // Whoever takes too long is told from the others.
    let waits = [
        (here, "", "a first byte"),
        (probe, "", "a first byte"),
        (probe, "half a line", "the rest of what it began to send"),
    ];
    for (ip, said, awaited) in waits {
        let client = central.connect_from(ip);
        if !said.is_empty() {
            central.send(&client, said.as_bytes());
        }
        central.settle();
        central.later(Limits::default().idle_timeout);
        let timed_out = format!(
            "WARNING  action: receive_message | result: fail | ip: {ip} | error: timed out waiting for {awaited}"
        );
        let lines = log.lines();
        if ip == here {
            assert_eq!(lines, [timed_out]);
            continue;
        }
        assert_eq!(
            lines,
            [
                format!("INFO     action: accept_connections | result: success | ip: {ip}"),
                "INFO     action: accept_connections | result: in_progress".to_owned(),
                timed_out,
                format!("INFO     action: close_connection | result: success | ip: {ip}"),
            ]
        );
    }
    let client = central.connect_from(probe);
    central.take(&client, Some(0));
    central.send(&client, &encode(&finished(9)).0);
    central.settle();
    central.later(Limits::default().idle_timeout);
    let lines = log.lines();
    let awaited = "timed out waiting for the peer to take its replies";
    assert!(lines[3].ends_with(awaited), "{lines:?}");
}
