//! The server as a process: log lines to the letter, exit codes, signals in every phase.

mod common;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use common::{Peer, batch, bet, encode, finished, one, resume, winners};
use fixtures::programs::{self, Running, Signal};

const SUCCESS: &str = "{result:success}";

/// A log without its times, each of which has to be one.
fn messages(log: &str) -> Vec<&str> {
    let message = |line: &'_ str| {
        let shape: String = line
            .chars()
            .take(20)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00 00:00:00 ", "{line}");
        20
    };
    log.lines().map(|line| &line[message(line)..]).collect()
}

/// Asserts that the log ends as an orderly stop does, with this number of connections closed in it.
fn assert_orderly(log: &str, connections: usize) {
    let lines = messages(log);
    let at = |text: &str| lines.iter().position(|line| line.ends_with(text));
    let signal =
        at("action: receive_signal | result: success | container: server | signal: SIGTERM");
    assert!(signal.is_some(), "{log}");
    let listener = at("action: close_listener | result: success");
    assert!(signal < listener, "{log}");
    let closed = lines
        .iter()
        .filter(|line| line.contains("action: close_connection"))
        .count();
    assert_eq!(closed, connections, "{log}");
    let last = [
        "INFO     action: close_store | result: success",
        "INFO     action: exit | result: success | container: server",
    ];
    assert_eq!(lines[lines.len() - 2..], last);
}

#[test]
fn the_log_has_each_line_to_the_letter() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_AGENCIES", "1"), ("LOGGING_LEVEL", "DEBUG")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut echo = Peer::connect(address);
    echo.stream
        .write_all("[CLIENT 1] a|b\u{1b} N°1\n".as_bytes())
        .unwrap();
    echo.finish_sending();
    central.wait_for("close_connection").unwrap();
    let mut peer = Peer::connect(address);
    let (good, bad) = (bet(1, "30904465", true), bet(2, "1", false));
    peer.ask(&one(&good));
    peer.ask(&batch(&[good.as_str(), &good].join("|")));
    peer.ask(&batch(&[good.as_str(), &bad].join("|")));
    peer.ask(&finished(1));
    peer.ask(&winners(1));
    drop(peer);
    central
        .wait_for("INFO     action: close_connection")
        .unwrap();
    let (_, log) = central.stop().unwrap();
    let lines = messages(&log);
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.ends_with("accept_connections | result: in_progress"))
        // How often it read depends on how the bytes came.
        .map(|line| line.split(" | received: ").next().unwrap_or(line))
        .collect();
    let listen = format!(
        "INFO     action: listen | result: success | ip: 127.0.0.1 | port: {}",
        address.port()
    );
    assert!(
        lines[1].starts_with("INFO     action: open_store | result: success | "),
        "{log}"
    );
    assert_eq!(
        lines[..1],
        [
            "DEBUG    action: config | result: success | port: 0 | listen_backlog: 1024 | logging_level: DEBUG"
        ]
    );
    assert_eq!(
        lines[2..],
        [
            listen.as_str(),
            "DEBUG    action: accept_connections | result: success | ip: 127.0.0.1",
            "DEBUG    action: receive_message | result: success | ip: 127.0.0.1 | msg: [CLIENT 1] a\\x7cb\\u{1b} N°1",
            "DEBUG    action: close_connection | result: success | ip: 127.0.0.1",
            "INFO     action: accept_connections | result: success | ip: 127.0.0.1",
            "INFO     action: apuesta_almacenada | result: success | dni: 30904465 | numero: 7574",
            "INFO     action: apuesta_recibida | result: success | cantidad: 2",
            "ERROR    action: apuesta_recibida | result: fail | cantidad: 2 | error: bet 2: agency is not the one of the batch's first bet | agency: 1 | ip: 127.0.0.1",
            "INFO     action: notify_finished | result: success | agency: 1",
            "DEBUG    action: sorteo | result: in_progress",
            "INFO     action: sorteo | result: success",
            "INFO     action: consulta_ganadores | result: success | agency: 1",
            "INFO     action: close_connection | result: success | ip: 127.0.0.1",
            "INFO     action: receive_signal | result: success | container: server | signal: SIGTERM",
            "INFO     action: close_listener | result: success",
            "INFO     action: close_store | result: success",
            "INFO     action: exit | result: success | container: server",
        ]
    );
}

#[test]
fn health_checks_add_no_line_at_info_and_all_of_theirs_at_debug() {
    for (level, lines_each, closes_each) in [("INFO", 0, 0), ("DEBUG", 4, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let (central, address) =
            programs::central(folder.path(), &[("LOGGING_LEVEL", level)]).unwrap();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"check\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "check\n");
        }
        // Otherwise the signal may come before the last connection is closed.
        central
            .wait_until(|log| log.matches("close_connection").count() == 5 * closes_each)
            .unwrap();
        let (_, log) = central.stop().unwrap();
        let lines = messages(&log);
        let first = lines.iter().position(|line| line.contains("in_progress"));
        let last = lines
            .iter()
            .position(|line| line.contains("receive_signal"));
        let between = &lines[first.unwrap() + 1..last.unwrap()];
        assert_eq!(between.len(), 5 * lines_each, "{log}");
        assert!(
            between.iter().all(|line| line.starts_with("DEBUG")),
            "{log}"
        );
    }
}

#[test]
fn what_cannot_start_ends_with_its_code_and_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fs::write(
        folder.path().join("bad.ini"),
        "[DEFAULT]\nSERVER_AGENCIES = many\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for (arguments, environment, code, sentence) in [
        (
            &["--nonsense"][..],
            &[][..],
            64,
            "unexpected argument '--nonsense'",
        ),
        (
            &["--config", "none.ini"],
            &[],
            78,
            "none.ini: cannot be read",
        ),
        (
            &["--config", "bad.ini"],
            &[],
            78,
            "bad.ini: SERVER_AGENCIES is 'many', allowed is a whole number from 0 to 65536",
        ),
        (
            &[],
            &[("SERVER_PORT", "x")],
            78,
            "the environment: SERVER_PORT is 'x', allowed is",
        ),
        (
            &[],
            &[("SERVER_PORT", taken.as_str())],
            69,
            "listening on 127.0.0.1:",
        ),
        (
            &[],
            &[("SERVER_DATA_DIR", file), ("SERVER_PORT", "0")],
            74,
            file,
        ),
        (
            &["--check"],
            &[("SERVER_PORT", "1")],
            69,
            "no server answers on 127.0.0.1:1",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_event-server"));
        command
            .current_dir(folder.path())
            .args(arguments)
            .envs(environment.iter().copied());
        let (status, log) = Running::start(&mut command).unwrap().wait().unwrap();
        assert_eq!(
            status.code(),
            Some(code),
            "{arguments:?} {environment:?}: {log}"
        );
        assert!(log.contains(sentence), "{sentence}: {log}");
        if code != 64 {
            let last = messages(&log).pop().unwrap().to_owned();
            let start = "CRITICAL action: exit | result: fail | container: server | error: ";
            assert!(last.starts_with(start), "{log}");
        }
    }
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = programs::central(folder.path(), &[]).unwrap();
    let mut second = Command::new(env!("CARGO_BIN_EXE_event-server"));
    second
        .env("SERVER_DATA_DIR", folder.path())
        .env("SERVER_PORT", "0");
    let (status, log) = Running::start(&mut second).unwrap().wait().unwrap();
    assert_eq!(status.code(), Some(74), "{log}");
    assert!(first.stop().unwrap().0.success());
}

#[test]
fn check_echoes_a_line_off_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) = programs::central(folder.path(), &[]).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_event-server"));
    check
        .arg("--check")
        .env("SERVER_PORT", address.port().to_string())
        .env("SERVER_BIND", "0.0.0.0");
    assert!(
        Running::start(&mut check)
            .unwrap()
            .wait()
            .unwrap()
            .0
            .success()
    );
    central.stop().unwrap();
}

#[test]
fn sigterm_in_every_phase_ends_well_and_keeps_what_was_acknowledged() {
    for phase in ["idle", "mid-frame", "mid-batch", "held", "unread"] {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("LOGGING_LEVEL", "DEBUG")];
        let (central, address) = programs::central(folder.path(), &environment).unwrap();
        let mut peer = Peer::connect(address);
        let mut stored = 0;
        let upload = [batch(&bet(1, "1", false)), batch(&bet(1, "2", false))].map(|b| encode(&b).0);
        match phase {
            "idle" => assert_eq!(peer.ask(&finished(1)), SUCCESS),
            "mid-frame" => {
                assert_eq!(peer.ask(&finished(1)), SUCCESS);
                peer.stream.write_all(&upload[0][..3]).unwrap();
            }
            "mid-batch" => {
                assert_eq!(peer.ask(&resume(1, 1)), "{apuestas:0}");
                peer.stream
                    .write_all(&[&upload[0][..], &upload[1][..60]].concat())
                    .unwrap();
                assert_eq!(peer.answer().unwrap().payload, SUCCESS);
                stored = 1;
            }
            "held" => {
                peer.send(&winners(1));
                peer.send(&finished(1));
                central.wait_for("result: in_progress | agency: 1").unwrap();
            }
            _ => {
                // Frames that nobody answers any more may be lost, but no reply that was sent.
                assert_eq!(peer.ask(&resume(1, 1)), "{apuestas:0}");
                peer.stream.write_all(&upload[0].repeat(3)).unwrap();
                stored = usize::MAX;
            }
        }
        let began = std::time::Instant::now();
        central.signal(Signal::TERM).unwrap();
        let mut acknowledged = 0;
        while let Some(answer) = peer.answer() {
            assert_eq!((phase, answer.payload.as_str()), ("unread", SUCCESS));
            acknowledged += 1;
        }
        drop(peer);
        let (status, log) = central.wait().unwrap();
        assert!(status.success(), "{phase}: {status}\n{log}");
        assert!(
            began.elapsed().as_secs() < 5,
            "{phase}: well under the grace"
        );
        assert_orderly(&log, 1);
        let rows = fs::read_to_string(folder.path().join("bets.csv"))
            .unwrap()
            .lines()
            .count();
        if stored == usize::MAX {
            assert_eq!(
                rows, acknowledged,
                "{phase}: what is stored was acknowledged, in order"
            );
        } else {
            assert_eq!(rows, stored, "{phase}");
        }
    }
}

const ONE_AGENCY: [(&str, &str); 2] = [("SERVER_AGENCIES", "1"), ("LOGGING_LEVEL", "DEBUG")];

/// A folder with the bets of `spec`, stored for agency 1, whose draw was begun and then stopped by SIGTERM; `None`
/// where the draw was over before the signal came.
fn interrupted_draw(spec: &fixtures::Spec) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let bets = fs::File::create(folder.path().join("bets.csv")).unwrap();
    let mut bets = std::io::BufWriter::new(bets);
    for row in spec.rows() {
        let fixtures::Row {
            first_name,
            last_name,
            document,
            birthdate,
            number,
        } = row;
        write!(
            bets,
            "1,{first_name},{last_name},{document},{birthdate},{number}\r\n"
        )
        .unwrap();
    }
    bets.flush().unwrap();
    let (central, address) = programs::central(folder.path(), &ONE_AGENCY).unwrap();
    let mut held = Peer::connect(address);
    held.send(&winners(1));
    central
        .wait_for("consulta_ganadores | result: in_progress")
        .unwrap();
    // The first slice is counted before this reply leaves.
    assert_eq!(Peer::connect(address).ask(&finished(1)), SUCCESS);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    assert_orderly(&log, 2);
    assert!(
        log.contains("action: sorteo | result: in_progress"),
        "{log}"
    );
    if log.contains("action: sorteo | result: success") {
        return None;
    }
    assert_eq!(held.answer(), None, "a held query is dropped");
    Some(folder)
}

#[test]
fn sigterm_in_mid_draw_ends_well_and_the_next_start_draws() {
    // How long a draw takes is the machine's affair: the file grows until the signal is in time.
    let sizes = [1_000_000, 2_000_000, 4_000_000, 8_000_000];
    let specs = sizes.map(|rows| fixtures::Spec::new(1, rows, 5).unwrap());
    let interrupted = specs
        .iter()
        .find_map(|spec| Some((spec, interrupted_draw(spec)?)));
    let (spec, folder) = interrupted.expect("every draw was over before the signal came");

    let (central, address) = programs::central(folder.path(), &ONE_AGENCY).unwrap();
    let answer = Peer::connect(address).ask(&winners(1));
    let expected: Vec<String> = spec
        .rows()
        .filter(|row| row.number == fixtures::WINNER)
        .map(|row| row.document.to_string())
        .collect();
    assert_eq!(answer, format!("{{ganadores:{}}}", expected.join("|")));
    let (_, log) = central.stop().unwrap();
    assert_eq!(log.matches("action: sorteo | result: success").count(), 1);

    let (central, address) = programs::central(folder.path(), &ONE_AGENCY).unwrap();
    assert_eq!(Peer::connect(address).ask(&winners(1)), answer);
    let (_, log) = central.stop().unwrap();
    assert!(
        !log.contains("action: sorteo | result: success"),
        "it was drawn before"
    );
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) =
        programs::central(folder.path(), &[("SERVER_SHUTDOWN_GRACE", "1h")]).unwrap();
    let greedy = asks_and_never_reads(address);
    central.signal(Signal::TERM).unwrap();
    central.wait_for("signal: SIGTERM").unwrap();
    central.signal(Signal::INT).unwrap();
    let (status, log) = central.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{log}");
    drop(greedy);
}

/// A connection to which replies are owed that it does not take.
fn asks_and_never_reads(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_write_timeout(Some(std::time::Duration::from_millis(500)))
        .unwrap();
    let requests = encode(&finished(1)).0.repeat(1_000);
    loop {
        match stream.write_all(&requests) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return stream;
            }
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn what_peers_do_at_will_is_counted_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_IDLE_TIMEOUT", "400ms")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut peer = Peer::connect(address);
    for _ in 0..1_000 {
        assert_eq!(peer.ask(&finished(9)), "{result:failure}");
    }
    let told = central.wait_for("repeated: ").unwrap();
    assert!(
        told.contains("WARNING  action: notify_finished | result: fail | repeated: "),
        "{told}"
    );
    let (_, log) = central.stop().unwrap();
    assert!(
        log.matches("agency 9 does not take part").count() < 1_000,
        "{log}"
    );
}

#[test]
fn what_a_peer_repeats_and_is_granted_is_told_a_thousand_times_a_second_and_then_counted() {
    const TIMES: usize = 20_000;
    const MOST: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_AGENCIES", "1"), ("SERVER_DURABILITY", "never")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut peer = Peer::connect(address);
    let began = std::time::Instant::now();
    let good = bet(1, "30904465", false);
    for request in [one(&good), finished(1), winners(1)] {
        let many = encode(&request).0.repeat(TIMES / 100);
        for _ in 0..100 {
            peer.stream.write_all(&many).unwrap();
            for _ in 0..TIMES / 100 {
                let answer = peer.answer().unwrap().payload;
                assert!(!answer.contains("failure"), "{answer}");
            }
        }
    }
    drop(peer);
    let (_, log) = central.stop().unwrap();
    let seconds = began.elapsed().as_secs() as usize + 2;
    for kind in [
        "apuesta_almacenada | result: success",
        "notify_finished | result: success",
        "consulta_ganadores | result: success",
    ] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(kind)).collect();
        let repeated = |line: &&str| {
            line.split_once("repeated: ")
                .map(|(_, rest)| rest.to_owned())
        };
        let counted: Vec<String> = lines.iter().filter_map(repeated).collect();
        let told = lines.len() - counted.len();
        let counts = counted.iter().map(|rest| rest.split(' ').next().unwrap());
        let only_counted: usize = counts.map(|count| count.parse::<usize>().unwrap()).sum();
        assert_eq!(told + only_counted, TIMES, "{kind}");
        assert!(
            (1..=MOST * seconds).contains(&told),
            "{kind}: {told} lines in {seconds} s"
        );
        assert!(only_counted > 0, "{kind}: {told} lines in {seconds} s");
    }
}

#[test]
fn the_limit_of_descriptors_bounds_the_connections_and_the_listener_is_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args([
        "-c",
        "ulimit -n 40 && exec \"$0\"",
        env!("CARGO_BIN_EXE_event-server"),
    ]);
    limited
        .env("SERVER_PORT", "0")
        .env("SERVER_DATA_DIR", folder.path());
    let central = Running::start(&mut limited).unwrap();
    central
        .wait_for(
            "SERVER_MAX_CONNECTIONS is 10000, the limit of file descriptors leaves room for 8",
        )
        .unwrap();
    let line = central.wait_for("action: listen").unwrap();
    let port = line.rsplit_once("port: ").unwrap().1.parse().unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(address)).collect();
    while !peers.is_empty() {
        assert_eq!(
            peers.remove(0).ask(&finished(1)),
            SUCCESS,
            "each is served as slots free up"
        );
    }
    assert!(central.stop().unwrap().0.success());
}

#[test]
fn an_agency_hears_that_a_lottery_without_a_draw_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) = programs::central(folder.path(), &[("SERVER_AGENCIES", "0")]).unwrap();
    let file = fixtures::FIXTURES[0].path();
    let mut agency = programs::agency(1, &file, address, folder.path()).unwrap();
    let ended = agency.output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(76), "{log}");
    let sentence = "the server refused the winners query: this lottery has no draw (SERVER_AGENCIES=0); all bets are stored, and with --no-wait nobody asks for winners";
    assert!(log.contains(sentence), "{log}");
    let ended = agency.arg("--no-wait").output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    central.stop().unwrap();
}
