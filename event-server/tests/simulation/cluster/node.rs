//! A node of the simulated database: its log of transactions, its tables, and how a query is carried out on them.

use event_server::store::postgres::{Answer, Failure};
use frame::Agency;

use super::link::Statement;
use super::tables::{Change, Tables};

#[derive(Default)]
pub struct Node {
    pub tables: Tables,
    log: Vec<Change>,
    /// How many transactions are on another node, too.
    pub replicated: usize,
    /// It was the primary.
    pub cut_off: bool,
    /// How many transactions have looked at the version before theirs, and have not appended theirs yet.
    pub appending: u32,
}

/// How a query ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it has read.
    pub answers: Vec<Answer>,
    pub end: End,
    /// Those who listen are to be told.
    pub notifies: bool,
}

#[derive(Debug)]
pub enum End {
    /// Nothing of it is stored.
    Failed(Failure),
    /// There was nothing to commit.
    Done,
    /// It is done once this number of transactions is replicated.
    Committed(usize),
}

impl Outcome {
    pub fn failed(failure: Failure) -> Self {
        Self {
            answers: Vec::new(),
            end: End::Failed(failure),
            notifies: false,
        }
    }

    pub fn read(answers: Vec<Answer>) -> Self {
        Self {
            answers,
            end: End::Done,
            notifies: false,
        }
    }

    /// Whether it tells that all agencies have finished, or that the draw is done.
    pub fn shows_all_finished(&self) -> bool {
        let shows = |answer: &Answer| match answer {
            Answer::Progress {
                all_finished,
                drawn,
            } => *all_finished || *drawn,
            _ => false,
        };
        self.answers.iter().any(shows)
    }
}

impl Node {
    /// Carries out a query of the central of this life, in a lottery of `agencies` agencies. `founded`: where the
    /// version before was looked at earlier, whether it was there.
    pub fn carry_out(
        &mut self,
        statement: &Statement,
        life: usize,
        agencies: u32,
        founded: Option<bool>,
    ) -> Outcome {
        let tables = &self.tables;
        let change = match statement {
            Statement::Read(agencies) => {
                let accounts = agencies.iter().filter_map(|agency| {
                    let account = tables.account(*agency)?;
                    Some(Answer::Account(*agency, account))
                });
                return Outcome::read(accounts.collect());
            }
            Statement::Look => {
                return Outcome::read(vec![Answer::Progress {
                    all_finished: tables.all_finished(agencies),
                    drawn: tables.is_drawn(),
                }]);
            }
            Statement::Winners(winner, slice) => return tables.winners(*winner, slice),
            Statement::DropClaims(agency) => {
                if !self.drop_claims(*agency) {
                    return Outcome::failed(Failure::NotNow("somebody appends".to_owned()));
                }
                return Outcome::read(Vec::new());
            }
            Statement::Append(parts, _)
                if !founded.unwrap_or_else(|| tables.are_founded(parts)) =>
            {
                return Outcome::failed(Failure::Unfounded);
            }
            Statement::Append(parts, _) if tables.conflicts(parts) => {
                return Outcome::failed(Failure::Conflict);
            }
            Statement::Append(parts, _) if !parts.is_empty() => Change::Append(parts.clone(), life),
            Statement::Draw(winner) if !tables.is_drawn() && tables.all_finished(agencies) => {
                Change::Draw(*winner, life)
            }
            // A commit all the same: what was read before counts then.
            Statement::Append(..) | Statement::Draw(_) => Change::Seen,
        };
        let notifies = match &change {
            Change::Append(parts, _) => parts.iter().any(|part| part.account.finished),
            Change::Draw(..) => true,
            Change::Seen | Change::Rewritten | Change::ClaimsDropped(_) => false,
        };
        let end = End::Committed(self.commit(change));
        let answers = match statement {
            Statement::Draw(_) => self.tables.drawn().into_iter().collect(),
            _ => Vec::new(),
        };
        Outcome {
            answers,
            end,
            notifies,
        }
    }

    /// Takes out versions of an agency that changed nothing, unless somebody is in the middle of appending; returns
    /// whether it did.
    pub fn drop_claims(&mut self, agency: Agency) -> bool {
        if self.appending == 0 {
            self.commit(Change::ClaimsDropped(agency));
        }
        self.appending == 0
    }

    /// The table of bets is written again, in other blocks.
    pub fn rewrite(&mut self) {
        self.commit(Change::Rewritten);
    }

    fn commit(&mut self, change: Change) -> usize {
        let position = self.log.len() + 1;
        self.tables.apply(&change, position);
        self.log.push(change);
        position
    }

    /// At most `most` more transactions reach another node.
    pub fn replicate(&mut self, most: usize) {
        self.replicated = self.log.len().min(self.replicated.saturating_add(most));
    }

    /// Cuts the node off. Returns the node that takes its place, with what is replicated, and how many transactions
    /// that lacks.
    pub fn fail_over(&mut self) -> (Self, usize) {
        self.cut_off = true;
        let mut next = Self::default();
        for change in &self.log[..self.replicated] {
            next.commit(change.clone());
        }
        next.replicated = next.log.len();
        (next, self.log.len() - self.replicated)
    }
}
