//! Locks that somebody holds, transactions that nobody goes on with, and sessions that nobody listens to.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fixtures::programs::Signal;

use crate::common::{Peer, batch, bet, eventually, one, resume};
use crate::stage::{
    Lock, ONE_SESSION, PATIENT, Stage, await_blocked, count, fill_disk, run, wait_for_replicas,
};

const SUCCESS: &str = "{result:success}";

/// A central that stands still in the middle of a commit: its transaction has begun, and the server waits for the rest.
struct HalfOpen(Child);

impl HalfOpen {
    /// It has appended this version of agency 1.
    fn commit(stage: &Stage, version: u32) -> Self {
        let mut psql = stage.database.psql("postgres");
        psql.env("PGAPPNAME", "event-server of-another-machine");
        let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
        let stdin = psql.stdin.as_mut().unwrap();
        let sql = format!(
            "begin;\ninsert into lottery.commits values (1, {version}, null, 0, 0, false, 'x', now());\n\
             copy lottery.bets from stdin;\n"
        );
        stdin
            .write_all(sql.as_bytes())
            .and_then(|()| stdin.flush())
            .unwrap();
        eventually("the server waits for rows", || {
            count(
                stage,
                "pg_stat_activity where query like 'copy%' and wait_event = 'ClientRead'",
            ) == 1
        });
        Self(psql)
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sessions of centrals that the database has.
const SESSIONS: &str = "pg_stat_activity where application_name like 'event-server%'";

#[test]
fn a_transaction_that_nobody_goes_on_with_costs_its_own_agency_alone_and_is_ended() {
    let Some(stage) = Stage::set() else { return };
    let timeout = ("SERVER_STORE_TIMEOUT", "2s");
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "2"), timeout, ONE_SESSION]);
    let mut other = Peer::connect(address);
    assert_eq!(other.ask(&resume(2, 7)), "{apuestas:0}");
    let _half_open = HalfOpen::commit(&stage, 1);
    let mut peer = Peer::connect(address);
    peer.send(&resume(1, 7));
    // Its bets are in the group behind that resume, or in the same one.
    assert_eq!(other.ask(&batch(&bet(2, "1", true))), SUCCESS);
    let told = peer.answer().unwrap().payload;
    assert!(told.contains("error:not now: "), "{told}");
    assert_eq!(peer.answer(), None);
    // No operator has to end the transaction: the central that waits for it does, once the other central must have
    // given it up itself.
    eventually("the agency is served", || {
        let mut again = Peer::connect(address);
        again.ask(&resume(1, 7)) == "{apuestas:0}"
    });
    assert_eq!(other.ask(&batch(&bet(2, "2", true))), SUCCESS);
    central
        .wait_for("had sent nothing for 2s were ended")
        .unwrap();
    assert!(!central.log().contains("is lost"), "{}", central.log());
}

#[test]
fn a_table_that_somebody_locks_is_not_now_for_a_resume_and_its_client_tries_again() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 300);
    let timeout = ("SERVER_STORE_TIMEOUT", "1s");
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1"), timeout]);
    central.wait_for("open_store | result: success").unwrap();
    let lock = Lock::table(&stage, "commits");
    let mut client = stage.client(&agencies[0], address);
    let client = fixtures::programs::Running::start(client.stdout(Stdio::null())).unwrap();
    client
        .wait_until(|log| {
            log.matches("not now: the database waits for a lock")
                .count()
                > 3
        })
        .unwrap();
    drop(lock);
    let (status, log) = client.wait().unwrap();
    assert!(status.success(), "{log}");
    stage.assert_whole(&agencies);
    assert!(!central.log().contains("is lost"), "{}", central.log());
}

#[test]
fn a_table_that_somebody_locks_against_reading_is_not_now_for_those_who_wait_to_be_read() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 300);
    let timeout = ("SERVER_STORE_TIMEOUT", "1s");
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "2"), timeout]);
    central.wait_for("open_store | result: success").unwrap();
    let mut other = Peer::connect(address);
    assert_eq!(other.ask(&resume(2, 7)), "{apuestas:0}");
    let lock = Lock::whole_table(&stage, "commits");
    let mut peer = Peer::connect(address);
    let told = peer.ask(&resume(1, 7));
    assert!(told.contains("error:not now: "), "{told}");
    assert_eq!(peer.answer(), None);
    // One that has sent no resume is not told why.
    let mut plain = Peer::connect(address);
    plain.send(&one(&bet(1, "1", false)));
    assert_eq!(plain.answer(), None);
    let mut client = stage.client(&agencies[0], address);
    let client = fixtures::programs::Running::start(client.stdout(Stdio::null())).unwrap();
    client.wait_for("not now: the database waits").unwrap();
    drop(lock);
    eventually("the agency's file is taken", || {
        count(&stage, "lottery.bets") == 300
    });
    assert!(!central.log().contains("is lost"), "{}", central.log());
}

#[test]
fn a_full_tablespace_ends_a_fresh_client_with_75_also_where_nothing_but_its_resume_is_stored() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 300);
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1")]);
    central.wait_for("open_store | result: success").unwrap();
    fill_disk(&stage, "commits");
    let ended = run(&mut stage.client(&agencies[0], address));
    assert_eq!(ended.status.code(), Some(75), "{}", ended.log);
    assert!(ended.log.contains("no space"), "{}", ended.log);
}

#[test]
fn a_central_never_has_more_than_its_sessions_and_one_more_whatever_hangs() {
    for sessions in [1, 3] {
        let Some(stage) = Stage::set() else { return };
        let environment = [
            ("SERVER_AGENCIES", "3"),
            ("SERVER_STORE_TIMEOUT", "400ms"),
            ("SERVER_STORE_SESSIONS", &sessions.to_string()),
        ];
        let (central, address) = stage.central(&environment);
        let peers = (1..=3).map(|agency| {
            let mut peer = Peer::connect(address);
            assert_eq!(peer.ask(&resume(agency, 7)), "{apuestas:0}");
            (agency, peer)
        });
        let mut peers: Vec<(u32, Peer)> = peers.collect();
        // Commits wait for ever in all sessions, and a session that begins does, too: it writes that it is there.
        wait_for_replicas(&stage, "nobody");
        for (agency, peer) in &mut peers {
            peer.send(&batch(&bet(*agency, "1", true)));
        }
        for (_, peer) in &mut peers {
            assert_eq!(peer.answer(), None);
        }
        let (began, mut most) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(5) {
            most = most.max(count(&stage, SESSIONS));
        }
        assert!(most <= sessions + 1, "{most} sessions of {sessions}");
        let lost = central.log().matches("it was silent for 400ms").count();
        assert!(lost >= 2, "nothing hangs: {}", central.log());
        wait_for_replicas(&stage, "");
        for agency in 1..=3 {
            let mut again = Peer::connect(address);
            let stored = again.ask(&resume(agency, 7));
            // Those of one session were in one commit, or behind it.
            let either = ["{apuestas:0}", "{apuestas:1}"].contains(&&*stored);
            assert!(
                stored == "{apuestas:1}" || sessions == 1 && either,
                "{stored}"
            );
        }
        eventually("what was left is gone", || {
            count(&stage, SESSIONS) == sessions
        });
    }
}

#[test]
fn a_session_whose_central_is_gone_ends_while_it_waits_for_a_lock() {
    let Some(stage) = Stage::set() else { return };
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1"), PATIENT]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    let _lock = Lock::table(&stage, "bets");
    peer.send(&batch(&bet(1, "1", true)));
    await_blocked(&stage);
    // The server itself looks whether the central's machine is there, within seconds instead of hours.
    let looks = keepalives(stage.database.port());
    assert!(looks.iter().any(|seconds| *seconds <= 5.0), "{looks:?}");
    central.signal(Signal::KILL).unwrap();
    eventually("its session ends", || count(&stage, SESSIONS) == 0);
}

/// In how many seconds the kernel looks for a sign of life on each connection with the server on this port.
fn keepalives(port: u16) -> Vec<f64> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let own = format!(":{port:04X}");
    let looks = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let timer = columns.get(5)?.strip_prefix("02:")?;
        let hundredths = u32::from_str_radix(timer, 16).ok()?;
        let is_servers = columns.get(1)?.ends_with(&own);
        is_servers.then_some(f64::from(hundredths) / 100.0)
    });
    looks.collect()
}

#[test]
fn a_lock_that_somebody_holds_does_not_end_a_central_that_starts() {
    let Some(stage) = Stage::set() else { return };
    let (first, _) = stage.central(&[]);
    first.wait_for("open_store | result: success").unwrap();
    let lock = Lock::table(&stage, "centrals");
    let environment = [("SERVER_STORE_TIMEOUT", "400ms"), ("SERVER_NAME", "late")];
    let (late, address) = stage.central(&environment);
    late.wait_for("it is not ready: canceling statement due to lock timeout")
        .unwrap();
    drop(lock);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
}
