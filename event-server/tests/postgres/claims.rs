//! What is left in the table of commits by agencies that resume without end, and how many agencies it lets in.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use crate::common::{Peer, batch, bet, eventually, resume};
use crate::stage::{MISSING_VERSIONS, Stage, count};

const SUCCESS: &str = "{result:success}";

/// Rows of `commits` that belong to agency 1.
const OF_ONE: &str = "lottery.commits where agency = 1";

fn resume_times(times: u32, centrals: &[SocketAddr], stored: u32) {
    for (_, address) in (0..times).zip(centrals.iter().cycle()) {
        let told = Peer::connect(*address).ask(&resume(1, 7));
        assert_eq!(told, format!("{{apuestas:{stored}}}"));
    }
}

#[test]
fn a_thousand_resumes_leave_few_versions_and_nobody_appends_one_that_was_taken_out() {
    let Some(stage) = Stage::set() else { return };
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    let environment = [("SERVER_AGENCIES", "1")];
    let centrals =
        ["a", "b", "c"].map(|name| stage.central(&[environment[0], ("SERVER_NAME", name)]));
    let [first, second, late] = [0, 1, 2].map(|i| centrals[i].1);
    resume_times(40, &[first, second], 0);
    let mut peer = Peer::connect(first);
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
    // This central knows the agency as it is now, and hears nothing of what follows.
    let mut old = Peer::connect(late);
    assert_eq!(old.ask(&resume(1, 7)), "{apuestas:1}");
    resume_times(1_000, &[first, second], 1);
    eventually("few versions are left", || count(&stage, OF_ONE) <= 30);
    let last: i64 = sql("select max(version) from lottery.commits")
        .parse()
        .unwrap();
    assert!(last >= 1_040, "{last}");
    assert_eq!(sql(MISSING_VERSIONS), "");

    let told = old.ask(&batch(&bet(1, "2", true)));
    assert!(
        told.contains("error:not now: what this server knew"),
        "{told}"
    );
    assert_eq!(old.answer(), None);
    assert_eq!(count(&stage, "lottery.bets"), 1);
    // The statement of an older central, which does not know that versions are taken out, with whatever it may know.
    let older = format!(
        "do $$ begin for known in 0..{} loop for had in 0..1 loop begin
           insert into lottery.commits select 1, known + 1, null, had, had, false,
             case when known = 0 then 'older' else (select 'older' from lottery.commits c
             where c.agency = 1 and c.version = known and c.bets = had) end, now();
         exception when unique_violation or not_null_violation then null; end; end loop; end loop; end $$",
        last - 1
    );
    sql(&older);
    assert_eq!(
        sql("select count(*) from lottery.commits where central = 'older'"),
        "0"
    );

    // It goes on where it was, from any central, and an operator may still change it.
    let mut again = Peer::connect(late);
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:1}");
    assert_eq!(again.ask(&batch(&bet(1, "2", true))), SUCCESS);
    let reopened = stage.operate(&["reopen", "--agency", "1"], &environment);
    assert!(reopened.status.success(), "{}", reopened.log);
    assert_eq!(count(&stage, "lottery.bets"), 0);
    assert_eq!(Peer::connect(first).ask(&resume(1, 8)), "{apuestas:0}");
    assert_eq!(sql(MISSING_VERSIONS), "");
}

#[test]
fn no_version_is_taken_out_while_somebody_may_be_in_the_middle_of_appending_one() {
    let Some(stage) = Stage::set() else { return };
    let (_central, address) = stage.central(&[("SERVER_AGENCIES", "1")]);
    resume_times(1, &[address], 0);
    let mut psql = stage.database.psql("postgres");
    let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
    let stdin = psql.stdin.as_mut().unwrap();
    let begin =
        b"begin; insert into lottery.commits values (2, 1, null, 0, 0, false, 'x', now());\n";
    stdin.write_all(begin).and_then(|()| stdin.flush()).unwrap();
    let appends = "pg_locks where mode = 'RowExclusiveLock' and relation = 'lottery.commits'::regclass and granted";
    eventually("somebody appends", || count(&stage, appends) == 1);
    // Resumes are served all the same.
    resume_times(60, &[address], 0);
    assert_eq!(count(&stage, OF_ONE), 61);
    stdin
        .write_all(b"commit;\n")
        .and_then(|()| stdin.flush())
        .unwrap();
    eventually("nobody appends", || count(&stage, appends) == 0);
    resume_times(20, &[address], 0);
    eventually("few versions are left", || count(&stage, OF_ONE) <= 20);
    let _ = psql.kill();
    let _ = psql.wait();
}

#[test]
fn where_anyone_may_take_part_the_bound_on_agencies_is_one_for_all_centrals() {
    let Some(stage) = Stage::set() else { return };
    let environment = [("SERVER_AGENCIES", "0")];
    let centrals = [stage.central(&environment), stage.central(&environment)];
    centrals[0]
        .0
        .wait_for("open_store | result: success")
        .unwrap();
    let fill = "insert into lottery.commits
        select number, 1, null, 0, 0, false, 'x', now() from generate_series(1, 65534) number";
    stage.database.sql(fill).unwrap();
    for (agency, (_, address)) in [70_001, 70_002].into_iter().zip(&centrals) {
        assert_eq!(
            Peer::connect(*address).ask(&resume(agency, 7)),
            "{apuestas:0}"
        );
    }
    for (agency, (_, address)) in [80_001, 80_002].into_iter().zip(&centrals) {
        let told = Peer::connect(*address).ask(&resume(agency, 7));
        assert!(told.contains("65536 agencies take part already"), "{told}");
    }
    // Those that take part go on, from any central.
    for (agency, (_, address)) in [70_002, 70_001].into_iter().zip(&centrals) {
        let mut peer = Peer::connect(*address);
        assert_eq!(peer.ask(&resume(agency, 7)), "{apuestas:0}");
        assert_eq!(peer.ask(&batch(&bet(agency, "1", true))), SUCCESS);
    }
    let takers = "(select distinct agency from lottery.commits) agencies";
    assert_eq!(count(&stage, takers), 65_536);
}
