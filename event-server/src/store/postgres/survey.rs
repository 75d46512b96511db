//! How all agencies stand, also those that other centrals serve: looked at now and then while somebody watches.
//!
//! ```text
//! round   | agencies 1 to 1,024 | to 2,048 | … the last |   pause   | the next round
//! ```
//!
//! A round is one query for each 1,024 agencies, with a pause after each, so that commits are hardly delayed. What is
//! shown is the last whole round. A lottery that anyone may take part in has no last agency: it is not looked at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use frame::Agency;

use crate::facts::Account;
use crate::store::Others;

/// Agencies that one query looks at.
const AT_ONCE: u32 = 1_024;

/// The pause between two queries of a round.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause between the end of a round and the next one.
const ROUND: Duration = Duration::from_secs(1);

/// How the agencies stand, as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// How many agencies there are; 0: nobody watches, or anyone may take part.
    agencies: u32,
    /// The last whole round.
    shown: Option<BTreeMap<Agency, Account>>,
    /// Since that round somebody has watched without a pause, and no query has failed.
    is_current: bool,
    /// What this round has found so far.
    round: BTreeMap<Agency, Account>,
    /// How many agencies this round has looked at.
    looked: u32,
    next: Next,
}

/// The next query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// There is none: nobody watches.
    #[default]
    None,
    /// It is due then.
    At(Instant),
    /// It waits for the database to be free.
    Due,
    /// It is under way.
    Asked,
}

impl Survey {
    /// Takes how many agencies somebody watches; `None`: nobody does.
    pub(super) fn watch(&mut self, agencies: Option<u32>, now: Instant) {
        let agencies = agencies.unwrap_or(0);
        if self.agencies != agencies {
            self.agencies = agencies;
            self.is_current = false;
        }
        match self.next {
            // What comes after it is decided when it is done.
            Next::Asked => {}
            _ if agencies == 0 => self.next = Next::None,
            Next::None => self.begin(now),
            Next::At(_) | Next::Due => {}
        }
    }

    fn begin(&mut self, at: Instant) {
        self.round.clear();
        self.looked = 0;
        self.next = Next::At(at);
    }

    /// Notes the time.
    pub(super) fn advance(&mut self, now: Instant) {
        if let Next::At(at) = self.next
            && at <= now
        {
            self.next = Next::Due;
        }
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::At(at) => Some(at),
            Next::None | Next::Due | Next::Asked => None,
        }
    }

    /// The first agency of the next query, or of the one under way.
    pub(super) fn first(&self) -> Agency {
        Agency::new(self.looked + 1).expect("a number above 0")
    }

    /// The last agency of the next query, where one is due; it is under way now.
    pub(super) fn take_due(&mut self) -> Option<Agency> {
        if self.next != Next::Due {
            return None;
        }
        self.next = Next::Asked;
        Agency::new((self.looked + AT_ONCE).min(self.agencies))
    }

    /// The query under way has found an agency.
    pub(super) fn found(&mut self, agency: Agency, account: Account) {
        self.round.insert(agency, account);
    }

    /// The query under way, up to this agency, is done.
    pub(super) fn done(&mut self, last: Agency, now: Option<Instant>) {
        self.looked = last.get();
        let Some(now) = now.filter(|_| self.agencies > 0) else {
            self.next = Next::None;
            return;
        };
        if self.looked < self.agencies {
            self.next = Next::At(now + PAUSE);
        } else {
            self.shown = Some(std::mem::take(&mut self.round));
            self.is_current = true;
            self.begin(now + ROUND);
        }
    }

    /// The query under way will not be answered: the round begins again.
    pub(super) fn failed(&mut self, now: Option<Instant>) {
        self.is_current = false;
        match now.filter(|_| self.agencies > 0) {
            Some(now) => self.begin(now + ROUND),
            None => self.next = Next::None,
        }
    }

    /// How the agencies stood that have stored anything, at the last whole round.
    pub(super) fn others(&self) -> Others<'_> {
        match &self.shown {
            None => Others::Unknown,
            Some(agencies) => Others::Known {
                agencies,
                current: self.is_current,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    #[test]
    fn a_round_looks_at_every_agency_once_with_pauses_and_is_shown_whole() {
        let mut now = Instant::now();
        let mut survey = Survey::default();
        survey.advance(now);
        assert_eq!((survey.take_due(), survey.deadline()), (None, None));
        survey.watch(Some(2_500), now);
        for round in 0..3 {
            for (first, last) in [(1, 1_024), (1_025, 2_048), (2_049, 2_500)] {
                survey.advance(now);
                assert_eq!(survey.first(), agency(first));
                assert_eq!(survey.take_due(), Some(agency(last)));
                assert_eq!((survey.take_due(), survey.deadline()), (None, None));
                let bets = round;
                let account = Account {
                    bets,
                    ..Account::default()
                };
                survey.found(agency(last), account);
                survey.done(agency(last), Some(now));
                survey.advance(now);
                assert_eq!(survey.take_due(), None, "no pause");
                now = survey.deadline().unwrap();
            }
            let Others::Known { agencies, current } = survey.others() else {
                panic!("nothing is shown");
            };
            assert!(current && agencies.len() == 3);
            assert!(agencies.values().all(|account| account.bets == round));
        }
        survey.watch(None, now);
        survey.advance(now + ROUND);
        assert_eq!((survey.take_due(), survey.deadline()), (None, None));
    }

    #[test]
    fn a_query_without_an_answer_begins_the_round_anew_and_one_that_nobody_waits_for_ends_it() {
        let now = Instant::now();
        let mut survey = Survey::default();
        survey.watch(Some(2_000), now);
        survey.advance(now);
        assert_eq!(survey.take_due(), Some(agency(1_024)));
        survey.failed(Some(now));
        survey.advance(now + ROUND);
        assert_eq!(survey.first(), agency(1));
        assert!(survey.take_due().is_some());
        survey.watch(None, now);
        survey.done(agency(1_024), Some(now));
        assert_eq!(
            (survey.deadline(), survey.others()),
            (None, Others::Unknown)
        );
    }
}
