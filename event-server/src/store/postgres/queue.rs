//! The work of one session: what it does for its agencies, one query at a time, and which query comes next.
//!
//! ```text
//! staged by the turn ─→ gathering ─→ in flight ─→ Committed: replies leave
//!                        (Group)      (one query)  or Declined: nothing is stored, replies say why
//!                                                  or Forgotten: connections close without one
//! ```
//!
//! Each kind of work has its turn: however much there is to do of one kind, another waits for one query of each of the
//! others at most. What was read counts once a later commit of this session is done, so an agency never changes its session.

mod answers;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use frame::{Agency, trace};

use super::database::{Database, Query, Unusable};
use super::group::{Group, Part};
use super::known::Known;
use super::overview::{Look, Overview};
use super::prologue::LockWait;
use super::rows::{Rows, SealedRows};
use crate::facts::Fact;
use crate::store::{Event, Freshness, Knowledge, NoSpace, Ticket};

/// Agencies that one query reads.
const MAX_READ: usize = 64;

/// A claim, a version that changes nothing, has the claims before it taken out where its number is a multiple of this.
const CLAIMS: i64 = 16;

/// How many agencies are remembered as blocked, and as claimed. Where more are blocked, a table is locked, and all of
/// them wait anyway.
const MAX_BLOCKED: usize = 1_024;

/// The most bytes of memory for rows that are kept for the next group.
const MOST_KEPT: usize = 2 * 1024 * 1024;

/// A kind of work.
#[derive(Clone, Copy)]
enum Kind {
    /// What has gathered; where a group has failed, its parts before that.
    Commit,
    /// Agencies that somebody waits for.
    Read,
    /// A look at how the lottery stands, the draw, or a slice of the scan for winners.
    Draw,
    /// A look at some agencies, for those who watch; else claims that are to be taken out.
    Survey,
}

/// The order of the turns. Between two queries of a kind that has something to do, one of each other kind passes at
/// most.
const TURNS: [Kind; 4] = [Kind::Commit, Kind::Read, Kind::Draw, Kind::Survey];

/// The query under way.
enum Work {
    /// These agencies are read.
    Read(BTreeSet<Agency>),
    /// A group is committed; it confirms what was read before.
    Commit(Group, SealedRows),
    /// A part of a group that failed is committed alone.
    CommitAlone(Part, SealedRows),
    /// Versions of an agency that changed nothing are taken out.
    DropClaims,
    /// The whole lottery is looked at.
    Look(Look),
}

/// A group that failed, so that nothing of it is stored: its parts are committed one after the other.
struct SplitGroup {
    ticket: Ticket,
    rest: VecDeque<(Part, SealedRows)>,
    /// Whose parts were committed. Their replies wait for the ticket: if it never comes, they are forgotten like the rest.
    done: BTreeSet<Agency>,
    /// Agencies of the group that have no part: a commit confirms what was read of them.
    depends: BTreeSet<Agency>,
}

impl SplitGroup {
    /// A group of which nothing is stored, split into its parts.
    fn of(group: Group, rows: &SealedRows) -> Self {
        let mut rows = rows.split();
        let mut with_rows = |part: Part| {
            let rows = rows.remove(&part.agency).unwrap_or_default();
            (part, rows)
        };
        Self {
            ticket: group.ticket,
            depends: group.depends().clone(),
            rest: group.into_parts().map(&mut with_rows).collect(),
            done: BTreeSet::new(),
        }
    }
}

/// What the sessions have to say to the store.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What happened, in its order.
    pub queued: VecDeque<Event>,
    /// The database has no space.
    pub no_space: Option<NoSpace>,
}

/// The work of one session.
pub(super) struct Queue<B> {
    database: B,
    known: Known,
    /// What is staged since the last commit began.
    gathering: Group,
    /// Memory for the rows of the group after it, used again, so that the system need not give it.
    spare: Vec<u8>,
    work: Option<Work>,
    split: Option<SplitGroup>,
    /// Agencies whose last read or commit waited for a lock in vain: the next one waits less, since others wait behind it.
    blocked: BTreeSet<Agency>,
    /// Agencies of which claims are to be taken out.
    claimed: BTreeSet<Agency>,
    /// Agencies that an operator has changed while a read was under way, which may have found their earlier state.
    changed: BTreeSet<Agency>,
    /// Why the database cannot be reached.
    down: Option<String>,
    /// Whose turn it is: a place in the order of the kinds of work.
    turn: usize,
    /// When the last turn began.
    now: Option<Instant>,
    /// When the turn began in which the query under way was sent.
    began: Option<Instant>,
    /// When the query under way was sent, where a trace was under way.
    traced: Option<Instant>,
    /// The last commit that is done.
    committed: Ticket,
    /// The last commit that the draw waits for.
    settles: Ticket,
}

impl<B: Database> Queue<B> {
    /// The work of this session. At most `most_known` agencies are kept in memory.
    pub(super) fn new(session: u8, database: B, most_known: usize) -> Self {
        let first = Ticket::first(session);
        Self {
            database,
            known: Known::new(most_known),
            gathering: Group::new(first.next(), Vec::new()),
            spare: Vec::new(),
            work: None,
            split: None,
            blocked: BTreeSet::new(),
            claimed: BTreeSet::new(),
            changed: BTreeSet::new(),
            down: Some("the database was not reached yet".to_owned()),
            turn: 0,
            now: None,
            began: None,
            traced: None,
            committed: first,
            settles: first,
        }
    }

    /// The session itself.
    pub(super) fn database(&mut self) -> &mut B {
        &mut self.database
    }

    /// Moves what can move without waiting.
    ///
    /// # Errors
    /// The database can never be used as it is configured.
    pub(super) fn advance(&mut self, now: Instant) -> Result<(), Unusable> {
        self.now = Some(now);
        self.database.advance(now)
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.database.deadline()
    }

    /// Why it cannot be reached, where that is so.
    pub(super) fn down(&self) -> Option<&String> {
        self.down.as_ref()
    }

    /// Bytes of rows that are staged.
    pub(super) fn staged(&self) -> usize {
        self.gathering.rows.len()
    }

    /// The rows of all requests since the last commit began, and of one that is being staged.
    pub(super) fn rows(&mut self) -> &mut Rows {
        &mut self.gathering.rows
    }

    /// How many bets are stored of an agency that is known, with those that are staged.
    pub(super) fn bets(&mut self, agency: Agency) -> u64 {
        let known = self.known.get(agency);
        known.map_or(0, |(versioned, _)| versioned.account.bets)
    }

    /// Whether requests of an agency of this session can be judged; else it is queued to be read.
    pub(super) fn know(
        &mut self,
        agency: Agency,
        freshness: Freshness,
        events: &mut Events,
    ) -> Knowledge {
        match self.known.get(agency) {
            Some((_, confirmed)) if freshness != Freshness::Latest => {
                if freshness == Freshness::Claimed {
                    self.claim(agency);
                } else if !confirmed {
                    self.gathering.depend(agency);
                }
                Knowledge::Known(self.ticket(agency))
            }
            _ => {
                let (gathering, work, split) = (&self.gathering, &self.work, &self.split);
                let dropped = self.known.queue_read(agency, |agency| {
                    gathering.concerns(agency) || under_way(work, split, agency).is_some()
                });
                events
                    .queued
                    .extend(dropped.into_iter().map(Event::Dropped));
                Knowledge::Reading
            }
        }
    }

    /// Adds to the group what an agency has sent: a fact, whose rows were written; `None` for a claim. Returns the
    /// commit that it will be a part of.
    pub(super) fn stage(&mut self, agency: Agency, fact: Option<&Fact>) -> Ticket {
        let (versioned, _) = self
            .known
            .get(agency)
            .expect("an agency is known before anything is staged for it");
        let before = versioned.account.bets;
        if let Some(fact) = fact {
            versioned.account.apply(fact);
        }
        let bets = versioned.account.bets - before;
        self.gathering.add(agency, versioned, bets);
        self.gathering.ticket
    }

    /// Stages a version of an agency that changes nothing but who may go on with it.
    fn claim(&mut self, agency: Agency) {
        self.stage(agency, None);
        let version = (self.known.get(agency)).map_or(0, |(versioned, _)| versioned.version);
        if version % CLAIMS == 0 && self.claimed.len() < MAX_BLOCKED {
            self.claimed.insert(agency);
        }
    }

    /// The commit that replies about this agency wait for.
    fn ticket(&self, agency: Agency) -> Ticket {
        if self.gathering.concerns(agency) {
            return self.gathering.ticket;
        }
        under_way(&self.work, &self.split, agency).unwrap_or(self.committed)
    }

    /// An operator has changed what is stored of this agency: it is read again. What a query under way reads may be
    /// older.
    pub(super) fn read_anew(&mut self, agency: Agency) {
        match self.work {
            Some(Work::Read(_)) => _ = self.changed.insert(agency),
            _ => self.known.queue_read_again(agency),
        }
    }

    /// From now on the draw waits until all is answered that was staged here before.
    pub(super) fn settle(&mut self) {
        self.settles = self.gathering.ticket;
    }

    /// Whether all is answered that the draw waits for.
    pub(super) fn is_settled(&self) -> bool {
        let under_way = match (&self.work, &self.split) {
            (_, Some(split)) => Some(split.ticket),
            (Some(Work::Commit(group, _)), None) => Some(group.ticket),
            _ => None,
        };
        let gathered = (!self.gathering.is_empty()).then_some(self.gathering.ticket);
        let first = under_way.or(gathered);
        first.is_none_or(|ticket| ticket > self.settles)
    }

    /// Gives the database the next query, where it has none. `overview`: this session looks at the whole lottery, too;
    /// `is_settled`: the draw waits for nothing.
    pub(super) fn dispatch(
        &mut self,
        mut overview: Option<&mut Overview>,
        is_settled: bool,
        events: &mut Events,
    ) {
        if self.work.is_some() || !self.database.is_idle() {
            return;
        }
        let mut next = || self.next_turn(overview.as_deref_mut(), is_settled, events);
        let Some(work) = (0..TURNS.len()).find_map(|_| next()) else {
            return;
        };
        self.began = self.now;
        self.traced = trace::now();
        match (&work, overview) {
            (Work::Read(agencies), _) => {
                let wait = self.lock_wait(agencies.iter());
                self.database.submit(&Query::Read(agencies, wait));
            }
            (Work::Commit(group, rows), _) => {
                let parts: Vec<&Part> = group.parts().collect();
                let wait = self.lock_wait(parts.iter().map(|part| &part.agency));
                self.database.submit(&Query::Append(&parts, rows, wait));
            }
            (Work::CommitAlone(part, rows), _) => {
                let query = Query::Append(&[part], rows, LockWait::Short);
                self.database.submit(&query);
            }
            (Work::DropClaims, _) => {
                // Without an agency there is no such work.
                if let Some(agency) = self.claimed.pop_first() {
                    self.database.submit(&Query::DropClaims(agency));
                }
            }
            (Work::Look(look), Some(overview)) => self.database.submit(&overview.query(look)),
            // Only an overview gives such work.
            (Work::Look(_), None) => return,
        }
        self.work = Some(work);
    }

    /// How long a query about these agencies may wait for a lock.
    fn lock_wait<'a>(&self, mut agencies: impl Iterator<Item = &'a Agency>) -> LockWait {
        match agencies.any(|agency| self.blocked.contains(agency)) {
            true => LockWait::Short,
            false => LockWait::Usual,
        }
    }

    /// The work of the kind whose turn it is.
    fn next_turn(
        &mut self,
        overview: Option<&mut Overview>,
        is_settled: bool,
        events: &mut Events,
    ) -> Option<Work> {
        let kind = TURNS[self.turn];
        self.turn = (self.turn + 1) % TURNS.len();
        match kind {
            Kind::Commit => self.next_part(events).or_else(|| self.next_group()),
            Kind::Read => self.next_read(),
            Kind::Draw => overview?.take_look(is_settled).map(Work::Look),
            Kind::Survey => {
                let survey = overview.and_then(Overview::take_survey).map(Work::Look);
                survey.or_else(|| (!self.claimed.is_empty()).then_some(Work::DropClaims))
            }
        }
    }

    fn next_part(&mut self, events: &mut Events) -> Option<Work> {
        let split = self.split.as_mut()?;
        if let Some((part, rows)) = split.rest.pop_front() {
            return Some(Work::CommitAlone(part, rows));
        }
        let SplitGroup {
            ticket,
            done,
            depends,
            ..
        } = self.split.take()?;
        if depends.is_empty() {
            self.committed(ticket, events);
            return None;
        }
        // What was only read is confirmed by a commit without any part.
        let mut group = Group::new(ticket, Vec::new());
        let agencies = depends.into_iter().chain(done);
        agencies.for_each(|agency| group.depend(agency));
        Some(Work::Commit(group, SealedRows::default()))
    }

    fn next_read(&mut self) -> Option<Work> {
        // What is staged or retried builds on what is known: the agency is read when that is done.
        let (gathering, split) = (&self.gathering, &self.split);
        let agencies = self.known.take_wanted(MAX_READ, |agency| {
            !gathering.concerns(agency) && under_way(&None, split, agency).is_none()
        });
        (!agencies.is_empty()).then_some(Work::Read(agencies))
    }

    fn next_group(&mut self) -> Option<Work> {
        if self.gathering.is_empty() {
            return None;
        }
        let next = Group::new(
            self.gathering.ticket.next(),
            std::mem::take(&mut self.spare),
        );
        let mut group = std::mem::replace(&mut self.gathering, next);
        let rows = std::mem::take(&mut group.rows).seal();
        Some(Work::Commit(group, rows))
    }

    /// Takes back the memory of rows that are stored.
    fn keep_memory(&mut self, rows: SealedRows) {
        if let Some(buffer) = rows.into_buffer()
            && buffer.capacity() <= MOST_KEPT
        {
            self.spare = buffer;
        }
    }

    /// All that was staged in this session up to this ticket is durable.
    fn committed(&mut self, ticket: Ticket, events: &mut Events) {
        self.committed = ticket;
        events.queued.push_back(Event::Committed(ticket));
    }

    /// How long the query under way has taken.
    fn took(&self) -> Option<Duration> {
        let (now, began) = self.now.zip(self.began)?;
        Some(now.saturating_duration_since(began))
    }
}

/// The ticket that replies about this agency wait for, where a commit is under way.
fn under_way(work: &Option<Work>, split: &Option<SplitGroup>, agency: Agency) -> Option<Ticket> {
    match (work, split) {
        (Some(Work::Commit(group, _)), _) if group.concerns(agency) => Some(group.ticket),
        (Some(Work::CommitAlone(part, _)), Some(split)) if part.agency == agency => {
            Some(split.ticket)
        }
        (_, Some(split)) => {
            let rest = split.rest.iter().any(|(part, _)| part.agency == agency);
            (rest || split.depends.contains(&agency)).then_some(split.ticket)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
