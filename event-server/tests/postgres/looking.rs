//! How a lottery in a database stands, its winners, and whether it is sound.

use std::process::Stdio;

use fixtures::programs::Running;

use crate::common::{Peer, batch, bet, finished};
use crate::stage::Stage;

const SUCCESS: &str = "{result:success}";

#[test]
fn the_standing_and_the_winners_are_told_beside_a_running_central_and_without_one() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(1, 40);
    let two = [("SERVER_AGENCIES", "2")];
    let operate = |arguments: &[&str]| stage.operate(arguments, &two);
    let (central, address) = stage.central(&two);
    let mut client = stage.client(&agencies[0], address);
    let client = Running::start(client.stdout(Stdio::null())).unwrap();
    let sent = "notify_finished | result: success";
    client.wait_for(sent).unwrap();
    let status = operate(&["status"]);
    assert!(status.status.success(), "{}", status.log);
    let upload = "select upload from lottery.commits order by version desc limit 1";
    let upload = stage.database.sql(upload).unwrap();
    let lines: Vec<&str> = status.told.lines().skip(1).collect();
    let first = format!("agency 1: 40 bets, finished, upload {upload}");
    let open = [
        "agencies: 2, of which 1 have finished",
        "draw: not yet",
        "bets: 40",
        &first,
        "agency 2: nothing",
    ];
    assert_eq!(lines, open);
    assert!(
        status
            .told
            .starts_with("store: schema lottery of the database postgres at ")
    );
    let early = operate(&["winners"]);
    assert_eq!(early.status.code(), Some(75), "{}", early.log);
    let sentence = "the draw is not done yet: 1 of 2 agencies have finished";
    assert!(early.log.contains(sentence), "{}", early.log);

    // Once the agency is reopened, its file is barred.
    assert!(operate(&["reopen", "--agency", "1"]).status.success());
    client.wait().unwrap();
    let json = operate(&["status", "--json"]).told;
    let barred = format!(
        r#"{{"barred":["{upload}"],"bets":0,"finished":false,"id":1,"source":null,"upload":null}}"#
    );
    assert!(json.contains(&barred), "{json}");
    let allowed = operate(&["reopen", "--agency", "1", "--allow-same-file"]);
    assert!(allowed.status.success(), "{}", allowed.log);
    let mut client = stage.client(&agencies[0], address);
    let client = Running::start(client.stdout(Stdio::null())).unwrap();
    client.wait_for(sent).unwrap();
    assert_eq!(
        Peer::connect(address).ask(&batch(&bet(2, "7", true))),
        SUCCESS
    );
    assert_eq!(Peer::connect(address).ask(&finished(2)), SUCCESS);
    assert!(client.wait().unwrap().0.success());
    central.stop().unwrap();
    let told = stage.assert_whole(&agencies).remove(0);
    let status = operate(&["status"]).told;
    for line in [
        "draw: done, the number 7574 won".to_owned(),
        format!("agency 1: 40 bets, 2 winners, finished, upload {upload}"),
        "agency 2: 1 bet, 1 winner, finished, of a client that knows no resume".to_owned(),
    ] {
        assert!(
            status.lines().any(|shown| shown == line),
            "{line}: {status}"
        );
    }
    assert_eq!(operate(&["winners", "--agency", "1"]).told, told);
    let all = told.lines().map(|document| format!("1 {document}\n"));
    assert_eq!(operate(&["winners"]).told, all.collect::<String>() + "2 7");
}

#[test]
fn a_verification_reads_every_row_and_says_what_is_wrong_where() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(2, 200);
    let two = [("SERVER_AGENCIES", "2")];
    let verify = || stage.operate(&["verify"], &two);
    let (central, address) = stage.central(&two);
    let start = |agency| {
        let mut client = stage.client(agency, address);
        Running::start(client.stdout(Stdio::null())).unwrap()
    };
    let clients: Vec<Running> = agencies.iter().map(start).collect();
    for client in clients {
        assert!(client.wait().unwrap().0.success());
    }
    let sound = verify();
    assert_eq!(sound.status.code(), Some(0), "{}", sound.log);
    let last = sound.told.lines().last().unwrap();
    assert!(
        last.starts_with("sound: 400 bets in schema lottery"),
        "{last}"
    );
    central.stop().unwrap();
    assert_eq!(verify().told, sound.told);

    for (damage, flaw) in [
        (
            "delete from lottery.bets where agency = 1 and seq between 7 and 8",
            "agency 1 lacks 2 bets from number 7 on",
        ),
        (
            "insert into lottery.bets select * from lottery.bets where agency = 2 and seq = 5",
            "agency 2 has bet number 5 twice",
        ),
        (
            "update lottery.bets set document = E'a\\tb' where agency = 1 and seq = 3",
            "a row of bets of agency 1 is no bet",
        ),
        (
            "delete from lottery.bets where agency = 1 and seq = 199",
            "agency 1 has 199 bets, its last commit says 200",
        ),
        (
            "delete from lottery.bets where agency = 2",
            "agency 2 has no bets, its last commit says 200",
        ),
        (
            "delete from lottery.commits where agency = 1 and version = 2",
            "agency 1 has no versions between 1 and 3 in commits",
        ),
        (
            "update lottery.commits set finished = false where agency = 2",
            "the draw is done, and 1 of 2 agencies have finished",
        ),
    ] {
        let tables = ["bets", "commits", "lottery"];
        let keep =
            tables.map(|table| format!("create table public.{table} as table lottery.{table}"));
        stage.database.sql(&keep.join("; ")).unwrap();
        stage.database.sql(damage).unwrap();
        let ended = verify();
        assert_eq!(ended.status.code(), Some(74), "{damage}: {}", ended.told);
        assert!(ended.told.contains(flaw), "{flaw}: {}", ended.told);
        let back = tables.map(|table| {
            format!("truncate lottery.{table}; insert into lottery.{table} table public.{table}; drop table public.{table}")
        });
        stage.database.sql(&back.join("; ")).unwrap();
    }
    assert_eq!(verify().status.code(), Some(0));
    // Versions that changed nothing are taken out, and one in front of them says so.
    let last = "version = (select max(version) from lottery.commits where agency = 1)";
    let gap =
        format!("update lottery.commits set version = version + 3 where agency = 1 and {last}");
    stage.database.sql(&gap).unwrap();
    assert_eq!(verify().status.code(), Some(74));
    let mark = format!(
        "insert into lottery.commits select agency, version - 3, upload, batched, -1, finished, central, at \
         from lottery.commits where agency = 1 and {last}"
    );
    stage.database.sql(&mark).unwrap();
    let ended = verify();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.told);
}
