//! The whole story once, on real input: a central, five agencies side by side, the draw, the winners.
//!
//! Ends with an error if anything was not as it should be. `make run` runs it.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{FIXTURES, Fixture, programs};

/// The result of an agency's run.
struct Outcome {
    bets: u64,
    winners: Vec<String>,
    time: Duration,
    /// What was not as it should be.
    complaint: Option<String>,
}

fn main() -> ExitCode {
    match story() {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints
                .iter()
                .for_each(|complaint| eprintln!("{complaint}"));
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("the story could not be told: {e}");
            ExitCode::FAILURE
        }
    }
}

fn story() -> io::Result<Vec<String>> {
    let folder = tempfile::Builder::new().prefix("lottery-").tempdir()?;
    let (central, address) = programs::central(folder.path(), &[])?;
    println!(
        "the central listens on {address}, its bets are in {}\n",
        folder.path().display()
    );

    let outcomes = thread::scope(|scope| {
        let agencies = FIXTURES.map(|fixture| {
            let cwd = folder.path();
            scope.spawn(move || send(&fixture, address, cwd))
        });
        agencies.map(|agency| {
            agency
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread failed")))
        })
    });
    let (status, log) = central.stop()?;

    let mut complaints = Vec::new();
    println!("agency     bets  winners     time");
    for (fixture, outcome) in FIXTURES.iter().zip(outcomes) {
        let Outcome {
            bets,
            winners,
            time,
            complaint,
        } = outcome?;
        println!(
            "{:>6} {bets:>8} {:>8} {:>6.2} s",
            fixture.agency,
            winners.len(),
            time.as_secs_f64()
        );
        complaints.extend(complaint);
    }
    if !status.success() {
        complaints.push(format!("the central ended with {status}:\n{log}"));
    }
    if log.matches("action: sorteo | result: success").count() != 1 {
        complaints.push("the central's log does not tell of one draw".into());
    }
    if !stores_all(&folder.path().join("bets.csv"))? {
        complaints.push("bets.csv does not hold the bets of the five files".into());
    }
    if complaints.is_empty() {
        println!(
            "\nall bets stored, every agency has its own winners, the central stopped in order"
        );
    } else {
        println!(
            "\nthe central's files are kept in {}",
            folder.keep().display()
        );
    }
    Ok(complaints)
}

fn send(fixture: &Fixture, central: std::net::SocketAddr, cwd: &Path) -> io::Result<Outcome> {
    let begin = Instant::now();
    let output = programs::agency(fixture.agency, &fixture.path(), central, cwd)?.output()?;
    let time = begin.elapsed();
    let log = String::from_utf8_lossy(&output.stderr);
    let bets = log
        .lines()
        .filter(|line| line.contains("action: batch_enviado | result: success"))
        .filter_map(|line| line.rsplit_once("cantidad: ")?.1.parse::<u64>().ok())
        .sum();
    let winners: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    let rows = std::fs::read_to_string(fixture.path())?.lines().count() as u64;
    let good = output.status.success() && bets == rows && winners == fixture.winners;
    let complaint = (!good).then(|| {
        format!(
            "agency {}: {}, {bets} bets, winners {winners:?}\n{log}",
            fixture.agency, output.status
        )
    });
    Ok(Outcome {
        bets,
        winners,
        time,
        complaint,
    })
}

/// Returns whether the file has the rows of the five inputs, each with its agency in front, in any order.
fn stores_all(bets: &Path) -> io::Result<bool> {
    let mut expected = Vec::new();
    for fixture in FIXTURES {
        let text = std::fs::read_to_string(fixture.path())?;
        expected.extend(text.lines().map(|row| format!("{},{row}", fixture.agency)));
    }
    let stored = std::fs::read_to_string(bets)?;
    let mut stored: Vec<&str> = stored.lines().collect();
    expected.sort_unstable();
    stored.sort_unstable();
    Ok(stored == expected)
}
