//! One lottery under faults, from the start of its clients to the last check.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::agency_log::AgencyLog;
use super::check;
use super::docker::{Cluster, Pace, Replication};
use super::fault::{Faults, Kind};
use super::files::Files;
use super::history::History;
use super::nodes::Roles;
use super::schedule::Planned;
use super::{AGENCIES, client};

/// How often is looked at who is the primary and which clients have ended.
const LOOK: Duration = Duration::from_millis(500);

/// How long the clients may take once nothing is broken any more. Only a broken cluster makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(300);

/// The result of a lottery.
pub struct Played {
    /// What was not as it has to be, a sentence each.
    pub broken: Vec<String>,
    /// The faults that came, and the longest pause that an agency saw from its beginning to that of the next.
    pub pauses: Vec<(Kind, Duration)>,
    /// The longest pause of all.
    pub longest_pause: Duration,
}

/// Plays a lottery with these faults.
///
/// # Errors
/// It could not be played: the engine failed.
pub fn play(
    cluster: &Cluster,
    files: &Files,
    lottery: &str,
    plan: &[Planned],
    replication: Replication,
    history: &mut History,
) -> io::Result<Played> {
    cluster.play(lottery, files, Pace::Slow, replication)?;
    history.note(format!("lottery {lottery}: the clients have started"));
    let mut round = Round {
        cluster,
        history,
        faults: Faults::default(),
        roles: Roles::default(),
        ended: [None; AGENCIES],
        begun: Vec::new(),
    };
    let mut broken = round.run(plan)?;
    let begun = round.begun;
    if !broken.is_empty() {
        return Ok(Played {
            broken,
            pauses: Vec::new(),
            longest_pause: Duration::ZERO,
        });
    }
    history.note("all clients have ended");

    let mut logs = Vec::new();
    for agency in 1..=AGENCIES {
        let log = AgencyLog::read(&cluster.log(&client(agency))?);
        broken.extend(
            log.broken
                .iter()
                .map(|what| format!("agency {agency} {what}")),
        );
        logs.push(log);
    }
    check::everything(cluster, files, lottery, &logs, &mut broken)?;
    history.note("checked");
    let longest = |from, to| {
        let pauses = logs.iter().map(|log| log.longest_pause(from, to));
        pauses.max().unwrap_or_default()
    };
    let ends = begun.iter().skip(1).map(|(_, at)| *at);
    let ends = ends.chain([Timestamp::MAX]);
    let pauses = begun.iter().zip(ends);
    let pauses = pauses.map(|((kind, from), to)| (*kind, longest(*from, to)));
    Ok(Played {
        pauses: pauses.collect(),
        longest_pause: longest(Timestamp::MIN, Timestamp::MAX),
        broken,
    })
}

struct Round<'r> {
    cluster: &'r Cluster,
    history: &'r mut History,
    faults: Faults,
    roles: Roles,
    /// The exit code of each client, once it has ended.
    ended: [Option<i32>; AGENCIES],
    /// The faults that have begun, and when.
    begun: Vec<(Kind, Timestamp)>,
}

/// What happens next.
enum Event {
    Begin(Planned),
    End(String),
}

impl Round<'_> {
    /// Begins and ends the faults, until all clients have ended. What is broken.
    fn run(&mut self, plan: &[Planned]) -> io::Result<Vec<String>> {
        let start = Instant::now();
        let begin = |fault: &Planned| (start + fault.at, Event::Begin(*fault));
        let mut events: Vec<_> = plan.iter().map(begin).collect();
        let mut quiet_since = start;
        loop {
            self.look()?;
            let now = Instant::now();
            let due = events.extract_if(.., |(at, _)| *at <= now);
            for (_, event) in due.collect::<Vec<_>>() {
                match event {
                    Event::Begin(fault) => events.push(self.begin(fault)?),
                    Event::End(service) => {
                        self.faults.end(self.cluster, &service)?;
                        self.history.note(format!("{service} is mended"));
                    }
                }
                quiet_since = Instant::now();
            }
            if !self.failures().is_empty() {
                for (_, event) in events {
                    if let Event::End(service) = event {
                        self.faults.end(self.cluster, &service)?;
                    }
                }
                return Ok(self.failures());
            }
            if events.is_empty() {
                if self.ended.iter().all(Option::is_some) {
                    return Ok(Vec::new());
                }
                if quiet_since.elapsed() > PATIENCE {
                    let what =
                        format!("all is mended for {PATIENCE:?}, and a client has not ended");
                    return Ok(vec![what]);
                }
            }
            let next = events.iter().map(|(at, _)| *at).min();
            let next = next.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
            thread::sleep(next.min(LOOK));
        }
    }

    /// Begins a fault, or puts it off while it finds nobody to hit.
    fn begin(&mut self, fault: Planned) -> io::Result<(Instant, Event)> {
        let now = Instant::now();
        let Some(target) = self.faults.begin(self.cluster, &self.roles, &fault)? else {
            return Ok((now + LOOK, Event::Begin(fault)));
        };
        self.begun.push((fault.kind, Timestamp::now()));
        let (name, lasts) = (fault.kind.name(), fault.lasts);
        self.history.note(format!(
            "{name}: {target}, for {:.1} s",
            lasts.as_secs_f64()
        ));
        Ok((now + lasts, Event::End(target)))
    }

    /// Looks who is the primary, and who has ended.
    fn look(&mut self) -> io::Result<()> {
        let roles = Roles::ask(self.cluster, |node| self.faults.spare(node));
        if let Some(roles) = roles.filter(|roles| *roles != self.roles) {
            let name = |role: &Option<String>| role.clone().unwrap_or_else(|| "nobody".to_owned());
            let [primary, standby] = [name(&roles.primary), name(&roles.standby)];
            self.history
                .note(format!("primary is {primary}, its standby {standby}"));
            self.roles = roles;
        }
        for agency in 1..=AGENCIES {
            let service = client(agency);
            let code = match self.faults.spare(&service) {
                true => self.cluster.exit_code(&service)?,
                false => None,
            };
            let before = std::mem::replace(&mut self.ended[agency - 1], code);
            if let (None, Some(code)) = (before, code) {
                self.history
                    .note(format!("{service} has ended with {code}"));
            }
        }
        Ok(())
    }

    fn failures(&self) -> Vec<String> {
        let codes = self.ended.iter().enumerate();
        let failed = codes.filter_map(|(i, code)| Some((i + 1, code.filter(|code| *code != 0)?)));
        let failed = failed.map(|(agency, code)| format!("client{agency} has ended with {code}"));
        failed.collect()
    }
}
