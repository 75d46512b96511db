//! A cluster in containers that loses its nodes, its centrals and its clients, and no bet. `make test-cluster` runs it.
//!
//! First the definition as it is committed: the clients end with 0 and print their winners. Then `SEEDS` (1) lotteries,
//! each with every kind of fault once, as its seed says; the first seed is `SEED` (1). Where `SEEDS` is not 1, a lottery for
//! each fault alone follows, to see how long agencies wait, and then the speed with one, two and three nodes; where it is 0,
//! only these two. Ends with the results as a row of a table, and with an error where a promise is broken: the
//! log of what was done, and the log of every container, are then in `target/cluster`, and the next lottery is played
//! all the same.
//!
//! `LANES=6` plays the lotteries of the seeds in six clusters beside each other; pauses and speed are measured after them,
//! in one cluster.
//!
//! `REPLICATION=asynchronous` breaks the cluster: a bet may be acknowledged that no standby has. The test has to find it.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::cluster::{
    self, Cluster, FaultLog, Files, Kind, Pace, Planned, Replication, alone, overlapping,
};
use benches::setting;

/// How many times as long as the fixtures the agencies' files are: so that they last as long as all faults, and as one.
const TIMES: usize = 8;
const TIMES_ALONE: usize = 4;

/// How often the speed is measured, in turns; the median counts.
const TURNS: usize = 3;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("the cluster was not tested: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the test; returns whether every promise was kept.
fn run() -> Outcome<bool> {
    let first: u64 = setting("SEED", 1)?;
    let seeds: u64 = setting("SEEDS", 1)?;
    let replication = match std::env::var("REPLICATION").as_deref() {
        Err(_) | Ok("synchronous") => Replication::Synchronous,
        Ok("asynchronous") => Replication::Asynchronous,
        Ok(other) => {
            let what = format!("REPLICATION is '{other}': synchronous or asynchronous is allowed");
            return Err(what.into());
        }
    };
    let lanes: u8 = setting("LANES", 1)?;
    let (mut longest, begin) = (Duration::ZERO, Instant::now());
    let (mut took, mut broken) = (Duration::ZERO, 0);
    if lanes > 1 {
        let total = cluster::play_in_lanes(lanes, first, seeds)?;
        (longest, broken, took) = (total.longest_pause, total.broken, begin.elapsed());
        if seeds == 1 {
            return Ok(broken == 0);
        }
    }
    let files = Files::make(TIMES)?;
    let mut test = Test {
        cluster: Cluster::prepare()?,
        replication,
        broken,
    };
    println!(
        "{} bets in five files; starting the containers",
        files.bets()
    );
    cluster::story(&test.cluster)?;
    println!("as it is committed: every agency has its winners");
    cluster::arrange(&test.cluster, replication, Pace::Slow)?;

    if lanes == 1 {
        let begin = Instant::now();
        for i in 0..seeds {
            let seed = first + i * cluster::step();
            println!("\nSEED={seed}");
            let pause = test.play(&files, &format!("seed_{seed}"), &overlapping(seed))?;
            longest = longest.max(pause);
        }
        took = begin.elapsed();
    }
    let (kinds, broken) = (Kind::ALL.len(), test.broken);
    let survived = seeds.saturating_sub(broken);
    if cluster::lane().is_some() {
        return Ok(test.broken == 0);
    }
    if seeds != 1 {
        test.one_by_one(first)?;
        test.throughput(&files)?;
    }
    println!(
        "\n| first seed | lotteries survived | faults in each | longest pause of an agency | a lottery takes |"
    );
    println!("|---|---|---|---|---|");
    let each = took / u32::try_from(seeds.max(1))?;
    println!(
        "| {first} | {survived} of {seeds} | {kinds} | {:.1} s | {:.0} s |",
        longest.as_secs_f64(),
        each.as_secs_f64()
    );
    if test.broken > 0 {
        println!("BROKEN: what was done and said is in {FAILURES}");
    }
    Ok(test.broken == 0)
}

/// The folder for the fault log and the containers' logs of a failure.
const FAILURES: &str = "target/cluster";

struct Test {
    cluster: Cluster,
    replication: Replication,
    /// Lotteries in which a promise was broken.
    broken: u64,
}

impl Test {
    /// Plays a lottery; returns the longest pause of an agency.
    fn play(&mut self, files: &Files, lottery: &str, plan: &[Planned]) -> Outcome<Duration> {
        let mut fault_log = FaultLog::begin();
        let (cluster, replication) = (&self.cluster, self.replication);
        let played = cluster::play(cluster, files, lottery, plan, replication, &mut fault_log);
        let broken = match &played {
            Ok(played) => played.broken.clone(),
            Err(e) => vec![format!("the lottery could not be played: {e}")],
        };
        if !broken.is_empty() {
            self.broken += 1;
            broken
                .iter()
                .for_each(|what| fault_log.note(format!("BROKEN: {what}")));
            self.write_down(lottery, &fault_log)?;
        }
        let pause = match played {
            Ok(played) => played.longest_pause,
            // What was done to the containers is not known: the next lottery is played in new ones.
            Err(_) => {
                self.cluster.down()?;
                cluster::story(&self.cluster)?;
                cluster::arrange(&self.cluster, self.replication, Pace::Slow)?;
                Duration::ZERO
            }
        };
        cluster::tell(pause, !broken.is_empty());
        Ok(pause)
    }

    /// Writes the fault log and the containers' logs into [`FAILURES`].
    fn write_down(&self, lottery: &str, fault_log: &FaultLog) -> io::Result<()> {
        let folder = Path::new(FAILURES).join(lottery);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("history.txt"), fault_log.text())?;
        for (service, log) in self.cluster.logs()? {
            fs::write(folder.join(format!("{service}.log")), log)?;
        }
        Ok(())
    }

    /// Plays a lottery for each fault alone, and prints how long an agency had to wait because of it.
    fn one_by_one(&mut self, seed: u64) -> Outcome {
        let files = Files::make(TIMES_ALONE)?;
        let mut pauses = Vec::new();
        for (i, kind) in Kind::ALL.into_iter().enumerate() {
            println!("\n{}, alone", kind.name());
            pauses.push((
                kind,
                self.play(&files, &format!("alone_{i}"), &alone(seed, kind))?,
            ));
        }
        println!("\nlongest pause of an agency, where the fault comes alone");
        for (kind, pause) in pauses {
            println!("{:<45} {:5.1} s", kind.name(), pause.as_secs_f64());
        }
        Ok(())
    }

    fn throughput(&self, files: &Files) -> Outcome {
        let mut turns = Vec::new();
        for turn in 1..=TURNS {
            turns.push(cluster::throughput(
                &self.cluster,
                files,
                &format!("speed_{turn}"),
            )?);
        }
        println!("\nnodes   bets/s (median of {TURNS})");
        for nodes in 0..turns[0].len() {
            let mut rates: Vec<f64> = turns.iter().map(|rates| rates[nodes]).collect();
            rates.sort_by(f64::total_cmp);
            println!("{:<7} {:.0}", nodes + 1, rates[TURNS / 2]);
        }
        Ok(())
    }
}
