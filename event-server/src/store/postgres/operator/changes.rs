//! What an operator changes in a lottery, beside the centrals that serve it.

use frame::Agency;

use super::{NumberChange, Operator, OperatorError};
use crate::store::postgres::sql::{Statements, parse};

/// How often a version that a central took in the same moment is tried again.
const RACES: u32 = 20;

impl Operator {
    /// Takes out an agency's bets, in one transaction, as the agency's next version: whatever a central knows of it is
    /// out of date then. Returns how many bets went; `None`: the draw is done, and nothing was changed.
    ///
    /// # Errors
    /// The session is lost, and nobody knows whether it is done; or the database refuses, and nothing has changed.
    pub fn reopen(
        &mut self,
        agency: Agency,
        allow_same_file: bool,
    ) -> Result<Option<u64>, OperatorError> {
        self.upgrade()?;
        let sql = self.statements.reopen(agency, allow_same_file);
        let numbers = self.change(agency, &sql)?;
        Ok(match numbers[..] {
            [0, removed] => Some(removed),
            _ => None,
        })
    }

    /// Closes an agency with the bets that are stored of it, as its next version; `false`: the draw is done, and nothing
    /// was changed.
    ///
    /// # Errors
    /// As [`reopen`](Self::reopen).
    pub fn finish(&mut self, agency: Agency) -> Result<bool, OperatorError> {
        let sql = self.statements.finish(agency);
        Ok(self.change(agency, &sql)?[..] == [0])
    }

    /// Returns whether an agency takes part, or has a version; and how many agencies there are.
    ///
    /// # Errors
    /// The session is lost, or the database refuses.
    pub fn takes_part(&mut self, agency: Agency) -> Result<(bool, u32), OperatorError> {
        let sql = self.statements.takes_part(agency);
        let (mut is_there, mut agencies) = (false, 0);
        let done = self.query(&sql, |row| {
            let column = |at: usize| row.get(at).copied().flatten();
            is_there = column(0) == Some(b"t");
            agencies = column(1).and_then(parse).unwrap_or_default();
            Ok(())
        })?;
        done.map_err(|e| OperatorError::Unusable(format!("the lottery cannot be read: {e}")))?;
        Ok((is_there, agencies))
    }

    fn upgrade(&mut self) -> Result<(), OperatorError> {
        if !self.older {
            return Ok(());
        }
        let sql = self.schema.upgrade();
        let done = self.query(&sql, |_| Ok(()))?;
        done.map_err(|e| OperatorError::Unusable(self.schema.explain(&e).to_string()))
    }

    /// Changes what is stored of an agency, in one transaction; returns the numbers of its rows.
    fn change(&mut self, agency: Agency, sql: &str) -> Result<Vec<u64>, OperatorError> {
        let busy = format!(
            "agency {agency} is being served without a pause: stop its client, and try again"
        );
        self.insist(sql, "the agency cannot be changed", &busy)
    }

    /// Sends statements that a central may be in the way of for a moment, again until they are done; returns the
    /// numbers of their rows.
    pub(super) fn insist(
        &mut self,
        sql: &str,
        refused: &str,
        busy: &str,
    ) -> Result<Vec<u64>, OperatorError> {
        for _ in 0..RACES {
            let mut numbers = Vec::new();
            let done = self.query(sql, |row| {
                numbers.extend(row.first().copied().flatten().and_then(parse::<u64>));
                Ok(())
            })?;
            match done {
                Ok(()) => return Ok(numbers),
                // A central has stored something in the same moment, or is about to.
                Err(e) if e.code == "23505" || e.code == "55P03" => {}
                Err(e) => return Err(OperatorError::Unusable(format!("{refused}: {e}"))),
            }
        }
        Err(OperatorError::Unreachable(busy.to_owned()))
    }

    /// Changes how many agencies take part; 0: anyone. No central stores anything of an agency above that number from
    /// then on, and one that was started with another number serves no longer.
    ///
    /// # Errors
    /// The database refuses, or the session is lost before it was told to commit: nothing has changed.
    pub fn set_agencies(&mut self, agencies: u32) -> Result<NumberChange, OperatorError> {
        let refused = |e| OperatorError::Unusable(format!("the number cannot be changed: {e}"));
        let sql = self.statements.limit_agencies(agencies);
        let (mut draws, mut above) = (None, None);
        let limited = self.query(&sql, |row| {
            let column = |at: usize| row.get(at).copied().flatten();
            draws = column(0).and_then(parse::<u64>);
            above = column(1).and_then(|agency| Agency::parse(agency).ok());
            Ok(())
        })?;
        limited.map_err(refused)?;
        // Where the session ends without a commit, nothing of this transaction stays.
        match (draws, above) {
            (Some(0), None) => {
                let sql = self.statements.set_agencies(agencies);
                self.continue_query(&sql, |_| Ok(()))?.map_err(refused)?;
                Ok(NumberChange::Done)
            }
            (Some(0), Some(agency)) => Ok(NumberChange::AgencyAbove(agency)),
            _ => Ok(NumberChange::Drawn),
        }
    }
}

impl Statements {
    /// Takes out all bets of an agency where nobody has drawn, as the agency's next version. Its upload is barred, or,
    /// where `allow_same_file` says so, none is any more. Two rows of one number: how many draws there are, and how many
    /// bets went. An agency without a version is left as it is.
    fn reopen(&self, agency: Agency, allow_same_file: bool) -> String {
        let Self {
            schema,
            central,
            channel,
            ..
        } = self;
        let bar = match allow_same_file {
            true => format!(
                "delete from {schema}.barred \
                 where agency = {agency} and not exists (select 1 from {schema}.draw)"
            ),
            // An upload is named by 32 digits; other words say that there is none.
            false => format!(
                "insert into {schema}.barred (agency, upload) \
                 select agency, upload from {schema}.commits c \
                 where agency = {agency} and length(upload) = 32 and not exists \
                 (select 1 from {schema}.commits d where d.agency = c.agency and d.version > c.version) \
                 and not exists (select 1 from {schema}.draw) on conflict do nothing"
            ),
        };
        format!(
            "{lock}; select count(*) from {schema}.draw; {bar}; \
             insert into {schema}.commits (agency, version, upload, batched, bets, finished, central, at) \
             select agency, max(version) + 1, null, 0, 0, false, {central}, now() from {schema}.commits \
             where agency = {agency} and not exists (select 1 from {schema}.draw) group by agency; \
             with gone as (delete from {schema}.bets \
             where agency = {agency} and not exists (select 1 from {schema}.draw) returning 1) \
             select count(*) from gone; notify {channel}, '{agency}'",
            lock = self.lock_draw(),
        )
    }

    /// Says that an agency has finished where nobody has drawn, as the agency's next version. A row: how many draws there
    /// are.
    fn finish(&self, agency: Agency) -> String {
        let Self {
            schema,
            central,
            channel,
            ..
        } = self;
        format!(
            "{lock}; select count(*) from {schema}.draw; \
             insert into {schema}.commits (agency, version, upload, batched, bets, finished, central, at) \
             select {agency}, coalesce(max(c.version), 0) + 1, max(c.upload), coalesce(max(c.batched), 0), \
             coalesce(max(c.bets), 0), true, {central}, now() from \
             (select * from {schema}.commits where agency = {agency} order by version desc limit 1) c \
             where not exists (select 1 from {schema}.draw) having not coalesce(bool_or(c.finished), false) \
             and not exists (select 1 from {schema}.draw); \
             notify {channel}, '{agency}'",
            lock = self.lock_draw(),
        )
    }

    /// Whether an agency takes part or has a version, and how many take part: `is_there, agencies`.
    fn takes_part(&self, agency: Agency) -> String {
        let schema = &self.schema;
        format!(
            "select agencies = 0 or {agency} <= agencies or exists \
             (select 1 from {schema}.commits where agency = {agency}), agencies from {schema}.lottery"
        )
    }

    /// Begins a transaction after which no central stores anything of an agency above this number. A row: how many
    /// draws there are, and the largest agency above it that has stored something.
    fn limit_agencies(&self, agencies: u32) -> String {
        let schema = &self.schema;
        let limit = match agencies {
            0 => String::new(),
            agencies => format!(
                "alter table {schema}.commits add constraint takes_part \
                 check (agency between 1 and {agencies}) not valid; "
            ),
        };
        format!(
            "begin; {lock}; \
             alter table {schema}.commits drop constraint if exists takes_part; {limit}\
             select (select count(*) from {schema}.draw), (select max(agency) from {schema}.commits c \
             where {agencies} > 0 and agency > {agencies} and (bets > 0 or finished) and not exists \
             (select 1 from {schema}.commits d where d.agency = c.agency and d.version > c.version))",
            lock = self.lock_draw(),
        )
    }

    /// Ends that transaction with this number of agencies, and has all centrals look at it.
    fn set_agencies(&self, agencies: u32) -> String {
        let Self {
            schema, channel, ..
        } = self;
        format!("update {schema}.lottery set agencies = {agencies}; notify {channel}; commit")
    }
}
