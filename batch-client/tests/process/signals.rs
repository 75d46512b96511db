//! SIGTERM and SIGINT in every phase: everything open is closed, the exit code is 0 or 130, and one line says that nothing is
//! decided.

use std::net::TcpListener;

use frame::{Reply, Request};

use crate::client::{Client, Running, rows};
use crate::fake::{ClosedPort, Peer, SUCCESS, winners};

/// Sends the signal; checks the log lines after it.
fn stops(client: Running, signal: &str, closes: &[&str]) {
    client.signal(signal);
    let ended = client.end();
    let code = if signal == "INT" { 130 } else { 0 };
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""));
    let mut expected = vec![format!(
        "INFO     action: receive_signal | result: success | container: client1 | signal: SIG{signal}"
    )];
    expected.extend(
        closes
            .iter()
            .map(|what| format!("INFO     action: close_{what} | result: success")),
    );
    expected.push(format!(
        "WARNING  action: receive_signal | result: in_progress | warning: SIG{signal} came before the result was known, so nothing is decided; run again to go on"
    ));
    expected.push("INFO     action: exit | result: success | container: client1".to_owned());
    let from = ended.log.len().saturating_sub(expected.len());
    assert_eq!(ended.log[from..], expected);
}

fn batch(address: &str) -> Client {
    Client::new("batch", address)
        .env("CLI_SERVER_TIMEOUT", "1h")
        .env("CLI_BATCH_MAXAMOUNT", "1")
        .env("CLI_BATCH_WINDOW", "2")
        .file("bets.csv", rows(5))
}

#[test]
fn as_soon_as_the_first_line_is_logged() {
    let port = ClosedPort::new();
    // The moment is short, so that one run alone could succeed by chance.
    for _ in 0..20 {
        let mut client = batch(&port.address()).start();
        client.wait_for("action: config");
        client.signal("TERM");
        let ended = client.end();
        assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    }
}

#[test]
fn while_pausing_between_attempts() {
    let port = ClosedPort::new();
    let mut client = batch(&port.address()).env("CLI_SERVER_RETRY", "1h").start();
    client.wait_for("action: connect | result: in_progress");
    stops(client, "TERM", &["file"]);
}

#[test]
fn while_looking_up_the_servers_name_or_connecting() {
    // The lookup of the first name may take time; packets to the second address are dropped.
    for address in ["name.invalid:1", "192.0.2.1:1"] {
        let mut client = batch(address).start();
        client.wait_for("action: read_file | result: success");
        stops(client, "TERM", &["file"]);
    }
}

#[test]
fn while_a_resume_a_batch_or_a_held_query_waits_for_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (signal, json) in [("TERM", "--json"), ("INT", "--json"), ("INT", "--no-wait")] {
        let batch = |address: &str| batch(address).arg(json);
        let client = batch(&address).start();
        let mut peer = Peer::accept(&listener);
        peer.request();
        stops(client, signal, &["connection", "file"]);

        let client = batch(&address).start();
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&Reply::Resumed(0));
        peer.request();
        peer.reply(&SUCCESS);
        peer.request();
        stops(client, signal, &["connection", "file"]);

        if json == "--no-wait" {
            continue;
        }
        let client = batch(&address).start();
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&Reply::Resumed(5));
        peer.request();
        peer.reply(&SUCCESS);
        peer.request();
        stops(client, signal, &["connection", "file"]);

        let client = Client::new("winners", &address).arg("--json").start();
        let mut peer = Peer::accept(&listener);
        peer.request();
        stops(client, signal, &["connection"]);
    }
}

#[test]
fn while_echo_pauses_and_while_it_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let echo = Client::new("echo", &address).env("CLI_LOOP_PERIOD", "1h");
    let mut client = echo.start();
    let mut peer = Peer::accept(&listener);
    let line = peer.line();
    peer.write(line.as_bytes());
    peer.write(b"\n");
    client.wait_for("action: receive_message");
    stops(client, "TERM", &[]);

    let echo = Client::new("echo", &address).env("CLI_SERVER_TIMEOUT", "1h");
    let client = echo.start();
    let peer = Peer::accept(&listener);
    peer.line();
    stops(client, "TERM", &["connection"]);
}

#[test]
fn with_a_plain_server_the_line_says_what_is_stored_and_what_is_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = batch(&address).env("CLI_SERVER_PROTOCOL", "plain").start();
    for _ in 0..2 {
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&SUCCESS);
    }
    let mut peer = Peer::accept(&listener);
    peer.request();
    client.signal("INT");
    let ended = client.end();
    assert_eq!(ended.code, Some(130));
    let told = ended.lines("receive_signal");
    let told = told.last().unwrap();
    for part in [
        "SIGINT stopped the client, and nobody knows whether the server stored",
        "row 3 of bets.csv is in doubt",
        "go on with --from-row 4 where what is in doubt is stored, else with --from-row 3",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = batch(&address).start();
    let mut peer = Peer::accept(&listener);
    peer.request();
    // So that both are there before the client can do anything about the first one.
    client.signal("STOP");
    client.wait_until_stopped();
    for signal in ["TERM", "INT", "CONT"] {
        client.signal(signal);
    }
    let code = client.end().code;
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}

#[test]
fn while_nobody_reads_the_winners() {
    // More documents than a pipe takes.
    let many = vec!["30904465"; 100_000].join("|").leak();
    let many: &'static str = many;
    for (mode, signal, code) in [("winners", "TERM", 0), ("batch", "INT", 130)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut client = Client::new(mode, &address)
            .arg("--json")
            .env("CLI_BATCH_MAXAMOUNT", "9")
            .file("bets.csv", rows(5))
            .start();
        let server = std::thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            while let Some(request) = peer.request() {
                let reply = match request {
                    Request::Resume { .. } => Reply::Resumed(0),
                    Request::Winners { .. } => winners(many),
                    _ => SUCCESS,
                };
                peer.reply(&reply);
            }
        });
        client.wait_for("action: consulta_ganadores | result: success");
        client.signal(signal);
        let ended = client.end_unread();
        server.join().unwrap();
        assert_eq!(ended.code, Some(code), "{:#?}", ended.log);
        let told = format!("SIG{signal} came before the whole result was written");
        assert_eq!(ended.lines("receive_signal").len(), 2);
        assert!(ended.lines("receive_signal")[1].contains(&told));
        assert_eq!(ended.lines("exit").len(), 1);
    }
}
