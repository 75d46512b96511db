//! The tracks of the database, one for each session: each group of bets that was sent to it, and what became of it.

use std::process::Stdio;

use fixtures::programs::Running;

use crate::common::{Peer, batch, bet, one, resume};
use crate::reader::{DATABASE, Item, LOOP, Trace};
use crate::stage::{Lock, PATIENT, Stage, await_blocked, fill_disk};

const SUCCESS: &str = "{result:success}";

fn bets<'g>(groups: impl IntoIterator<Item = &'g Item>) -> u64 {
    let bets = groups
        .into_iter()
        .map(|group| group.arguments["bets"].as_u64());
    bets.map(Option::unwrap).sum()
}

#[test]
fn each_group_in_flight_is_a_slice_of_the_databases_track_that_ends_beside_the_turns_of_the_loop() {
    let Some(stage) = Stage::set() else { return };
    let path = stage.folder().join("trace.json");
    let agencies = stage.agencies(3, 5_000);
    let trace = ("SERVER_TRACE", path.to_str().unwrap());
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "3"), trace]);
    let clients: Vec<Running> = agencies
        .iter()
        .map(|agency| {
            let mut client = stage.client(agency, address);
            Running::start(client.stdout(Stdio::null())).unwrap()
        })
        .collect();
    for client in clients {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    stage.assert_whole(&agencies);

    let mut trace = Trace::read(&path);
    trace.assert_nested();
    trace.assert_sums();
    assert_eq!(trace.names[&DATABASE], "database");
    // Agencies 1 and 3 in one session, agency 2 in the other.
    let sessions = trace.groups();
    assert_eq!(sessions.len(), 2);
    // In each of them one is in flight at a time.
    for two in sessions.iter().flat_map(|groups| groups.windows(2)) {
        assert!(two[0].until <= two[1].from, "{two:?}");
    }
    let groups = sessions.concat();
    assert!(groups.iter().all(|group| group.name == "group committed"));
    assert_eq!(bets(&groups), 15_000);
    let turns: Vec<&Item> = trace.slices[&LOOP]
        .iter()
        .filter(|slice| slice.name == "turn")
        .collect();
    let (first, last) = (turns[0], turns[turns.len() - 1]);
    for group in &groups {
        assert!(
            first.from <= group.from && group.until <= last.until,
            "{group:?}"
        );
    }
    // The loop goes on meanwhile: turns begin while a group is in flight.
    let is_beside = |group: &Item| {
        let mut turns = turns.iter();
        turns.any(|turn| group.from < turn.from && turn.from < group.until)
    };
    assert!(groups.iter().any(is_beside));

    // A connection whose replies wait for a group says so.
    for track in trace.connections() {
        let states = &trace.slices[&track];
        assert!(
            states.iter().any(|state| state.name == "committing"),
            "{states:?}"
        );
    }
    assert!(trace.count("waits", "for", "commit") >= 3);
}

#[test]
fn a_group_that_is_refused_or_lost_with_its_session_says_so() {
    let Some(stage) = Stage::set() else { return };
    let path = stage.folder().join("trace.json");
    let trace = ("SERVER_TRACE", path.to_str().unwrap());
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "1"), PATIENT, trace]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&one(&bet(1, "1", true))), SUCCESS);

    let lock = Lock::table(&stage, "bets");
    let text = [bet(1, "2", true), bet(1, "3", true)].join("|");
    peer.send(&batch(&text));
    await_blocked(&stage);
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'event-server%'";
    assert_eq!(stage.database.sql(end).unwrap(), "2");
    assert_eq!(peer.answer(), None);
    drop(lock);

    let mut again = Peer::connect(address);
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:0}");
    fill_disk(&stage, "bets");
    let text = [bet(1, "4", true), bet(1, "5", true), bet(1, "6", true)].join("|");
    let told = again.ask(&batch(&text));
    assert!(told.contains("no space"), "{told}");
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");

    let mut trace = Trace::read(&path);
    trace.assert_nested();
    for (outcome, expected) in [
        ("group committed", 1),
        ("group lost, its outcome unknown", 2),
        ("group not stored", 3),
    ] {
        let mut groups = trace.groups().concat();
        groups.retain(|group| group.name == outcome);
        assert_eq!(bets(&groups), expected, "{outcome}");
    }
}
