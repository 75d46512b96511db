//! Several centrals of one lottery.

use fixtures::postgres::Postgres;
use serde_json::json;

use crate::central::Central;
use crate::common::{Peer, batch, bet, eventually, finished, one, resume, winners};

#[test]
fn each_central_tells_what_all_of_them_have_stored_and_why_it_cannot_store() {
    let Some(mut database) = Postgres::start().unwrap() else {
        return;
    };
    let url = database.url("postgres", "postgres");
    let start = |name| {
        let environment = [
            ("SERVER_STORE", &*url),
            ("SERVER_NAME", name),
            ("SERVER_AGENCIES", "3"),
        ];
        Central::start(&environment)
    };
    let (first, second) = (start("one"), start("two"));
    for central in [&first, &second] {
        eventually("ready", || central.get("/readyz").status == 200);
    }
    let mut peer = Peer::connect(first.lottery);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    let bets = [bet(1, "1", true), bet(1, "2", false)].join("|");
    assert_eq!(peer.ask(&batch(&bets)), "{result:success}");
    let mut other = Peer::connect(second.lottery);
    assert_eq!(other.ask(&one(&bet(2, "1", true))), "{result:success}");
    assert_eq!(other.ask(&finished(2)), "{result:success}");
    for (central, here) in [(&first, [true, false]), (&second, [false, true])] {
        let expected = json!([
            {"id": 1, "bets": 2, "finished": false, "connected": here[0]},
            {"id": 2, "bets": 1, "finished": true, "connected": here[1]},
            {"id": 3, "bets": 0, "finished": false, "connected": false},
        ]);
        eventually("what both have stored", || {
            central.standing()["agencies"] == expected
        });
        assert_eq!(central.standing()["agencies_finished"], 1);
        let metrics = central.get("/metrics");
        assert!(
            metrics
                .text()
                .contains("event_server_agencies{state=\"silent\"} 1")
        );
        assert!(
            metrics
                .text()
                .contains("event_server_commit_duration_seconds_count ")
        );
    }
    // Each has stored its own.
    for (central, own) in [(&first, 2), (&second, 1)] {
        let own = format!("event_server_bets_stored_total {own}\n");
        assert!(central.get("/metrics").text().contains(&own));
    }

    database.crash().unwrap();
    for central in [&first, &second] {
        eventually("not ready", || central.get("/readyz").status == 503);
        let why = central.get("/readyz");
        assert!(why.text().starts_with("the database "), "{}", why.text());
        assert_eq!(central.get("/healthz").text(), "ok");
        assert!(
            central
                .get("/metrics")
                .text()
                .contains("event_server_store_up 0")
        );
    }
    database.run().unwrap();
    for central in [&first, &second] {
        eventually("ready again", || central.get("/readyz").status == 200);
        let again = "event_server_store_reconnects_total 1\n";
        assert!(central.get("/metrics").text().contains(again));
    }
    let mut peer = Peer::connect(second.lottery);
    assert_eq!(peer.ask(&finished(3)), "{result:success}");
    let mut peer = Peer::connect(second.lottery);
    assert_eq!(peer.ask(&finished(1)), "{result:success}");
    assert_eq!(peer.ask(&winners(1)), "{ganadores:1}");
    for central in [&first, &second] {
        let drawn = || Some(central.standing()).filter(|standing| standing["state"] == "drawn");
        let mut standing = None;
        while standing.is_none() {
            standing = drawn();
        }
        // Whatever this central has seen last of the agencies of the other one: the draw waited for all.
        let standing = standing.unwrap();
        assert_eq!(standing["agencies_finished"], 3, "{standing}");
        let won: Vec<_> = (0..3)
            .map(|i| standing["agencies"][i]["winners"].clone())
            .collect();
        assert_eq!(won, [json!(1), json!(1), json!(0)]);
    }
}
