//! What must be true after a lottery, whatever went wrong while it was played.

use std::fmt::Debug;
use std::io;

use fixtures::{Row, WINNER};

use super::agency_log::AgencyLog;
use super::database::Database;
use super::docker::Cluster;
use super::files::Files;
use super::judged;
use super::nodes::Roles;
use super::services::{AGENCIES, CENTRALS, client};
use super::unconfirmed::UnconfirmedPeriod;

/// Checks everything; returns a sentence for whatever is wrong. Where nothing is, the tables are removed.
///
/// # Errors
/// It cannot be checked: the engine failed, or there is no primary.
pub(super) fn everything(
    cluster: &Cluster,
    files: &Files,
    lottery: &str,
    logs: &[AgencyLog],
    unconfirmed: &[UnconfirmedPeriod],
) -> io::Result<Vec<String>> {
    let primary = Roles::ask(cluster, |_| true).and_then(|roles| roles.primary);
    let node = &primary.ok_or_else(|| io::Error::other("there is no primary"))?;
    let database = Database {
        cluster,
        node,
        lottery,
    };
    let mut found = Findings::default();
    for (agency, log) in (1..).zip(logs) {
        let told = log.broken.iter();
        (found.broken).extend(told.map(|what| format!("agency {agency} {what}")));
        let told = unconfirmed.iter().filter_map(|period| log.told_in(period));
        (found.broken).extend(told.map(|at| {
            format!("agency {agency} was told at {at} that bets are stored, which no standby had to have")
        }));
        found.broken.extend(rows(&database, files, agency)?);
        let held = files.rows(agency).len() as u64;
        found.compare(
            format!("bets that agency {agency} was told of"),
            &held,
            &log.told,
        );
        let output = lines(&cluster.last_output(&client(agency))?);
        found.compare(
            format!("winners of agency {agency}"),
            &files.winners(agency),
            &output,
        );
    }
    for (what, query, expected) in [
        (
            "agencies that have another number of bets than rows",
            "select count(*) from (select agency from commits c group by agency
             having max(bets) <> (select count(*) from bets b where b.agency = c.agency)) as wrong",
            "0".to_owned(),
        ),
        (
            "versions that follow on a missing one, but for those that changed nothing and were taken out",
            "select count(*) from (select version, lag(version) over w as before, lag(bets) over w as mark
             from commits window w as (partition by agency order by version)) versions
             where version <> coalesce(before, 0) + 1 and mark is distinct from -1",
            "0".to_owned(),
        ),
        (
            "agencies that have finished",
            "select count(distinct agency) from commits where finished",
            AGENCIES.to_string(),
        ),
        ("the draw", "select winner from draw", WINNER.to_string()),
    ] {
        found.compare(what.to_owned(), &expected, &database.query(query)?);
    }
    for central in CENTRALS {
        let restarts = cluster.restarts(central)?;
        found.compare(
            format!("times that {central} ended by itself"),
            &0,
            &restarts,
        );
        for agency in 1..=AGENCIES {
            let what = format!("winners of agency {agency} as {central} tells them");
            let output = lines(&cluster.run_client(agency, central)?);
            found.compare(what, &files.winners(agency), &output);
        }
    }
    let history = judged::history(&database, logs, |agency| {
        Ok(lines(&cluster.last_output(&client(agency))?))
    })?;
    found.broken.extend(judged::judge(lottery, &history)?);
    if found.broken.is_empty() {
        database.query(&format!("drop schema {lottery} cascade"))?;
    }
    Ok(found.broken)
}

/// What is wrong.
#[derive(Default)]
struct Findings {
    broken: Vec<String>,
}

impl Findings {
    fn compare<T: PartialEq + Debug>(&mut self, what: String, expected: &T, found: &T) {
        if expected != found {
            let sentence = format!("{what}: expected {expected:?}, found {found:?}");
            self.broken.push(sentence);
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Compares the rows of an agency with its file; returns a sentence where they differ.
fn rows(database: &Database<'_>, files: &Files, agency: usize) -> io::Result<Option<String>> {
    let query = format!(
        "copy (select seq, first_name, last_name, document, birthdate, number from bets
         where agency = {agency} order by seq) to stdout"
    );
    let mut expected = files.rows(agency).enumerate().map(|(seq, row)| {
        let Row {
            first_name,
            last_name,
            document,
            birthdate,
            number,
        } = row;
        format!("{seq}\t{first_name}\t{last_name}\t{document}\t{birthdate}\t{number}")
    });
    let mut count = 0;
    let mut first = None;
    database.lines(&query, |found| {
        count += 1;
        let expected = expected.next();
        if first.is_none() && expected.as_deref() != Some(found) {
            // The names of bettors are not for a log.
            first = Some((count, found.split('\t').next().map(str::to_owned)));
        }
    })?;
    let held = files.rows(agency).len();
    Ok(match first {
        None if count == held => None,
        None => Some(format!(
            "agency {agency}: {count} rows are stored, of {held}"
        )),
        Some((row, seq)) => Some(format!(
            "agency {agency}: {count} rows are stored, of {held}, and row {row} (seq {seq:?}) is not that of the file"
        )),
    })
}
