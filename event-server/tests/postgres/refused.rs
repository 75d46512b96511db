//! A database that cannot be used: one sentence that says what to do.

use fixtures::certificates::Authority;

use crate::common::{Peer, bet, eventually, one};
use crate::stage::{Stage, count};

/// Asserts that a central ends by itself with 78 and this sentence.
pub fn assert_refused(stage: &Stage, url: &str, environment: &[(&str, &str)], sentence: &str) {
    let mut all = vec![("SERVER_STORE", url), ("SERVER_PORT", "0")];
    all.extend(environment);
    let ended = stage.operate(&[], &all);
    assert_eq!(ended.status.code(), Some(78), "{}", ended.log);
    let last = ended.log.lines().last().unwrap_or_default();
    assert!(
        last.contains("CRITICAL action: exit | result: fail") && last.contains(sentence),
        "{sentence}: {}",
        ended.log
    );
}

#[test]
fn a_user_a_database_or_a_right_that_is_not_there_is_named() {
    let Some(stage) = Stage::set() else { return };
    let database = &stage.database;
    let sql = |sql: &str| database.sql(sql).unwrap();
    sql("create role agent login password 'right'");
    sql("create database latin encoding 'LATIN1' locale 'C' template template0");
    let url = |user: &str, name: &str| database.url(user, name);
    for (url, sentence) in [
        (
            url("agent", "postgres"),
            "the database wants a password: put one into SERVER_STORE, PGPASSWORD, SERVER_STORE_PASSWORD_FILE or ~/.pgpass",
        ),
        (
            url("agent:wrong", "postgres"),
            "password authentication failed for user \"agent\" (SQLSTATE 28P01): check the password in SERVER_STORE",
        ),
        (
            url("nobody:x", "postgres"),
            "password authentication failed for user \"nobody\"",
        ),
        (
            url("postgres", "none"),
            "database \"none\" does not exist (SQLSTATE 3D000): create it, or name another in SERVER_STORE",
        ),
        (
            url("postgres", "latin"),
            "the database latin is encoded in LATIN1: name one in SERVER_STORE that is encoded in UTF8",
        ),
        (
            url("agent:right", "postgres"),
            "permission denied for database postgres (SQLSTATE 42501): let an administrator run  create schema \"lottery\" authorization USER",
        ),
    ] {
        assert_refused(&stage, &url, &[], sentence);
    }
}

#[test]
fn a_role_that_may_make_no_schema_uses_one_that_was_made_for_it() {
    let Some(stage) = Stage::set() else { return };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql("create role agent login password 'right'");
    sql("create schema lottery authorization agent");
    let url = stage.database.url("agent:right", "postgres");
    let (_central, address) = stage.central_at(&url, &[]);
    let bet = bet(1, "1", false);
    assert_eq!(Peer::connect(address).ask(&one(&bet)), "{result:success}");
}

#[test]
fn a_lottery_of_other_agencies_or_of_a_newer_program_is_refused() {
    let Some(stage) = Stage::set() else { return };
    let url = stage.database.url("postgres", "postgres");
    let (central, _) = stage.central(&[("SERVER_AGENCIES", "6")]);
    central.wait_for("open_store | result: success").unwrap();
    central.stop().unwrap();
    let sentence = "the lottery in schema lottery is of 6 agencies, SERVER_AGENCIES is 5: set it to 6, change the lottery with  event-server agencies 5  before the draw, or name another schema in SERVER_LOTTERY";
    assert_refused(&stage, &url, &[], sentence);
    // Another schema is another lottery.
    let (other, address) = stage.central(&[("SERVER_LOTTERY", "next")]);
    assert_eq!(
        Peer::connect(address).ask(&one(&bet(1, "1", false))),
        "{result:success}"
    );
    other.stop().unwrap();

    stage
        .database
        .sql("update lottery.lottery set format = 99")
        .unwrap();
    let sentence = "the lottery in schema lottery has form 99, this program knows forms up to 2: start a newer event-server";
    assert_refused(&stage, &url, &[("SERVER_AGENCIES", "6")], sentence);
    let export = stage.operate(&["export"], &[]);
    assert_eq!(export.status.code(), Some(78));
    assert!(export.log.contains(sentence), "{}", export.log);
    let export = stage.operate(&["export"], &[("SERVER_LOTTERY", "none")]);
    assert_eq!(export.status.code(), Some(78));
    assert!(
        export.log.contains(
            "there is no lottery in schema none of the database: name its schema in SERVER_LOTTERY"
        ),
        "{}",
        export.log
    );
}

#[test]
fn a_database_without_tls_or_with_a_certificate_that_does_not_fit_is_refused() {
    let Some(stage) = Stage::set_with(&["listen_addresses=127.0.0.1,127.0.0.2"]) else {
        return;
    };
    let port = stage.database.port();
    let authority = stage.database.authority();
    let authority = authority.to_str().unwrap();
    let stranger = stage.folder().join("stranger.pem");
    std::fs::write(
        &stranger,
        Authority::new("a stranger").unwrap().certificate(),
    )
    .unwrap();
    let stranger = stranger.to_str().unwrap();
    let url = |host: &str, parameters: &str| {
        format!("postgresql://postgres@{host}:{port}/postgres?{parameters}")
    };
    let doubt = "check sslrootcert in SERVER_STORE";
    assert_refused(
        &stage,
        &url("127.0.0.1", &format!("sslrootcert={stranger}")),
        &[],
        doubt,
    );
    assert_refused(
        &stage,
        &url("127.0.0.2", &format!("sslrootcert={authority}")),
        &[],
        doubt,
    );
    let missing = url("127.0.0.1", "sslrootcert=/none.pem");
    assert_refused(
        &stage,
        &missing,
        &[],
        "sslrootcert /none.pem cannot be used: ",
    );

    // What fits is served, the password bound to the certificate.
    stage
        .database
        .sql("create role agent superuser login password 'right'")
        .unwrap();
    let password = stage.folder().join("password");
    std::fs::write(&password, "right\n").unwrap();
    let password = [("SERVER_STORE_PASSWORD_FILE", password.to_str().unwrap())];
    for (host, parameters) in [
        ("127.0.0.1", format!("sslrootcert={authority}")),
        ("localhost", format!("sslrootcert={authority}")),
        (
            "127.0.0.2",
            format!("sslmode=verify-ca&sslrootcert={authority}"),
        ),
        ("127.0.0.2", "sslmode=require".to_owned()),
    ] {
        let url = url(host, &parameters).replace("postgres@", "agent@");
        let (central, address) = stage.central_at(&url, &password);
        let document = bet(1, "1", false);
        assert_eq!(
            Peer::connect(address).ask(&one(&document)),
            "{result:success}"
        );
        let encrypted =
            "pg_stat_ssl s join pg_stat_activity a using (pid) where a.usename = 'agent' and s.ssl";
        eventually("both sessions are there", || count(&stage, encrypted) == 2);
        central.stop().unwrap();
        let export = stage.operate(&["export", "--store", &url], &password);
        assert!(export.status.success(), "{}", export.log);
    }

    let Some(plain) = Stage::set_with(&["ssl=off"]) else {
        return;
    };
    let url = format!(
        "postgresql://postgres@127.0.0.1:{}/postgres?sslmode=require",
        plain.database.port()
    );
    assert_refused(
        &plain,
        &url,
        &[],
        "the database speaks no TLS: set sslmode=disable in SERVER_STORE, or let it speak TLS (ssl = on)",
    );
}
