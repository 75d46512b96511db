//! What must be true after a lottery, whatever went wrong while it was played.

use std::fmt::Debug;
use std::io;

use fixtures::{Row, WINNER};

use super::agency_log::AgencyLog;
use super::database::Database;
use super::docker::Cluster;
use super::files::Files;
use super::nodes::Roles;
use super::{AGENCIES, CENTRALS, client};

/// Looks at everything; what is not as it has to be is a sentence in `broken`.
///
/// # Errors
/// It cannot be looked at: the engine failed, or there is no primary.
pub(super) fn everything(
    cluster: &Cluster,
    files: &Files,
    lottery: &str,
    logs: &[AgencyLog],
    broken: &mut Vec<String>,
) -> io::Result<()> {
    let roles = Roles::ask(cluster, |_| true).unwrap_or_default();
    let primary = roles
        .primary
        .ok_or_else(|| io::Error::other("there is no primary"))?;
    let database = Database {
        cluster,
        node: &primary,
        lottery,
    };
    for (agency, log) in (1..).zip(logs) {
        broken.extend(rows(&database, files, agency)?);
        let (held, told) = (files.rows(agency).len() as u64, log.told);
        same(
            broken,
            &format!("bets that agency {agency} was told of"),
            &held,
            &told,
        );
        let winners = files.winners(agency);
        let output = cluster.last_output(&client(agency))?;
        same(
            broken,
            &format!("winners of agency {agency}"),
            &winners,
            &lines(&output),
        );
    }
    for (what, query, expected) in [
        (
            "agencies whose versions have gaps, or another number of bets than rows",
            "select count(*) from (select agency from commits c group by agency having max(version) <> count(*)
             or max(bets) <> (select count(*) from bets b where b.agency = c.agency)) as wrong",
            "0".to_owned(),
        ),
        (
            "agencies that have finished",
            "select count(distinct agency) from commits where finished",
            AGENCIES.to_string(),
        ),
        ("the draw", "select winner from draw", WINNER.to_string()),
    ] {
        let found = database.query(query)?;
        same(broken, what, &expected.as_str(), &found.trim());
    }
    for central in CENTRALS {
        let restarts = cluster.restarts(central)?;
        same(
            broken,
            &format!("times that {central} ended by itself"),
            &0,
            &restarts,
        );
        for agency in 1..=AGENCIES {
            let address = format!("CLI_SERVER_ADDRESS={central}:12345");
            let run = [
                "run",
                "--rm",
                "--no-deps",
                "-T",
                "--env",
                &address,
                &client(agency),
            ];
            let output = cluster.compose(&run)?;
            let what = format!("winners of agency {agency} as {central} tells them");
            same(broken, &what, &files.winners(agency), &lines(&output));
        }
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(broken: &mut Vec<String>, what: &str, expected: &T, found: &T) {
    if expected != found {
        broken.push(format!("{what}: expected {expected:?}, found {found:?}"));
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Compares the rows of an agency with its file; a sentence where they differ.
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
