//! How the whole lottery stands: whether all agencies have finished, the draw and its winners, and what is shown to
//! those who watch.
//!
//! ```text
//! Open --- all have finished, or the draw is done ---> Due --- drawn ---> Scanning --- the last slice ---> Done
//!   ^                                                   | ^                  |
//!   '-------------- it was not so, or not now ----------' '-- session lost --'
//! ```
//!
//! None of this belongs to an agency, so one session alone asks for it: the first. The database tells it of the
//! agencies of other sessions, as of those that other centrals serve.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use frame::{Agency, Number};

use super::database::{Answer, Failure, Query};
use super::scan::{DrawRow, Layout, Scan, Slice, Winners};
use super::survey::Survey;
use crate::store::{Drawn, Event, Others, Wanted};

/// How often to look whether the draw is done while somebody waits for it, for databases that do not notify.
const LOOK: Duration = Duration::from_secs(1);

/// A query about the whole lottery.
#[derive(Debug)]
pub(super) enum Look {
    /// The agencies up to this one, for those who watch.
    Survey(Agency),
    /// Whether all agencies have finished, or somebody has drawn.
    Progress,
    /// The draw, once the database has told it.
    Draw(Option<DrawRow>),
    /// A slice of the scan for winners, with what it has found.
    Slice {
        slice: Slice,
        winners: Winners,
        layout: Option<Layout>,
    },
}

/// How far the draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Some agency has not finished, as far as is known here.
    Open,
    /// To be drawn, or the draw to be read.
    Due,
    /// The draw is done; its winners are looked for.
    Scanning,
    /// The winners were told.
    Done,
}

/// How the lottery stands, as far as is known here.
#[derive(Debug)]
pub(super) struct Overview {
    /// The number that wins, if this central draws.
    winner: Number,
    progress: Progress,
    /// The scan for the winners of a draw that was read, until it has ended.
    scan: Option<Scan>,
    look_at: Option<Instant>,
    look_due: bool,
    survey: Survey,
}

impl Overview {
    /// The overview of a lottery of which nothing is known. `winner` is the number that wins, if this central draws.
    pub(super) fn new(winner: Number) -> Self {
        Self {
            winner,
            progress: Progress::Open,
            scan: None,
            look_at: None,
            look_due: false,
            survey: Survey::default(),
        }
    }

    /// Makes a look due: something may have changed.
    pub(super) fn look_again(&mut self) {
        self.look_due = true;
    }

    /// Takes in what somebody waits for and watches.
    pub(super) fn want(&mut self, wanted: Wanted, now: Instant) {
        self.survey.watch(wanted.watched, now);
        let waits = wanted.winners && self.progress == Progress::Open;
        match self.look_at {
            Some(at) if waits && at <= now => {
                self.look_due = true;
                self.look_at = Some(now + LOOK);
            }
            Some(_) if !waits => self.look_at = None,
            None if waits => self.look_at = Some(now + LOOK),
            _ => {}
        }
        self.survey.advance(now);
    }

    /// When [`want`](Self::want) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.look_at, self.survey.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// How the agencies stood that have stored anything, when they were looked at last.
    pub(super) fn others(&self) -> Others<'_> {
        self.survey.others()
    }

    /// The next step toward the winners, where one is due; it is under way now. `is_settled`: all is answered that was
    /// sent before all agencies had finished.
    pub(super) fn take_look(&mut self, is_settled: bool) -> Option<Look> {
        match self.progress {
            Progress::Open if self.look_due => {
                self.look_due = false;
                Some(Look::Progress)
            }
            Progress::Due if is_settled => Some(Look::Draw(None)),
            Progress::Scanning => Some(Look::Slice {
                slice: self.scan.as_ref()?.next(),
                winners: Winners::default(),
                layout: None,
            }),
            _ => None,
        }
    }

    /// The next look for those who watch, where one is due; it is under way now.
    pub(super) fn take_survey(&mut self) -> Option<Look> {
        self.survey.take_due().map(Look::Survey)
    }

    /// The query that a look asks.
    pub(super) fn query<'l>(&self, look: &'l Look) -> Query<'l> {
        match look {
            Look::Survey(last) => Query::Survey(self.survey.first(), *last),
            Look::Progress => Query::Look,
            Look::Draw(_) => Query::Draw(self.winner),
            Look::Slice { slice, .. } => {
                // Without a scan there is no slice of it.
                let winner = (self.scan.as_ref()).map_or(self.winner, |scan| scan.draw().winner);
                Query::Winners(winner, slice)
            }
        }
    }

    /// Takes an answer to the look under way.
    pub(super) fn hear(&mut self, look: &mut Look, answer: Answer) {
        match (look, answer) {
            (Look::Survey(_), Answer::Account(agency, versioned)) => {
                self.survey.found(agency, versioned.account);
            }
            (Look::Draw(drawn), Answer::Drawn(row)) => *drawn = Some(row),
            (
                Look::Slice { winners, .. },
                Answer::Won {
                    agency,
                    seq,
                    document,
                },
            ) => winners.add(agency, seq, &document),
            (Look::Slice { layout, .. }, Answer::Layout(found)) => *layout = Some(found),
            _ => {}
        }
    }

    /// Notes that all agencies have finished, or somebody has drawn. Returns whether that is new here.
    pub(super) fn all_finished(&mut self) -> bool {
        let is_news = self.progress == Progress::Open;
        if is_news {
            self.progress = Progress::Due;
        }
        is_news
    }

    /// Takes the result of the look under way, which is done.
    pub(super) fn done(&mut self, look: Look, now: Option<Instant>, events: &mut VecDeque<Event>) {
        match look {
            Look::Survey(last) => self.survey.done(last, now),
            Look::Progress => {}
            Look::Draw(None) => self.progress = Progress::Open,
            Look::Draw(Some(draw)) => {
                // Another session goes on with the scan of the one before, where it is the same draw.
                let scan = self.scan.take().filter(|scan| *scan.draw() == draw);
                self.scan = Some(scan.unwrap_or_else(|| Scan::new(draw)));
                self.progress = Progress::Scanning;
            }
            Look::Slice {
                winners, layout, ..
            } => self.scanned(winners, layout, events),
        }
    }

    /// A slice of the table was read.
    fn scanned(&mut self, winners: Winners, layout: Option<Layout>, events: &mut VecDeque<Event>) {
        let Some(mut scan) = self.scan.take() else {
            return;
        };
        if !scan.add(winners, layout) {
            self.scan = Some(scan);
            return;
        }
        self.progress = Progress::Done;
        events.push_back(Event::Counting);
        events.push_back(Event::Counted(Drawn {
            position: 0,
            winner: scan.draw().winner,
            tally: scan.into_tally(),
            is_stored: true,
        }));
    }

    /// Takes the failure of the look under way. Returns whether the session can go on.
    pub(super) fn failed(&mut self, look: &Look, failure: &Failure, now: Option<Instant>) -> bool {
        match (look, failure) {
            (Look::Survey(_), Failure::NotNow(_)) => self.survey.failed(now),
            // Another look is taken where somebody waits for the draw, and it goes on from there.
            (
                Look::Progress | Look::Draw(_) | Look::Slice { .. },
                Failure::Conflict | Failure::NotNow(_),
            ) => self.progress = Progress::Open,
            (
                Look::Slice {
                    slice: Slice::Blocks(_),
                    ..
                },
                Failure::Unknown(_),
            ) => self.scan.iter_mut().for_each(Scan::read_whole),
            _ => return false,
        }
        true
    }

    /// The session that looks is lost, with the look under way.
    pub(super) fn lost(&mut self, look: Option<&Look>, now: Option<Instant>) {
        match look {
            Some(Look::Survey(_)) => self.survey.failed(now),
            Some(Look::Slice { .. }) => self.scan.iter_mut().for_each(Scan::lost),
            Some(Look::Progress | Look::Draw(_)) | None => {}
        }
        // The next session has to show again that the draw is durable, with a commit of its own.
        if self.progress == Progress::Scanning {
            self.progress = Progress::Due;
        }
    }
}

#[cfg(test)]
mod tests;
