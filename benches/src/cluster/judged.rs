//! What all clients were told in a lottery, as a history, and what the judge says of it.
//!
//! The judge is a program of its own, `event-server/examples/judge`, which knows neither the cluster nor its faults.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::WINNER;
use fixtures::history::{Ask, Event, Told};
use jiff::Timestamp;

use super::agency_log::{AgencyLog, What};
use super::database::Database;

/// Where the last histories are.
const FOLDER: &str = "target/cluster";

/// Returns what these agencies were told as a history, with what the database says in the end. `winners` returns those that an
/// agency was told.
///
/// # Errors
/// The database, or who was told winners, cannot be asked.
pub(super) fn history(
    database: &Database<'_>,
    logs: &[AgencyLog],
    winners: impl Fn(usize) -> io::Result<Vec<String>>,
) -> io::Result<String> {
    let mut writer = Writer::default();
    for (agency, log) in (1..).zip(logs) {
        writer.agency(agency, log, winners(agency as usize)?);
    }
    writer.events.sort_by_key(|(at, _)| *at);
    for agency in 1..=logs.len() {
        let rows = database.query(&format!(
            "select count(*) from bets where agency = {agency}"
        ))?;
        let count = Told::Count(rows.parse().map_err(io::Error::other)?);
        let mut documents = Vec::new();
        let query = format!(
            "select document from bets where agency = {agency} and number = {WINNER} order by seq"
        );
        database.lines(&query, |document| documents.push(document.to_owned()))?;
        for (ask, told) in [
            (Ask::Rows, count),
            (Ask::WinningRows, Told::Winners(documents)),
        ] {
            let client = writer.client();
            writer.operation(
                client,
                agency as u32,
                Timestamp::MAX,
                ask,
                Some((Timestamp::MAX, told)),
            );
        }
    }
    let lines = writer.events.iter().map(|(_, event)| format!("{event}\n"));
    Ok(lines.collect())
}

/// Asks the judge; returns a sentence for whatever is not right.
///
/// # Errors
/// The judge cannot be built, or cannot read the history.
pub(super) fn judge(lottery: &str, history: &str) -> io::Result<Vec<String>> {
    let path = Path::new(FOLDER).join(format!("{lottery}.jsonl"));
    fs::create_dir_all(FOLDER)?;
    fs::write(&path, history)?;
    let said = Command::new(build()?).arg(&path).output()?;
    match said.status.code() {
        Some(0 | 1) => {
            let sentences = String::from_utf8_lossy(&said.stdout);
            Ok(sentences.lines().map(str::to_owned).collect())
        }
        _ => Err(io::Error::other(String::from_utf8_lossy(&said.stderr))),
    }
}

/// Builds the judge with the profile of the tests, which most likely was built already; returns its path.
fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--workspace", "--locked", "--quiet"]);
    if !build.args(["--example", "judge"]).status()?.success() {
        return Err(io::Error::other("the judge cannot be built"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    Ok(Path::new(&target).join("debug/examples/judge"))
}

/// A history that is put together from several logs.
#[derive(Default)]
struct Writer {
    clients: u64,
    events: Vec<(Timestamp, Event)>,
}

impl Writer {
    fn client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    fn operation(
        &mut self,
        client: u64,
        agency: u32,
        since: Timestamp,
        ask: Ask,
        told: Option<(Timestamp, Told)>,
    ) {
        let asked = Event::Ask {
            client,
            agency,
            ask,
        };
        self.events.push((since, asked));
        let told = told.map(|(at, told)| (at, Event::Told { client, told }));
        self.events.extend(told);
    }

    /// Appends what one agency was told, over all runs of its client. Batches that were acknowledged one after the other are
    /// one operation. Where a later count is higher, the difference was sent, and was not answered.
    fn agency(&mut self, agency: u32, log: &AgencyLog, winners: Vec<String>) {
        let client = self.client();
        let last_winners = log
            .replies
            .iter()
            .rposition(|reply| reply.what == What::Winners);
        let mut told = 0;
        let mut replies = log.replies.iter().enumerate().peekable();
        while let Some((index, reply)) = replies.next() {
            let (since, mut at) = (reply.since, reply.at);
            let (ask, answer) = match reply.what {
                What::Count(count) => {
                    if let Some(bets @ 1..) = count.checked_sub(told) {
                        let lost = self.client();
                        let ask = Ask::Batch { first: told, bets };
                        self.operation(lost, agency, since, ask, None);
                    }
                    told = count;
                    (Ask::Resume, Told::Count(count))
                }
                What::Batch(mut bets) => {
                    while let Some((_, next)) =
                        replies.next_if(|(_, next)| matches!(next.what, What::Batch(_)))
                    {
                        let What::Batch(more) = next.what else { break };
                        bets += more;
                        at = next.at;
                    }
                    let ask = Ask::Batch { first: told, bets };
                    told += bets;
                    (ask, Told::Done)
                }
                What::Finished => (Ask::Finished { bets: told }, Told::Done),
                What::Winners if Some(index) == last_winners => {
                    (Ask::Winners, Told::Winners(winners.clone()))
                }
                // A run before the last one was killed after it was told.
                What::Winners => continue,
            };
            self.operation(client, agency, since, ask, Some((at, answer)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_becomes_a_history_with_what_was_sent_and_not_answered() {
        let line = |second: u32, text: &str| {
            format!("2026-01-01T00:00:{second:02}.5Z 2026-01-01 00:00:00 INFO     action: {text}\n")
        };
        let log = AgencyLog::read(
            &[
                line(1, "connect | result: success | server_address: a"),
                line(2, "resume | result: success | apuestas: 0"),
                line(3, "batch_enviado | result: success | id: 0a | cantidad: 10"),
                line(4, "batch_enviado | result: success | id: 0b | cantidad: 10"),
                line(5, "resume | result: success | apuestas: 25"),
                line(6, "notify_finished | result: success | id: 0c"),
                line(
                    9,
                    "consulta_ganadores | result: success | cant_ganadores: 1",
                ),
            ]
            .concat(),
        );
        let mut writer = Writer::default();
        writer.agency(3, &log, vec!["7".to_owned()]);
        let lines = writer.events.iter().map(|(_, event)| event.to_string());
        let expected = [
            r#"{"agency":3,"ask":"resume","client":1}"#,
            r#"{"client":1,"told":0}"#,
            r#"{"agency":3,"ask":"batch","bets":20,"client":1,"first":0}"#,
            r#"{"client":1,"told":true}"#,
            r#"{"agency":3,"ask":"batch","bets":5,"client":2,"first":20}"#,
            r#"{"agency":3,"ask":"resume","client":1}"#,
            r#"{"client":1,"told":25}"#,
            r#"{"agency":3,"ask":"finished","bets":25,"client":1}"#,
            r#"{"client":1,"told":true}"#,
            r#"{"agency":3,"ask":"winners","client":1}"#,
            r#"{"client":1,"told":["7"]}"#,
        ];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }
}
