//! A database that is away, goes, is silent, is full, or comes back: nobody is told anything untrue meanwhile.

use std::net::TcpListener;

use crate::common::{Peer, batch, bet, eventually, one, resume};
use crate::stage::{
    Lock, ONE_SESSION, PATIENT, Stage, await_blocked, count, fill_disk, run, wait_for_replicas,
};

const SUCCESS: &str = "{result:success}";

#[test]
fn requests_wait_for_a_database_that_is_away_and_go_on_when_it_is_back() {
    let Some(mut stage) = Stage::set() else {
        return;
    };
    stage.database.crash().unwrap();
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1")]);
    let mut peer = Peer::connect(address);
    peer.send(&resume(1, 7));
    central
        .wait_for("open_store | result: fail | error: the database cannot be reached at 127.0.0.1:")
        .unwrap();
    stage.database.run().unwrap();
    assert_eq!(peer.answer().unwrap().payload, "{apuestas:0}");
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);

    // The database goes with nothing under way: what was known is read again, and as nobody has changed it, the upload
    // goes on.
    stage.database.crash().unwrap();
    peer.send(&batch(&bet(1, "2", true)));
    stage.database.run().unwrap();
    assert_eq!(peer.answer().unwrap().payload, SUCCESS);
    assert_eq!(Peer::connect(address).ask(&resume(1, 7)), "{apuestas:2}");
    assert_eq!(count(&stage, "lottery.bets"), 2);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn a_host_that_accepts_and_says_nothing_is_not_waited_for_while_there_are_others() {
    let Some(stage) = Stage::set() else { return };
    // A machine that stands still: its kernel accepts the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let still = listener.local_addr().unwrap();
    let port = stage.database.port();
    let url = format!("postgresql://postgres@{still},127.0.0.1:{port}/postgres?sslmode=disable");
    let (central, address) = stage.central_at(&url, &[("SERVER_STORE_TIMEOUT", "10m")]);
    let passed_over = format!(" | passed_over: {still}: it was silent for 3s");
    central.wait_for(&passed_over).unwrap();
    let bet = bet(1, "1", false);
    assert_eq!(Peer::connect(address).ask(&one(&bet)), SUCCESS);
}

#[test]
fn a_host_that_nobody_knows_is_named_and_tried_again_and_a_stop_is_in_order() {
    let Some(stage) = Stage::set() else { return };
    let port = stage.database.port();
    // The second host of the URL is there.
    let url = format!(
        "postgresql://postgres@no-such-host.invalid,127.0.0.1:{port}/postgres?sslmode=disable"
    );
    let timeout = ("SERVER_STORE_TIMEOUT", "2s");
    let (central, address) = stage.central_at(&url, &[timeout]);
    central
        .wait_for(" | passed_over: no-such-host.invalid:5432: its name ")
        .unwrap();
    assert_eq!(
        Peer::connect(address).ask(&one(&bet(1, "1", false))),
        SUCCESS
    );
    let nowhere = "postgresql://postgres@no-such-host.invalid/postgres?sslmode=disable";
    let (central, _) = stage.central_at(nowhere, &[timeout]);
    central.wait_for("open_store | result: fail").unwrap();
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn a_session_that_is_ended_in_a_commit_leaves_no_reply_and_nothing_half_stored() {
    let Some(stage) = Stage::set() else { return };
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "2"), PATIENT]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    let lock = Lock::table(&stage, "bets");
    peer.send(&batch(&[bet(1, "1", true), bet(1, "2", true)].join("|")));
    await_blocked(&stage);
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'event-server%'";
    assert_eq!(stage.database.sql(end).unwrap(), "2");
    assert_eq!(peer.answer(), None);
    drop(lock);
    let mut again = Peer::connect(address);
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:0}");
    assert_eq!(count(&stage, "lottery.bets"), 0);
    let log = central.log();
    assert!(
        log.contains("terminating connection due to administrator command"),
        "{log}"
    );
}

#[test]
fn a_silent_database_is_given_up_in_time_and_taken_again() {
    let Some(stage) = Stage::set() else { return };
    let timeout = ("SERVER_STORE_TIMEOUT", "300ms");
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1"), timeout]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    stage.database.freeze(true).unwrap();
    peer.send(&batch(&bet(1, "1", true)));
    assert_eq!(peer.answer(), None);
    central.wait_for("it was silent for 300ms").unwrap();
    stage.database.freeze(false).unwrap();
    let mut again = Peer::connect(address);
    let stored = again.ask(&resume(1, 7));
    assert!(
        ["{apuestas:0}", "{apuestas:1}"].contains(&&*stored),
        "{stored}"
    );
}

#[test]
fn without_durability_a_commit_waits_for_nothing() {
    let Some(stage) = Stage::set() else { return };
    let (central, address) = stage.central(&[("SERVER_DURABILITY", "never")]);
    central
        .wait_for("warning: SERVER_DURABILITY is never: the database may lose")
        .unwrap();
    // A commit that waits would wait for ever.
    wait_for_replicas(&stage, "nobody");
    let bet = bet(1, "1", false);
    assert_eq!(Peer::connect(address).ask(&one(&bet)), SUCCESS);
}

#[test]
fn a_wait_for_a_replica_that_was_given_up_is_no_commit() {
    let Some(stage) = Stage::set() else { return };
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "1")]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    wait_for_replicas(&stage, "nobody");
    peer.send(&batch(&bet(1, "1", true)));
    let waiting =
        "pg_stat_activity where wait_event = 'SyncRep' and application_name like 'event-server%'";
    eventually("the commit waits", || count(&stage, waiting) == 1);
    let cancel =
        "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'";
    stage.database.sql(cancel).unwrap();
    // The server calls it a success, with a warning: it is on one machine.
    assert_eq!(peer.answer(), None);
    wait_for_replicas(&stage, "");
    let mut again = Peer::connect(address);
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:1}");
}

#[test]
fn without_a_synchronous_standby_there_is_a_warning_or_no_service() {
    let Some(stage) = Stage::set() else { return };
    let (central, _) = stage.central(&[]);
    central
        .wait_for("WARNING  action: open_store | result: in_progress | warning: the database has no synchronous standby")
        .unwrap();
    let (replicated, address) = stage.central(&[("SERVER_DURABILITY", "replicated")]);
    replicated
        .wait_for("it has no synchronous standby, and SERVER_DURABILITY is replicated: set synchronous_standby_names there")
        .unwrap();
    let mut peer = Peer::connect(address);
    peer.send(&one(&bet(1, "1", false)));
    let standby = stage.database.standby().unwrap();
    stage
        .database
        .sql("alter system set synchronous_standby_names = '*';\nselect pg_reload_conf()")
        .unwrap();
    assert_eq!(peer.answer().unwrap().payload, SUCCESS);

    // A standby is left without a query; the next host is asked.
    let both = format!(
        "postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        standby.port(),
        stage.database.port()
    );
    let (central, address) = stage.central_at(&both, &[]);
    let primary = format!("database: 127.0.0.1:{} |", stage.database.port());
    central.wait_for(&primary).unwrap();
    assert_eq!(
        Peer::connect(address).ask(&one(&bet(1, "2", false))),
        SUCCESS
    );
}

#[test]
fn a_full_disk_of_the_database_is_told_and_ends_when_there_is_room() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 300);
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1")]);
    central.wait_for("open_store | result: success").unwrap();
    fill_disk(&stage, "bets");
    let ended = run(&mut stage.client(&agencies[0], address));
    assert_eq!(ended.status.code(), Some(75), "{}", ended.log);
    assert!(ended.log.contains("no space"), "{}", ended.log);
    assert_eq!(count(&stage, "lottery.bets"), 0);
    stage
        .database
        .sql("drop trigger full_disk on lottery.bets")
        .unwrap();
    eventually("the agency's file is taken", || {
        run(&mut stage.client(&agencies[0], address))
            .status
            .success()
    });
    stage.assert_whole(&agencies);
}

#[test]
fn bets_that_the_database_refuses_cost_no_other_agency_anything() {
    let Some(stage) = Stage::set() else { return };
    let environment = [("SERVER_AGENCIES", "2"), PATIENT, ONE_SESSION];
    let (central, address) = stage.central(&environment);
    central.wait_for("open_store | result: success").unwrap();
    let refuse = "alter table lottery.bets add check (agency <> 2)";
    stage.database.sql(refuse).unwrap();
    let (mut one_agency, mut other) = (Peer::connect(address), Peer::connect(address));
    for peer in [(&mut one_agency, 1), (&mut other, 2)] {
        assert_eq!(peer.0.ask(&resume(peer.1, 7)), "{apuestas:0}");
    }
    let lock = Lock::table(&stage, "bets");
    one_agency.send(&batch(&bet(1, "1", true)));
    await_blocked(&stage);
    // These two are in one group.
    one_agency.send(&batch(&bet(1, "2", true)));
    other.send(&batch(&bet(2, "3", true)));
    drop(lock);
    assert_eq!(one_agency.answer().unwrap().payload, SUCCESS);
    assert_eq!(one_agency.answer().unwrap().payload, SUCCESS);
    // It is told that nothing is stored, and may try again when somebody has mended the table.
    let told = other.answer().unwrap().payload;
    assert!(told.contains("not now: the database refuses"), "{told}");
    assert_eq!(other.answer(), None);
    central
        .wait_for("the database refuses to store: new row for relation")
        .unwrap();
}

#[test]
fn a_server_that_stops_answers_what_is_committed_within_its_grace_and_nothing_else() {
    let Some(stage) = Stage::set() else { return };
    for (grace, in_time) in [("60s", true), ("200ms", false)] {
        let grace = ("SERVER_SHUTDOWN_GRACE", grace);
        let (central, address) = stage.central(&[("SERVER_AGENCIES", "0"), grace, PATIENT]);
        let mut peer = Peer::connect(address);
        let document = if in_time { "1" } else { "2" };
        assert_eq!(
            peer.ask(&one(&bet(1, &format!("9{document}"), true))),
            SUCCESS
        );
        let lock = Lock::table(&stage, "bets");
        peer.send(&one(&bet(1, document, true)));
        await_blocked(&stage);
        central.signal(fixtures::programs::Signal::TERM).unwrap();
        central.wait_for("close_listener").unwrap();
        if in_time {
            drop(lock);
            assert_eq!(peer.answer().unwrap().payload, SUCCESS);
            assert_eq!(peer.answer(), None);
        } else {
            assert_eq!(peer.answer(), None);
            drop(lock);
        }
        let (status, log) = central.wait().unwrap();
        assert!(status.success(), "{log}");
    }
}
