//! What agencies, operators and other centrals see of a lottery in a database.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use fixtures::programs;
use frame::Request;

use crate::common::{
    Peer, agency, batch, bet, eventually, finished, one, resume, status_of, winners,
};
use crate::stage::{Agency, Stage, run};

const SUCCESS: &str = "{result:success}";

#[test]
fn agencies_of_three_centrals_are_one_lottery_and_every_central_tells_the_same_winners() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(5, 3_000);
    let names = ["one", "two", "three"];
    let centrals = names.map(|name| stage.central(&[("SERVER_NAME", name)]));
    let clients: Vec<_> = agencies
        .iter()
        .map(|agency| {
            let (_, address) = &centrals[agency.number as usize % 3];
            let mut client = stage.client(agency, *address);
            client.stdout(std::process::Stdio::piped());
            programs::Running::start(&mut client).unwrap()
        })
        .collect();
    for client in clients {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
    let winners = stage.assert_whole(&agencies);
    for (central, address) in centrals {
        for (agency, winners) in agencies.iter().zip(&winners) {
            let ended = run(&mut stage.client(agency, address));
            assert_eq!(ended.told, *winners, "{}", ended.log);
        }
        let peak = status_of(central.pid(), "VmHWM");
        assert!(peak < 24 * 1024, "a central took {peak} kB");
        let (status, log) = central.stop().unwrap();
        assert!(status.success(), "{log}");
        assert_eq!(log.matches("sorteo | result: success").count(), 1, "{log}");
    }
    let known = "select name from lottery.centrals where name not like '%/%' order by name";
    assert_eq!(stage.database.sql(known).unwrap(), "one\nthree\ntwo");
}

#[test]
fn an_agency_that_two_centrals_serve_is_stored_once() {
    let Some(stage) = Stage::set() else { return };
    let environment = [("SERVER_AGENCIES", "1")];
    let (_one, first) = stage.central(&environment);
    let (_two, second) = stage.central(&environment);
    let (mut old, mut new) = (Peer::connect(first), Peer::connect(second));
    assert_eq!(old.ask(&resume(1, 7)), "{apuestas:0}");
    let (begin, more) = (bet(1, "1", false), bet(1, "2", true));
    assert_eq!(old.ask(&batch(&begin)), SUCCESS);
    // The agency comes to another central, which goes on from what is stored.
    assert_eq!(new.ask(&resume(1, 7)), "{apuestas:1}");
    // What the first one still takes is stored nowhere, and it is told why.
    let told = old.ask(&batch(&bet(1, "3", true)));
    let why = "another client of agency 1 goes on with this upload";
    assert_eq!(told, format!("{{result:failure,error:{why}}}"));
    assert_eq!(old.answer(), None);
    assert_eq!(new.ask(&batch(&more)), SUCCESS);
    assert_eq!(new.ask(&finished_after(1, 2)), SUCCESS);
    assert_eq!(new.ask(&winners(1)), "{ganadores:2}");
    let stored = "select seq, document from lottery.bets order by seq";
    assert_eq!(stage.database.sql(stored).unwrap(), "0|1\n1|2");
}

#[test]
fn single_bets_and_plain_batches_are_stored_in_order_through_any_central() {
    let Some(stage) = Stage::set() else { return };
    let environment = [("SERVER_AGENCIES", "2")];
    let (_one, first) = stage.central(&environment);
    let (_two, second) = stage.central(&environment);
    let mut documents = 0..;
    for round in 0..6 {
        let mut peer = Peer::connect([first, second][round % 2]);
        let document = documents.next().unwrap().to_string();
        assert_eq!(peer.ask(&one(&bet(1, &document, false))), SUCCESS);
        let (left, right) = (documents.next().unwrap(), documents.next().unwrap());
        let text = [left, right].map(|document| bet(1, &document.to_string(), true));
        assert_eq!(peer.ask(&batch(&text.join("|"))), SUCCESS);
    }
    let stored = "select seq, document from lottery.bets where agency = 1 order by seq";
    let expected: Vec<String> = (0..18).map(|i| format!("{i}|{i}")).collect();
    assert_eq!(stage.database.sql(stored).unwrap(), expected.join("\n"));

    // A query that one central holds is answered when the last agency finishes through the other.
    let mut held = Peer::connect(first);
    assert_eq!(held.ask(&finished(1)), SUCCESS);
    held.send(&winners(1));
    let mut last = Peer::connect(second);
    assert_eq!(last.ask(&finished(2)), SUCCESS);
    let told = held.answer().unwrap().payload;
    assert_eq!(told.split('|').count(), 12, "{told}");
    assert_eq!(last.ask(&winners(2)), "{ganadores:}");
}

#[test]
fn an_export_is_what_the_local_store_holds_of_the_same_uploads() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(3, 700);
    let environment = [("SERVER_AGENCIES", "3")];
    let local = tempfile::tempdir().unwrap();
    let in_files = [("SERVER_AGENCIES", "3"), ("SERVER_STORE", "files")];
    let (_database, remote) = stage.central(&environment);
    let (files, beside) = programs::central(local.path(), &in_files).unwrap();
    // One client after the other, so that the order is the same: the last one is answered.
    for agency in &agencies {
        for address in [remote, beside] {
            let mut peer = Peer::connect(address);
            let rows = fs::read_to_string(&agency.file).unwrap();
            let bets: Vec<String> = rows.lines().map(|row| wire(agency.number, row)).collect();
            assert_eq!(peer.ask(&resume(agency.number, 1)), "{apuestas:0}");
            for bets in bets.chunks(50) {
                assert_eq!(peer.ask(&batch(&bets.join("|"))), SUCCESS);
            }
        }
    }
    // Beside the running centrals.
    let from_database = stage.operate(&["export"], &environment);
    let data_dir = local.path().to_str().unwrap();
    let from_files = stage.operate(
        &["export", "--store", "files", "--data-dir", data_dir],
        &environment,
    );
    assert!(from_database.status.success(), "{}", from_database.log);
    assert!(from_files.status.success(), "{}", from_files.log);
    assert_eq!(from_database.told.lines().count(), 2_100);
    assert!(from_database.told == from_files.told, "they differ");
    drop(files.stop());
    let bets = fs::read_to_string(local.path().join("bets.csv")).unwrap();
    assert!(bets.trim_end() == from_database.told, "bets.csv differs");
}

fn finished_after(number: u32, bets: u64) -> Request<'static> {
    Request::Finished {
        agency: agency(number),
        bets: Some(bets),
    }
}

/// A row of an agency's file as a bet on the wire.
fn wire(agency: u32, row: &str) -> String {
    let columns: Vec<&str> = row.split(',').collect();
    let [first, last, document, birthdate, number] = columns[..] else {
        panic!("{row}")
    };
    format!(
        "{{agency:{agency},nombre:{first},apellido:{last},dni:{document},nacimiento:{birthdate},numero:{number}}}"
    )
}

#[test]
fn an_agency_is_reopened_under_a_running_central_and_sends_another_file() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(2, 400);
    let environment = [("SERVER_AGENCIES", "2")];
    let (_central, address) = stage.central(&environment);
    let wrong = Agency {
        number: 1,
        ..agencies[1].clone()
    };
    let mut peer = Peer::connect(address);
    let rows = fs::read_to_string(&wrong.file).unwrap();
    assert_eq!(peer.ask(&resume(1, 9)), "{apuestas:0}");
    let bets: Vec<String> = rows.lines().map(|row| wire(1, row)).collect();
    bets.chunks(50).for_each(|bets| {
        assert_eq!(peer.ask(&batch(&bets.join("|"))), SUCCESS);
    });
    assert_eq!(peer.ask(&finished_after(1, 400)), SUCCESS);

    let reopened = stage.operate(&["reopen", "--agency", "1"], &environment);
    assert!(reopened.status.success(), "{}", reopened.log);
    assert!(
        reopened
            .log
            .contains("action: reopen | result: success | agency: 1 | cantidad: 400"),
        "{}",
        reopened.log
    );
    assert_eq!(
        stage
            .database
            .sql("select count(*) from lottery.bets")
            .unwrap(),
        "0"
    );
    // The other agency finishes meanwhile: it is no longer the last one.
    let start = |agency: &Agency| {
        let mut client = stage.client(agency, address);
        programs::Running::start(client.stdout(std::process::Stdio::null())).unwrap()
    };
    peer.send(&winners(1));
    let other = start(&agencies[1]);
    other.wait_for("notify_finished | result: success").unwrap();
    let mut late = Peer::connect(address);
    late.send(&winners(2));
    eventually("somebody has looked whether all have finished", || {
        let seen = "select count(*) from pg_stat_activity where query like '/* look */%'";
        stage.database.sql(seen).unwrap() == "1"
    });
    assert_eq!(
        stage
            .database
            .sql("select count(*) from lottery.draw")
            .unwrap(),
        "0"
    );
    for client in [start(&agencies[0]), other] {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
    stage.assert_whole(&agencies);
    let late = stage.operate(&["reopen", "--agency", "1"], &environment);
    assert_eq!(late.status.code(), Some(78));
    assert!(late.log.contains("the draw is done"), "{}", late.log);
    stage.assert_whole(&agencies);
}

#[test]
fn a_quiet_central_acknowledges_a_bet_soon_after_the_database() {
    let Some(stage) = Stage::set() else { return };
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "0")]);
    let mut peer = Peer::connect(address);
    let mut stored = BTreeSet::new();
    // No bound on the time: it is printed for who looks, and measured by the benches.
    let began = Instant::now();
    for i in 0..200 {
        let document = i.to_string();
        assert_eq!(peer.ask(&one(&bet(1, &document, false))), SUCCESS);
        stored.insert(document);
    }
    let each: Duration = began.elapsed() / 200;
    eprintln!("a bet is acknowledged after {each:?}");
    let documents = stage
        .database
        .sql("select document from lottery.bets")
        .unwrap();
    assert_eq!(
        documents
            .lines()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>(),
        stored
    );
}
