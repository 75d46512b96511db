//! What a new session does before the store may use it: learn whose backend it is, end those that were given up before
//! it, find or make the tables, introduce the central, listen.

use std::time::Duration;

use super::backends::{Backends, Ending};
use super::database::Unusable;
use super::error::DatabaseError;
use super::prologue::{CommitMode, LockWait, Prologue, Replication};
use super::schema::Schema;
use super::session::Parameters;
use super::sql::Statements;

/// How often it is tried again to make tables that another central makes at the same time.
const RACES: u32 = 20;

/// Why no bet is taken where commits have to be replicated.
pub(super) const NO_STANDBY: &str = "it has no synchronous standby, and SERVER_DURABILITY is replicated: \
     set synchronous_standby_names there";

/// The warning without a synchronous standby where commits need not be replicated.
pub(super) const ALONE: &str =
    "the database has no synchronous standby: an acknowledged bet is on one machine alone";

/// The course of a set-up.
pub(super) struct Setup {
    stage: Stage,
    races: u32,
    /// The row of the lottery was found.
    found: bool,
    /// It is of an older form.
    older: bool,
    /// Why the schema could not be made.
    denied: Option<DatabaseError>,
    parameters: Parameters,
    prologue: Prologue,
    /// How long the server may take to end a session that was given up.
    patience: Duration,
    /// The ending of the sessions that were given up before.
    ending: Ending,
    /// What this session tells on the channel once it listens; `None`: another session of this central listens for it.
    listener: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Whose backend is it, and which settings does the server know?
    Meet,
    /// Ends the sessions that were given up.
    End,
    Check,
    Create,
    /// What is there is of an older form.
    Upgrade,
    /// The tables alone, in a schema that an administrator has made.
    CreateTables,
    Introduce,
    Listen,
}

/// What comes after a query of the set-up.
pub(super) enum Step {
    /// The next query.
    Next,
    /// The store may use the session: with keys and values for the log line that says so, and what an operator should
    /// know.
    Ready(Vec<(&'static str, String)>, Option<String>),
    /// Not now: why.
    Wait(String),
}

impl Setup {
    /// The set-up of a session whose server said this about itself. An answer is due after `timeout`. `listener` is
    /// told to all that listen; without it the session does not listen, and leaves warnings at the start to the one
    /// that does.
    pub(super) fn new(
        parameters: Parameters,
        prologue: Prologue,
        timeout: Duration,
        listener: Option<String>,
    ) -> Self {
        Self {
            stage: Stage::Meet,
            races: 0,
            found: false,
            older: false,
            denied: None,
            parameters,
            prologue,
            patience: timeout / 2,
            ending: Ending::default(),
            listener,
        }
    }

    /// The query to send.
    pub(super) fn sql(&self, schema: &Schema, statements: &Statements) -> String {
        let sql = match self.stage {
            Stage::Meet => return Prologue::ask(),
            Stage::End => self.ending.sql(self.patience),
            Stage::Check => schema.check(),
            Stage::Create => schema.create(),
            Stage::Upgrade => schema.upgrade(),
            Stage::CreateTables => schema.create_tables(),
            Stage::Introduce => schema.introduce(),
            Stage::Listen => statements.listen(self.listener.as_deref().unwrap_or_default()),
        };
        self.prologue.begin(LockWait::Usual, false) + &sql
    }

    /// Takes the row that tells whose backend it is, the first one of every query.
    pub(super) fn meet(&mut self, columns: &[Option<&[u8]>]) {
        if self.stage == Stage::Meet {
            self.prologue.learn(columns);
        }
    }

    /// Takes another row of its result.
    ///
    /// # Errors
    /// The lottery there is another one.
    pub(super) fn row(
        &mut self,
        columns: &[Option<&[u8]>],
        schema: &Schema,
    ) -> Result<(), Unusable> {
        match self.stage {
            Stage::Check => {
                self.found = true;
                self.older = Schema::is_older(columns);
                schema.judge(columns)
            }
            Stage::End => {
                self.ending.row(columns);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What the transactions of the session begin with.
    pub(super) fn prologue(&self) -> &Prologue {
        &self.prologue
    }

    /// Takes the result of the query. Of the central's `backends` those that were given up on this server are ended
    /// first. `replication` says how durable the query's commit is.
    ///
    /// # Errors
    /// The database cannot be used as it is.
    pub(super) fn done(
        &mut self,
        result: Result<(), DatabaseError>,
        schema: &Schema,
        backends: &Backends,
        replication: Replication,
        commit: CommitMode,
    ) -> Result<Step, Unusable> {
        match (self.stage, result) {
            (Stage::Meet, Ok(())) => {
                self.ending = backends.to_end();
                self.stage = match self.ending.is_empty() {
                    true => Stage::Check,
                    false => Stage::End,
                };
            }
            (Stage::End, Ok(())) => {
                if let Some(why) = self.ending.why_not() {
                    return Ok(Step::Wait(why));
                }
                backends.ended(&self.ending);
                self.stage = Stage::Check;
            }
            // This engine ends no sessions for others.
            (Stage::End, Err(e)) if Schema::is_final(&e) => {
                backends.ended(&self.ending);
                self.stage = Stage::Check;
            }
            (Stage::Check, Ok(())) if self.found && self.older => self.stage = Stage::Upgrade,
            (Stage::Check, Ok(())) if self.found => self.stage = Stage::Introduce,
            (Stage::Check, Ok(())) => self.stage = Stage::Create,
            (Stage::Check, Err(e)) if Schema::is_missing(&e) => self.stage = Stage::Create,
            // What is there now is read again: it may be another central's.
            (Stage::Create | Stage::CreateTables | Stage::Upgrade, Ok(())) => {
                self.stage = Stage::Check;
            }
            (Stage::Create | Stage::CreateTables | Stage::Upgrade, Err(e))
                if Schema::is_race(&e) && self.races < RACES =>
            {
                self.races += 1;
                self.stage = Stage::Check;
            }
            (Stage::Create, Err(e)) if Schema::is_denied(&e) => {
                self.denied = Some(e);
                self.stage = Stage::CreateTables;
            }
            (Stage::CreateTables, Err(e)) if Schema::is_missing(&e) => {
                let denied = self.denied.take().unwrap_or(e);
                return Err(schema.explain(&denied));
            }
            (Stage::Introduce, Ok(()))
                if commit == CommitMode::Replicated && !replication.named =>
            {
                return Ok(Step::Wait(NO_STANDBY.to_owned()));
            }
            (Stage::Introduce, Ok(())) if self.listener.is_none() => {
                return Ok(self.ready(commit, replication));
            }
            (Stage::Introduce, Ok(())) => self.stage = Stage::Listen,
            // An engine without notifications is looked at once a second.
            (Stage::Listen, _) => return Ok(self.ready(commit, replication)),
            (_, Err(e)) if Schema::is_final(&e) => return Err(schema.explain(&e)),
            (_, Err(e)) => return Ok(Step::Wait(format!("it is not ready: {e}"))),
        }
        Ok(Step::Next)
    }

    fn ready(&self, commit: CommitMode, Replication { synchronous, .. }: Replication) -> Step {
        let standby = if synchronous { "yes" } else { "no" };
        let up = vec![
            ("server_version", self.parameters.version.clone()),
            ("synchronous_standby", standby.to_owned()),
        ];
        let relaxed =
            "SERVER_DURABILITY is never: the database may lose acknowledged bets when it crashes";
        let warning = match commit {
            CommitMode::Off => Some(relaxed.to_owned()),
            _ => (!synchronous).then(|| ALONE.to_owned()),
        };
        Step::Ready(up, warning.filter(|_| self.listener.is_some()))
    }
}
