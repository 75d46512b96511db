//! Copies of a lottery: made beside a running central, verified before they get their name, and continued by a central.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use fixtures::Spec;
use fixtures::programs::{self, Running, Signal, central, program};

use crate::common::{Peer, batch, bet, eventually, finished, row, winners};
use crate::{SUCCESS, assert_refused, operate};

#[test]
fn a_backup_beside_a_central_that_stores_has_all_that_was_acknowledged_before_and_can_be_continued()
{
    let folder = tempfile::tempdir().unwrap();
    let (data, copies) = (folder.path().join("data"), folder.path().join("copies"));
    fs::create_dir(&copies).unwrap();
    fs::create_dir(&data).unwrap();
    let (server, address) = central(&data, &[("SERVER_AGENCIES", "2")]).unwrap();
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer = Peer::connect(address);
            while !done.load(Ordering::Relaxed) {
                let document = acknowledged.load(Ordering::Relaxed).to_string();
                let bet = bet(1, &document, document == "7");
                assert_eq!(peer.ask(&batch(&bet)), SUCCESS);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 0..4 {
            let least = acknowledged.load(Ordering::Relaxed);
            let copy = copies.join(number.to_string());
            let copy = copy.to_str().unwrap();
            let (code, told, log) = operate(&data, &["backup", copy, "--json"]);
            assert_eq!(code, Some(0), "{log}");
            let stored = fs::read_to_string(Path::new(copy).join("bets.csv")).unwrap();
            let rows = stored.lines().count();
            assert!(rows >= least, "{rows} of {least} are in the copy");
            assert_eq!(told, format!("{{\"backup\":\"{copy}\",\"bets\":{rows}}}\n"));
            let line = format!("backup | result: success | cantidad: {rows} | folder: {copy}\n");
            assert!(log.ends_with(&line), "{log}");
            let (code, told, _) = operate(&data, &["verify", "--data-dir", copy]);
            assert_eq!(code, Some(0), "{told}");
            eventually("more is stored", || {
                acknowledged.load(Ordering::Relaxed) > least + 10
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    server.stop().unwrap();
    let all = fs::read_to_string(data.join("bets.csv")).unwrap();
    let left = fs::read_dir(&copies).unwrap().count();
    assert_eq!(left, 4, "something else is left");
    let last = copies.join("3");
    let copied = fs::read_to_string(last.join("bets.csv")).unwrap();
    assert!(all.starts_with(&copied), "the rows are not the first ones");

    let (server, address) = central(&last, &[("SERVER_AGENCIES", "2")]).unwrap();
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&batch(&bet(1, "last", true))), SUCCESS);
    for agency in [1, 2] {
        assert_eq!(Peer::connect(address).ask(&finished(agency)), SUCCESS);
    }
    assert_eq!(peer.ask(&winners(1)), "{ganadores:7|last}");
    server.stop().unwrap();

    // After the draw, too.
    let drawn = copies.join("drawn");
    let (code, _, log) = operate(&last, &["backup", drawn.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{log}");
    let told = operate(&drawn, &["winners", "--agency", "1"]).1;
    assert_eq!(told, "7\nlast\n");
}

#[test]
fn an_upload_goes_on_at_a_copy_and_a_file_that_was_taken_out_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let [data, copy] = ["data", "copy"].map(|name| folder.path().join(name));
    fs::create_dir(&data).unwrap();
    let file = |name: &str, rows: usize| {
        let path = folder.path().join(name);
        let spec = Spec::new(rows as u64, rows, 1).unwrap();
        spec.write_to(fs::File::create(&path).unwrap()).unwrap();
        path
    };
    let (wrong, right) = (file("wrong.csv", 30), file("right.csv", 50));
    let two = [("SERVER_AGENCIES", "2")];
    let send = |file: &Path, address| {
        let mut client = programs::agency(1, file, address, folder.path()).unwrap();
        Running::start(client.stdout(Stdio::null())).unwrap()
    };
    let sent = "notify_finished | result: success";
    let (server, address) = central(&data, &two).unwrap();
    send(&wrong, address).wait_for(sent).unwrap();
    server.stop().unwrap();
    assert_eq!(operate(&data, &["reopen", "--agency", "1"]).0, Some(0));
    let (server, address) = central(&data, &two).unwrap();
    send(&right, address).wait_for(sent).unwrap();
    assert_eq!(
        operate(&data, &["backup", copy.to_str().unwrap()]).0,
        Some(0)
    );
    server.stop().unwrap();

    let (server, address) = central(&copy, &two).unwrap();
    let (status, log) = send(&wrong, address).wait().unwrap();
    assert_eq!(status.code(), Some(76), "{log}");
    let again = send(&right, address);
    again.wait_for(sent).unwrap();
    assert_eq!(Peer::connect(address).ask(&finished(2)), SUCCESS);
    assert!(again.wait().unwrap().0.success());
    server.stop().unwrap();
    let rows = fs::read_to_string(copy.join("bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), 50);
}

#[test]
fn a_backup_replaces_nothing_and_removes_what_a_broken_off_one_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(&data).unwrap();
    let rows = (row(1, "1", false) + "\r\n").repeat(500_000);
    fs::write(data.join("bets.csv"), &rows).unwrap();
    let backup = |target: &str| operate(&data, &["backup", target]);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "mine").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for name in ["folder", "file", "link"] {
        let sentence = format!("{} is there already, and nothing is replaced", at(name));
        assert_refused(&backup(&at(name)), 74, &sentence);
    }
    let sentence = "none: No such file or directory";
    assert_refused(&backup(&at("none/copy")), 74, sentence);
    let nothing = operate(folder.path(), &["backup", &at("copy")]);
    assert_refused(&nothing, 74, "there is no lottery in");
    assert!(!Path::new(&at("copy.new")).exists());

    // Killed while it writes.
    let mut killed = Command::new(program("event-server").unwrap())
        .env("SERVER_DATA_DIR", &data)
        .args(["backup", &at("copy")])
        .spawn()
        .unwrap();
    eventually("the copy is begun", || {
        Path::new(&at("copy.new/bets.csv")).exists()
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    // The backup may have been done before the kill.
    let _ = fs::remove_dir_all(at("copy"));
    // Another one is at work there.
    let mut private = fs::DirBuilder::new();
    private.mode(0o700).recursive(true);
    private.create(at("copy.new")).unwrap();
    let lock = fs::File::create(at("copy.new/lock")).unwrap();
    lock.lock().unwrap();
    assert_refused(
        &backup(&at("copy")),
        74,
        "is being written by another program",
    );
    drop(lock);
    let (code, _, log) = backup(&at("copy"));
    assert_eq!(code, Some(0), "{log}");
    assert!(!Path::new(&at("copy.new")).exists(), "something is left");
    let copied = fs::read_to_string(at("copy/bets.csv")).unwrap();
    assert!(copied == rows, "it is no copy");
}

#[test]
fn a_signal_ends_a_backup_at_once_and_what_it_leaves_is_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(&data).unwrap();
    let rows = (row(1, "1", false) + "\r\n").repeat(2_000_000);
    fs::write(data.join("bets.csv"), &rows).unwrap();
    let target = at("copy").display().to_string();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = Command::new(program("event-server").unwrap());
        command.env("SERVER_DATA_DIR", &data);
        let backup = Running::start(command.args(["backup", &target])).unwrap();
        eventually("the copy is begun", || at("copy.new/bets.csv").exists());
        let sent = backup.signal(signal);
        let (status, log) = backup.wait().unwrap();
        match status.signal() {
            Some(number) => {
                assert_eq!((number, log.as_str()), (signal.as_raw(), ""));
                assert!(!at("copy").exists(), "{status}");
            }
            // The backup was done before the signal.
            None => assert!(status.success() && at("copy").exists(), "{sent:?}: {log}"),
        }
        let _ = fs::remove_dir_all(at("copy"));
    }
    let (code, _, log) = operate(&data, &["backup", &target]);
    assert_eq!(code, Some(0), "{log}");
    assert!(!at("copy.new").exists(), "something is left");
    let copied = fs::read_to_string(at("copy/bets.csv")).unwrap();
    assert!(copied == rows, "it is no copy");
}
