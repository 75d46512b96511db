//! What operators change in a database, beside the centrals that serve it.

use std::process::Stdio;

use fixtures::programs::Running;

use crate::common::{Peer, batch, bet, eventually, finished, winners};
use crate::stage::Stage;

const SUCCESS: &str = "{result:success}";

/// Waits until a central has logged this line `times` times.
fn wait_for(central: &Running, line: &str, times: usize) {
    let enough = |log: &str| log.matches(line).count() >= times;
    let log = central.wait_until(enough).unwrap();
    assert!(enough(&log), "{line}: {log}");
}

#[test]
fn a_running_central_of_another_number_of_agencies_stores_and_draws_nothing_until_the_number_is_its_own()
 {
    let Some(stage) = Stage::set() else { return };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    let agencies = |number: &str| stage.operate(&["agencies", number], &[]);
    let (central, address) = stage.central(&[("SERVER_AGENCIES", "2")]);
    let mut first = Peer::connect(address);
    for agency in [1, 2] {
        let bet = bet(agency, "1", true);
        assert_eq!(Peer::connect(address).ask(&batch(&bet)), SUCCESS);
    }
    assert_eq!(first.ask(&finished(1)), SUCCESS);

    let below = agencies("1");
    assert_eq!(below.status.code(), Some(78));
    let sentence =
        "agency 2 has stored something, so the lottery cannot be of 1 agencies: choose 2 or more";
    assert!(below.log.contains(sentence), "{}", below.log);
    assert_eq!(sql("select agencies from lottery.lottery"), "2");

    let more = agencies("3");
    assert!(more.status.success(), "{}", more.log);
    let line = "action: agencies | result: success | agencies: 3";
    assert!(more.log.contains(line), "{}", more.log);
    // The central finds out without a request: it was notified.
    let sentence = "the lottery in schema lottery is of 3 agencies, SERVER_AGENCIES is 2";
    central.wait_for(sentence).unwrap();

    let (other, beside) = stage.central(&[("SERVER_AGENCIES", "3")]);
    assert_eq!(Peer::connect(beside).ask(&finished(2)), SUCCESS);
    let mut waiting = Peer::connect(beside);
    waiting.send(&winners(1));
    eventually("the other central has looked", || {
        let seen = "select count(*) from pg_stat_activity where query like '/* look */%'";
        sql(seen) == "1"
    });
    assert_eq!(sql("select count(*) from lottery.draw"), "0");

    // With its own number back the first one serves by itself, and the other one does not.
    let fewer = agencies("2");
    assert!(fewer.status.success(), "{}", fewer.log);
    let refused = stage.database.sql(
        "insert into lottery.commits values (3, 1, null, 0, 0, false, 'of another number', now())",
    );
    assert!(refused.unwrap_err().to_string().contains("takes_part"));
    wait_for(&central, "action: open_store | result: success", 2);
    other.wait_for("SERVER_AGENCIES is 3").unwrap();
    assert_eq!(Peer::connect(address).ask(&winners(1)), "{ganadores:1}");
    let late = agencies("3");
    assert_eq!(late.status.code(), Some(78));
    assert!(late.log.contains("the draw is done"), "{}", late.log);
}

#[test]
fn a_central_warns_of_another_one_of_its_name_and_not_of_its_own_last_life() {
    let Some(stage) = Stage::set() else { return };
    let named = [("SERVER_NAME", "north")];
    let up = "action: open_store | result: success";
    let warning = "another central is named north, too: give each central a SERVER_NAME of its own";
    let (before, _) = stage.central(&named);
    before.wait_for(up).unwrap();
    before.stop().unwrap();
    let (central, _) = stage.central(&named);
    central.wait_for(up).unwrap();
    let (south, _) = stage.central(&[("SERVER_NAME", "south")]);
    south.wait_for(up).unwrap();
    let (namesake, _) = stage.central(&named);
    namesake.wait_for(up).unwrap();
    central.wait_for(warning).unwrap();
    assert_eq!(central.log().matches("is named").count(), 1);
}

#[test]
fn a_waiting_client_of_a_reopened_agency_is_told_so_at_once_and_an_operator_may_allow_or_close() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 40);
    let two = [("SERVER_AGENCIES", "2")];
    let operate = |arguments: &[&str]| stage.operate(arguments, &two);
    let (central, _) = stage.central(&two);
    central.wait_for("open_store | result: success").unwrap();
    central.stop().unwrap();
    // Tables of the form before this one.
    let older = "drop table lottery.barred; update lottery.lottery set format = 1";
    stage.database.sql(older).unwrap();
    let (_central, address) = stage.central(&two);
    let start = || {
        let mut client = stage.client(&agencies[0], address);
        Running::start(client.stdout(Stdio::null())).unwrap()
    };
    let waiting = start();
    waiting
        .wait_for("notify_finished | result: success")
        .unwrap();
    let stranger = operate(&["reopen", "--agency", "9"]);
    assert_eq!(stranger.status.code(), Some(64));
    let sentence = "agency 9 does not take part: only agencies 1 to 2 do";
    assert!(stranger.log.contains(sentence), "{}", stranger.log);
    let reopened = operate(&["reopen", "--agency", "1"]);
    assert!(reopened.status.success(), "{}", reopened.log);
    for client in [waiting, start()] {
        let (status, log) = client.wait().unwrap();
        assert_eq!(status.code(), Some(76), "{log}");
        let sentence = "this file was taken out: agency 1 was reopened";
        assert!(log.contains(sentence), "{log}");
    }
    let allowed = operate(&["reopen", "--agency", "1", "--allow-same-file"]);
    assert!(allowed.status.success(), "{}", allowed.log);
    let client = start();
    client
        .wait_for("notify_finished | result: success")
        .unwrap();
    // The other agency sends nothing: it is closed, and the draw takes place.
    let closed = operate(&["finish", "--agency", "2"]);
    assert!(closed.status.success(), "{}", closed.log);
    let line = "action: finish | result: success | agency: 2";
    assert!(closed.log.contains(line), "{}", closed.log);
    assert!(client.wait().unwrap().0.success());
    stage.assert_whole(&agencies);
    let late = operate(&["finish", "--agency", "2"]);
    assert_eq!(late.status.code(), Some(78), "{}", late.log);
}
