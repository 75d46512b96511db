//! A central with several sessions, of which one is lost: its agencies alone lose their connections.

use std::process::Stdio;

use fixtures::programs::Running;

use crate::common::{Peer, batch, bet, eventually, resume};
use crate::stage::{Lock, PATIENT, Stage, await_all_blocked, count, run};

const SUCCESS: &str = "{result:success}";

/// Has the server's list of sessions show all of a query, where it shows its first kilobyte else: what a transaction
/// begins with is long, and the versions that are appended stand behind it.
const WHOLE_QUERIES: &[&str] = &["track_activity_query_size=16kB"];

/// Ends the session that has appended a version of this agency last.
fn end_session_of(stage: &Stage, agency: u32) -> String {
    let end = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where application_name like 'event-server%' and query like '/* append */%(values ({agency}, %'"
    );
    stage.database.sql(&end).unwrap()
}

#[test]
fn a_session_that_is_ended_in_its_commit_costs_its_own_agencies_alone_their_connections() {
    let Some(stage) = Stage::set_with(WHOLE_QUERIES) else {
        return;
    };
    let environment = [
        ("SERVER_AGENCIES", "3"),
        ("SERVER_STORE_SESSIONS", "3"),
        PATIENT,
    ];
    let (central, address) = stage.central(&environment);
    let mut peers = [1, 2, 3].map(|agency| {
        let mut peer = Peer::connect(address);
        assert_eq!(peer.ask(&resume(agency, 7)), "{apuestas:0}");
        peer
    });
    let lock = Lock::table(&stage, "bets");
    for (agency, peer) in (1..).zip(&mut peers) {
        peer.send(&batch(&bet(agency, "1", true)));
    }
    // Each of them has a commit of its own.
    await_all_blocked(&stage, 3);
    assert_eq!(end_session_of(&stage, 2), "1");
    let [first, second, third] = &mut peers;
    assert_eq!(second.answer(), None);
    drop(lock);
    for (agency, peer) in [(1, first), (3, third)] {
        assert_eq!(peer.answer().unwrap().payload, SUCCESS, "agency {agency}");
        assert_eq!(peer.ask(&batch(&bet(agency, "2", true))), SUCCESS);
    }
    let mut again = Peer::connect(address);
    assert_eq!(again.ask(&resume(2, 7)), "{apuestas:0}");
    assert_eq!(count(&stage, "lottery.bets"), 4);
    let log = central.log();
    assert_eq!(log.matches("is lost: ").count(), 1, "{log}");
}

#[test]
fn files_that_are_sent_while_sessions_are_ended_are_stored_once() {
    let Some(stage) = Stage::set_with(WHOLE_QUERIES) else {
        return;
    };
    let agencies = stage.agencies(3, 20_000);
    let environment = [("SERVER_AGENCIES", "3"), ("SERVER_STORE_SESSIONS", "3")];
    let (central, address) = stage.central(&environment);
    // From then on there are tables to look at.
    central
        .wait_for("action: open_store | result: success")
        .unwrap();
    let clients = agencies.iter().map(|agency| {
        let mut client = stage.client(agency, address);
        client.env("CLI_BATCH_MAXAMOUNT", "5");
        Running::start(client.stdout(Stdio::null())).unwrap()
    });
    let clients: Vec<Running> = clients.collect();
    for agency in 1..=3 {
        let bets = format!("lottery.bets where agency = {agency}");
        eventually("its file is on its way", || count(&stage, &bets) > 1_000);
        end_session_of(&stage, agency);
    }
    for client in clients {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
    let winners = stage.assert_whole(&agencies);
    for (agency, winners) in agencies.iter().zip(winners) {
        assert_eq!(run(&mut stage.client(agency, address)).told, winners);
    }
    let (status, log) = central.stop().unwrap();
    assert!(status.success() && log.contains("is lost: "), "{log}");
}
