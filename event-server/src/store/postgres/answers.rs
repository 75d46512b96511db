//! What the database tells, and what follows from it.

use std::collections::BTreeSet;

use frame::Agency;

use super::PostgresStore;
use super::account::Account;
use super::database::{Answer, Database, Failure};
use super::known::Read;
use super::progress::Progress;
use super::work::{Retry, Work};
use crate::store::{Commit, Drawn, Event, NoSpace};

impl<B: Database> PostgresStore<B> {
    pub(super) fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Up(what) => {
                self.down = None;
                self.look_due = true;
                self.events.push_back(Event::Up(what));
            }
            Answer::Warning(what) => self.events.push_back(Event::Warning(what)),
            Answer::Down(why) => self.lost(why),
            Answer::Notified => self.look_due = true,
            Answer::Account(agency, account) => {
                if let Some(Work::Read(agencies)) = &mut self.work {
                    agencies.remove(&agency);
                    self.read(agency, account);
                } else if let Some(Work::Survey(_)) = &self.work {
                    self.survey.found(agency, account.bets, account.finished);
                }
            }
            Answer::Progress {
                all_finished,
                drawn,
            } => {
                if let Progress::Open = self.progress
                    && (all_finished || drawn)
                {
                    self.progress = Progress::Due;
                }
            }
            Answer::Winner(number) => {
                if let Some(Work::Draw { winner, .. }) = &mut self.work {
                    *winner = Some(number);
                }
            }
            Answer::Won(agency, document) => {
                if let Some(Work::Draw { tally, .. }) = &mut self.work {
                    tally.add(agency, &document);
                }
            }
            Answer::Done => self.done(),
            Answer::Failed(failure) => self.failed(failure),
        }
    }

    fn read(&mut self, agency: Agency, account: Account) {
        let (stored, finished) = (account.stored(), account.finished);
        if self.known.read(agency, account) == Read::Changed {
            self.events.push_back(Event::Forgotten(agency));
        }
        self.events.push_back(Event::Read {
            agency,
            stored,
            finished,
        });
    }

    fn done(&mut self) {
        match self.work.take() {
            // Those left have no row.
            Some(Work::Read(agencies)) => {
                for agency in agencies {
                    self.read(agency, Account::default());
                }
            }
            Some(Work::Survey(last)) => self.survey.done(last, self.now),
            Some(Work::Commit(group)) => {
                self.count_commit(group.bets());
                self.known.confirm();
                self.look_due |= group.parts().any(|part| part.account.finished);
                self.events.push_back(Event::Committed(group.ticket));
            }
            Some(Work::CommitAlone(part)) => {
                self.count_commit(part.bets);
                self.known.confirm();
                self.look_due |= part.account.finished;
                if let Some(retry) = &mut self.retry {
                    retry.done.insert(part.agency);
                }
            }
            Some(Work::Draw {
                winner: Some(winner),
                tally,
            }) => {
                let position = 0;
                self.progress = Progress::Drawn(Drawn {
                    position,
                    winner,
                    tally,
                });
            }
            Some(Work::Draw { winner: None, .. }) => self.progress = Progress::Open,
            Some(Work::Look) | None => {}
        }
    }

    fn count_commit(&mut self, bets: u64) {
        let took = self.now.zip(self.began);
        let took = took.map(|(now, began)| now.saturating_duration_since(began));
        self.commits.push_back(Commit { bets, took });
    }

    /// Nothing of the query under way is stored.
    fn failed(&mut self, failure: Failure) {
        match (self.work.take(), failure) {
            // The disk is as full for each part as for all of them.
            (Some(Work::Commit(group)), Failure::NoSpace(why)) => {
                self.no_space = Some(NoSpace::new(why.clone()));
                self.refuse(why, group.agencies());
            }
            (Some(Work::CommitAlone(part)), Failure::NoSpace(why)) => {
                self.no_space = Some(NoSpace::new(why.clone()));
                self.refuse(why, [part.agency]);
            }
            // One agency that is served twice, or whose bets the database refuses, costs nobody else.
            (Some(Work::Commit(group)), _) if group.parts().next().is_some() => {
                self.retry = Some(Retry {
                    ticket: group.ticket,
                    depends: group.depends().clone(),
                    rest: group.into_parts().collect(),
                    done: BTreeSet::new(),
                });
            }
            // Another central has gone on with it.
            (Some(Work::CommitAlone(part)), Failure::Conflict) => self.forget(part.agency),
            (Some(Work::CommitAlone(part)), Failure::Other(why)) => {
                self.refuse(why, [part.agency]);
            }
            (work, failure) => {
                self.work = work;
                self.database.give_up(match failure {
                    Failure::Conflict => "the database asks to try again".to_owned(),
                    Failure::NoSpace(why) | Failure::Other(why) => why,
                });
            }
        }
    }

    /// The database would not store what these agencies have sent.
    fn refuse(&mut self, why: String, agencies: impl IntoIterator<Item = Agency>) {
        self.events.push_back(Event::Warning(why));
        agencies.into_iter().for_each(|agency| self.forget(agency));
    }

    /// The session is lost, and with it all that is not known to be durable.
    fn lost(&mut self, why: String) {
        let mut lost = self.gathering.agencies();
        match self.work.take() {
            Some(Work::Read(agencies)) => {
                agencies
                    .into_iter()
                    .for_each(|agency| self.known.want_again(agency));
            }
            Some(Work::Commit(group)) => lost.extend(group.agencies()),
            Some(Work::CommitAlone(part)) => _ = lost.insert(part.agency),
            Some(Work::Survey(_)) => self.survey.failed(self.now),
            Some(Work::Look | Work::Draw { .. }) | None => {}
        }
        if let Some(retry) = self.retry.take() {
            lost.extend(retry.rest.into_iter().map(|part| part.agency));
            lost.extend(retry.done);
            lost.extend(retry.depends);
        }
        self.known.session_lost();
        lost.into_iter().for_each(|agency| self.forget(agency));
        self.events.push_back(Event::Down(why.clone()));
        self.down = Some(why);
    }

    fn forget(&mut self, agency: Agency) {
        self.known.forget(agency);
        self.gathering.remove(agency);
        self.events.push_back(Event::Forgotten(agency));
    }
}
