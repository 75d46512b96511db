//! The draw: over a table that takes long to read, and where a central cannot hear of it.

use std::process::Stdio;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use fixtures::programs::Running;

use crate::common::{Peer, eventually, resume, winners};
use crate::stage::{Stage, run};

/// Bets of two agencies in no order. The row of a bet that wins takes long to read: all of them take six times the
/// timeout.
const SLOW_TABLE: &str = "
    insert into lottery.commits
    select agency, version, repeat('07', 16), 2000, 2000, version = 2, 'test', now()
    from generate_series(1, 2) agency, generate_series(1, 2) version;
    insert into lottery.bets
    select i % 2 + 1, i / 2, 'Ana', 'Paz', 'd' || i, '1999-12-31', case when i % 37 = 0 then 7574 else 1 end
    from generate_series(0, 3999) i order by random();
    create function lottery.slow() returns boolean language plpgsql as
    $$ begin perform pg_sleep(0.03); return true; end $$;
    create policy slow on lottery.bets using (lottery.slow());
    alter table lottery.bets enable row level security, force row level security";

const TIMEOUT: &str = "500ms";

/// A database with a role whose rights and sessions are its own.
fn stage_with_agent() -> Option<Stage> {
    let stage = Stage::set()?;
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql("create role agent login password 'right'");
    sql("create schema lottery authorization agent");
    Some(stage)
}

#[test]
fn a_draw_that_takes_longer_than_the_database_may_be_silent_ends_and_others_are_served_meanwhile() {
    let Some(stage) = stage_with_agent() else {
        return;
    };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    let url = stage.database.url("agent:right", "postgres");
    let environment = [("SERVER_AGENCIES", "2"), ("SERVER_STORE_TIMEOUT", TIMEOUT)];
    let (central, address) = stage.central_at(&url, &environment);
    central.wait_for("open_store | result: success").unwrap();
    sql(SLOW_TABLE);

    let (tell, told) = mpsc::channel();
    let mut held = Peer::connect(address);
    held.send(&winners(1));
    thread::spawn(move || {
        let answer = held.answer().expect("the server closed the connection");
        tell.send(answer.payload).unwrap();
    });
    eventually("somebody has drawn", || {
        sql("select count(*) from lottery.draw") == "1"
    });
    let mut served = 0;
    let told = loop {
        match told.try_recv() {
            Ok(told) => break told,
            Err(TryRecvError::Disconnected) => panic!("nothing was told"),
            Err(TryRecvError::Empty) => {}
        }
        assert_eq!(Peer::connect(address).ask(&resume(2, 7)), "{apuestas:2000}");
        served += 1;
        match served {
            3 => drop(sql("vacuum full lottery.bets")),
            6 => drop(sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'event-server%'",
            )),
            _ => {}
        }
    };
    assert!(served > 6, "{served} were served while it was drawn");
    let expected = |agency: u32| {
        let won = format!(
            "select string_agg(document, '|' order by seq) from lottery.bets where agency = {agency} and number = 7574"
        );
        format!("{{ganadores:{}}}", sql(&won))
    };
    assert_eq!(told, expected(1));
    let log = central.log();
    assert!(!log.contains("it was silent"), "{log}");

    // Another central counts the same, also where the table lies in partitions, which are read in one piece.
    sql("alter table lottery.bets rename to bets_1;
         alter table lottery.bets_1 disable row level security;
         create table lottery.bets (like lottery.bets_1) partition by list (agency);
         alter table lottery.bets owner to agent;
         alter table lottery.bets attach partition lottery.bets_1 default");
    let (_other, address) = stage.central_at(&url, &environment);
    assert_eq!(Peer::connect(address).ask(&winners(2)), expected(2));
}

#[test]
fn a_query_that_is_held_where_the_database_is_lost_is_answered_by_another_central() {
    let Some(stage) = stage_with_agent() else {
        return;
    };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    let environment = [("SERVER_AGENCIES", "2")];
    let url = stage.database.url("agent:right", "postgres");
    let (cut_off, first) = stage.central_at(&url, &environment);
    cut_off.wait_for("open_store | result: success").unwrap();
    let (_other, second) = stage.central(&environment);
    let agencies = stage.agencies(2, 200);
    // Agency 1 begins with the last of two.
    let mut client = stage.client(&agencies[0], first);
    client.env("CLI_SERVER_ADDRESS", format!("{second},{first}"));
    let waiting = Running::start(client.stdout(Stdio::null())).unwrap();
    waiting
        .wait_for("notify_finished | result: success")
        .unwrap();
    sql("alter role agent nologin");
    sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'agent'");
    cut_off
        .wait_for("role \"agent\" is not permitted to log in")
        .unwrap();

    let last = run(&mut stage.client(&agencies[1], second));
    assert!(last.status.success(), "{}", last.log);
    waiting
        .wait_for("consulta_ganadores | result: success | cant_ganadores: 10")
        .unwrap();
    let log = cut_off.log();
    assert!(
        log.contains("the store is away, another server is to be asked"),
        "{log}"
    );
}
