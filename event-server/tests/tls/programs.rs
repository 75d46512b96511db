//! The central and the real client.

use std::io::{Read, Write, copy, sink};
use std::iter::repeat;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use fixtures::certificates::{Authority, Role, Term};
use fixtures::programs::{self, Running, Signal};

use crate::common::{Peer, bet, one, winners};
use crate::trust::{Central, Trust, failures};

/// Runs a client to its end; returns its exit code, what it printed, and its log.
fn run(client: &mut Command) -> (Option<i32>, String, String) {
    let output = client.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Asserts that the client ended with this code, saying once why, and once more as its last line.
fn assert_failed(ended: &(Option<i32>, String, String), code: i32, action: &str, sentence: &str) {
    let (ended_with, _, log) = ended;
    assert_eq!(*ended_with, Some(code), "{log}");
    let failures = failures(log);
    let [failure] = &failures[..] else {
        panic!("not one failure: {log}")
    };
    let start = format!("ERROR    action: {action} | result: fail | error: ");
    assert!(failure.starts_with(&start), "{log}");
    assert!(failure.contains(sentence), "{sentence}: {log}");
}

#[test]
fn five_agencies_at_once_get_their_winners_over_tls() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("LOGGING_LEVEL", "DEBUG")]);
    thread::scope(|scope| {
        for fixture in fixtures::FIXTURES {
            let (trust, central) = (&trust, &central);
            scope.spawn(move || {
                let (path, name) = (fixture.path(), format!("agency-{}", fixture.agency));
                let cwd = trust.folder();
                let mut client =
                    programs::agency(fixture.agency, &path, central.address, cwd).unwrap();
                trust.secure(&mut client, &trust.agency(&name), &trust.authority, &name);
                let (code, told, log) = run(&mut client);
                assert_eq!(code, Some(0), "{log}");
                assert_eq!(told.lines().collect::<Vec<_>>(), fixture.winners, "{log}");
            });
        }
    });
    let (log, mut stored) = central.stop();
    assert_eq!(failures(&log), [""; 0]);
    for agency in 1..=5 {
        let line = format!("tls_handshake | result: success | ip: 127.0.0.1 | agency: {agency}");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
    let closed = "action: close_connection | result: success";
    assert_eq!(log.matches(closed).count(), 5, "{log}");
    let mut expected = Vec::new();
    for fixture in fixtures::FIXTURES {
        let text = std::fs::read_to_string(fixture.path()).unwrap();
        let rows = text
            .lines()
            .map(|line| format!("{},{line}", fixture.agency));
        expected.extend(rows);
    }
    stored.sort();
    expected.sort();
    assert!(stored == expected, "bets.csv is not the five files");
}

#[test]
fn all_modes_and_protocols_go_over_tls() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_AGENCIES", "1")]);
    let identity = trust.agency("agency-1");
    let mut single = central.client(1);
    single.env("NOMBRE", "Ana").env("APELLIDO", "Paz");
    single
        .env("DOCUMENTO", "7")
        .env("NACIMIENTO", "1999-12-31")
        .env("NUMERO", "7574");
    let mut bet = Command::new(single.get_program());
    bet.arg("bet").current_dir(trust.folder());
    bet.envs(
        single
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    trust.secure(&mut bet, &identity, &trust.authority, "bet");
    assert_eq!(run(&mut bet).0, Some(0));
    let mut plain = central.client(1);
    plain.env("CLI_SERVER_PROTOCOL", "plain");
    trust.secure(&mut plain, &identity, &trust.authority, "plain");
    let (code, told, log) = run(&mut plain);
    assert_eq!((code, told.as_str()), (Some(0), "7\n30904465\n"), "{log}");
    let (log, stored) = central.stop();
    assert_eq!((failures(&log).len(), stored.len()), (0, 2), "{log}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_one_clear_line_on_both_sides() {
    use Role::{Client, Server};
    use Term::{Current, Past};
    let trust = Trust::new();
    // Of the same name, but with another key.
    let foreign = Authority::new("lottery").unwrap();
    let refuses = "the peer's certificate is refused: ";
    let refused = "the peer refused our certificate: ";
    for (side, authority, made_for, name, term, why, told) in [
        (
            Server,
            &foreign,
            Server,
            "127.0.0.1",
            Current,
            "it was not signed by the authority that is trusted here",
            "",
        ),
        (
            Server,
            &trust.authority,
            Server,
            "127.0.0.1",
            Past,
            "it has expired",
            "it has expired, or is not valid yet",
        ),
        (
            Server,
            &trust.authority,
            Server,
            "elsewhere",
            Current,
            "it is for elsewhere, not for 127.0.0.1",
            "it is not accepted there",
        ),
        (
            Server,
            &trust.authority,
            Client,
            "127.0.0.1",
            Current,
            "it was made for the other side of a connection",
            "it was made for another use",
        ),
        (
            Client,
            &foreign,
            Client,
            "agency-3",
            Current,
            "it was not signed by the authority that is trusted here",
            "",
        ),
        (
            Client,
            &trust.authority,
            Client,
            "agency-3",
            Past,
            "it has expired",
            "it has expired, or is not valid yet",
        ),
        (
            Client,
            &trust.authority,
            Client,
            "branch-3",
            Current,
            "it does not name exactly one agency, in the form agency-3",
            "its name has no access",
        ),
        (
            Client,
            &trust.authority,
            Server,
            "agency-3",
            Current,
            "it was made for the other side of a connection",
            "it was made for another use",
        ),
    ] {
        let odd = authority.sign(made_for, &[name], term).unwrap();
        let (server, agency) = match side {
            Server => (odd, trust.agency("agency-3")),
            Client => (trust.server.clone(), odd),
        };
        let central = trust.central(&server, &[]);
        let mut client = central.client(3);
        trust.secure(&mut client, &agency, &trust.authority, "agency");
        let ended = run(&mut client);
        let (why, told) = (format!("{refuses}{why}"), format!("{refused}{told}"));
        let (by_client, by_server, keys) = match side {
            Server => (&why, &told, "; check server.address and server.tls.ca"),
            Client => (&told, &why, "; check server.tls.cert and server.tls.key"),
        };
        let start = format!("no trust with {}: {by_client}", central.address);
        assert_failed(&ended, 76, "tls_handshake", &start);
        assert!(ended.2.trim_end().ends_with(keys), "{}", ended.2);
        central.program.wait_for("action: tls_handshake").unwrap();
        let (log, stored) = central.stop();
        let failures = failures(&log);
        let line = format!(
            "ERROR    action: tls_handshake | result: fail | ip: 127.0.0.1 | error: {by_server}"
        );
        assert!(
            failures.len() == 1 && failures[0].starts_with(&line),
            "{line}: {log}"
        );
        assert!(stored.is_empty());
    }
}

#[test]
fn an_agency_that_speaks_for_another_is_one_clear_line_on_both_sides() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let mut client = central.client(2);
    trust.secure(
        &mut client,
        &trust.agency("agency-3"),
        &trust.authority,
        "three",
    );
    let why = "the certificate speaks for agency 3, not 2";
    assert_failed(&run(&mut client), 76, "resume", why);
    let (log, stored) = central.stop();
    let line = format!("ERROR    action: resume | result: fail | agency: 2 | error: {why}");
    assert_eq!(failures(&log), [line]);
    assert!(stored.is_empty());
}

#[test]
fn a_plain_client_on_a_tls_port_is_one_clear_line_on_both_sides() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_AGENCIES", "1")]);
    let why = "frames in the clear are refused, this port speaks TLS: set server.tls.ca, server.tls.cert and server.tls.key";
    assert_failed(&run(&mut central.client(1)), 76, "resume", why);
    let mut plain = central.client(1);
    plain.env("CLI_SERVER_PROTOCOL", "plain");
    assert_failed(&run(&mut plain), 76, "batch_enviado", why);
    let mut query = Peer::connect(central.address);
    assert_eq!(query.ask(&winners(1)), "{result:failure}");
    assert_eq!(query.answer(), None, "the server hangs up");
    let (log, stored) = central.stop();
    let line =
        format!("ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: {why}");
    assert_eq!(failures(&log), [line.as_str(); 3]);
    assert!(stored.is_empty());
}

#[test]
fn a_tls_client_on_a_plain_port_is_one_clear_line_on_both_sides() {
    let trust = Trust::new();
    let central = Central::start(&[]);
    let mut tries = 0;
    for protocol in ["resume", "plain"] {
        let mut client = central.client(1);
        client
            .env("CLI_SERVER_PROTOCOL", protocol)
            .env("CLI_SERVER_RETRY", "500ms");
        trust.secure(
            &mut client,
            &trust.agency("agency-1"),
            &trust.authority,
            "one",
        );
        let ended = run(&mut client);
        let why = "without progress: the peer closed the connection during the TLS handshake; see whether the server runs, and whether it uses TLS, as server.tls.* says";
        assert_failed(&ended, 69, "connect", why);
        tries += 1 + ended
            .2
            .matches("action: connect | result: in_progress")
            .count();
    }
    let mut peer = Peer::connect(central.address);
    assert_eq!(peer.ask(&one(&bet(1, "1", false))), "{result:success}");
    let (log, stored) = central.stop();
    let line = "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: byte 0x16 begins a TLS handshake, and this port speaks none: set SERVER_TLS_CERT, SERVER_TLS_KEY and SERVER_TLS_CLIENT_CA, or have the client leave out server.tls";
    assert_eq!(failures(&log), vec![line; tries]);
    assert_eq!(stored.len(), 1);
}

/// What a proxy does with one connection.
#[derive(Clone, Copy)]
enum Proxied {
    /// It brings the bytes to the central and back, until one of the two closes.
    Forwarded,
    /// It closes at once, as where the central is away.
    Closed,
    /// It answers like a web server.
    Http,
}

/// Starts a proxy in front of a central; it does with each connection what comes next, and at the end the last thing.
/// Returns where it is, and the connections that it forwards.
fn proxy(central: SocketAddr, plan: Vec<Proxied>) -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (forwarding, forwarded) = channel();
    thread::spawn(move || {
        let last = *plan.last().unwrap();
        for step in plan.into_iter().chain(repeat(last)) {
            let (mut stream, _) = listener.accept().unwrap();
            match step {
                Proxied::Closed => {}
                Proxied::Http => {
                    stream.read_exact(&mut [0; 5]).unwrap();
                    stream
                        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        .unwrap();
                    let _ = copy(&mut stream, &mut sink());
                }
                Proxied::Forwarded => {
                    let other = TcpStream::connect(central).unwrap();
                    let (mut up, mut down) = (other.try_clone().unwrap(), other);
                    let mut back = stream.try_clone().unwrap();
                    let _ = forwarding.send(stream.try_clone().unwrap());
                    let there = thread::spawn(move || {
                        let _ = copy(&mut stream, &mut up);
                        let _ = up.shutdown(Shutdown::Both);
                    });
                    let _ = copy(&mut down, &mut back);
                    let _ = back.shutdown(Shutdown::Both);
                    there.join().unwrap();
                }
            }
        }
    });
    (address, forwarded)
}

#[test]
fn after_tls_has_worked_a_failed_handshake_is_a_lost_connection_and_before_that_what_was_seen_is_told()
 {
    use Proxied::{Closed, Forwarded, Http};
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_AGENCIES", "2")]);
    let agency = |address: SocketAddr, name: &str| {
        let file = fixtures::FIXTURES[0].path();
        let mut client = programs::agency(1, &file, address, trust.folder()).unwrap();
        trust.secure(
            &mut client,
            &trust.agency("agency-1"),
            &trust.authority,
            name,
        );
        client.stdout(Stdio::null());
        client
    };
    let plan = vec![Closed, Forwarded, Http, Http, Closed, Http, Forwarded];
    let (address, forwarded) = proxy(central.address, plan);
    let client = Running::start(&mut agency(address, "worked")).unwrap();
    client
        .wait_for("action: notify_finished | result: success")
        .unwrap();
    forwarded.recv().unwrap().shutdown(Shutdown::Both).unwrap();
    let again = |log: &str| log.matches("action: resume | result: success").count() == 2;
    let log = client.wait_until(again).unwrap();
    assert!(again(&log), "{log}");
    client.signal(Signal::TERM).unwrap();
    assert_eq!(client.wait().unwrap().0.code(), Some(0));

    let (address, _) = proxy(central.address, vec![Http]);
    let ended = run(&mut agency(address, "never"));
    let seen = "received corrupt message of type InvalidContentType; nothing was sent; correct server.address, or remove the keys server.tls.* if that server uses no TLS";
    assert_failed(&ended, 76, "tls_handshake", seen);
}

#[test]
fn files_that_cannot_be_used_end_either_program_with_one_sentence() {
    let trust = Trust::new();
    let (cert, key) = trust.server.write(trust.folder(), "server").unwrap();
    let (_, other) = trust
        .agency("agency-1")
        .write(trust.folder(), "other")
        .unwrap();
    let ca = trust.write_authority("ca", &trust.authority);
    let none = trust.folder().join("none.pem");
    let empty = trust.folder().join("empty.pem");
    std::fs::write(&empty, "no PEM").unwrap();
    let of_another_key = format!(
        "it does not belong to the certificate in {}",
        cert.display()
    );
    let no_key = "it holds no private key in PEM, or an encrypted one";
    for (cert, key, ca, at, what) in [
        (&none, &key, &ca, 0, "No such file or directory"),
        (&empty, &key, &ca, 0, "it holds no certificate in PEM"),
        (&cert, &cert, &ca, 1, no_key),
        (&cert, &other, &ca, 1, &of_another_key),
        (&cert, &key, &empty, 2, "it holds no certificate in PEM"),
        (&cert, &key, &none, 2, "No such file or directory"),
    ] {
        let paths = [cert, key, ca];
        let server_keys = ["SERVER_TLS_CERT", "SERVER_TLS_KEY", "SERVER_TLS_CLIENT_CA"];
        let mut server = Command::new(env!("CARGO_BIN_EXE_event-server"));
        server
            .current_dir(trust.folder())
            .envs(server_keys.iter().zip(paths));
        let ended = run(&mut server);
        let sentence = format!(
            "{}: {} cannot be used: {what}",
            server_keys[at],
            paths[at].display()
        );
        assert_eq!(ended.0, Some(78), "{}", ended.2);
        assert!(
            ended.2.lines().last().unwrap().contains(&sentence),
            "{sentence}: {}",
            ended.2
        );
        assert!(!trust.folder().join("data").exists(), "nothing was begun");

        let client_keys = ["server.tls.cert", "server.tls.key", "server.tls.ca"];
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let mut client = programs::agency(1, cert, nowhere, trust.folder()).unwrap();
        let variables = [
            "CLI_SERVER_TLS_CERT",
            "CLI_SERVER_TLS_KEY",
            "CLI_SERVER_TLS_CA",
        ];
        client.envs(variables.iter().zip(paths));
        let sentence = format!(
            "{}: {} cannot be used: {what}",
            client_keys[at],
            paths[at].display()
        );
        assert_failed(&run(&mut client), 78, "config", &sentence);
    }
}
