//! A file that changes while the program runs: what the server stores is a prefix of the file that was checked.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use frame::{Reply, Request};

use crate::client::{Client, rows};
use crate::fake::{Peer, SUCCESS, numbers, winners};

/// More than one block of checksums.
const ROWS: u32 = 4_000;

/// What happens to the file.
type Change = fn(&Path, &str);

/// Another file of the same size takes its name.
fn replaced(path: &Path, content: &str) {
    let other = path.with_extension("new");
    fs::write(&other, content.replace("Ana", "Eva")).unwrap();
    fs::rename(other, path).unwrap();
}

fn rewritten(path: &Path, content: &str) {
    fs::write(path, content.replace("2000-02-29", "2001-03-01")).unwrap();
}

/// It is cut in the middle of a number.
fn cut(path: &Path, content: &str) {
    fs::write(path, &content[..content.len() - 2]).unwrap();
}

fn appended(path: &Path, content: &str) {
    fs::write(path, content.to_owned() + &rows(1)).unwrap();
}

const CHANGES: [Change; 4] = [replaced, rewritten, cut, appended];

/// The bets of a batch, as the file has them.
fn lines(request: &Request<'_>) -> String {
    let Request::Batch(batch) = request else {
        panic!("not a batch: {request:?}")
    };
    let line = |bet: frame::Bet<'_>| {
        let (first, last) = (bet.first_name.as_str(), bet.last_name.as_str());
        let date = String::from_utf8(bet.birthdate.as_bytes().to_vec()).unwrap();
        let document = bet.document.as_str();
        format!("{first},{last},{document},{date},{}\n", bet.number)
    };
    batch.bets().map(|bet| line(bet.unwrap())).collect()
}

#[test]
fn where_the_file_changes_before_anything_is_sent_nothing_is() {
    for change in CHANGES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let client = Client::new("batch", &server).file("bets.csv", rows(2));
        let path = client.folder().join("bets.csv");
        let client = client.start();
        let mut peer = Peer::accept(&listener);
        peer.request();
        change(&path, &rows(2));
        peer.reply(&Reply::Resumed(0));
        assert_eq!(peer.payload(), None);
        let sentence =
            "bets.csv changed after it was checked, and nothing of it was sent: run again";
        client.end().assert_failed(65, sentence);
    }
}

#[test]
fn what_is_stored_is_a_prefix_of_the_checked_file_however_it_changes_in_the_middle() {
    let checked = rows(ROWS as usize);
    for change in CHANGES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let client = Client::new("batch", &server)
            .env("CLI_BATCH_WINDOW", "8")
            .file("bets.csv", &checked);
        let path = client.folder().join("bets.csv");
        let client = client.start();
        let mut stored = String::new();
        // The file changes while batches are on their way; the connection is lost, and the upload goes on.
        for connection in 0..2 {
            let mut peer = Peer::accept(&listener);
            let mut batches = 0;
            while let Some(request) = peer.request() {
                let reply = match request {
                    Request::Resume { .. } => Reply::Resumed(stored.lines().count() as u64),
                    Request::Batch(_) => {
                        batches += 1;
                        stored += &lines(&request);
                        SUCCESS
                    }
                    _ => panic!("{request:?} is sent for a changed file"),
                };
                peer.reply(&reply);
                if connection == 0 && batches == 3 {
                    change(&path, &checked);
                    break;
                }
            }
        }
        assert!(checked.starts_with(&stored), "other rows are stored");
        let ended = client.end();
        ended.assert_failed(65, "bets.csv changed while it was being sent");
        ended.assert_failed(65, "or have agency 1 reopened at the central");
    }
}

#[test]
fn a_file_that_was_touched_or_whose_name_is_gone_is_sent_to_its_end() {
    let touched: Change = |path, content| fs::write(path, content).unwrap();
    let moved: Change = |path, _| fs::rename(path, path.with_extension("old")).unwrap();
    let removed: Change = |path, _| fs::remove_file(path).unwrap();
    for change in [touched, moved, removed] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let client = Client::new("batch", &server).file("bets.csv", rows(ROWS as usize));
        let path = client.folder().join("bets.csv");
        let client = client.start();
        let mut stored: Vec<u32> = Vec::new();
        for connection in 0..2 {
            let mut peer = Peer::accept(&listener);
            while let Some(request) = peer.request() {
                let reply = match request {
                    Request::Resume { .. } => Reply::Resumed(stored.len() as u64),
                    Request::Batch(_) => {
                        stored.extend(numbers(&request));
                        SUCCESS
                    }
                    Request::Winners { .. } => winners("7"),
                    _ => SUCCESS,
                };
                peer.reply(&reply);
                if connection == 0 && stored.len() > 200 {
                    change(&path, &rows(ROWS as usize));
                    break;
                }
            }
        }
        let ended = client.end();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "7\n"),
            "{:#?}",
            ended.log
        );
        assert_eq!(stored, Vec::from_iter(1..=ROWS));
    }
}
