//! What a client's log says it was told: how many bets are stored, what each reply was and when it came, and whether a count
//! shrank.
//!
//! The lines are those of `docker logs --timestamps`: a time, a blank, the line. Runs of the client that were killed and
//! the next ones stand in one log, in order.

use std::time::Duration;

use jiff::Timestamp;

use super::unconfirmed::UnconfirmedPeriod;

/// What an agency was told, over all runs of its client.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AgencyLog {
    /// How many bets it was told are stored, over all its replies.
    pub(super) told: u64,
    /// What it was told, in the order of time.
    pub(super) replies: Vec<Reply>,
    /// What it was told and must never be told, a sentence each.
    pub(super) broken: Vec<String>,
    /// When the last line was written.
    last: Timestamp,
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reply {
    /// When the line before was written: the request was not sent earlier, or was sent together with the request before it.
    pub(super) since: Timestamp,
    /// When it was told.
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// So many bets are stored.
    Count(u64),
    /// So many more bets are stored.
    Batch(u64),
    /// It is known that the file is complete.
    Finished,
    /// Who won.
    Winners,
}

impl AgencyLog {
    /// Reads the log.
    pub(super) fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            let Some((time, line)) = line.split_once(' ') else {
                continue;
            };
            let Ok(time) = time.parse() else { continue };
            log.line(time, line);
        }
        log
    }

    fn line(&mut self, at: Timestamp, line: &str) {
        let since = std::mem::replace(&mut self.last, at);
        let number = |key: &str| {
            let rest = line.split_once(&format!(" | {key}: "))?.1;
            rest.split(' ').next()?.parse::<u64>().ok()
        };
        let what = if line.contains(" action: resume | result: success |") {
            let Some(count) = number("apuestas") else {
                return;
            };
            if count < self.told {
                let told = self.told;
                self.broken.push(format!(
                    "was told that {told} bets are stored, and at {at} that {count} are"
                ));
            }
            self.told = count;
            What::Count(count)
        } else if line.contains(" action: batch_enviado | result: success |") {
            let bets = number("cantidad").unwrap_or_default();
            self.told += bets;
            What::Batch(bets)
        } else if line.contains(" action: notify_finished | result: success |") {
            What::Finished
        } else if line.contains(" action: consulta_ganadores | result: success |") {
            What::Winners
        } else {
            return;
        };
        self.replies.push(Reply { since, at, what });
    }

    /// Returns when it was told something new: all but the winners, for which everybody waits.
    fn news(&self) -> impl Iterator<Item = Timestamp> {
        let news = self
            .replies
            .iter()
            .filter(|reply| reply.what != What::Winners);
        news.map(|reply| reply.at)
    }

    /// Returns when it was first told something new in a time in which it must not be told anything; `None` where it was not.
    pub(super) fn told_in(&self, period: &UnconfirmedPeriod) -> Option<Timestamp> {
        self.news()
            .find(|at| (period.since..period.until).contains(at))
    }

    /// Returns the longest time between two replies.
    pub(super) fn longest_pause(&self) -> Duration {
        let pauses = self.news().zip(self.news().skip(1));
        let pauses = pauses.map(|(before, after)| after.duration_since(before).unsigned_abs());
        pauses.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(u32, &str)]) -> AgencyLog {
        let lines = lines.iter().map(|(second, line)| {
            format!("2026-01-01T00:00:{second:02}.5Z 2026-01-01 00:00:00 INFO     action: {line}\n")
        });
        AgencyLog::read(&lines.collect::<String>())
    }

    #[test]
    fn counts_go_on_over_runs_and_a_count_that_shrinks_is_found() {
        let resumed = "resume | result: success | apuestas";
        let stored = "batch_enviado | result: success | id: 0a | cantidad: 10";
        let first = (1, format!("{resumed}: 0"));
        let lines = [(2, stored), (3, stored)];
        let with = |count: u32| {
            let again = format!("{resumed}: {count}");
            let mut all = vec![(first.0, first.1.as_str())];
            all.extend(lines);
            all.push((9, &again));
            log(&all)
        };
        for count in [20, 30] {
            let log = with(count);
            assert_eq!((log.told, log.broken.len()), (count.into(), 0));
        }
        assert_eq!(with(19).broken.len(), 1);
    }

    #[test]
    fn the_longest_pause_is_between_two_replies() {
        let stored = "batch_enviado | result: success | id: 0a | cantidad: 1";
        let other = "close_connection | result: success";
        let log = log(&[
            (0, stored),
            (8, stored),
            (9, stored),
            (12, stored),
            (30, other),
        ]);
        assert_eq!(log.longest_pause(), Duration::from_secs(8));
        assert_eq!(AgencyLog::default().longest_pause(), Duration::ZERO);
    }
}
