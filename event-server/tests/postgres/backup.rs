//! A copy of a lottery in a database is a folder: agencies go on there.

use std::fs;
use std::process::Stdio;

use fixtures::programs::{self, Running};

use crate::common::{Peer, bet, one, winners};
use crate::stage::{Stage, run};

#[test]
fn a_backup_beside_a_running_central_is_a_folder_at_which_agencies_go_on_and_the_draw_is_right() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(2, 300);
    let two = [("SERVER_AGENCIES", "2")];
    let (_central, address) = stage.central(&two);
    let start = |agency, address| {
        let mut client = stage.client(agency, address);
        Running::start(client.stdout(Stdio::piped())).unwrap()
    };
    let single = bet(2, "77", true);
    assert_eq!(
        Peer::connect(address).ask(&one(&single)),
        "{result:success}"
    );
    let first = start(&agencies[0], address);
    first.wait_for("notify_finished | result: success").unwrap();
    let copy = stage.folder().join("copy");
    let target = copy.to_str().unwrap();
    let backup = stage.operate(&["backup", target], &two);
    assert!(backup.status.success(), "{}", backup.log);
    let line = "backup | result: success | cantidad: 301 | folder: ";
    assert!(backup.log.contains(line), "{}", backup.log);
    let on_copy = |arguments: &[&str]| {
        let mut command = stage.program("files", &[]);
        run(command.args(arguments).args(["--data-dir", target]))
    };
    let verified = on_copy(&["verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", verified.told);
    assert!(
        verified.told.contains("sound: 301 bets"),
        "{}",
        verified.told
    );
    let exported = stage.operate(&["export"], &two).told;
    let rows = fs::read_to_string(copy.join("bets.csv")).unwrap();
    assert_eq!(rows.trim_end(), exported);

    // Both centrals go on, each with the whole lottery.
    let (copied, beside) = programs::central(&copy, &two).unwrap();
    for central in [address, beside] {
        let clients = agencies.iter().map(|agency| start(agency, central));
        for client in clients.collect::<Vec<_>>() {
            assert!(client.wait().unwrap().0.success());
        }
    }
    for agency in [1, 2] {
        let ask = |central| Peer::connect(central).ask(&winners(agency));
        assert_eq!(ask(address), ask(beside));
    }
    copied.stop().unwrap();
    let of = |agency: &str| on_copy(&["winners", "--agency", agency]).told;
    assert_eq!((of("1").lines().count(), of("2").lines().count()), (15, 16));

    // What is not sound is not copied.
    stage
        .database
        .sql("delete from lottery.bets where agency = 1 and seq = 5")
        .unwrap();
    let target = stage.folder().join("other");
    let refused = stage.operate(&["backup", target.to_str().unwrap()], &two);
    assert_eq!(refused.status.code(), Some(74), "{}", refused.log);
    let sentence =
        "the lottery is not sound, and was not copied: agency 1 lacks 1 bet from number 5 on";
    assert!(refused.log.contains(sentence), "{}", refused.log);
    assert!(!target.exists() && !stage.folder().join("other.new").exists());
}
