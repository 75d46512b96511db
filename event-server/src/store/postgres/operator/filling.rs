//! A whole lottery written into a schema that has none: in one transaction, so that it is there whole or not at all.
//!
//! ```text
//! begin, make the tables | copy … | copy … | versions, barred uploads, draw, commit
//! ```

use std::collections::BTreeMap;

use frame::{Agency, Bet};

use super::{Operator, OperatorError};
use crate::store::Snapshot;
use crate::store::postgres::link::LinkOptions;
use crate::store::postgres::rows::Rows;
use crate::store::postgres::sql::{identifier, literal, source_text};

/// Bytes of rows that are sent at once.
const PIECE: usize = 1024 * 1024;

/// What the schema holds that a lottery is to be written into.
pub enum Target {
    /// Nothing: it can be filled.
    Free(Box<Filling>),
    /// A lottery.
    Taken(Box<Operator>),
}

/// A lottery that is being written.
pub struct Filling {
    operator: Operator,
    /// How many bets of each agency were written.
    written: BTreeMap<Agency, u64>,
    /// Rows that are not sent yet.
    rows: Rows,
}

impl Operator {
    /// Connects to the first host of the URL that takes writes, and looks whether the lottery is there.
    ///
    /// # Errors
    /// There is none, or a lottery of a form that is not known here.
    pub fn look_at_target(options: &LinkOptions) -> Result<Target, OperatorError> {
        Self::on_first_host(options, |mut operator| {
            Ok(match operator.find()? {
                true => Target::Taken(Box::new(operator)),
                false => Target::Free(Box::new(Filling {
                    operator,
                    written: BTreeMap::new(),
                    rows: Rows::new(Vec::with_capacity(2 * PIECE)),
                })),
            })
        })
    }

    /// Sees to it that no central appends a version or draws any more, now and after every restart. What is under way is
    /// waited for.
    ///
    /// # Errors
    /// The session is lost, or the database refuses.
    pub fn fence(&mut self) -> Result<(), OperatorError> {
        let schema = identifier(&self.lottery);
        let fence = |table: &str| {
            format!(
                "alter table {schema}.{table} drop constraint if exists moved; \
                 alter table {schema}.{table} add constraint moved check (false) not valid; "
            )
        };
        let sql = format!("{}{}select 1", fence("commits"), fence("draw"));
        let busy = "centrals store without a pause: stop them, and try again";
        self.insist(&sql, "the lottery cannot be closed", busy)
            .map(drop)
    }
}

impl Filling {
    /// Begins the transaction, and makes the tables.
    ///
    /// # Errors
    /// The session is lost, or the database refuses: nothing is there.
    pub fn begin(&mut self) -> Result<(), OperatorError> {
        let operator = &mut self.operator;
        let schema = identifier(&operator.lottery);
        // Somebody else may be making it at this moment: that is waited for, and seen.
        let sql = format!(
            "begin; {}; lock table {schema}.commits, {schema}.bets in exclusive mode; \
             select exists (select from {schema}.commits) or exists (select from {schema}.bets)",
            operator.schema.create()
        );
        let mut is_taken = false;
        let begun = operator.query(&sql, |columns| {
            is_taken = columns.first() == Some(&Some(b"t"));
            Ok(())
        })?;
        begun.map_err(|e| OperatorError::Unusable(operator.schema.explain(&e).to_string()))?;
        match is_taken {
            false => Ok(()),
            true => Err(OperatorError::Unusable(format!(
                "schema {} of the database has a lottery since a moment ago: run it again to compare them",
                operator.lottery
            ))),
        }
    }

    /// Adds a bet behind those of its agency.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn bet(&mut self, bet: &Bet<'_>) -> Result<(), OperatorError> {
        let next = self.written.entry(bet.agency).or_default();
        self.rows.push(bet, *next);
        *next += 1;
        match self.rows.len() < PIECE {
            true => Ok(()),
            false => self.send(),
        }
    }

    fn send(&mut self) -> Result<(), OperatorError> {
        let Self { operator, rows, .. } = self;
        let sql = format!(
            "copy {}.bets (agency, seq, first_name, last_name, document, birthdate, number) \
             from stdin (format binary)",
            identifier(&operator.lottery)
        );
        let sealed = std::mem::take(rows).seal();
        let (session, outbox) = (&mut operator.session, &mut operator.channel.outbox);
        session.query_with_copy(&sql, &sealed, outbox);
        operator.rows(|_| Ok(()))?.map_err(|e| refused(&e))?;
        *rows = Rows::new(sealed.into_buffer().unwrap_or_default());
        Ok(())
    }

    /// Writes what the bets add up to, and commits.
    ///
    /// # Errors
    /// As [`begin`](Self::begin); where the session is lost nobody knows whether it is there.
    pub fn finish(mut self, snapshot: &Snapshot) -> Result<(), OperatorError> {
        self.send()?;
        let Self { mut operator, .. } = self;
        let schema = identifier(&operator.lottery);
        let central = literal("moved");
        let mut sql = String::new();
        for (agency, holding) in &snapshot.agencies {
            let upload = holding
                .account
                .source
                .map(|source| literal(&source_text(source)));
            let upload = upload.unwrap_or("null".to_owned());
            let (batched, bets, finished) = (
                holding.account.batched,
                holding.account.bets,
                holding.account.finished,
            );
            sql += &format!(
                "insert into {schema}.commits values \
                 ({agency}, 1, {upload}, {batched}, {bets}, {finished}, {central}, now()); "
            );
            for upload in &holding.barred {
                let upload = literal(&upload.to_string());
                sql += &format!("insert into {schema}.barred values ({agency}, {upload}); ");
            }
        }
        if let Some(winner) = snapshot.winner {
            sql += &format!("insert into {schema}.draw values (1, {winner}, now(), {central}); ");
        }
        sql += "commit";
        operator
            .continue_query(&sql, |_| Ok(()))?
            .map_err(|e| refused(&e))
    }
}

fn refused(e: &dyn std::fmt::Display) -> OperatorError {
    OperatorError::Unusable(format!("the lottery cannot be written: {e}"))
}
