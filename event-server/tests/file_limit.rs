//! A central under a limit of file sizes (`ulimit -f`): a write beyond it is a lack of room, and does not end the
//! central.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Peer, batch, bet, finished, winners};
use fixtures::programs::{self, Running};

/// A central whose files may have `blocks` blocks of 512 bytes.
fn limited(data: &Path, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -f {blocks}; exec \"$0\"")])
        .arg(programs::program("event-server").unwrap())
        .current_dir(data)
        .env("SERVER_DATA_DIR", data)
        .env("SERVER_AGENCIES", "1")
        .env("SERVER_DURABILITY", "never")
        .env("SERVER_PORT", "0");
    command
}

#[test]
fn a_limit_of_file_sizes_is_a_lack_of_room_and_ends_no_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    // The first room of a log has a megabyte.
    let refused = limited(data, 100).output().unwrap();
    let log = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(74), "{log}");
    assert!(
        log.contains("bets.wal.new: File too large") && log.contains("(ulimit -f)"),
        "{log}"
    );

    let central = Running::start(&mut limited(data, 5_000)).unwrap();
    let line = central
        .wait_for("action: listen | result: success")
        .unwrap();
    let mut peer = Peer::connect(programs::listen_address(&line).unwrap());
    let bets = vec![bet(1, "30904465", true); 500];
    let text = bets.join("|");
    let request = batch(&text);
    let mut stored = 0;
    while peer.ask(&request) == "{result:success}" {
        stored += bets.len();
        assert!(stored < 1_000_000, "the limit has no effect");
    }
    // It goes on: what needs no more room is done, and the rows that it took are there.
    assert!(stored > 0);
    central
        .wait_for("error: no space: the server cannot write")
        .unwrap();
    let (status, log) = central.stop().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    let (central, address) = programs::central(data, &[("SERVER_AGENCIES", "1")]).unwrap();
    let mut peer = Peer::connect(address);
    peer.ask(&finished(1));
    peer.ask(&winners(1));
    central.stop().unwrap();
    let rows = fs::read_to_string(data.join("bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), stored);
}
