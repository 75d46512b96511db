//! A start that takes long, because bets.csv is large.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use fixtures::programs::{self, Running, Signal};

/// Bytes of bets.csv, none of which takes room on the disk. To read them takes far longer than this test does.
const LENGTH: u64 = 1 << 40;

/// How long to wait for a message: only a broken program makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_long_recovery_tells_how_far_it_is_and_a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 1_024];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let (central, _) = programs::central(folder.path(), &[]).unwrap();
    central.stop().unwrap();
    // A checkpoint that says that bets.csv is so long.
    let path = folder.path().join("bets.wal");
    let mut stored = fs::read(&path).unwrap();
    stored[32..40].copy_from_slice(&LENGTH.to_be_bytes());
    let facts = u32::from_be_bytes(*stored[44..].first_chunk().unwrap()) as usize;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&stored[..48]);
    crc.update(&stored[52..52 + 48 * facts]);
    stored[48..52].copy_from_slice(&crc.finalize().to_be_bytes());
    fs::write(&path, &stored).unwrap();
    let bets = File::options()
        .write(true)
        .open(folder.path().join("bets.csv"))
        .unwrap();
    bets.set_len(LENGTH).unwrap();

    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_event-server"));
    command
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", &socket)
        .env("SERVER_DATA_DIR", folder.path());
    let central = Running::start(&mut command).unwrap();
    let line = central
        .wait_for("action: open_store | result: in_progress | read: ")
        .unwrap();
    assert!(line.contains(" | of: 10995"), "{line}");
    // A service manager gives it more time, again and again.
    for _ in 0..2 {
        let message = told();
        let status = "STATUS=recovering: 0 % of the stored bets are read\n";
        assert_eq!(message, format!("EXTEND_TIMEOUT_USEC=30000000\n{status}"));
    }
    central.signal(Signal::TERM).unwrap();
    let (status, log) = central.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    let last: Vec<&str> = log.lines().rev().take(2).collect();
    assert!(
        last[1].ends_with("receive_signal | result: success | container: server | signal: SIGTERM"),
        "{log}"
    );
    assert!(
        last[0].ends_with("action: exit | result: success | container: server"),
        "{log}"
    );
    assert_eq!(fs::read(path).unwrap(), stored);
}
