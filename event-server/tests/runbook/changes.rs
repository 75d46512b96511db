//! What an operator changes: a wrong file, the number of agencies, copies, the store, the next lottery.

use std::fs;

use fixtures::postgres::Postgres;

use crate::common::{Peer, batch, bet, finished};
use crate::scene::Scene;

const SUCCESS: &str = "{result:success}";

/// The address of a database as the document has it.
const DATABASE: &str = "postgresql://lottery@db1,db2/lottery";

/// Starts a database in the place of the document's; `None` where PostgreSQL is not installed.
fn database(scene: &mut Scene) -> Option<Postgres> {
    let database = Postgres::start().unwrap()?;
    scene.place(DATABASE, &database.url("postgres", "postgres"));
    Some(database)
}

pub fn wrong_file(mut scene: Scene) {
    let (wrong, right) = (20, 30);
    let central = scene.central(&[]);
    scene.send(4, wrong, central.address);
    scene.send_to(4, right, central.address, 76);
    scene.stop(central);
    scene.run("reopen --agency 4");
    let central = scene.central(&[]);
    let log = scene.send_to(4, wrong, central.address, 76);
    let sentence = "this file was taken out: agency 4 was reopened";
    assert!(log.contains(sentence), "{log}");
    scene.send(4, right, central.address);
    scene.stop(central);

    scene.run("--allow-same-file");
    let central = scene.central(&[]);
    scene.send(4, wrong, central.address);
    scene.stop(central);
    scene.run("reopen --agency 4");
    let central = scene.central(&[]);
    let mut peer = Peer::connect(central.address);
    assert_eq!(peer.ask(&batch(&bet(4, "7", true))), SUCCESS);
    scene.stop(central);
    scene.run("finish --agency 4");
    let central = scene.central(&[]);
    let mut peer = Peer::connect(central.address);
    let late = peer.ask(&batch(&bet(4, "8", true)));
    assert_eq!(late, "{result:failure}");
    scene.stop(central);
    scene.end(&[]);
}

pub fn number(mut scene: Scene) {
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.stop(central);
    scene.type_in("SERVER_AGENCIES=10 event-server", 78);
    scene.run("agencies 12");
    let central = scene.central(&[("SERVER_AGENCIES", "12")]);
    scene.stop(central);
    scene.end(&[]);
}

pub fn backup(mut scene: Scene) {
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.run("backup /backup/monday");
    // What comes later is not in the copy.
    scene.send(2, 20, central.address);
    scene.stop(central);
    scene.run("systemctl stop");
    scene.run("mv ");
    scene.run("cp -a");
    scene.run("systemctl start");
    let restored = scene.central(&[]);
    scene.send(1, 20, restored.address);
    scene.stop(restored);
    let rows = fs::read_to_string(scene.path("data/bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), 20);
    let restored = scene.start("--data-dir /backup/monday");
    scene.send(1, 20, restored.address);
    scene.send(2, 30, restored.address);
    scene.stop(restored);
    let rows = fs::read_to_string(scene.path("backup/monday/bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), 50);
    scene.end(&[]);
}

pub fn moving(mut scene: Scene) {
    let Some(database) = database(&mut scene) else {
        return;
    };
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.stop(central);
    scene.run("move --from /var/lib/lottery --to");
    let central = scene.start("event-server --store");
    central
        .running
        .wait_for("action: open_store | result: success")
        .unwrap();
    scene.send(1, 20, central.address);
    scene.send(2, 30, central.address);
    scene.stop(central);
    let counted = || database.sql("select count(*) from lottery.bets").unwrap();
    assert_eq!(counted(), "50");

    // And back; then the lottery goes on in the database after all.
    let (url, back) = (database.url("postgres", "postgres"), scene.path("back"));
    let line = format!("event-server move --from '{url}' --to {}", back.display());
    scene.type_in(&line, 0);
    let rows = fs::read_to_string(back.join("bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), 50);
    let sql = scene.command("alter table lottery.commits");
    database.sql(&sql).unwrap();
    database.sql(&sql.replace("commits", "draw")).unwrap();
    let central = scene.central(&[("SERVER_STORE", &url)]);
    scene.send(3, 10, central.address);
    scene.stop(central);
    assert_eq!(counted(), "60");
    scene.end(&[]);
}

pub fn next_lottery(mut scene: Scene) {
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    for agency in 2..=5 {
        let mut peer = Peer::connect(central.address);
        assert_eq!(peer.ask(&finished(agency)), SUCCESS);
    }
    central
        .running
        .wait_for("sorteo | result: success")
        .unwrap();
    let late = Peer::connect(central.address).ask(&batch(&bet(2, "8", true)));
    scene.hear(&late);
    scene.stop(central);
    assert_eq!(scene.run("event-server winners").told.lines().count(), 1);

    let next = scene.start("SERVER_DATA_DIR");
    scene.run("SERVER_DATA_DIR=data-2026-12 event-server status");
    scene.send(1, 20, next.address);
    scene.stop(next);
    assert!(scene.path("data-2026-12/bets.csv").exists());
    let Some(_database) = database(&mut scene) else {
        return;
    };
    let next = scene.start("SERVER_LOTTERY");
    next.running
        .wait_for("action: open_store | result: success")
        .unwrap();
    let told = scene.run("SERVER_LOTTERY=lottery_2026_12 event-server status");
    assert!(told.told.contains("bets: 0"), "{}", told.told);
    scene.send(1, 20, next.address);
    scene.stop(next);
    scene.end(&[]);
}
