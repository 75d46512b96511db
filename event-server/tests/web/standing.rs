//! What is told of a lottery, of a central that is not ready, of one that stops.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use fixtures::Spec;
use fixtures::programs::{self, Running, Signal};
use serde_json::{Value, json};

use crate::central::{Central, standing};
use crate::common::{Peer, batch, bet, eventually, finished, one, winners};

const SUCCESS: &str = "{result:success}";

fn agency(standing: &Value, number: usize) -> Value {
    standing["agencies"][number - 1].clone()
}

#[test]
fn the_lottery_is_told_from_the_first_bet_to_the_winners_and_after_a_restart() {
    let central = Central::start(&[("SERVER_AGENCIES", "2"), ("SERVER_NAME", "central-7")]);
    let empty = central.standing();
    assert_eq!(empty["state"], "open");
    assert_eq!(empty["winner_number"], Value::Null);
    assert_eq!(
        (&empty["agencies_expected"], &empty["agencies_finished"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(empty["central"]["name"], "central-7");
    assert_eq!(empty["central"]["version"], env!("CARGO_PKG_VERSION"));
    let silent = json!({"id": 2, "bets": 0, "finished": false, "connected": false});
    assert_eq!(agency(&empty, 2), silent);

    let mut peer = Peer::connect(central.lottery);
    let bets = [bet(1, "1", true), bet(1, "2", false)].join("|");
    assert_eq!(peer.ask(&batch(&bets)), SUCCESS);
    assert_eq!(peer.ask(&one(&bet(1, "3", true))), SUCCESS);
    let sending = json!({"id": 1, "bets": 3, "finished": false, "connected": true});
    eventually("three bets", || agency(&central.standing(), 1) == sending);
    assert_eq!(central.standing()["bets"], 3);
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    drop(peer);
    let done = json!({"id": 1, "bets": 3, "finished": true, "connected": false});
    eventually("finished", || agency(&central.standing(), 1) == done);

    let mut peer = Peer::connect(central.lottery);
    assert_eq!(peer.ask(&finished(2)), SUCCESS);
    assert_eq!(peer.ask(&winners(2)), "{ganadores:}");
    eventually("drawn", || central.standing()["state"] == "drawn");
    let drawn = central.standing();
    assert_eq!(
        (&drawn["winner_number"], &drawn["agencies_finished"]),
        (&json!(7574), &json!(2))
    );
    assert_eq!(
        (&agency(&drawn, 1)["winners"], &agency(&drawn, 2)["winners"]),
        (&json!(2), &json!(0))
    );
    let text = drawn.to_string();
    for personal in ["Ana", "Paz", "1999"] {
        assert!(!text.contains(personal), "{text}");
    }

    let data = central.data();
    central.running.signal(Signal::TERM).unwrap();
    central.running.wait_for("action: exit").unwrap();
    let environment = [("SERVER_AGENCIES", "2"), ("SERVER_HTTP", "127.0.0.1:0")];
    let (again, _) = programs::central(&data, &environment).unwrap();
    let line = again.wait_for("action: listen_http").unwrap();
    let port: u16 = line.rsplit(' ').next().unwrap().parse().unwrap();
    let http = ([127, 0, 0, 1], port).into();
    eventually("drawn again", || standing(http)["state"] == "drawn");
    assert_eq!(agency(&standing(http), 1)["winners"], 2);
}

#[test]
fn five_thousand_agencies_are_told_in_one_answer() {
    let central = Central::start(&[("SERVER_AGENCIES", "5000")]);
    let standing = central.standing();
    let agencies = standing["agencies"].as_array().unwrap();
    assert_eq!(agencies.len(), 5_000);
    assert!(
        agencies
            .iter()
            .enumerate()
            .all(|(i, agency)| agency["id"] == i + 1)
    );
}

#[test]
fn the_total_of_the_last_minutes_and_the_speed_are_told() {
    let central = Central::start(&[("SERVER_AGENCIES", "1")]);
    let file = central.folder().join("agency-1.csv");
    let spec = Spec::new(1, 20_000, 3).unwrap();
    spec.write_to(File::create(&file).unwrap()).unwrap();
    eventually("a first sample", || {
        central.standing()["history"] != json!([])
    });
    let mut client = programs::agency(1, &file, central.lottery, central.folder()).unwrap();
    let client = Running::start(client.stdout(std::process::Stdio::null())).unwrap();
    eventually("all of them", || {
        let standing = central.standing();
        let history = standing["history"].as_array().unwrap();
        let last = history.last().unwrap();
        let speed = standing["bets_per_second"].as_f64().unwrap();
        standing["bets"] == 20_000 && last[1] == 20_000 && (1_000.0..1_000_000.0).contains(&speed)
    });
    let (status, log) = client.wait().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn a_central_that_stops_says_so_while_the_grace_lasts() {
    let central = Central::start(&[("SERVER_SHUTDOWN_GRACE", "30s"), ("SERVER_AGENCIES", "1")]);
    assert_eq!(central.get("/readyz").text(), "ready");
    let mut watcher = central.connect();
    // Replies that nobody takes keep the central from ending at once: it has stopped to read for their sake.
    let peer = Peer::connect(central.lottery);
    let patience = Some(Duration::from_secs(1));
    peer.stream.set_write_timeout(patience).unwrap();
    let requests = crate::common::encode(&finished(9)).0.repeat(10_000);
    while (&peer.stream).write_all(&requests).is_ok() {}
    central.running.signal(Signal::TERM).unwrap();
    central.running.wait_for("action: close_listener").unwrap();
    watcher.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = watcher.answer();
    assert_eq!(
        (answer.status, answer.text()),
        (503, "the central is stopping")
    );
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(central.get("/healthz").text(), "ok");
    drop(peer);
    let (status, log) = central.running.wait().unwrap();
    assert!(status.success(), "{log}");
    let at = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what}:\n{log}"));
    assert!(at("action: close_listener") < at("action: close_http | result: success"));
    assert!(at("action: close_http | result: success") < at("action: close_store"));
}
