//! What an operator does with a central's files: look at its configuration, export its bets, reopen an agency.
//!
//! ```text
//! backup      copies
//! looking     how the lottery stands, and its winners
//! number      how many agencies take part: it belongs to the lottery
//! taken_out   files that are not to be sent again, rows that were taken over
//! ```

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod looking;
mod number;
mod taken_out;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use common::{Peer, batch, bet, finished, row, winners};
use fixtures::certificates::{Authority, Role, Term};
use fixtures::programs::{central, program};

const SUCCESS: &str = "{result:success}";

/// Runs a command of the central on the files of this folder, which holds no configuration.
fn operate(data: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program("event-server").unwrap())
        .current_dir(data)
        .env("SERVER_DATA_DIR", data)
        .env("SERVER_AGENCIES", "2")
        .args(arguments)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Asserts that a command ended with this code and this one sentence.
fn assert_refused(ended: &(Option<i32>, String, String), code: i32, sentence: &str) {
    assert_eq!(ended.0, Some(code), "{}", ended.2);
    assert_eq!(ended.2.lines().count(), 1, "{}", ended.2);
    assert!(ended.2.contains(sentence), "{sentence}: {}", ended.2);
}

#[test]
fn nobody_else_works_in_the_folder_of_a_running_central_and_removing_its_lock_file_changes_nothing()
{
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (server, address) = central(data, &[("SERVER_AGENCIES", "2")]).unwrap();
    fs::remove_file(data.join("lock")).unwrap();
    let another = operate(data, &["--port", "0"]);
    assert_eq!(another.0, Some(74), "{}", another.2);
    assert!(
        another.2.contains("another server has locked"),
        "{}",
        another.2
    );
    for arguments in ["reopen --agency 1", "finish --agency 1", "agencies 3"] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        assert_refused(&operate(data, &arguments), 74, "another server has locked");
    }
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
    server.stop().unwrap();
    let (code, told, log) = operate(data, &["export"]);
    assert_eq!((code, told), (Some(0), row(1, "1", true) + "\r\n"), "{log}");
}

#[test]
fn an_agency_is_reopened_while_the_central_is_stopped_and_before_the_draw() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let environment = [("SERVER_AGENCIES", "2")];
    let reopen = |agency: &str| operate(data, &["reopen", "--agency", agency]);
    let (server, address) = central(data, &environment).unwrap();
    let mut peer = Peer::connect(address);
    let wrong = [bet(1, "1", true), bet(1, "2", false)].join("|");
    assert_eq!(peer.ask(&batch(&wrong)), SUCCESS);
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    assert_eq!(
        Peer::connect(address).ask(&batch(&bet(2, "3", true))),
        SUCCESS
    );
    assert_refused(&reopen("1"), 74, "another server has locked");
    server.stop().unwrap();

    let (code, told, log) = reopen("1");
    assert_eq!((code, told.as_str()), (Some(0), ""), "{log}");
    let line = "INFO     action: reopen | result: success | agency: 1 | cantidad: 2";
    assert!(log.contains(line), "{log}");
    let stored = fs::read_to_string(data.join("bets.csv")).unwrap();
    assert_eq!(stored, row(2, "3", true) + "\r\n");

    let (server, address) = central(data, &environment).unwrap();
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&batch(&bet(1, "4", true))), SUCCESS);
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    assert_eq!(Peer::connect(address).ask(&finished(2)), SUCCESS);
    assert_eq!(peer.ask(&winners(1)), "{ganadores:4}");
    server.stop().unwrap();
    assert_refused(&reopen("1"), 78, "the draw is done");
}

#[test]
fn nothing_is_made_where_there_is_nothing_to_reopen_or_export() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let missing = data.join("missing");
    let missing = missing.to_str().unwrap();
    for command in [&["export"][..], &["reopen", "--agency", "1"]] {
        let ended = operate(data, &[command, &["--data-dir", missing]].concat());
        assert_refused(&ended, 74, "missing: No such file or directory");
    }
    assert!(!Path::new(missing).exists());
    assert_refused(
        &operate(data, &["reopen", "--agency", "0"]),
        64,
        "--agency is 0",
    );
}

#[test]
fn every_committed_bet_is_exported_beside_a_running_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (server, address) = central(data, &[("SERVER_AGENCIES", "2")]).unwrap();
    let mut peer = Peer::connect(address);
    let mut expected = String::new();
    for document in 0..20 {
        let document = document.to_string();
        assert_eq!(peer.ask(&batch(&bet(1, &document, false))), SUCCESS);
        expected += &(row(1, &document, false) + "\r\n");
        let (code, exported, log) = operate(data, &["export"]);
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(exported, expected);
        let told = format!(
            "export | result: success | cantidad: {}\n",
            expected.lines().count()
        );
        assert!(log.ends_with(&told), "{log}");
    }
    server.stop().unwrap();
    assert_eq!(operate(data, &["export"]).1, expected);
}

#[test]
fn an_export_that_fails_says_how_much_it_has_written_and_of_bad_files_it_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (server, address) = central(data, &[("SERVER_AGENCIES", "2")]).unwrap();
    let mut peer = Peer::connect(address);
    for document in ["1", "2", "3"] {
        assert_eq!(peer.ask(&batch(&bet(1, document, false))), SUCCESS);
    }
    server.stop().unwrap();
    let mut bets = fs::read(data.join("bets.csv")).unwrap();

    let full = Command::new(program("event-server").unwrap())
        .env("SERVER_DATA_DIR", data)
        .arg("export")
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    let log = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(74), "{log}");
    assert!(
        log.contains("standard output cannot be written to")
            && log.ends_with("; nothing was written\n"),
        "{log}"
    );

    bets[5] ^= 1;
    fs::write(data.join("bets.csv"), &bets).unwrap();
    let ended = operate(data, &["export"]);
    assert_refused(&ended, 74, "bets.csv was changed within its first");
    assert!(
        ended.1.is_empty() && ended.2.ends_with("; nothing was written\n"),
        "{}",
        ended.2
    );
}

#[test]
fn an_address_that_cannot_be_listened_on_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, advice) in [
        (
            &["--port", &port][..],
            "another program listens there: stop it, or choose another port",
        ),
        (
            &["--bind", "192.0.2.1", "--port", "0"],
            "this machine has no such address: choose one of its own, or 0.0.0.0 for all of them",
        ),
    ] {
        let (code, _, log) = operate(data, arguments);
        assert_eq!(code, Some(69), "{log}");
        let last = log.lines().last().unwrap_or_default();
        assert!(
            last.contains("error: listening on") && last.ends_with(advice),
            "{log}"
        );
    }
}

#[test]
fn the_configuration_is_shown_with_the_source_of_each_value() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    fs::write(
        data.join("config.ini"),
        "[DEFAULT]\nSERVER_PORT = 7\nSERVER_PROT = 8\n",
    )
    .unwrap();
    let store = "postgresql://a@h/db?sslmode=disable";
    let shown = operate(
        data,
        &["config", "--store", store, "--set", "LOGGING_LEVEL=DEBUG"],
    );
    assert_eq!(shown.0, Some(0), "{}", shown.2);
    for line in [
        "SERVER_PORT = 7  # config.ini",
        "SERVER_AGENCIES = 2  # the environment",
        "SERVER_BIND = 127.0.0.1  # default",
        "SERVER_STORE = postgresql://a@h/db?sslmode=disable  # the argument --store",
        "LOGGING_LEVEL = DEBUG  # the argument --set",
    ] {
        assert!(
            shown.1.lines().any(|shown| shown == line),
            "{line}: {}",
            shown.1
        );
    }
    assert!(
        shown.2.contains("key SERVER_PROT is unknown"),
        "{}",
        shown.2
    );
    let bad = operate(data, &["config", "--port", "70000"]);
    assert_refused(
        &bad,
        78,
        "the argument --port: SERVER_PORT is '70000', allowed is a whole number",
    );
    let missing = "postgresql://a@h/db?sslrootcert=/none.pem";
    let bad = operate(data, &["config", "--store", missing]);
    assert_eq!(bad.0, Some(78));
    assert!(
        bad.2.contains("sslrootcert /none.pem cannot be used"),
        "{}",
        bad.2
    );
}

#[test]
fn a_password_in_an_argument_is_refused_with_the_ways_that_nobody_else_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = "postgresql://a:hidden@h/db?sslmode=disable";
    let set = format!("server_store={store}");
    for command in [
        &[][..],
        &["config"],
        &["export"],
        &["reopen", "--agency", "1"],
    ] {
        for arguments in [["--store", store], ["--set", &set]] {
            let ended = operate(folder.path(), &[command, &arguments].concat());
            assert_refused(
                &ended,
                78,
                "SERVER_STORE cannot be used: every user of this machine can read",
            );
            for way in ["PGPASSWORD", "SERVER_STORE_PASSWORD_FILE", "config.ini"] {
                assert!(ended.2.contains(way), "{way}: {}", ended.2);
            }
            assert!(!ended.2.contains("hidden"), "{}", ended.2);
        }
    }
    fs::write(
        folder.path().join("config.ini"),
        format!("[DEFAULT]\nSERVER_STORE={store}\n"),
    )
    .unwrap();
    let shown = operate(folder.path(), &["config"]);
    assert_eq!(shown.0, Some(0), "{}", shown.2);
    assert!(
        shown
            .1
            .contains("SERVER_STORE = postgresql://a:***@h/db?sslmode=disable  # config.ini")
    );
}

#[test]
fn a_certificate_that_has_expired_is_a_warning_and_its_end_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let authority = Authority::new("lottery").unwrap();
    let ca = data.join("ca.pem");
    fs::write(&ca, authority.certificate()).unwrap();
    for (term, until, warning) in [
        (
            Term::Past,
            "2001-01-01 00:00:00 UTC",
            Some("has expired on 2001-01-01 00:00:00 UTC"),
        ),
        (Term::Current, "4000-01-01 00:00:00 UTC", None),
        (
            Term::Future,
            "4000-01-01 00:00:00 UTC",
            Some("is not valid before 3999-01-01 00:00:00 UTC"),
        ),
    ] {
        let identity = authority.sign(Role::Server, &["localhost"], term).unwrap();
        let (cert, key) = identity.write(data, "server").unwrap();
        let set = |key: &str, path: &Path| format!("{key}={}", path.display());
        let files = [
            set("SERVER_TLS_CERT", &cert),
            set("SERVER_TLS_KEY", &key),
            set("SERVER_TLS_CLIENT_CA", &ca),
        ];
        let files = files.iter().flat_map(|file| ["--set", file]);
        let files: Vec<&str> = files.collect();
        let warned = |log: &str| {
            let line = log
                .lines()
                .find(|line| line.contains("WARNING  action: open_tls"));
            let expected = warning.map(|warning| format!("{} {warning}", cert.display()));
            match (line, expected) {
                (Some(line), Some(expected)) => assert!(line.contains(&expected), "{line}"),
                (None, None) => {}
                _ => panic!("{term:?}: {log}"),
            }
        };
        let (code, shown, log) = operate(data, &[&["config"], &files[..]].concat());
        assert_eq!(code, Some(0), "{log}");
        assert!(
            shown.contains(&format!("# SERVER_TLS_CERT is valid until {until}\n")),
            "{shown}"
        );
        warned(&log);

        let environment: Vec<(&str, &str)> = files
            .iter()
            .filter_map(|file| file.split_once('='))
            .collect();
        let (server, address) = central(data, &environment).unwrap();
        let port = address.port().to_string();
        let (code, _, log) = operate(data, &[&["--check", "--port", &port], &files[..]].concat());
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains(&format!("valid_until: {until}")), "{log}");
        warned(&log);
        let (_, log) = server.stop().unwrap();
        assert!(log.contains(&format!("valid_until: {until}")), "{log}");
        warned(&log);
    }
}

#[test]
fn a_check_of_another_port_says_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = central(folder.path(), &[("SERVER_HTTP", "127.0.0.1:0")]).unwrap();
    let http = server.wait_for("action: listen_http").unwrap();
    let http = http.rsplit_once("port: ").unwrap().1;
    let check = |port: &str| operate(folder.path(), &["--check", "--port", port]);
    assert_refused(
        &check(http),
        69,
        "an HTTP server is there, no central: SERVER_PORT is",
    );

    for (reply, says) in [
        (&b""[..], "the connection was closed without a reply"),
        (
            b"220 mail.example ESMTP\r\n",
            "something else than the line came back: it is no central",
        ),
    ] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port().to_string();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            let mut line = [0; 64];
            let _ = stream.read(&mut line).unwrap();
            stream.write_all(reply).unwrap();
        });
        assert_refused(&check(&port), 69, says);
        peer.join().unwrap();
    }
    // A server that stands still: its system takes connections.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    assert_refused(&check(&port), 69, "no reply within 3s");
}

#[test]
fn output_that_nobody_reads_to_its_end_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let row = row(1, "1", false) + "\r\n";
    fs::write(data.join("bets.csv"), row.repeat(100_000)).unwrap();
    let (server, _) = central(data, &[("SERVER_AGENCIES", "2")]).unwrap();
    server.stop().unwrap();
    for command in ["export", "config", "status"] {
        // What `head -0` does.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(program("event-server").unwrap())
            .current_dir(data)
            .args(["--data-dir", ".", "--agencies", "2", command])
            .stdout(writer)
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        // 128 and SIGPIPE, as of other programs.
        assert_eq!(
            (output.status.code(), log.as_str()),
            (Some(141), ""),
            "{command}"
        );
    }
}
