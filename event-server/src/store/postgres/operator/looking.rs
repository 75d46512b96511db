//! What an operator looks at in a lottery, beside the centrals that serve it: each look is one statement, so it sees one
//! moment.

use frame::{Agency, Number, UploadId};

use super::{Operator, OperatorError};
use crate::store::Snapshot;
use crate::store::postgres::quote::identifier;
use crate::store::postgres::statements::parse;
use crate::store::postgres::version::parse_source;

impl Operator {
    /// The lottery as it is stored, its winners counted.
    ///
    /// # Errors
    /// The session is lost, the database refuses, or a row is none of ours.
    pub fn snapshot(&mut self) -> Result<Snapshot, OperatorError> {
        let sql = self.snapshot_sql();
        let mut snapshot = Snapshot::default();
        let done = self.query(&sql, |columns| {
            add(&mut snapshot, columns).ok_or_else(|| {
                OperatorError::Row("a row of the lottery's tables is none of ours".to_owned())
            })
        })?;
        done.map_err(|e| OperatorError::Unusable(format!("the lottery cannot be read: {e}")))?;
        snapshot.tidy();
        Ok(snapshot)
    }

    /// Rows `what, agency or number, upload, batched, bets, finished`.
    pub(super) fn snapshot_sql(&self) -> String {
        let schema = identifier(&self.lottery);
        // Tables of the first form know of no upload that was taken out.
        let barred = match self.older {
            true => String::new(),
            false => format!(
                "union all select 'barred', agency::text, upload, null, null, null from {schema}.barred "
            ),
        };
        format!(
            "select 'lottery', agencies::text, null, null, null, null from {schema}.lottery \
             union all select 'draw', winner::text, null, null, null, null from {schema}.draw {barred}\
             union all select 'agency', agency::text, upload, batched::text, bets::text, finished::text from \
             (select distinct on (agency) * from {schema}.commits order by agency, version desc) c \
             union all select 'won', b.agency::text, null, null, count(*)::text, null \
             from {schema}.bets b join {schema}.draw d on d.winner = b.number group by b.agency"
        )
    }

    /// Hands out the bets that won, by agency, in the order of each agency's bets: the agency and the document. Of one
    /// agency alone, where it is named.
    ///
    /// # Errors
    /// The session is lost, the database refuses, or a row is none of ours; and those of `won`.
    pub fn winners(
        &mut self,
        agency: Option<Agency>,
        mut won: impl FnMut(Agency, &str) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let schema = identifier(&self.lottery);
        let of = agency.map_or_else(String::new, |agency| format!("and b.agency = {agency} "));
        let sql = format!(
            "select b.agency, b.document from {schema}.bets b join {schema}.draw d on d.winner = b.number {of}\
             order by b.agency, b.seq"
        );
        let done = self.query(&sql, |columns| {
            let (agency, document) = winner(columns)
                .ok_or_else(|| OperatorError::Row("a row of bets is no bet of ours".to_owned()))?;
            won(agency, document)
        })?;
        done.map_err(|e| OperatorError::Unusable(format!("the bets cannot be read: {e}")))
    }
}

fn winner<'r>(columns: &[Option<&'r [u8]>]) -> Option<(Agency, &'r str)> {
    let &[Some(agency), Some(document)] = columns else {
        return None;
    };
    let document = std::str::from_utf8(document).ok()?;
    Some((Agency::parse(agency).ok()?, document))
}

/// Adds a row to what is known; `None` where it is no such row.
pub(super) fn add(snapshot: &mut Snapshot, columns: &[Option<&[u8]>]) -> Option<()> {
    let &[Some(what), Some(number), upload, batched, bets, finished] = columns else {
        return None;
    };
    let agency = || Agency::parse(number).ok();
    match what {
        b"lottery" => snapshot.number = Some(parse(number)?),
        b"draw" => snapshot.winner = Some(Number::parse(number).ok()?),
        b"barred" => {
            let upload = UploadId::parse(upload?).ok()?;
            snapshot.of(agency()?).barred.push(upload);
        }
        b"agency" => {
            let holding = snapshot.of(agency()?);
            holding.account.source = match upload {
                Some(upload) => Some(parse_source(upload)?),
                None => None,
            };
            holding.account.batched = parse(batched?)?;
            holding.account.bets = parse(bets?)?;
            holding.account.finished = finished? == b"true";
        }
        b"won" => snapshot.of(agency()?).winners = parse(bets?)?,
        _ => return None,
    }
    Some(())
}
