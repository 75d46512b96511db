//! Several clusters beside each other, a process each, so that many lotteries take less time: most of a lottery is waiting.
//!
//! ```text
//! LANES=3 SEED=1    lane 1: seeds 1, 4, 7 …    lane 2: 2, 5, 8 …    lane 3: 3, 6, 9 …
//! ```
//!
//! Each has a compose project, containers and addresses of its own.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The variables by which a process is told which lane it is, and how far its seeds are apart.
const LANE: &str = "CLUSTER_LANE";
const STEP: &str = "CLUSTER_STEP";

/// The addresses of the first lane, where `LOTTERY_NET` does not say them: not those of a lottery that is played beside.
const NETWORK: (&str, u8) = ("172.16", 127);

/// What a lottery prints for the process that started its lane.
const PAUSE: &str = "the longest pause of an agency: ";
const BROKEN: &str = "a promise was broken";

/// Returns which lane this process is; `None` where there is only one.
pub fn lane() -> Option<u8> {
    std::env::var(LANE).ok()?.parse().ok()
}

/// Returns how far the seeds of this process are apart.
pub fn step() -> u64 {
    let step = std::env::var(STEP).ok().and_then(|step| step.parse().ok());
    step.unwrap_or(1)
}

/// Prints the result of a lottery for the process that started its lane.
pub fn tell(pause: Duration, is_broken: bool) {
    println!("{PAUSE}{:.1} s", pause.as_secs_f64());
    if is_broken {
        println!("{BROKEN}");
    }
}

/// Returns the first two or three numbers of the addresses of a lane; lanes count from 0.
pub(super) fn network(lane: u8) -> String {
    let asked = std::env::var("LOTTERY_NET").ok();
    let asked = asked.as_deref().and_then(|net| net.rsplit_once('.'));
    let (start, last) = match asked.and_then(|(start, last)| Some((start, last.parse().ok()?))) {
        Some(asked) => asked,
        None => NETWORK,
    };
    format!("{start}.{}", last + lane)
}

/// The results of all lanes.
#[derive(Debug, Default)]
pub struct Total {
    /// Lotteries in which a promise was broken.
    pub broken: u64,
    /// The longest pause of an agency in all lotteries.
    pub longest_pause: Duration,
}

/// Plays `seeds` lotteries, with the seed `first` and those that follow, in so many lanes.
///
/// # Errors
/// A lane could not be started, or could not play on.
pub fn play_in_lanes(lanes: u8, first: u64, seeds: u64) -> io::Result<Total> {
    let program = std::env::current_exe()?;
    let mut started = Vec::new();
    for lane in 0..lanes {
        let own = share(seeds, lanes, lane);
        if own == 0 {
            break;
        }
        let mut command = Command::new(&program);
        command
            .env("LOTTERY_NET", network(lane))
            .env(LANE, (lane + 1).to_string())
            .env(STEP, lanes.to_string())
            .env("SEED", (first + u64::from(lane)).to_string())
            .env("SEEDS", own.to_string())
            .env("LANES", "1");
        let child = command.stdout(Stdio::piped()).spawn()?;
        started.push(thread::spawn(move || follow(lane + 1, child)));
    }
    let mut total = Total::default();
    for lane in started {
        let of_lane = lane
            .join()
            .map_err(|_| io::Error::other("a lane panicked"))??;
        total.broken += of_lane.broken;
        total.longest_pause = total.longest_pause.max(of_lane.longest_pause);
    }
    Ok(total)
}

/// Returns how many of the seeds belong to a lane: seed `s`, counted from 0, is of lane `s % lanes`.
fn share(seeds: u64, lanes: u8, lane: u8) -> u64 {
    seeds.saturating_sub(lane.into()).div_ceil(lanes.into())
}

/// Prints what a lane says, until it ends.
fn follow(lane: u8, mut child: Child) -> io::Result<Total> {
    let mut total = Total::default();
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let pause = line
            .strip_prefix(PAUSE)
            .and_then(|rest| rest.strip_suffix(" s"));
        if let Some(seconds) = pause.and_then(|pause| pause.parse().ok()) {
            let pause = Duration::from_secs_f64(seconds);
            total.longest_pause = total.longest_pause.max(pause);
        }
        total.broken += u64::from(line == BROKEN);
        println!("lane {lane}: {line}");
    }
    match child.wait()?.success() || total.broken > 0 {
        true => Ok(total),
        false => Err(io::Error::other(format!("lane {lane} could not play on"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_played_in_one_lane() {
        for lanes in 1..6 {
            for seeds in 0..20 {
                let of_lane = |lane: u8| {
                    let own = 0..share(seeds, lanes, lane);
                    own.map(move |i| u64::from(lane) + i * u64::from(lanes))
                };
                let mut played: Vec<u64> = (0..lanes).flat_map(of_lane).collect();
                played.sort_unstable();
                let all: Vec<u64> = (0..seeds).collect();
                assert_eq!(played, all, "{seeds} seeds in {lanes} lanes");
            }
        }
    }
}
