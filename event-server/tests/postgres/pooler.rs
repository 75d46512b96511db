//! A pooler between the centrals and the database.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use fixtures::pgbouncer::PgBouncer;

use crate::common::{Peer, batch, bet, eventually, one, resume};
use crate::stage::{ONE_SESSION, Stage, run};

const SUCCESS: &str = "{result:success}";

/// A session through a pooler, in the middle of a transaction, until it is dropped.
struct Transaction(Child);

impl Transaction {
    fn begin(stage: &Stage, pooler: &PgBouncer) -> Self {
        let mut psql = stage.database.psql("postgres");
        psql.args(["-p", &pooler.port().to_string()]);
        let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
        let stdin = psql.stdin.as_mut().unwrap();
        stdin
            .write_all(b"begin;\nselect 'held';\n")
            .and_then(|()| stdin.flush())
            .unwrap();
        eventually("the transaction has begun", || {
            let held = "select count(*) from pg_stat_activity where query = 'select ''held'';' and state = 'idle in transaction'";
            stage.database.sql(held).unwrap() == "1"
        });
        Self(psql)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn behind_a_pooler_in_session_mode_a_central_serves() {
    let Some(stage) = Stage::set() else { return };
    let Some(pooler) = PgBouncer::start(&stage.database, "session").unwrap() else {
        return;
    };
    let agencies = stage.agencies(1, 2_000);
    let environment = [("SERVER_AGENCIES", "1")];
    let (_central, address) = stage.central_at(&pooler.url(), &environment);
    let ended = run(&mut stage.client(&agencies[0], address));
    assert!(ended.status.success(), "{}", ended.log);
    assert_eq!(stage.assert_whole(&agencies), [ended.told]);
}

#[test]
fn a_pooler_in_transaction_mode_is_noticed_in_the_round_trip_of_the_commit_and_no_bet_is_taken() {
    let Some(stage) = Stage::set() else { return };
    let Some(pooler) = PgBouncer::start(&stage.database, "transaction").unwrap() else {
        return;
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let http = free.unwrap().to_string();
    let environment = [
        ("SERVER_AGENCIES", "1"),
        ("SERVER_HTTP", &http),
        ONE_SESSION,
        ("SERVER_DURABILITY", "never"),
    ];
    let (central, address) = stage.central_at(&pooler.url(), &environment);
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    // Nothing that a central sets reaches others.
    let through = |sql: &str| {
        let mut psql = stage.database.psql("postgres");
        run(psql.args(["-p", &pooler.port().to_string(), "-c", sql])).told
    };
    assert_eq!(through("show synchronous_commit"), "on");
    assert_eq!(through("show lock_timeout"), "0");
    // The session of the database that the central had is another's now.
    let _transaction = Transaction::begin(&stage, &pooler);
    peer.send(&batch(&bet(1, "1", true)));
    assert_eq!(peer.answer(), None);
    let sentence = "a pooler in transaction mode stands between";
    central.wait_for(sentence).unwrap();
    let mut stream = TcpStream::connect(&http).unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(sentence), "{answer}");
}

#[test]
fn a_version_is_appended_only_where_the_one_before_it_is_there() {
    let Some(stage) = Stage::set() else { return };
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "2")]);
    let (mut peer, mut other) = (Peer::connect(address), Peer::connect(address));
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    assert_eq!(other.ask(&resume(2, 7)), "{apuestas:0}");
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
    // As a database that took over without the last commit would show it, behind the back of the session.
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql(
        "delete from lottery.commits where agency = 1 and version = 2; delete from lottery.bets where agency = 1",
    );
    assert!(refuses(&mut peer, &bet(1, "2", true)));
    assert_eq!(other.ask(&batch(&bet(2, "3", true))), SUCCESS);
    let versions =
        "select agency, max(version), count(*) from lottery.commits group by 1 order by 1";
    assert_eq!(sql(versions), "1|1|1\n2|2|2");
    assert_eq!(sql("select agency, document from lottery.bets"), "2|3");
    // The same number of versions, with other bets.
    sql("update lottery.commits set bets = 7 where agency = 2 and version = 2");
    assert!(refuses(&mut other, &bet(2, "4", true)));
    let mut single = Peer::connect(address);
    assert_eq!(single.ask(&one(&bet(1, "5", true))), SUCCESS);
    assert_eq!(sql(versions), "1|2|2\n2|2|2");
}

/// Whether a bet is not stored, its client is told to try again, and the connection ends.
fn refuses(peer: &mut Peer, bet: &str) -> bool {
    let told = peer.ask(&batch(bet));
    told.contains("not now: ") && peer.answer().is_none()
}
