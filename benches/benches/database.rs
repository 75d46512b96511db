//! The whole path into a PostgreSQL on this machine, beside five `psql \\copy` of the same rows into the same table.
//!
//! ```text
//! near    a central with 1, 2 and 4 sessions, psql, and a central on files, in turns
//! far     the same centrals with 5 ms and 20 ms between them and the database
//! one bet how long it takes until it is acknowledged, beside a row that psql inserts
//! ```
//!
//! All have the same files, and what counts is the median of their ratios. Where PostgreSQL is not installed it says so and ends.

use std::error::Error;
use std::io;
use std::time::Duration;

use benches::database::{Run, Way, copy, run, start, waits};
use benches::delay::Delay;
use benches::ingest::{Connection, Upload};
use benches::programs::{build, median, mib, wanted};
use benches::table::{DATABASE, Goal, Table, figures};
use fixtures::postgres::Postgres;

/// How often everything is run.
const ROUNDS: usize = 5;

/// How often everything is run with a database that is far away.
const FAR_ROUNDS: usize = 3;

const AGENCIES: u32 = 5;

/// Ten times the official files.
const BETS: u64 = 786_970;

/// How many sessions a central has.
const SESSIONS: [u8; 3] = [1, 2, 4];

/// Round trips to a database that is far away.
const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(20)];

/// Bets that are acknowledged one after another.
const QUIET_BETS: usize = 2_000;

/// The same with a database that is far away.
const FAR_BETS: usize = 200;

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
    let mut table = Table::default();
    near(&database, &upload, &mut table)?;
    for round_trip in ROUND_TRIPS {
        far(&database, &upload, round_trip, &mut table)?;
    }
    Ok(table.save(&figures()?.join(DATABASE))?)
}

fn ways(delay: Option<&Delay>) -> [Way<'_>; SESSIONS.len()] {
    SESSIONS.map(|sessions| Way { sessions, delay })
}

fn several(sessions: u8) -> String {
    match sessions {
        1 => "1 session".to_owned(),
        _ => format!("{sessions} sessions"),
    }
}

/// Bets a second, where an upload takes so many seconds.
fn rate(upload: &Upload, seconds: f64) -> String {
    format!("{:.2} M/s", upload.bets as f64 / seconds / 1e6)
}

fn seconds(runs: &[Run]) -> impl Iterator<Item = f64> {
    runs.iter().map(|run| run.time.as_secs_f64())
}

fn near(database: &Postgres, upload: &Upload, table: &mut Table) -> io::Result<()> {
    let mut runs = SESSIONS.map(|_| Vec::new());
    let (mut copies, mut files) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (way, runs) in ways(None).into_iter().zip(&mut runs) {
            runs.push(run(database, upload, way)?);
        }
        copies.push(copy(database, upload)?.as_secs_f64());
        files.push(upload.run(true, "INFO")?.time.as_secs_f64());
    }
    let psql = rate(upload, median(copies.iter().copied()));
    let share = |runs: &[Run]| median(seconds(runs).zip(&copies).map(|(run, copy)| copy / run));
    let best = runs.iter().map(|runs| share(runs)).fold(0.0, f64::max);
    for (sessions, runs) in SESSIONS.iter().zip(&runs) {
        let share = share(runs);
        table.tell(
            format!("5 agencies into PostgreSQL, {}", several(*sessions)),
            rate(upload, median(seconds(runs))),
            format!("{share:.2} of psql \\copy's {psql}"),
            (share >= best).then_some((Goal::AtLeast(1.0), share)),
        );
    }
    let share = median(files.iter().zip(&copies).map(|(files, copy)| copy / files));
    table.tell(
        "5 agencies into files, durable",
        rate(upload, median(files.iter().copied())),
        format!("{share:.2} of psql \\copy's"),
        Some((Goal::AtLeast(1.2), share)),
    );
    for (sessions, runs) in SESSIONS.iter().zip(&runs) {
        let server = median(runs.iter().map(|run| run.server.as_secs_f64()));
        let memory = median(runs.iter().map(|run| mib(run.memory)));
        table.tell(
            format!("into PostgreSQL: server, {}", several(*sessions)),
            format!("{:.0} ns a bet", server * 1e9 / upload.bets as f64),
            format!("{memory:.1} MiB at most"),
            Some((Goal::AtMost(24.0), memory)),
        );
    }
    for way in ways(None) {
        let (committed, acknowledged) = waits(database, way, QUIET_BETS)?;
        let (committed, acknowledged) = (percentile(committed), percentile(acknowledged));
        table.tell(
            format!(
                "a bet into PostgreSQL, 99 of 100, {}",
                several(way.sessions)
            ),
            format!("{acknowledged:.2} ms"),
            format!("a row by psql: {committed:.2} ms"),
            Some((Goal::AtMost(1.0), acknowledged - committed)),
        );
    }
    Ok(())
}

fn far(
    database: &Postgres,
    upload: &Upload,
    round_trip: Duration,
    table: &mut Table,
) -> io::Result<()> {
    let delay = Delay::start(database.port(), round_trip)?;
    let mut runs = SESSIONS.map(|_| Vec::new());
    for _ in 0..FAR_ROUNDS {
        for (way, runs) in ways(Some(&delay)).into_iter().zip(&mut runs) {
            runs.push(run(database, upload, way)?);
        }
    }
    let bets = |sessions, count| {
        let delay = Some(&delay);
        let (_, acknowledged) = waits(database, Way { sessions, delay }, count)?;
        io::Result::Ok(percentile(acknowledged))
    };
    for (sessions, runs) in SESSIONS.iter().zip(&runs) {
        let memory = median(runs.iter().map(|run| mib(run.memory)));
        table.tell(
            format!("{round_trip:?} away, {}", several(*sessions)),
            rate(upload, median(seconds(runs))),
            format!(
                "{memory:.1} MiB at most, a bet {:.1} ms (99 of 100)",
                bets(*sessions, FAR_BETS)?
            ),
            Some((Goal::AtMost(24.0), memory)),
        );
    }
    Ok(())
}

/// Returns the 99th percentile, in milliseconds.
fn percentile(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() * 99 / 100].as_secs_f64() * 1e3
}
