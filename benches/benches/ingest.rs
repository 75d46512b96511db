//! The whole path over real sockets, server and clients as processes, and what share of the floor they reach.
//!
//! Not criterion's kind of bench: a run takes a second and six processes. The floor and the programs take turns, and
//! what counts is the median of their ratios, so that a noisy machine does not matter.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use benches::ingest::{Connection, Run, Upload, start_time};
use fixtures::programs::program;

/// How often everything is run.
const ROUNDS: usize = 3;

/// How often the setting is run that the goals speak of.
const MAIN_ROUNDS: usize = 7;

const AGENCIES: [u32; 3] = [1, 5, 50];

/// Bets of a run.
const PIPELINED: u64 = 1_000_000;
const PER_REQUEST: u64 = 200_000;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let measures = arguments.iter().any(|argument| argument == "--bench");
    if !measures || !filter.is_none_or(|filter| "ingest".contains(filter.as_str())) {
        return Ok(());
    }
    build_programs()?;
    let folder = tempfile::tempdir()?;
    shares(folder.path())?;
    limits(folder.path())
}

/// Measured are the programs of today.
fn build_programs() -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let packages = ["-p", "event-server", "-p", "batch-client"];
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--quiet"])
        .args(packages);
    match build.status()?.success() {
        true => Ok(()),
        false => Err("the programs cannot be built".into()),
    }
}

fn shares(folder: &Path) -> Outcome {
    println!("agencies  connection   durable  log        bets/s     floor  share");
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
                    let rounds = if main { MAIN_ROUNDS } else { ROUNDS };
                    let pairs = (0..rounds)
                        .map(|_| Ok((upload.run_floor(durable)?, upload.run(durable, level)?.time)))
                        .collect::<Outcome<Vec<_>>>()?;
                    let rate = |time: Duration| upload.bets as f64 / time.as_secs_f64();
                    println!(
                        "{agencies:>8}  {name:<11}  {:<7}  {level:<7} {:>9.0} {:>9.0}  {:>5.2}",
                        if durable { "yes" } else { "no" },
                        median(pairs.iter().map(|(_, run)| rate(*run))),
                        median(pairs.iter().map(|(floor, _)| rate(*floor))),
                        median(
                            pairs
                                .iter()
                                .map(|(floor, run)| floor.as_secs_f64() / run.as_secs_f64())
                        ),
                    );
                }
            }
        }
    }
    Ok(())
}

/// What the programs take beside time.
fn limits(folder: &Path) -> Outcome {
    let run = |bets: u64| -> Outcome<(Run, f64)> {
        let upload = Upload::make(folder, 5, bets, Connection::Pipelined)?;
        Ok((upload.run(true, "INFO")?, upload.bets as f64))
    };
    let nanoseconds = |time: Duration, bets: f64| time.as_secs_f64() * 1e9 / bets;
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;

    let starts = (0..20).map(|_| Ok(start_time()?.as_secs_f64() * 1e3));
    let starts = starts.collect::<Outcome<Vec<f64>>>()?;
    println!(
        "\nstart to first answer        {:>7.1} ms",
        median(starts.into_iter())
    );
    for name in ["event-server", "batch-client"] {
        let size = program(name)?.metadata()?.len();
        println!("{name:<26}   {:>7.1} MiB", mib(size));
    }
    let small = (0..9).map(|_| run(100_000)).collect::<Outcome<Vec<_>>>()?;
    let small = median(
        small
            .iter()
            .map(|(run, bets)| nanoseconds(run.server, *bets)),
    );
    println!("server, 100 thousand bets    {small:>7.0} ns a bet");
    let (large, bets) = run(10_000_000)?;
    println!(
        "server, 10 million bets      {:>7.0} ns a bet",
        nanoseconds(large.server, bets)
    );
    println!(
        "clients, 10 million bets     {:>7.0} ns a bet",
        nanoseconds(large.clients, bets)
    );
    println!(
        "memory of the server         {:>7.1} MiB",
        mib(large.server_memory)
    );
    if let Some(memory) = large.client_memory {
        println!("memory of a client           {:>7.1} MiB", mib(memory));
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
