//! What a role, a database or an administrator has set changes no promise.

use crate::common::{Peer, batch, bet, eventually, finished, resume};
use crate::stage::{Lock, PATIENT, Stage, count, run, wait_for_replicas};

const SUCCESS: &str = "{result:success}";

#[test]
fn settings_of_a_role_change_nothing() {
    let Some(stage) = Stage::set() else { return };
    for setting in [
        "client_min_messages = error",
        "datestyle = 'German, DMY'",
        "default_transaction_isolation = serializable",
        "idle_in_transaction_session_timeout = 1",
        "lock_timeout = 1",
        "search_path = nowhere",
        "standard_conforming_strings = off",
        "timezone = 'Pacific/Chatham'",
    ] {
        let sql = format!("alter role postgres set {setting}");
        stage.database.sql(&sql).unwrap();
    }
    let agencies = stage.agencies(2, 3_000);
    let environment = [("SERVER_AGENCIES", "2")];
    let centrals = [stage.central(&environment), stage.central(&environment)];
    let clients = agencies
        .iter()
        .zip(&centrals)
        .map(|(agency, (_, address))| {
            let mut client = stage.client(agency, *address);
            let client = client.stdout(std::process::Stdio::null());
            fixtures::programs::Running::start(client).unwrap()
        });
    for client in clients.collect::<Vec<_>>() {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
    let export = stage.operate(&["export"], &environment);
    assert!(export.status.success(), "{}", export.log);
    assert_eq!(export.told.lines().count(), 6_000);
    stage.database.sql("alter role postgres reset all").unwrap();
    stage.assert_whole(&agencies);
    for (central, _) in &centrals {
        assert!(!central.log().contains("is lost"), "{}", central.log());
    }
}

#[test]
fn a_time_limit_of_the_role_ends_no_statement_of_a_central() {
    let Some(stage) = Stage::set() else { return };
    let limit = "alter role postgres set statement_timeout = 250";
    stage.database.sql(limit).unwrap();
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "1"), PATIENT]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    let lock = Lock::table(&stage, "commits");
    peer.send(&batch(&bet(1, "1", true)));
    eventually("a statement has taken longer than that", || {
        let slow = "pg_stat_activity where application_name like 'event-server%' \
                    and wait_event_type = 'Lock' and query_start < now() - interval '300 ms'";
        count(&stage, slow) == 1
    });
    drop(lock);
    assert_eq!(peer.answer().unwrap().payload, SUCCESS);
}

/// What a transaction of a central has in force, as PostgreSQL writes it, where `SERVER_STORE_TIMEOUT` is 8 s.
const RELIED_ON: [(&str, &str); 10] = [
    ("client_connection_check_interval", "1s"),
    ("client_min_messages", "warning"),
    ("idle_in_transaction_session_timeout", "8s"),
    ("lock_timeout", "1s"),
    ("statement_timeout", "0"),
    ("synchronous_commit", "on"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_user_timeout", "10000"),
    ("transaction_isolation", "read committed"),
];

#[test]
fn each_commit_is_made_with_the_settings_that_the_store_relies_on() {
    let Some(stage) = Stage::set() else { return };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql("alter role postgres set default_transaction_isolation = serializable");
    let environment = [("SERVER_AGENCIES", "1"), ("SERVER_STORE_TIMEOUT", "8s")];
    let (_central, address) = stage.central(&environment);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    sql("create table seen (name text primary key, value text);
         create function look() returns trigger language plpgsql as
         $$ begin
             insert into public.seen select name, current_setting(name) from pg_settings on conflict do nothing;
             return new;
         end $$;
         create trigger look after insert on lottery.commits for each row execute function look()");
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
    for (name, value) in RELIED_ON {
        let seen = sql(&format!("select value from seen where name = '{name}'"));
        assert_eq!(seen, value, "{name}");
    }
}

#[test]
fn a_wait_for_a_replica_that_was_given_up_is_no_commit_for_a_role_that_hears_no_warnings() {
    let Some(stage) = Stage::set() else { return };
    let quiet = "alter role postgres set client_min_messages = error";
    stage.database.sql(quiet).unwrap();
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "1"), PATIENT]);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    wait_for_replicas(&stage, "nobody");
    peer.send(&batch(&bet(1, "1", true)));
    cancel_wait(&stage);
    assert_eq!(peer.answer(), None);
}

const WAITING: &str =
    "pg_stat_activity where wait_event = 'SyncRep' and application_name like 'event-server%'";

fn cancel_wait(stage: &Stage) {
    eventually("the commit waits", || count(stage, WAITING) == 1);
    let cancel =
        "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'";
    stage.database.sql(cancel).unwrap();
}

#[test]
fn what_replicated_promises_holds_for_each_commit() {
    let Some(stage) = Stage::set() else { return };
    let standby = stage.database.standby().unwrap();
    wait_for_replicas(&stage, "*");
    let environment = [
        ("SERVER_AGENCIES", "1"),
        ("SERVER_DURABILITY", "replicated"),
    ];
    let (central, address) = stage.central(&environment);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
    // No standby is named any more: nothing is acknowledged.
    wait_for_replicas(&stage, "");
    peer.send(&batch(&bet(1, "2", true)));
    assert_eq!(peer.answer(), None);
    central
        .wait_for("is lost: it has no synchronous standby")
        .unwrap();

    // The same while a commit waits: it is let go, and calls itself a success.
    wait_for_replicas(&stage, "*");
    let mut again = Peer::connect(address);
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:2}");
    wait_for_replicas(&stage, "nobody");
    again.send(&batch(&bet(1, "3", true)));
    eventually("the commit waits", || count(&stage, WAITING) == 1);
    wait_for_replicas(&stage, "");
    assert_eq!(again.answer(), None);
    drop(standby);
}

#[test]
fn a_role_that_waits_for_no_standby_waits_where_it_is_promised() {
    let Some(stage) = Stage::set() else { return };
    let lax = "alter role postgres set synchronous_commit = off";
    stage.database.sql(lax).unwrap();
    let _standby = stage.database.standby().unwrap();
    wait_for_replicas(&stage, "*");
    let environment = [
        ("SERVER_AGENCIES", "1"),
        ("SERVER_DURABILITY", "replicated"),
    ];
    let (_central, address) = stage.central(&environment);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    wait_for_replicas(&stage, "nobody");
    peer.send(&batch(&bet(1, "1", true)));
    eventually("the commit waits", || count(&stage, WAITING) == 1);
    wait_for_replicas(&stage, "*");
    // A standby says how far it is when it gets something, else every ten seconds only.
    stage.database.sql("select pg_switch_wal()").unwrap();
    assert_eq!(peer.answer().unwrap().payload, SUCCESS);
}

#[test]
fn a_centrals_row_that_was_deleted_by_hand_is_written_again_by_the_next_commit() {
    let Some(stage) = Stage::set() else { return };
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "2")]);
    assert_eq!(Peer::connect(address).ask(&finished(1)), SUCCESS);
    stage.database.sql("delete from lottery.centrals").unwrap();
    // It changes nothing, so what was read is all that the reply depends on.
    assert_eq!(Peer::connect(address).ask(&finished(1)), SUCCESS);
    assert_eq!(count(&stage, "lottery.centrals"), 1);
}

#[test]
fn a_host_that_refuses_the_user_is_passed_over_where_another_one_serves() {
    let (Some(stage), Some(other)) = (Stage::set(), Stage::set()) else {
        return;
    };
    let role = "create role agent superuser login password 'right'";
    other.database.sql(role).unwrap();
    let (first, second) = (stage.database.port(), other.database.port());
    let hosts = format!("127.0.0.1:{first},127.0.0.1:{second}");
    let url = format!("postgresql://agent:right@{hosts}/postgres?sslmode=disable");
    let (central, address) = stage.central_at(&url, &[]);
    central.wait_for(" | passed_over: 127.0.0.1:").unwrap();
    assert_eq!(Peer::connect(address).ask(&resume(1, 7)), "{apuestas:0}");
    // Where none does, the central ends, and says so of each.
    let url = url.replace("right", "wrong");
    let ended = run(&mut stage.program(&url, &[("SERVER_PORT", "0")]));
    assert_eq!(ended.status.code(), Some(78), "{}", ended.log);
    let refused = ended.log.matches("password authentication failed").count();
    assert_eq!(refused, 2, "{}", ended.log);
}
