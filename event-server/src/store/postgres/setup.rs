//! What a new session does before the store may use it: find or make the tables, introduce the central, listen.

use super::database::Unusable;
use super::error::DatabaseError;
use super::options::CommitMode;
use super::schema::{Replication, Schema};
use super::session::Parameters;
use super::statements::Statements;

/// How often the tables are tried again that another central makes at the same time.
const RACES: u32 = 20;

/// The course of a set-up.
pub(super) struct Setup {
    stage: Stage,
    races: u32,
    /// The row of the lottery was found.
    found: bool,
    /// Why the schema could not be made.
    denied: Option<DatabaseError>,
    parameters: Parameters,
    replication: Replication,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Check,
    Create,
    /// The tables alone, in a schema that an administrator has made.
    CreateTables,
    Introduce,
    /// Without a wait for the disk, where that is wanted.
    Relax,
    Listen,
}

/// What comes after a query of the set-up.
pub(super) enum Step {
    /// The next query.
    Next,
    /// The store may use the session. What is worth a line in the log, as keys and values, and what an operator should
    /// know.
    Ready(Vec<(&'static str, String)>, Option<String>),
    /// Not now: why.
    Wait(String),
}

impl Setup {
    /// The set-up of a session whose server said this about itself.
    pub(super) fn new(parameters: Parameters) -> Self {
        Self {
            stage: Stage::Check,
            races: 0,
            found: false,
            denied: None,
            parameters,
            replication: Replication { synchronous: false },
        }
    }

    /// The query to send.
    pub(super) fn sql(&self, schema: &Schema, statements: &Statements) -> String {
        match self.stage {
            Stage::Check => schema.check(),
            Stage::Create => schema.create(),
            Stage::CreateTables => schema.create_tables(),
            Stage::Introduce => schema.introduce(),
            Stage::Relax => "set synchronous_commit = off".to_owned(),
            Stage::Listen => statements.listen(),
        }
    }

    /// Takes a row of its result.
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
                schema.judge(columns)
            }
            Stage::Introduce => {
                self.replication = Schema::replication(columns);
                Ok(())
            }
            Stage::Create | Stage::CreateTables | Stage::Relax | Stage::Listen => Ok(()),
        }
    }

    /// The query is done, or failed.
    ///
    /// # Errors
    /// The database cannot be used as it is.
    pub(super) fn done(
        &mut self,
        result: Result<(), DatabaseError>,
        schema: &Schema,
        commit: CommitMode,
    ) -> Result<Step, Unusable> {
        match (self.stage, result) {
            (Stage::Check, Ok(())) if self.found => self.stage = Stage::Introduce,
            (Stage::Check, Ok(())) => self.stage = Stage::Create,
            (Stage::Check, Err(e)) if Schema::is_missing(&e) => self.stage = Stage::Create,
            // What is there now is read again: it may be another central's.
            (Stage::Create | Stage::CreateTables, Ok(())) => self.stage = Stage::Check,
            (Stage::Create | Stage::CreateTables, Err(e))
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
            (Stage::Introduce, Ok(())) => match (commit, self.replication.synchronous) {
                (CommitMode::Replicated, false) => {
                    return Ok(Step::Wait(
                        "it has no synchronous standby, and SERVER_DURABILITY is replicated: \
                         set synchronous_standby_names there"
                            .to_owned(),
                    ));
                }
                (CommitMode::Off, _) => self.stage = Stage::Relax,
                _ => self.stage = Stage::Listen,
            },
            (Stage::Relax, Ok(())) => self.stage = Stage::Listen,
            // An engine without notifications is looked at once a second.
            (Stage::Listen, _) => return Ok(self.ready(commit)),
            (_, Err(e)) => return Err(schema.explain(&e)),
        }
        Ok(Step::Next)
    }

    fn ready(&self, commit: CommitMode) -> Step {
        let synchronous = self.replication.synchronous;
        let standby = if synchronous { "yes" } else { "no" };
        let up = vec![
            ("server_version", self.parameters.version.clone()),
            ("synchronous_standby", standby.to_owned()),
        ];
        let alone =
            "the database has no synchronous standby: an acknowledged bet is on one machine alone";
        let relaxed =
            "SERVER_DURABILITY is never: the database may lose acknowledged bets when it crashes";
        let warning = match commit {
            CommitMode::Off => Some(relaxed.to_owned()),
            _ => (!synchronous).then(|| alone.to_owned()),
        };
        Step::Ready(up, warning)
    }
}
