//! Arguments, configurations and agency files that cannot be used.

use std::fs;

use frame::Flaw;

use crate::client::{Client, rows};

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn usage_errors_exit_64_and_help_does_not() {
    for args in [
        &["nonsense"][..],
        &["batch", "--nonsense"],
        &["echo", "more"],
        &["--json", "bet"],
    ] {
        let (mode, rest) = args.split_first().unwrap();
        let client = rest
            .iter()
            .fold(Client::new(mode, NOWHERE), |c, arg| c.arg(arg));
        assert_eq!(client.run().code, Some(64), "{args:?}");
    }
    let help = Client::new("--help", NOWHERE).run();
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Usage: batch-client"));
}

#[test]
fn configuration_errors_exit_78_and_unknown_keys_are_warned_about() {
    let ended = Client::new("echo", NOWHERE)
        .env("CLI_BATCH_WINDOW", "none")
        .run();
    ended.assert_failed(
        78,
        "batch.window is \"none\" in the variable CLI_BATCH_WINDOW: allowed is a whole number from 1 to 1024",
    );
    let ended = Client::new("echo", NOWHERE)
        .arg("--config")
        .arg("other.yaml")
        .run();
    ended.assert_failed(78, "other.yaml cannot be used: ");
    let ended = Client::new("echo", NOWHERE)
        .arg("--config")
        .arg("other.yaml")
        .env("CLI_SERVER_RETRY", "0s")
        .file("other.yaml", "server: {adress: \"a|b\"}\n")
        .run();
    ended.assert_failed(69, "gave up on 127.0.0.1:1");
    assert_eq!(
        ended.log[1],
        "WARNING  action: config | result: in_progress | warning: other.yaml sets server.adress, which is not a known key"
    );
}

#[test]
fn bad_rows_are_reported_without_their_values_and_nothing_is_sent() {
    let file = rows(1) + "Secret,Name,1,31-12-1999,1\r\n" + &"x\n".repeat(120) + &rows(1);
    let ended = Client::new("batch", NOWHERE).file("bets.csv", file).run();
    ended.assert_failed(
        65,
        "bets.csv has 121 bad rows: correct the file and run again; nothing was sent",
    );
    let reported = ended.lines("read_file");
    assert_eq!(reported.len(), 101);
    assert_eq!(
        reported[0],
        format!(
            "action: read_file | result: fail | error: bets.csv:2:4: nacimiento {}",
            Flaw::NotDate
        )
    );
    assert_eq!(
        reported[99],
        "action: read_file | result: fail | error: bets.csv:101:2: the row has 1 column instead of 5 (name, surname, document, birthdate, number)"
    );
    let log = ended.log.concat();
    assert!(!log.contains("Secret") && !log.contains("1999"));
}

#[test]
fn a_file_that_is_missing_and_one_that_is_not_regular_have_errors_of_their_own() {
    let ended = Client::new("batch", NOWHERE).run();
    ended.assert_failed(74, "bets.csv cannot be read: No such file");
    let client = Client::new("batch", NOWHERE);
    fs::create_dir(client.folder().join("bets.csv")).unwrap();
    client
        .run()
        .assert_failed(65, "bets.csv is not a file but a folder");
}
