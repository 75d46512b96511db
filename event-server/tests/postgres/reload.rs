//! SIGHUP: the authority that a central trusts for its database, and its password, are read again; sessions that are
//! there go on.

use std::fs;

use fixtures::certificates::Authority;
use fixtures::programs::{Running, Signal};

use crate::common::{Peer, bet, eventually, one};
use crate::stage::{ONE_SESSION, Stage, count};

const OPENED: &str = "action: open_store | result: success";

/// Sends SIGHUP, and waits until the `nth` one is done.
fn reload(central: &Running, nth: usize) {
    central.signal(Signal::HUP).unwrap();
    let line = "action: reload | result: success";
    let done = |log: &str| log.matches(line).count() == nth;
    central.wait_until(done).unwrap();
}

/// Ends the sessions of all centrals.
fn end_sessions(stage: &Stage) {
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'event-server%'";
    stage.database.sql(sql).unwrap();
}

/// Waits until the store was opened for the `nth` time.
fn opened(central: &Running, nth: usize) {
    let again = |log: &str| log.matches(OPENED).count() == nth;
    central.wait_until(again).unwrap();
}

#[test]
fn a_new_authority_is_trusted_by_new_sessions_and_the_old_one_is_not_any_more() {
    let Some(stage) = Stage::set() else { return };
    let trusted = stage.folder().join("trusted.pem");
    let right = fs::read_to_string(stage.database.authority()).unwrap();
    let other = Authority::new("another").unwrap().certificate();
    fs::write(&trusted, &right).unwrap();
    let url = format!(
        "postgresql://postgres@127.0.0.1:{}/postgres?sslmode=verify-full&sslrootcert={}",
        stage.database.port(),
        trusted.display()
    );
    let (central, address) = stage.central_at(&url, &[ONE_SESSION]);
    let store = |document: &str| {
        let reply = Peer::connect(address).ask(&one(&bet(1, document, false)));
        assert_eq!(reply, "{result:success}");
    };
    opened(&central, 1);
    store("1");
    // No SIGHUP was sent yet.
    fs::write(&trusted, &other).unwrap();
    end_sessions(&stage);
    opened(&central, 2);
    reload(&central, 1);
    // The session that is there goes on.
    store("2");
    end_sessions(&stage);
    let refused = "it was not signed by the authority that is trusted here";
    central.wait_for(refused).unwrap();
    assert_eq!(central.log().matches(OPENED).count(), 2);
    fs::write(&trusted, other + &right).unwrap();
    reload(&central, 2);
    opened(&central, 3);
    store("3");
    assert_eq!(count(&stage, "lottery.bets"), 3);
}

#[test]
fn a_new_password_is_used_by_new_sessions() {
    let Some(stage) = Stage::set() else { return };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql("create role agent login password 'old'; create schema lottery authorization agent");
    let file = |name: &str, password: &str| {
        let path = stage.folder().join(name);
        fs::write(&path, format!("{password}\n")).unwrap();
        path.display().to_string()
    };
    let (first, second) = (file("first", "old"), file("second", "newest"));
    let settings = |path: &str| {
        let text = format!("[DEFAULT]\nSERVER_STORE_PASSWORD_FILE = {path}\n");
        fs::write(stage.folder().join("config.ini"), text).unwrap();
    };
    settings(&first);
    let url = stage.database.url("agent", "postgres");
    let (central, address) = stage.central_at(&url, &[ONE_SESSION]);
    let store = |document: &str| {
        let reply = Peer::connect(address).ask(&one(&bet(1, document, false)));
        assert_eq!(reply, "{result:success}");
    };
    opened(&central, 1);
    // The session that is there goes on; one that is begun is refused.
    sql("alter role agent password 'new'");
    store("1");
    end_sessions(&stage);
    central.wait_for("password authentication failed").unwrap();
    file("first", "new");
    reload(&central, 1);
    opened(&central, 2);
    store("2");

    // Another file.
    sql("alter role agent password 'newest'");
    settings(&second);
    reload(&central, 2);
    end_sessions(&stage);
    opened(&central, 3);
    store("3");
    let log = central.log();
    assert!(!log.contains("after a restart"), "{log}");
    for password in ["old", "new", "newest"] {
        assert!(!log.contains(&format!("'{password}'")), "{log}");
    }
    eventually("all are stored", || count(&stage, "lottery.bets") == 3);
}

#[test]
fn a_database_elsewhere_waits_for_a_restart() {
    let Some(stage) = Stage::set() else { return };
    stage
        .database
        .sql("create role agent login password 'right'; create schema lottery authorization agent")
        .unwrap();
    let settings = |url: &str| {
        let text = format!("[DEFAULT]\nSERVER_STORE = {url}\n");
        fs::write(stage.folder().join("config.ini"), text).unwrap();
    };
    let url = |who: &str| stage.database.url(who, "postgres");
    settings(&url("agent:right"));
    let mut command = stage.program("", &[ONE_SESSION, ("SERVER_PORT", "0")]);
    let central = Running::start(&mut command).unwrap();
    opened(&central, 1);
    settings(&url("somebody:else"));
    reload(&central, 1);
    let waits =
        "SERVER_STORE has another value than at the start, which is in force after a restart";
    central.wait_for(waits).unwrap();
    end_sessions(&stage);
    opened(&central, 2);
    // The same database, with a password that is wrong: it is in the URL of the file.
    settings(&url("agent:wrong"));
    reload(&central, 2);
    end_sessions(&stage);
    central.wait_for("password authentication failed").unwrap();
}
