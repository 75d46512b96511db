//! What an operator looks at in a lottery, beside the centrals that serve it: each look is one statement, so it sees one
//! moment.

use std::collections::BTreeSet;

use frame::{Agency, Bet, Count, Number, UploadId};

use super::{Operator, OperatorError, bet};
use crate::store::postgres::sql::{identifier, parse, parse_source};
use crate::store::{Audit, Snapshot};

/// The number of bets of a version that changed nothing, and behind which others that changed nothing were taken out.
const TAKEN_OUT: i64 = -1;

/// How many columns these rows have: rows are told apart by it.
const VERSIONS: usize = 3;
const BET: usize = 7;

impl Operator {
    /// Returns the lottery as it is stored, its winners counted.
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
    fn snapshot_sql(&self) -> String {
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
fn add(snapshot: &mut Snapshot, columns: &[Option<&[u8]>]) -> Option<()> {
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

impl Operator {
    /// Reads all of the lottery: whether each row is a bet, each agency has the bets that its last commit says, in an
    /// unbroken order, no version is missing, and the draw is over all of them. `progress` is told how many bets were
    /// read, and of how many; `each` is handed each bet, by agency, in the order of each agency's bets.
    ///
    /// # Errors
    /// The session is lost, or the database refuses; and those of `each`.
    pub fn audit(
        &mut self,
        mut progress: impl FnMut(u64, u64),
        mut each: impl FnMut(&Bet<'_>) -> Result<(), OperatorError>,
    ) -> Result<Audit, OperatorError> {
        let schema = identifier(&self.lottery);
        let sql = format!(
            "{}; select agency, coalesce(before, 0), version from (select agency, version, \
             lag(version) over w as before, lag(bets) over w as said from {schema}.commits \
             window w as (partition by agency order by version)) versions \
             where version <> coalesce(before, 0) + 1 and coalesce(said, 0) <> {TAKEN_OUT}; \
             select agency, first_name, last_name, document, to_char(birthdate, 'YYYY-MM-DD'), number, seq \
             from {schema}.bets order by agency, seq",
            self.snapshot_sql()
        );
        let mut audit = Audit::default();
        let mut bets = BetCheck::default();
        let (mut read, mut of) = (0, 0);
        let done = self.look(&sql, |columns| {
            match columns.len() {
                BET => {
                    if read == 0 {
                        of = audit.snapshot.bets();
                    }
                    read += 1;
                    progress(read, of);
                    if let Some(bet) = bets.check(columns, &mut audit) {
                        each(&bet)?;
                    }
                }
                VERSIONS => versions(columns, &mut audit),
                _ if add(&mut audit.snapshot, columns).is_some() => {}
                _ => audit.flaw("a row of the lottery's tables is none of ours"),
            }
            Ok(())
        })?;
        done.map_err(|e| OperatorError::Unusable(format!("the lottery cannot be read: {e}")))?;
        bets.end(&mut audit);
        bets.unseen(&mut audit);
        audit.compare();
        audit.snapshot.tidy();
        let finished = audit.snapshot.finished();
        match (audit.snapshot.winner, audit.snapshot.number) {
            (Some(_), Some(number)) if finished != number as usize => audit.flaw(format_args!(
                "the draw is done, and {finished} of {number} agencies have finished"
            )),
            _ => {}
        }
        if audit.snapshot.number.is_none() {
            audit.flaw("the table lottery is empty");
        }
        Ok(audit)
    }
}

/// Takes a row that says that versions of an agency are missing.
fn versions(columns: &[Option<&[u8]>], audit: &mut Audit) {
    let number = |at: usize| columns.get(at).copied().flatten().and_then(parse::<u64>);
    match (number(0), number(1), number(2)) {
        (Some(agency), Some(before), Some(version)) => audit.flaw(format_args!(
            "agency {agency} has no versions between {before} and {version} in commits"
        )),
        _ => audit.flaw("a row of commits is none of ours"),
    }
}

/// Goes through the rows of bets, agency by agency, in their order.
#[derive(Default)]
struct BetCheck {
    agency: Option<Agency>,
    /// The number that the next bet of the agency should have.
    next: u64,
    /// How many rows it has.
    count: u64,
    /// How many of them won.
    winners: u64,
    /// The agencies that have rows.
    seen: BTreeSet<Agency>,
}

impl BetCheck {
    fn check<'r>(&mut self, columns: &[Option<&'r [u8]>], audit: &mut Audit) -> Option<Bet<'r>> {
        let (columns, seq) = columns.split_at(BET - 1);
        let seq = seq.first().copied().flatten().and_then(parse::<u64>);
        let (Some(bet), Some(seq)) = (bet(columns), seq) else {
            let agency = columns.first().copied().flatten().unwrap_or_default();
            let agency = String::from_utf8_lossy(agency);
            audit.flaw(format_args!("a row of bets of agency {agency} is no bet"));
            return None;
        };
        if self.agency != Some(bet.agency) {
            self.end(audit);
            self.agency = Some(bet.agency);
        }
        let (agency, next) = (bet.agency, self.next);
        if seq < next {
            audit.flaw(format_args!("agency {agency} has bet number {seq} twice"));
        } else if seq > next {
            audit.flaw(format_args!(
                "agency {agency} lacks {} from number {next} on",
                Count(seq - next, "bet")
            ));
        }
        self.next = seq + 1;
        self.count += 1;
        self.winners += u64::from(audit.snapshot.winner == Some(bet.number));
        Some(bet)
    }

    /// Compares the rows of the agency, which has no more, with its last commit.
    fn end(&mut self, audit: &mut Audit) {
        let Some(agency) = self.agency.take() else {
            return;
        };
        self.next = 0;
        let (count, winners) = (
            std::mem::take(&mut self.count),
            std::mem::take(&mut self.winners),
        );
        self.seen.insert(agency);
        let holding = audit.snapshot.of(agency);
        let (said, won) = (holding.account.bets, holding.winners);
        // From here on the number of rows counts.
        holding.account.bets = count;
        if count != said {
            audit.flaw(format_args!(
                "agency {agency} has {}, its last commit says {said}",
                Count(count, "bet")
            ));
        }
        if audit.snapshot.winner.is_some() && winners != won {
            audit.flaw(format_args!(
                "agency {agency} has {}, the database counts {won}",
                Count(winners, "winner")
            ));
        }
    }

    /// Finds agencies without a row that should have some.
    fn unseen(&self, audit: &mut Audit) {
        let mut missing = Vec::new();
        for (agency, holding) in &mut audit.snapshot.agencies {
            if holding.account.bets > 0 && !self.seen.contains(agency) {
                missing.push((*agency, std::mem::take(&mut holding.account.bets)));
            }
        }
        for (agency, said) in missing {
            audit.flaw(format_args!(
                "agency {agency} has no bets, its last commit says {said}"
            ));
        }
    }
}
