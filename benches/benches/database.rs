//! The whole path into a PostgreSQL on this machine, beside five `psql \copy` of the same rows into the same table.
//!
//! Both take turns, with the same into files, and what counts is the median of their ratios. Where PostgreSQL is not installed it says so and ends.

use std::error::Error;
use std::time::Duration;

use benches::database::{copy, run, start, waits};
use benches::ingest::{Connection, Upload};
use benches::programs::{build, median, mib, wanted};
use benches::table::{DATABASE, Goal, Table, figures};

/// How often everything is run.
const ROUNDS: usize = 7;

const AGENCIES: u32 = 5;

/// Ten times the official files.
const BETS: u64 = 786_970;

/// Bets that are acknowledged one after another.
const QUIET_BETS: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    if !wanted("database") {
        return Ok(());
    }
    build()?;
    let Some(database) = start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let upload = Upload::make(folder.path(), AGENCIES, BETS, Connection::Pipelined)?;
    let (mut runs, mut copies, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        runs.push(run(&database, &upload)?);
        copies.push(copy(&database, &upload)?.as_secs_f64());
        files.push(upload.run(true, "INFO")?.time.as_secs_f64());
    }
    let mut table = Table::default();
    let rate = |seconds: f64| format!("{:.2} M/s", upload.bets as f64 / seconds / 1e6);
    let seconds = || runs.iter().map(|run| run.time.as_secs_f64());
    let share = median(seconds().zip(&copies).map(|(run, copy)| copy / run));
    table.tell(
        "5 agencies into PostgreSQL",
        rate(median(seconds())),
        format!(
            "{share:.2} of psql \\copy's {}",
            rate(median(copies.iter().copied()))
        ),
        Some((Goal::AtLeast(0.5), share)),
    );
    let share = median(files.iter().zip(&copies).map(|(files, copy)| copy / files));
    table.tell(
        "5 agencies into files, durable",
        rate(median(files.iter().copied())),
        format!("{share:.2} of psql \\copy's"),
        Some((Goal::AtLeast(1.2), share)),
    );
    let server = median(runs.iter().map(|run| run.server.as_secs_f64()));
    let server = server * 1e9 / upload.bets as f64;
    table.tell(
        "into PostgreSQL: server",
        format!("{server:.0} ns a bet"),
        "",
        None,
    );
    let memory = median(runs.iter().map(|run| mib(run.memory)));
    let goal = Some((Goal::AtMost(24.0), memory));
    table.tell(
        "into PostgreSQL: server, most memory",
        format!("{memory:.1} MiB"),
        "",
        goal,
    );

    let (committed, acknowledged) = waits(&database, QUIET_BETS)?;
    let (committed, acknowledged) = (percentile(committed), percentile(acknowledged));
    let more = acknowledged - committed;
    table.tell(
        "a bet into PostgreSQL, 99 of 100",
        format!("{acknowledged:.2} ms"),
        format!("a row by psql: {committed:.2} ms"),
        Some((Goal::AtMost(1.0), more)),
    );
    Ok(table.save(&figures()?.join(DATABASE))?)
}

/// So many milliseconds at most for 99 of 100.
fn percentile(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() * 99 / 100].as_secs_f64() * 1e3
}
