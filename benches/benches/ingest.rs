//! The whole path over real sockets, server and clients as processes, and what share of the floor they reach.
//!
//! Not a bench of criterion: a run takes a second and six processes. The floor and the programs take turns, and
//! what counts is the median of their ratios, so that a noisy machine does not matter.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use benches::BATCH;
use benches::floor::Hashing;
use benches::ingest::{Connection, Run, Upload, start_time};
use benches::programs::{build, median, mib, wanted};
use benches::table::{Goal, INGEST, Table, figures};
use fixtures::programs::program;

/// How often everything is run.
const ROUNDS: usize = 3;

/// How often the setting that has goals is run.
const MAIN_ROUNDS: usize = 7;

const AGENCIES: [u32; 3] = [1, 5, 50];

/// Bets of a run.
const PIPELINED: u64 = 1_000_000;
const PER_REQUEST: u64 = 200_000;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    if !wanted("ingest") {
        return Ok(());
    }
    build()?;
    let folder = tempfile::tempdir()?;
    let mut table = Table::default();
    shares(folder.path(), &mut table)?;
    limits(folder.path(), &mut table)?;
    Ok(table.save(&figures()?.join(INGEST))?)
}

fn shares(folder: &Path, table: &mut Table) -> Outcome {
    for connection in [Connection::Pipelined, Connection::PerRequest] {
        for agencies in AGENCIES {
            let (name, bets) = match connection {
                Connection::Pipelined => ("pipelined", PIPELINED),
                Connection::PerRequest => ("per request", PER_REQUEST),
            };
            let upload = Upload::make(folder, agencies, bets, connection)?;
            for durable in [true, false] {
                for level in ["INFO", "WARNING"] {
                    let main = (name, agencies, level) == ("pipelined", 5, "INFO");
                    let runs = (0..if main { MAIN_ROUNDS } else { ROUNDS })
                        .map(|_| round(&upload, durable, level))
                        .collect::<Outcome<Vec<_>>>()?;
                    let share = median(runs.iter().map(|[floor, _, run]| floor / run));
                    let of_lanes = median(runs.iter().map(|[_, lanes, run]| lanes / run));
                    let rate = |time: f64| format!("{:.2} M/s", upload.bets as f64 / time / 1e6);
                    let synced = if durable { "durable" } else { "not durable" };
                    let agency = if agencies == 1 { "agency" } else { "agencies" };
                    let floor = rate(median(runs.iter().map(|[floor, ..]| *floor)));
                    let lanes = rate(median(runs.iter().map(|[_, lanes, _]| *lanes)));
                    table.tell(
                        format!("{agencies} {agency}, {name}, {synced}, {level}"),
                        rate(median(runs.iter().map(|[.., run]| *run))),
                        format!("{share:.2} of the floor's {floor}, {of_lanes:.2} of the {lanes} with MD5s together"),
                        main.then_some((Goal::AtLeast(1.0), share)),
                    );
                }
            }
        }
    }
    Ok(())
}

/// Returns the seconds of the floor that hashes one frame at a time, of the floor that hashes several at once, and of the
/// programs.
fn round(upload: &Upload, durable: bool, level: &str) -> Outcome<[f64; 3]> {
    let times = [
        upload.run_floor(durable, Hashing::Single)?,
        upload.run_floor(durable, Hashing::Together)?,
        upload.run(durable, level)?.time,
    ];
    Ok(times.map(|time| time.as_secs_f64()))
}

/// Measures what the programs take beside time: memory, system calls, size.
fn limits(folder: &Path, table: &mut Table) -> Outcome {
    let run = |bets: u64| -> Outcome<(Run, f64)> {
        let upload = Upload::make(folder, 5, bets, Connection::Pipelined)?;
        Ok((upload.run(true, "INFO")?, upload.bets as f64))
    };
    let nanoseconds = |time: Duration, bets: f64| time.as_secs_f64() * 1e9 / bets;

    let starts = (0..20).map(|_| Ok(start_time()?.as_secs_f64() * 1e3));
    let start = median(starts.collect::<Outcome<Vec<f64>>>()?.into_iter());
    let goal = Some((Goal::AtMost(10.0), start));
    table.tell("start to first answer", format!("{start:.1} ms"), "", goal);
    for name in ["event-server", "batch-client"] {
        let size = mib(program(name)?.metadata()?.len());
        table.tell(
            format!("{name}, stripped"),
            format!("{size:.1} MiB"),
            "",
            None,
        );
    }
    let upload = Upload::make(folder, 5, PIPELINED, Connection::Pipelined)?;
    if let Some(calls) = upload.system_calls()? {
        let batches = upload.bets / BATCH as u64;
        let calls = calls as f64 / batches as f64;
        let goal = Some((Goal::AtMost(1.0), calls));
        table.tell(
            "server, system calls a batch",
            format!("{calls:.2}"),
            "",
            goal,
        );
    }
    let few = (0..9).map(|_| run(100_000)).collect::<Outcome<Vec<_>>>()?;
    let few = median(few.iter().map(|(run, bets)| nanoseconds(run.server, *bets)));
    let (many, bets) = run(10_000_000)?;
    let (server, clients) = (
        nanoseconds(many.server, bets),
        nanoseconds(many.clients, bets),
    );
    let growth = server / few;
    table.tell(
        "server, 100 thousand bets",
        format!("{few:.0} ns a bet"),
        "",
        None,
    );
    table.tell(
        "server, 10 million bets",
        format!("{server:.0} ns a bet"),
        format!("{growth:.2} × 100 thousand"),
        Some((Goal::AtMost(1.1), growth)),
    );
    table.tell(
        "clients, 10 million bets",
        format!("{clients:.0} ns a bet"),
        format!("{:.2} × server", clients / server),
        None,
    );
    let memory = mib(many.server_memory);
    let goal = Some((Goal::AtMost(8.0), memory));
    table.tell("server, most memory", format!("{memory:.1} MiB"), "", goal);
    if let Some(memory) = many.client_memory.map(mib) {
        let goal = Some((Goal::AtMost(6.0), memory));
        table.tell("client, most memory", format!("{memory:.1} MiB"), "", goal);
    }
    Ok(())
}
