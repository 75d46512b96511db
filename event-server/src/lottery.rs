//! The rules of the lottery, and its state: without I/O and without a clock.
//!
//! The state is what the facts add up to that come in through [`Lottery::apply`]. If other centrals store, too, the
//! state that was read of an agency replaces the known one ([`Lottery::replace`], [`Lottery::forget`]). Questions ("may
//! this agency send a batch?") are answered from the state and change nothing. The [service](crate::service) asks
//! first, and applies the fact before it asks again.

mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use frame::{Agency, Number, UploadId};

pub use self::refusal::{MAX_AGENCIES, NumberRefusal, RuleRefusal};
use crate::facts::{Account, Fact, Source};

/// How far the draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Some agency has not finished, or there is no draw at all.
    Waiting,
    /// All have finished: the winners are to be counted.
    Due,
    /// It is done, for good.
    Done {
        /// The bytes of bets.csv that it covers.
        position: u64,
        /// The number that won.
        winner: Number,
    },
}

/// One lottery, from the first bet to the draw.
#[derive(Debug)]
pub struct Lottery {
    /// 1 to this number take part; with 0 anyone does, and there is no draw.
    agencies: u32,
    /// That number is stored, or staged.
    is_settled: bool,
    /// The largest agency whose bets can be kept.
    largest: u32,
    accounts: BTreeMap<Agency, Account>,
    /// How many of agencies 1 to `agencies` have finished.
    finished: u32,
    drawn: Option<(u64, Number)>,
    /// The uploads that were taken out: one for each time that an operator has reopened an agency.
    barred: BTreeSet<(Agency, UploadId)>,
}

impl Lottery {
    /// Begins with nothing stored. Agencies 1 to `agencies` take part, unless facts say another number; 0: anyone, no
    /// draw.
    pub fn new(agencies: u32) -> Self {
        Self {
            agencies,
            is_settled: false,
            largest: u32::MAX,
            accounts: BTreeMap::new(),
            finished: 0,
            drawn: None,
            barred: BTreeSet::new(),
        }
    }

    /// Refuses agencies above this number: bets of them could not be kept.
    pub fn limit_agencies(&mut self, largest: u32) {
        self.largest = largest;
    }

    /// Adds a fact to the state. It was allowed when it happened and is not judged again, so that a
    /// changed configuration cannot undo it.
    pub fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::Bet { agency }
            | Fact::Batch { agency, .. }
            | Fact::Stored { agency, .. }
            | Fact::Finished { agency } => {
                let account = self.accounts.entry(agency).or_default();
                let had_finished = account.finished;
                account.apply(fact);
                if account.finished && !had_finished && agency.get() <= self.agencies {
                    self.finished += 1;
                }
            }
            Fact::Agencies { agencies } => {
                self.agencies = agencies;
                self.is_settled = true;
                let finished = self.accounts.iter();
                let finished = finished
                    .filter(|(agency, account)| account.finished && agency.get() <= agencies);
                // There are at most `agencies` of them.
                self.finished = finished.count() as u32;
            }
            Fact::Barred { agency, upload } => _ = self.barred.insert((agency, upload)),
            Fact::Drawn { position, winner } => self.drawn = Some((position, winner)),
        }
    }

    /// Decides with which number of agencies a server starts, once the stored facts are applied: the stored number, or
    /// `wanted`, if none is stored yet. A lottery in which nothing else is stored takes any number. `has_rows` says
    /// whether there are stored bets.
    ///
    /// # Errors
    /// Another number is stored, or an agency above `wanted` has stored something.
    pub fn start(&mut self, wanted: u32, has_rows: bool) -> Result<(), NumberRefusal> {
        if self.is_settled && self.agencies == wanted {
            return Ok(());
        }
        let is_empty = !has_rows && self.accounts.is_empty() && self.drawn.is_none();
        if self.is_settled && !is_empty {
            let stored = self.agencies;
            return Err(NumberRefusal::Other { stored, wanted });
        }
        if self.drawn.is_none() {
            self.check_number(wanted)?;
        }
        self.agencies = wanted;
        self.is_settled = false;
        Ok(())
    }

    /// Returns the number of agencies as a fact, if it is not stored yet.
    pub fn unsettled_number(&self) -> Option<Fact> {
        let agencies = self.agencies;
        (!self.is_settled).then_some(Fact::Agencies { agencies })
    }

    /// Checks that the number of agencies may become `wanted`.
    ///
    /// # Errors
    /// The draw is done, or an agency above that number has stored something.
    pub fn check_number(&self, wanted: u32) -> Result<(), NumberRefusal> {
        if self.drawn.is_some() {
            return Err(NumberRefusal::Drawn);
        }
        match self.accounts.last_key_value() {
            Some((&agency, _)) if wanted > 0 && agency.get() > wanted => {
                Err(NumberRefusal::AgencyAbove { agency, wanted })
            }
            _ => Ok(()),
        }
    }

    /// Replaces the known state of an agency by the one that was read from a store to which others write.
    pub fn replace(&mut self, agency: Agency, account: Account, barred: &[UploadId]) {
        self.forget(agency);
        self.barred.retain(|(of, _)| *of != agency);
        let barred = barred.iter().map(|upload| (agency, *upload));
        self.barred.extend(barred);
        if account.source.is_some() || account.finished {
            self.finished += u32::from(account.finished && agency.get() <= self.agencies);
            self.accounts.insert(agency, account);
        }
    }

    /// Forgets the state of an agency, as if it had never sent anything; its barred uploads stay barred.
    pub fn forget(&mut self, agency: Agency) {
        let account = self.accounts.remove(&agency);
        if account.is_some_and(|account| account.finished) && agency.get() <= self.agencies {
            self.finished -= 1;
        }
    }

    /// Takes out all that is stored of an agency. Its upload is barred from then on; with `allow_same_file`, no upload
    /// of the agency is barred any more.
    pub fn reopen(&mut self, agency: Agency, allow_same_file: bool) {
        let account = self.accounts.get(&agency);
        match account.and_then(|account| account.source) {
            _ if allow_same_file => self.barred.retain(|(of, _)| *of != agency),
            Some(Source::Upload(upload)) => _ = self.barred.insert((agency, upload)),
            _ => {}
        }
        self.forget(agency);
    }

    /// Returns how many agencies take part; 0: anyone, and there is no draw.
    pub fn agencies(&self) -> u32 {
        self.agencies
    }

    /// Returns what is stored of each agency that has sent something, in the order of their numbers.
    pub fn accounts(&self) -> impl Iterator<Item = (Agency, &Account)> {
        self.accounts
            .iter()
            .map(|(agency, account)| (*agency, account))
    }

    /// Returns the state as facts: applied to a new lottery, they give this one, but for its single bets.
    pub fn facts(&self) -> impl Iterator<Item = Fact> {
        let agencies = self.agencies;
        let number = self.is_settled.then_some(Fact::Agencies { agencies });
        let accounts = self.accounts.iter().flat_map(|(&agency, account)| {
            let stored = account.source.map(|source| Fact::Stored {
                agency,
                source,
                bets: account.batched,
            });
            stored
                .into_iter()
                .chain(account.finished.then_some(Fact::Finished { agency }))
        });
        let barred = self.barred.iter();
        let barred = barred.map(|&(agency, upload)| Fact::Barred { agency, upload });
        let accounts = number.into_iter().chain(barred).chain(accounts);
        accounts.chain(
            self.drawn
                .map(|(position, winner)| Fact::Drawn { position, winner }),
        )
    }

    /// Returns how far the draw is.
    pub fn draw(&self) -> Draw {
        match self.drawn {
            Some((position, winner)) => Draw::Done { position, winner },
            None if self.agencies > 0 && self.finished == self.agencies => Draw::Due,
            None => Draw::Waiting,
        }
    }

    /// Returns whether the agency has said that no more bets of it will come.
    pub fn has_finished(&self, agency: Agency) -> bool {
        let account = self.accounts.get(&agency);
        account.is_some_and(|account| account.finished)
    }

    /// Checks that the agency takes part. After the draw, so does any that has sent something, whatever is configured.
    ///
    /// # Errors
    /// It does not.
    pub fn check_agency(&self, agency: Agency) -> Result<(), RuleRefusal> {
        let took_part = self.accounts.contains_key(&agency);
        if self.drawn.is_some() && took_part || (1..=self.agencies).contains(&agency.get()) {
            return Ok(());
        }
        match self.agencies {
            0 if agency.get() > self.largest => Err(RuleRefusal::AgencyTooLarge {
                agency,
                largest: self.largest,
            }),
            0 if took_part || self.accounts.len() < MAX_AGENCIES as usize => Ok(()),
            0 => Err(RuleRefusal::TooManyAgencies),
            agencies => Err(RuleRefusal::UnknownAgency { agency, agencies }),
        }
    }

    /// Checks that the agency may place a single bet.
    ///
    /// # Errors
    /// It does not take part, has finished, or the draw is done.
    pub fn check_bet(&self, agency: Agency) -> Result<(), RuleRefusal> {
        self.check_agency(agency)?;
        if self.drawn.is_some() {
            return Err(RuleRefusal::Drawn);
        }
        match self.accounts.get(&agency) {
            Some(Account { finished: true, .. }) => Err(RuleRefusal::Finished(agency)),
            _ => Ok(()),
        }
    }

    /// Checks that the agency may send a batch from this source.
    ///
    /// # Errors
    /// As [`check_bet`](Self::check_bet), or its batches come from another source.
    pub fn check_batch(&self, agency: Agency, source: Source) -> Result<(), RuleRefusal> {
        self.check_bet(agency)?;
        self.check_source(agency, source).map(drop)
    }

    /// Returns how many bets of this upload are stored.
    ///
    /// # Errors
    /// The agency does not take part, the upload was taken out, or the agency's batches come from another source.
    pub fn check_resume(&self, agency: Agency, upload: UploadId) -> Result<u64, RuleRefusal> {
        self.check_agency(agency)?;
        if self.barred.contains(&(agency, upload)) {
            return Err(RuleRefusal::TakenOut(agency));
        }
        self.check_source(agency, Source::Upload(upload))
    }

    /// Returns how many bets of this source are stored.
    fn check_source(&self, agency: Agency, source: Source) -> Result<u64, RuleRefusal> {
        let Some(account) = self.accounts.get(&agency) else {
            return Ok(0);
        };
        let Some(stored) = account.source else {
            return Ok(0);
        };
        let bets = account.batched;
        match (stored, source) {
            (Source::TakenOver, _) if account.finished => {
                Err(RuleRefusal::ClosedTakenOver { agency, bets })
            }
            (Source::TakenOver, _) => Err(RuleRefusal::TakenOver { agency, bets }),
            (_, Source::TakenOver) => Err(RuleRefusal::UploadBesidePlain),
            (Source::Plain, Source::Plain) => Ok(bets),
            (Source::Upload(theirs), Source::Upload(this)) if theirs == this => Ok(bets),
            (Source::Upload(theirs), Source::Upload(_)) => Err(RuleRefusal::OtherUpload(theirs)),
            (Source::Upload(theirs), Source::Plain) => Err(RuleRefusal::PlainBesideUpload(theirs)),
            (Source::Plain, Source::Upload(_)) => Err(RuleRefusal::UploadBesidePlain),
        }
    }

    /// Checks that the agency may finish; after an upload it has to say the total. Returns `false` if it has finished
    /// before: then nothing is to be recorded.
    ///
    /// # Errors
    /// The agency does not take part, its batches come from another source than the upload, or the upload has
    /// another number of bets.
    pub fn check_finished(
        &self,
        agency: Agency,
        upload: Option<UploadId>,
        said: Option<u64>,
    ) -> Result<bool, RuleRefusal> {
        self.check_agency(agency)?;
        if let Some(upload) = upload {
            let stored = self.check_resume(agency, upload)?;
            if said != Some(stored) {
                return Err(RuleRefusal::WrongTotal { stored, said });
            }
        }
        Ok(!self.has_finished(agency))
    }

    /// Checks that the agency may ask for its winners, even if it has to wait for the draw.
    ///
    /// # Errors
    /// It does not take part, or there is no draw to wait for.
    pub fn check_query(&self, agency: Agency) -> Result<(), RuleRefusal> {
        self.check_agency(agency)?;
        if self.agencies == 0 && self.drawn.is_none() {
            Err(RuleRefusal::NoDraw)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
