//! What is taken out stays out, and what was taken over is not doubled, whatever an agency's client does.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fixtures::programs::{self, Running, central};

use crate::common::{Peer, finished, row, winners};
use crate::{SUCCESS, assert_refused, operate};

const TWO: (&str, &str) = ("SERVER_AGENCIES", "2");

/// An agency's file of these documents, which all win.
fn file(folder: &Path, name: &str, documents: &[&str]) -> PathBuf {
    let rows = documents.iter();
    let rows: String = rows
        .map(|document| format!("Ana,Paz,{document},1999-12-31,7574\n"))
        .collect();
    let path = folder.join(name);
    fs::write(&path, rows).unwrap();
    path
}

/// Agency 1 sends a file.
fn client(folder: &Path, file: &Path, address: SocketAddr) -> Running {
    let mut command = programs::agency(1, file, address, folder).unwrap();
    Running::start(command.stdout(Stdio::null())).unwrap()
}

/// Asserts that a client ends with 76 and this sentence.
fn assert_turned_away(client: Running, sentence: &str) {
    let (status, log) = client.wait().unwrap();
    assert_eq!(status.code(), Some(76), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains(sentence), "{sentence}: {log}");
}

#[test]
fn a_file_that_was_taken_out_is_not_sent_again_by_its_waiting_client_unless_the_operator_allows_it()
{
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("data");
    fs::create_dir(data).unwrap();
    let wrong = file(folder.path(), "wrong.csv", &["1", "2"]);
    let right = file(folder.path(), "right.csv", &["3"]);
    let (server, address) = central(data, &[TWO]).unwrap();
    let waiting = client(folder.path(), &wrong, address);
    waiting
        .wait_for("notify_finished | result: success")
        .unwrap();
    server.stop().unwrap();
    assert_refused(
        &operate(data, &["reopen", "--agency", "9"]),
        64,
        "agency 9 does not take part: only agencies 1 to 2 do",
    );
    let (code, _, log) = operate(data, &["reopen", "--agency", "1"]);
    assert_eq!(code, Some(0), "{log}");

    let port = address.port().to_string();
    let environment = [TWO, ("SERVER_PORT", &*port)];
    let (server, address) = central(data, &environment).unwrap();
    let sentence = "this file was taken out: agency 1 was reopened";
    assert_turned_away(waiting, sentence);
    let right = client(folder.path(), &right, address);
    right.wait_for("notify_finished | result: success").unwrap();
    server.stop().unwrap();

    // Both files are barred now, also after a further start.
    assert_eq!(operate(data, &["reopen", "--agency", "1"]).0, Some(0));
    let (server, address) = central(data, &environment).unwrap();
    assert_turned_away(right, sentence);
    assert_turned_away(client(folder.path(), &wrong, address), sentence);
    server.stop().unwrap();
    let allow = ["reopen", "--agency", "1", "--allow-same-file"];
    assert_eq!(operate(data, &allow).0, Some(0));
    let (server, address) = central(data, &environment).unwrap();
    let again = client(folder.path(), &wrong, address);
    again.wait_for("notify_finished | result: success").unwrap();
    assert_eq!(Peer::connect(address).ask(&finished(2)), SUCCESS);
    assert!(again.wait().unwrap().0.success());
    assert_eq!(Peer::connect(address).ask(&winners(1)), "{ganadores:1|2}");
    server.stop().unwrap();
}

#[test]
fn rows_that_were_taken_over_are_not_doubled_and_an_operator_closes_the_agency_or_takes_them_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("data");
    fs::create_dir(data).unwrap();
    let sent = file(folder.path(), "sent.csv", &["1", "2"]);
    let rows = [row(1, "1", true), row(1, "2", true), row(2, "3", true)];
    let stored = rows.join("\r\n") + "\r\n";
    fs::write(data.join("bets.csv"), &stored).unwrap();
    for restarted in [false, true] {
        let (server, address) = central(data, &[TWO]).unwrap();
        let sentence = "2 bets of agency 1 were taken over from a bets.csv, and a file would double them: let an \
             operator take them out (event-server reopen --agency 1) and send the file again, or close the agency with \
             them (event-server finish --agency 1)";
        assert_turned_away(client(folder.path(), &sent, address), sentence);
        server.stop().unwrap();
        assert_eq!(
            fs::read_to_string(data.join("bets.csv")).unwrap(),
            stored,
            "{restarted}"
        );
    }
    let (code, _, log) = operate(data, &["finish", "--agency", "2"]);
    assert_eq!(code, Some(0), "{log}");
    let line = "INFO     action: finish | result: success | agency: 2";
    assert!(log.contains(line), "{log}");
    assert_refused(
        &operate(data, &["finish", "--agency", "3"]),
        64,
        "agency 3 does not take part",
    );
    assert_eq!(operate(data, &["reopen", "--agency", "1"]).0, Some(0));
    let (server, address) = central(data, &[TWO]).unwrap();
    let again = client(folder.path(), &sent, address);
    assert!(again.wait().unwrap().0.success());
    assert_eq!(Peer::connect(address).ask(&winners(2)), "{ganadores:3}");
    server.stop().unwrap();
    let bets = fs::read_to_string(data.join("bets.csv")).unwrap();
    assert_eq!(bets.lines().count(), 3, "{bets}");
    assert_refused(
        &operate(data, &["finish", "--agency", "1"]),
        78,
        "the draw is done",
    );
}
