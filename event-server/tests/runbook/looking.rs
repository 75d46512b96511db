//! Looking: how the lottery stands, whether it is sound and ready, and whom the draw waits for.

use std::fs;
use std::path::Path;

use event_server::facts::Fact;
use event_server::lottery::Lottery;
use event_server::store::files::{Durability, FileStore, Folder};
use event_server::store::{Draft as _, Store as _};

use crate::common::{Peer, agency, batch, bet, finished, resume};
use crate::scene::Scene;

const SUCCESS: &str = "{result:success}";

pub fn as_the_user(mut scene: Scene) {
    let central = scene.central(&[]);
    let ended = scene.run("sudo");
    assert!(ended.told.contains("draw: not yet"), "{}", ended.told);
    scene.run("systemctl stop");
    scene.stop(central);
    scene.run("systemctl start");
    scene.end(&[]);
}

/// Agency 1 has finished, a file of agency 2 was taken out, and of the right one a part is there.
fn begin(scene: &mut Scene) {
    let central = scene.central(&[]);
    scene.send(1, 40, central.address);
    scene.send(2, 20, central.address);
    scene.stop(central);
    scene.type_in("event-server reopen --agency 2", 0);
    let central = scene.central(&[]);
    let mut peer = Peer::connect(central.address);
    peer.ask(&resume(2, 7));
    let bets = [bet(2, "77", true), bet(2, "78", false)].join("|");
    assert_eq!(peer.ask(&batch(&bets)), SUCCESS);
    scene.stop(central);
}

/// All others finish, and the draw is done.
fn draw(scene: &mut Scene, others: &[u32]) {
    let central = scene.central(&[]);
    for agency in others {
        let mut peer = Peer::connect(central.address);
        assert_eq!(peer.ask(&finished(*agency)), SUCCESS);
    }
    central
        .running
        .wait_for("sorteo | result: success")
        .unwrap();
    scene.stop(central);
}

pub fn standing(mut scene: Scene) {
    begin(&mut scene);
    scene.run("status");
    let early = scene.run_to("winners --agency", 75);
    let sentence = "the draw is not done yet: 1 of 5 agencies have finished; ask again after it";
    assert!(early.log.contains(sentence), "{}", early.log);
    draw(&mut scene, &[2, 3, 4, 5]);
    let all = scene.run("winners").told;
    assert!(all.contains('1') && all.lines().count() == 2, "{all}");
    let none = scene.run("winners --agency 4").told;
    assert_eq!(none, "");
    scene.end(&[]);
}

pub fn soundness(mut scene: Scene) {
    begin(&mut scene);
    let sound = scene.run("verify");
    assert!(sound.told.contains("sound: 42 bets in the folder "));
    damage(&scene.path("data"));
    let wrong = scene.run_to("verify", 74);
    assert!(wrong.told.contains("wrong: "), "{}", wrong.told);
    scene.end(&[]);
}

/// Stores what no central stores: a start does not see it.
fn damage(data: &Path) {
    let mut lottery = Lottery::new(5);
    let files = Folder::open(data).unwrap();
    let replay = |fact: &Fact| lottery.apply(fact);
    let (mut store, _) = FileStore::open(files, Durability::Always, replay).unwrap();
    store.commit(|| lottery.facts()).unwrap();
    let fact = Fact::Finished { agency: agency(9) };
    store.draft(0).unwrap().stage(fact);
    lottery.apply(&fact);
    store.commit(|| lottery.facts()).unwrap();
    store.close(lottery.facts()).unwrap();
}

pub fn export(mut scene: Scene) {
    begin(&mut scene);
    scene.run("export");
    let rows = fs::read_to_string(scene.path("bets.csv")).unwrap();
    assert_eq!(rows.lines().count(), 42);
    scene.end(&[]);
}

pub fn not_ready(mut scene: Scene) {
    let central = scene.central(&[]);
    assert_eq!(scene.run("readyz").told, "ready");
    scene.run("--check");
    scene.stop(central);
    let down = scene.run_to("--check", 69);
    assert_eq!(down.log.lines().count(), 1, "{}", down.log);
    scene.end(&[]);
}

pub fn silent_agency(mut scene: Scene) {
    let central = scene.central(&[]);
    for agency in [1, 2, 4, 5] {
        scene.send(agency, 20, central.address);
    }
    scene.run("status");
    let numbers = scene.run("/api/lottery").told;
    assert!(numbers.contains(r#""agencies_finished":4"#), "{numbers}");
    scene.stop(central);
    scene.run("finish --agency 3");
    draw(&mut scene, &[]);
    scene.end(&[(
        "Agencies that have sent nothing",
        "the text of an alert: tests/web/dashboard.rs has promtool see it",
    )]);
}
