//! One lottery under faults, from the start of its clients to the last check.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::active_faults::ActiveFaults;
use super::agency_log::AgencyLog;
use super::check;
use super::docker::{Cluster, Pace, Replication};
use super::fault::Kind;
use super::fault_log::FaultLog;
use super::files::Files;
use super::nodes::{self, Roles};
use super::schedule::Planned;
use super::services::{AGENCIES, CENTRALS, client};
use super::unconfirmed::{UnconfirmedPeriod, Unnamed};

/// The longest time between two looks at who is the primary and which clients have ended. Each fault is preceded by one, too;
/// more of them would take more of the processors than the cluster does.
const LOOK: Duration = Duration::from_secs(2);

/// How long it may take until the next fault begins or ends, a client is told something new, or all have ended. Only a broken
/// cluster makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most sessions that a central may have: two, as it is by default, and another that was given up. Those of an earlier life
/// of it, which was killed while they waited, are not its own.
const SESSIONS: usize = 3;

/// The result of a lottery.
pub struct Played {
    /// What was wrong, a sentence each.
    pub broken: Vec<String>,
    /// The longest time that an agency had to wait for its next reply.
    pub longest_pause: Duration,
}

/// Plays a lottery with these faults. Its tables are removed where every promise was kept.
///
/// # Errors
/// It could not be played: the engine failed.
pub fn play(
    cluster: &Cluster,
    files: &Files,
    lottery: &str,
    plan: &[Planned],
    replication: Replication,
    fault_log: &mut FaultLog,
) -> io::Result<Played> {
    for node in nodes::heal(cluster)? {
        fault_log.note(format!(
            "{node} did not follow the primary, and was made anew from it"
        ));
    }
    cluster.play(lottery, files, Pace::Slow, replication)?;
    fault_log.note(format!("lottery {lottery}: the clients have started"));
    let mut round = Round {
        cluster,
        fault_log,
        faults: ActiveFaults::default(),
        roles: Roles::default(),
        ended: [None; AGENCIES],
        lottery,
        found: Vec::new(),
        unnamed: None,
        unconfirmed: Vec::new(),
    };
    let mut broken = round.run(plan)?;
    let unconfirmed = std::mem::take(&mut round.unconfirmed);
    let mut longest_pause = Duration::ZERO;
    if broken.is_empty() {
        fault_log.note("all clients have ended");
        let mut logs = Vec::new();
        for agency in 1..=AGENCIES {
            logs.push(AgencyLog::read(&cluster.log(&client(agency))?));
        }
        let pauses = logs.iter().map(AgencyLog::longest_pause);
        longest_pause = pauses.max().unwrap_or_default();
        broken = check::everything(cluster, files, lottery, &logs, &unconfirmed)?;
        fault_log.note("checked");
    }
    Ok(Played {
        broken,
        longest_pause,
    })
}

struct Round<'r> {
    cluster: &'r Cluster,
    fault_log: &'r mut FaultLog,
    faults: ActiveFaults,
    roles: Roles,
    /// The exit code of each client, once it has ended.
    ended: [Option<i32>; AGENCIES],
    lottery: &'r str,
    /// What was seen that must not be.
    found: Vec<String>,
    /// While no standby is waited for.
    unnamed: Option<Unnamed>,
    unconfirmed: Vec<UnconfirmedPeriod>,
}

/// What happens next.
enum Event {
    Begin(Planned),
    End(String),
}

impl Round<'_> {
    /// Begins and ends the faults, until all clients have ended; returns what is broken.
    fn run(&mut self, plan: &[Planned]) -> io::Result<Vec<String>> {
        let start = Instant::now();
        let begin = |fault: &Planned| (start + fault.at, Event::Begin(*fault));
        let mut events: Vec<_> = plan.iter().map(begin).collect();
        let (mut last, mut told) = (start, [0; AGENCIES]);
        loop {
            self.look()?;
            let now = Instant::now();
            for (_, event) in events
                .extract_if(.., |(at, _)| *at <= now)
                .collect::<Vec<_>>()
            {
                let (next, happened) = self.handle(event)?;
                events.extend(next);
                if happened {
                    last = Instant::now();
                }
            }
            let mut broken = self.failures();
            broken.append(&mut self.found);
            if last.elapsed() > PATIENCE {
                let replies = self.replies()?;
                if replies == told {
                    broken.push(format!(
                        "nothing happens for {PATIENCE:?}, and a client has not ended"
                    ));
                }
                (last, told) = (Instant::now(), replies);
            }
            if !broken.is_empty() {
                self.faults.end_all(self.cluster)?;
                return Ok(broken);
            }
            if events.is_empty() && self.ended.iter().all(Option::is_some) {
                return Ok(broken);
            }
            let next = events.iter().map(|(at, _)| *at).min();
            let next = next.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
            thread::sleep(next.min(LOOK));
        }
    }

    /// Begins or ends a fault; returns the event that follows, and whether it happened. A fault that finds no container to hit
    /// is put off.
    fn handle(&mut self, event: Event) -> io::Result<(Option<(Instant, Event)>, bool)> {
        let fault = match event {
            Event::Begin(fault) => fault,
            Event::End(service) => {
                let until = Timestamp::now();
                if let (Some(from), Some(unnamed)) =
                    (self.faults.silent_since(&service), &mut self.unnamed)
                {
                    unnamed.goes_on(from, until);
                }
                // Another primary may wait for its standbys.
                if let Some(unnamed) = self.unnamed.take_if(|unnamed| unnamed.node == service)
                    && self.roles.primary.as_ref() == Some(&unnamed.node)
                {
                    self.unconfirmed.push(unnamed.end(until));
                }
                self.faults.end(self.cluster, &service)?;
                self.fault_log.note(format!("{service} is mended"));
                return Ok((None, true));
            }
        };
        let now = Instant::now();
        let (lottery, roles) = (self.lottery, &self.roles);
        let name = fault.kind.name();
        let target = match self.faults.begin(self.cluster, lottery, roles, &fault) {
            Ok(Some(target)) => target,
            found => {
                if let Err(e) = found {
                    self.fault_log.note(format!("{name}, put off: {e}"));
                }
                return Ok((Some((now + LOOK, Event::Begin(fault))), false));
            }
        };
        if fault.kind == Kind::StandbysUnnamed {
            self.unnamed = Some(Unnamed::begin(target.clone(), Timestamp::now()));
        }
        let lasts = fault.lasts;
        let seconds = lasts.as_secs_f64();
        self.fault_log
            .note(format!("{name}: {target}, for {seconds:.1} s"));
        Ok((Some((now + lasts, Event::End(target))), true))
    }

    /// Looks who is the primary, and who has ended.
    fn look(&mut self) -> io::Result<()> {
        let roles = Roles::ask(self.cluster, |node| self.faults.is_reachable(node));
        if let Some(roles) = roles.filter(|roles| *roles != self.roles) {
            let name = |role: &Option<String>| role.clone().unwrap_or_else(|| "nobody".to_owned());
            let [primary, standby] = [name(&roles.primary), name(&roles.standby)];
            self.fault_log
                .note(format!("primary is {primary}, its standby {standby}"));
            self.unnamed
                .take_if(|unnamed| roles.primary.as_ref() != Some(&unnamed.node));
            self.roles = roles;
        }
        self.count_sessions();
        let clients: [String; AGENCIES] = std::array::from_fn(|i| client(i + 1));
        let codes = self.cluster.exit_codes(&clients)?;
        for ((service, code), ended) in clients.iter().zip(codes).zip(&mut self.ended) {
            let code = code.filter(|_| self.faults.is_reachable(service));
            let before = std::mem::replace(ended, code);
            if let (None, Some(code)) = (before, code) {
                self.fault_log
                    .note(format!("{service} has ended with {code}"));
            }
        }
        Ok(())
    }

    /// Counts the replies that each client has got.
    fn replies(&self) -> io::Result<[usize; AGENCIES]> {
        let mut replies = [0; AGENCIES];
        for (agency, count) in (1..).zip(&mut replies) {
            *count = AgencyLog::read(&self.cluster.log(&client(agency))?)
                .replies
                .len();
        }
        Ok(replies)
    }

    /// Looks how many sessions each central has, where they wait.
    fn count_sessions(&mut self) {
        let Some(node) = self
            .faults
            .held_up()
            .filter(|node| self.faults.is_reachable(node))
        else {
            return;
        };
        for central in CENTRALS {
            let Ok(started) = self.cluster.started(central) else {
                continue;
            };
            let count = format!(
                "select '{central} has ' || count(*) || ' sessions' from pg_stat_activity \
                 where application_name = 'event-server {central}' and backend_start > '{started}' \
                 having count(*) > {SESSIONS}"
            );
            // A node that is not the primary any more may not answer.
            let told = self.cluster.psql(node, &count).unwrap_or_default();
            self.found.extend(told.lines().map(str::to_owned));
        }
    }

    fn failures(&self) -> Vec<String> {
        let codes = self.ended.iter().enumerate();
        let failed = codes.filter_map(|(i, code)| Some((i + 1, code.filter(|code| *code != 0)?)));
        let failed = failed.map(|(agency, code)| format!("client{agency} has ended with {code}"));
        failed.collect()
    }
}
