//! How a lottery stands, its winners, and whether it is sound: from the files of a running and of a stopped central, which
//! nothing changes.

use std::fs;
use std::path::Path;

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{Durability, FileStore, Folder};
use event_server::store::{Draft as _, Store as _};
use fixtures::programs::central;
use frame::{Agency, MessageId, Number};

use crate::common::{Peer, batch, bet, finished, one, winners};
use crate::{SUCCESS, assert_refused, operate};

/// Name, length and content of every file of a folder but the lock, whose note a running central changes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_standing_and_the_winners_are_told_beside_a_running_and_of_a_stopped_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let place = format!("store: the folder {}\n", data.display());
    let (server, address) = central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    let mut peer = Peer::connect(address);
    let bets = [bet(1, "1", true), bet(1, "2", false), bet(1, "3", true)].join("|");
    assert_eq!(peer.ask(&batch(&bets)), SUCCESS);
    assert_eq!(peer.ask(&one(&bet(1, "4", true))), SUCCESS);
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    let open = "agencies: 3, of which 1 have finished\ndraw: not yet\nbets: 4\n\
                agency 1: 4 bets, finished, of a client that knows no resume\nagencies 2 to 3: nothing\n";
    let before = files(data);
    let (code, told, log) = operate(data, &["status"]);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert_eq!(told, place.clone() + open);
    let json = operate(data, &["status", "--json"]).1;
    for part in [
        r#""state":"open""#,
        r#""winner_number":null"#,
        r#""agencies_expected":3"#,
        r#""agencies_finished":1"#,
        r#"{"barred":[],"bets":4,"finished":true,"id":1,"source":"plain","upload":null}"#,
        r#"{"barred":[],"bets":0,"finished":false,"id":2,"source":null,"upload":null}"#,
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    for arguments in [&["winners"][..], &["winners", "--agency", "1", "--json"]] {
        let sentence =
            "the draw is not done yet: 1 of 3 agencies have finished; ask again after it";
        assert_refused(&operate(data, arguments), 75, sentence);
    }
    assert!(files(data) == before, "a look has changed something");

    let mut other = Peer::connect(address);
    assert_eq!(other.ask(&batch(&bet(2, "5", true))), SUCCESS);
    assert_eq!(other.ask(&finished(2)), SUCCESS);
    assert_eq!(Peer::connect(address).ask(&finished(3)), SUCCESS);
    assert_eq!(peer.ask(&winners(1)), "{ganadores:1|3|4}");
    let drawn = "agencies: 3, of which 3 have finished\ndraw: done, the number 7574 won\nbets: 5\n\
                 agency 1: 4 bets, 3 winners, finished, of a client that knows no resume\n\
                 agency 2: 1 bet, 1 winner, finished, of a client that knows no resume\n\
                 agency 3: 0 bets, 0 winners, finished\n";
    let look = || {
        assert_eq!(operate(data, &["status"]).1, place.clone() + drawn);
        assert_eq!(operate(data, &["winners"]).1, "1 1\n1 3\n1 4\n2 5\n");
        assert_eq!(operate(data, &["winners", "--agency", "2"]).1, "5\n");
        assert_eq!(operate(data, &["winners", "--agency", "3"]).1, "");
        let json = operate(data, &["winners", "--json", "--agency", "2"]).1;
        assert_eq!(json, "{\"agency\":2,\"document\":\"5\"}\n");
    };
    look();
    server.stop().unwrap();
    let before = files(data);
    look();
    let json = operate(data, &["status", "--json"]).1;
    for part in [
        r#""state":"drawn""#,
        r#""winner_number":7574"#,
        r#""winners":3"#,
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    assert!(files(data) == before, "a look has changed something");
    let stranger = operate(data, &["winners", "--agency", "9"]);
    assert_refused(
        &stranger,
        64,
        "agency 9 does not take part: only agencies 1 to 3 do",
    );
}

#[test]
fn what_is_not_stored_yet_and_a_lottery_without_a_draw_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let missing = operate(data, &["status"]);
    assert_refused(&missing, 74, "there is no lottery in");
    fs::write(data.join("bets.csv"), "3,Ana,Paz,1,1999-12-31,7574\r\n").unwrap();
    let (code, told, log) = operate(data, &["status"]);
    assert_eq!(code, Some(0), "{log}");
    let number = "agencies: not stored yet (SERVER_AGENCIES is 2), 0 have finished";
    assert!(told.contains(number), "{told}");
    assert!(
        told.ends_with("agency 3: 1 bet, taken over, of no upload\n"),
        "{told}"
    );
    assert!(
        operate(data, &["status", "--json"])
            .1
            .contains(r#""agencies_expected":null"#)
    );
    assert_refused(&operate(data, &["winners"]), 75, "the draw is not done yet");

    let (server, address) = central(data, &[("SERVER_AGENCIES", "0")]).unwrap();
    assert_eq!(
        Peer::connect(address).ask(&one(&bet(7, "1", true))),
        SUCCESS
    );
    let told = operate(data, &["status"]).1;
    assert!(told.contains("agencies: any, there is no draw\n"), "{told}");
    assert_refused(&operate(data, &["winners"]), 78, "this lottery has no draw");
    server.stop().unwrap();
}

#[test]
fn a_sound_lottery_is_verified_beside_a_running_and_of_a_stopped_central_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (server, address) = central(data, &[("SERVER_AGENCIES", "2")]).unwrap();
    let mut peer = Peer::connect(address);
    for (agency, document) in [(1, "1"), (2, "2"), (1, "3")] {
        let mut peer = Peer::connect(address);
        let bet = bet(agency, document, true);
        assert_eq!(peer.ask(&batch(&bet)), SUCCESS);
    }
    let verify = |lines: &str| {
        let before = files(data);
        let (code, told, log) = operate(data, &["verify"]);
        assert_eq!((code, log.as_str()), (Some(0), ""));
        let sound = format!("sound: 3 bets in the folder {}\n", data.display());
        assert_eq!(told, lines.to_owned() + &sound);
        let (code, told, _) = operate(data, &["verify", "--json"]);
        assert_eq!(code, Some(0));
        for part in [r#""sound":true"#, r#""flaws":[]"#, r#""bets":3"#] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(files(data) == before, "a look has changed something");
    };
    let plain = "of a client that knows no resume";
    verify(&format!(
        "agency 1: 2 bets, {plain}\nagency 2: 1 bet, {plain}\n"
    ));
    for agency in [1, 2] {
        assert_eq!(Peer::connect(address).ask(&finished(agency)), SUCCESS);
    }
    assert_eq!(peer.ask(&winners(2)), "{ganadores:2}");
    let drawn = format!(
        "agency 1: 2 bets, 2 winners, finished, {plain}\nagency 2: 1 bet, 1 winner, finished, {plain}\n"
    );
    verify(&drawn);
    server.stop().unwrap();
    verify(&drawn);

    let mut bets = fs::read(data.join("bets.csv")).unwrap();
    bets[5] ^= 1;
    fs::write(data.join("bets.csv"), &bets).unwrap();
    let sentence = "bets.csv was changed within its first";
    assert_refused(&operate(data, &["verify"]), 74, sentence);
}

#[test]
fn what_a_start_does_not_see_is_found_by_a_verification() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut lottery = Lottery::new(2);
    let files = Folder::open(data).unwrap();
    let (mut store, _) = FileStore::open(files, Durability::Always, |_| {}).unwrap();
    store.commit(|| lottery.facts()).unwrap();
    let agency = |number| Agency::new(number).unwrap();
    let facts = [
        Fact::Agencies { agencies: 2 },
        Fact::Batch {
            agency: agency(1),
            source: Source::Plain,
            id: MessageId([1; 16]),
            bets: 3,
        },
        Fact::Finished { agency: agency(9) },
    ];
    for fact in facts {
        store.draft(0).unwrap().stage(fact);
        lottery.apply(&fact);
        store.commit(|| lottery.facts()).unwrap();
    }
    store.close(lottery.facts()).unwrap();
    let (code, told, log) = operate(data, &["verify"]);
    assert_eq!(code, Some(74), "{log}");
    let flaws = "agency 1: 0 bets, of a client that knows no resume\nagency 9: 0 bets, finished\n\
                 wrong: agency 1 has 0 bets, its batches had 3\n\
                 wrong: agency 9 has 0 bets, and agencies 1 to 2 take part\n";
    assert_eq!(told, flaws);
    let sentence =
        "error: 2 things are wrong, first: agency 1 has 0 bets, its batches had 3; restore";
    assert!(log.contains(sentence), "{log}");
    let json = operate(data, &["verify", "--json"]).1;
    assert!(json.contains(r#""sound":false"#), "{json}");

    let drawn = Fact::Drawn {
        position: 5,
        winner: Number::new(7574).unwrap(),
    };
    let files = Folder::open(data).unwrap();
    let (mut store, _) = FileStore::open(files, Durability::Always, |_| {}).unwrap();
    store.commit(|| lottery.facts()).unwrap();
    store.draft(0).unwrap().stage(drawn);
    lottery.apply(&drawn);
    store.commit(|| lottery.facts()).unwrap();
    store.close(lottery.facts()).unwrap();
    let told = operate(data, &["verify"]).1;
    let flaw = "wrong: the draw was over 5 bytes of bets.csv, which has 0\n";
    assert!(told.contains(flaw), "{told}");
}
