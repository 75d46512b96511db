//! A lottery beside every abuse that there is, what it costs and whether all promises are kept. `make soak` runs it.
//!
//! First an honest agency beside crowds that want all of the central for themselves: its places, its time, its memory, its
//! log. Then each abuse alone: it and an undisturbed upload take turns, and what counts is the median of their ratios, so
//! that a noisy machine does not matter. At last all of them at once, again and again, for `SOAK_MINUTES` (1). What the
//! abusers do follows from `SOAK_SEED`, which is printed. Ends with an error where a promise is broken or a goal is
//! missed. Figures depend on the machine, too, so this is no test.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::setting;
use benches::soak::abuse::Abuse;
use benches::soak::abuse::list::{OTHERS, SILENT, WATCHING};
use benches::soak::pressure::scenarios::{SCENARIOS, Scenario};
use benches::soak::{Beside, Latencies, Lottery, Seen};
use event_server::limits::room_for_connections;

/// Bets of a lottery, where `SOAK_BETS` does not say it.
const BETS: u64 = 2_000_000;

/// How often each abuse is measured.
const PAIRS: usize = 3;

/// Connections of an abuse that is about their number, alone and beside all others.
const CROWD: usize = 10_000;
const CROWD_IN_THE_MIX: usize = 4_000;

/// The goals: the part of the upload's speed that is left beside watchers and idle connections, which cost less than the noise
/// of a machine, and beside abuse.
const BESIDE_IDLE: f64 = 0.8;
const BESIDE_ABUSE: f64 = 0.5;

/// What 99 of 100 echoed lines do not exceed beside an upload that nothing else disturbs.
const ECHO: Duration = Duration::from_millis(5);

const HEAD: &str = "
                                        echo                 memory         connec- clients'  lines
beside the upload            bets/s ratio    p50    p99    max before   peak  after   tions again of log";

const HEAD_OF_CROWDS: &str = "
                                         answers              goal          memory         connec-  log
beside a crowd                  count    p50    p99    max     p99 before   peak  after   tions  KB/s";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match soak() {
        Ok(missed) if missed.is_empty() => {
            println!(
                "\nall promises kept: the right winners, every bet stored once, memory given back, logs in bounds"
            );
            ExitCode::SUCCESS
        }
        Ok(missed) => {
            println!();
            missed
                .iter()
                .for_each(|sentence| println!("MISSED: {sentence}"));
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("the soak was not done: {e}{}", hint());
            ExitCode::FAILURE
        }
    }
}

/// What stops a soak on a kernel that tracks the connections of the loopback: it drops packets once its table is full.
fn hint() -> String {
    let number = |name| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}"));
        text.ok()?.trim().parse::<u64>().ok()
    };
    match (number("count"), number("max")) {
        (Some(count), Some(max)) if count > max / 10 * 9 => format!(
            "; the kernel tracks {count} connections of at most {max}, and drops packets of others: docs/benchmarks.md, \
             The soak, says how it tracks none of these"
        ),
        _ => String::new(),
    }
}

fn soak() -> Outcome<Vec<String>> {
    let minutes: f64 = setting("SOAK_MINUTES", 1.0)?;
    let seed: u64 = setting("SOAK_SEED", 1)?;
    let bets: u64 = setting("SOAK_BETS", BETS)?;
    // Only the rounds that have this in their name.
    let filter = std::env::args().nth(1).unwrap_or_default();
    let others = OTHERS.iter().map(|abuse| (abuse, BESIDE_ABUSE));
    let room = room_for_connections()?;
    if room < CROWD * 3 / 2 {
        let what = format!("the limit of descriptors leaves room for {room}: raise it (ulimit -n)");
        return Err(what.into());
    }
    let folder = tempfile::tempdir()?;
    let mut soak = Soak {
        lottery: Lottery::make(folder.path(), bets)?,
        seed,
        missed: Vec::new(),
    };
    println!("an honest agency that asks again and again; milliseconds and MiB");
    println!("{HEAD_OF_CROWDS}");
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&filter))
    {
        soak.beside(scenario)?;
    }
    println!("\n{bets} bets of five agencies in a lottery, seed {seed}; milliseconds and MiB");
    println!("{HEAD}");
    if "an echo check".contains(&filter) {
        soak.alone("an echo check", &[], BESIDE_ABUSE)?;
    }
    let mild = [(&WATCHING, BESIDE_IDLE), (&SILENT, BESIDE_IDLE)];
    for (abuse, least) in mild.into_iter().chain(others) {
        if abuse.name.contains(&filter) {
            soak.alone(abuse.name, &[abuse], least)?;
        }
    }
    let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    while Instant::now() < until {
        soak.mix()?;
    }
    Ok(soak.missed)
}

struct Soak {
    lottery: Lottery,
    /// The seed of the next lottery; each has its own.
    seed: u64,
    /// Promises that were not kept and goals that were not reached, a sentence each.
    missed: Vec<String>,
}

impl Soak {
    /// Plays a scenario: an honest agency beside a crowd. Prints its times, and whether they reach the goal.
    fn beside(&mut self, scenario: &Scenario) -> Outcome {
        let name = scenario.name;
        let seen = scenario.play().map_err(|e| format!("beside {name}: {e}"))?;
        let broken = seen.broken.iter();
        (self.missed).extend(broken.map(|what| format!("beside {name}: {what}")));
        let [p50, p99, max] = milliseconds(&seen.honest);
        let [before, peak, after] = mebibytes(seen.memory);
        let (count, goal) = (seen.honest.count(), scenario.goal.as_millis());
        let reached = match seen.honest.percentile(99) <= Some(scenario.goal) {
            true => "yes",
            false => "NO",
        };
        let goal = format!("{goal} {reached}");
        let (connections, log) = (seen.connections, seen.log / 1000);
        println!(
            "{name:<31} {count:>5} {p50:>6} {p99:>6} {max:>6} {goal:>8} {before:>5} {peak:>6} {after:>6} {connections:>7} {log:>5}"
        );
        Ok(())
    }

    /// Measures what this abuse, and an echo check, cost an upload that nobody else disturbs.
    fn alone(&mut self, name: &str, abuses: &[&'static Abuse], least: f64) -> Outcome {
        let mut echo = Latencies::default();
        let mut pairs = Vec::new();
        for _ in 0..PAIRS {
            let undisturbed = self.play(name, &[], false, CROWD, false)?;
            let mut disturbed = self.play(name, abuses, true, CROWD, false)?;
            echo.extend(std::mem::take(&mut disturbed.echo));
            let ratio = undisturbed.time.as_secs_f64() / disturbed.time.as_secs_f64();
            pairs.push((ratio, disturbed));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, seen) = &pairs[PAIRS / 2];
        self.print(name, seen, Some(*ratio), &echo);
        if *ratio < least {
            let what = format!("beside {name} the upload has {ratio:.2} of its speed, not {least}");
            self.missed.push(what);
        }
        if abuses.is_empty() && echo.percentile(99) > Some(ECHO) {
            let what = format!("99 of 100 lines are not echoed within {ECHO:?}");
            self.missed.push(what);
        }
        Ok(())
    }

    /// Plays a lottery beside everything at once, on a disk that is synced.
    fn mix(&mut self) -> Outcome {
        let all: Vec<&Abuse> = OTHERS.iter().chain([&SILENT, &WATCHING]).collect();
        let name = format!("all of it, seed {}", self.seed);
        let seen = self.play(&name, &all, true, CROWD_IN_THE_MIX, true)?;
        self.print(&name, &seen, None, &seen.echo);
        Ok(())
    }

    fn play(
        &mut self,
        name: &str,
        abuses: &[&'static Abuse],
        echo: bool,
        crowd: usize,
        durable: bool,
    ) -> Outcome<Seen> {
        let seed = self.seed;
        let seen = self.lottery.play(Beside {
            abuses,
            crowd,
            echo,
            durable,
            seed,
        });
        let seen = seen.map_err(|e| format!("beside {name}, with seed {seed}: {e}"))?;
        let broken = seen.broken.iter();
        (self.missed).extend(broken.map(|what| format!("beside {name}, with seed {seed}: {what}")));
        self.seed += 1;
        Ok(seen)
    }

    fn print(&self, name: &str, seen: &Seen, ratio: Option<f64>, echo: &Latencies) {
        let rate = self.lottery.bets() as f64 / seen.time.as_secs_f64();
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let [p50, p99, max] = milliseconds(echo);
        let [before, peak, after] = mebibytes([seen.before, seen.peak, seen.after]);
        let Seen {
            connections,
            reconnects,
            lines,
            ..
        } = seen;
        println!(
            "{name:<26} {rate:>8.0} {ratio:>5} {p50:>6} {p99:>6} {max:>6} {before:>6} {peak:>6} {after:>6} {connections:>7} {reconnects:>5} {lines:>7}"
        );
    }
}

/// Returns the 50th and the 99th percentile and the longest of the times, in milliseconds.
fn milliseconds(times: &Latencies) -> [String; 3] {
    [50, 99, 100].map(|percent| {
        let time = times.percentile(percent).unwrap_or_default();
        format!("{:.1}", time.as_secs_f64() * 1e3)
    })
}

fn mebibytes(bytes: [u64; 3]) -> [String; 3] {
    bytes.map(|bytes| format!("{:.1}", bytes as f64 / 1024.0 / 1024.0))
}
