//! What is seen of lottery and store from outside.

use frame::{Agency, trace};

use super::{DrawState, Service};
use crate::facts::Account;
use crate::lottery;
use crate::observe::{AgencyView, Counters, LotteryView, Stage};
use crate::store::{Commit, Others, Store};

impl<R: Store> Service<R> {
    /// Times commits from now on.
    pub fn measure(&mut self) {
        self.measured = true;
    }

    /// Returns what was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the counters, so that more is counted in them.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Counts a commit that is done.
    pub(super) fn count_commit(&mut self, commit: Commit) {
        trace::note("bets", commit.bets);
        trace::note("bytes", commit.bytes);
        let took = commit.took.or_else(|| Some(self.began?.elapsed()));
        self.counters.commit(commit.bets, took);
    }

    /// Counts that the store can be reached again; the first time is no reconnect.
    pub(super) fn note_up(&mut self) {
        if self.was_up {
            self.counters.store_reconnects += 1;
        }
        self.was_up = true;
    }

    /// Returns why no bet could be stored now: one sentence.
    pub fn unavailable(&self) -> Option<String> {
        self.store.status().unavailable
    }

    /// Returns whether the store can be used, or could be once since the start: a database may not be there yet.
    pub fn is_open(&self) -> bool {
        self.was_up || matches!(self.store.status().others, Others::None)
    }

    /// Returns how the lottery stands, in a few words. Takes time in proportion to the agencies.
    pub fn standing(&self) -> String {
        let status = self.store.status();
        if let Some(why) = status.unavailable {
            return why;
        }
        match &self.draw {
            DrawState::Known(_) => return "drawn".to_owned(),
            DrawState::Counting | DrawState::Counted(..) | DrawState::Staged(..) => {
                return "the winners are being counted".to_owned();
            }
            DrawState::Open => {}
        }
        let Some(bets) = self.bets().map(grouped) else {
            return "bets are stored in the database".to_owned();
        };
        let expected = self.lottery.agencies();
        if expected == 0 {
            return format!("any agency may take part, {bets} bets");
        }
        let takes_part = |agency: Agency| agency.get() <= expected;
        let finished = self
            .accounts()
            .filter(|(agency, account)| account.finished && takes_part(*agency))
            .count();
        format!("{finished} of {expected} agencies have finished, {bets} bets")
    }

    /// Notes whether somebody watches the agencies: the store hears of it in the next turn.
    pub fn watch_agencies(&mut self, watched: bool) {
        self.is_news |= watched != self.watched;
        self.watched = watched;
    }

    /// Returns how many bets are stored; `None` if others store, too, and what they have stored was not read lately.
    pub fn bets(&self) -> Option<u64> {
        let is_known = match self.store.status().others {
            Others::None => true,
            Others::Unknown => false,
            Others::Known { current, .. } => current,
        };
        let bets = self.accounts().map(|(_, account)| account.bets);
        is_known.then(|| bets.sum())
    }

    /// Returns how the lottery stands, with no agency as connected: the hub adds that.
    pub fn lottery_view(&self) -> LotteryView {
        let expected = self.lottery.agencies();
        let winners = |agency| match &self.draw {
            DrawState::Known(tally) => Some(tally.count(agency)),
            _ => None,
        };
        let view = |agency, account: &Account| AgencyView {
            agency,
            bets: account.bets,
            finished: account.finished,
            connected: false,
            winners: winners(agency),
        };
        let nothing = Account::default();
        let part = (1..=expected).filter_map(Agency::new);
        let mut agencies: Vec<AgencyView> = part.map(|agency| view(agency, &nothing)).collect();
        for (agency, account) in self.accounts() {
            match agencies.binary_search_by_key(&agency, |view| view.agency) {
                Ok(at) => agencies[at] = view(agency, account),
                // They come in the order of their numbers, so these are the largest so far.
                Err(at) => agencies.insert(at, view(agency, account)),
            }
        }
        let (drawn, winner) = match self.lottery.draw() {
            lottery::Draw::Waiting => (false, None),
            lottery::Draw::Due => (true, None),
            lottery::Draw::Done { winner, .. } => (true, Some(winner)),
        };
        let stage = match &self.draw {
            DrawState::Known(_) => Stage::Drawn,
            DrawState::Open if !drawn => Stage::Open,
            DrawState::Open
            | DrawState::Counting
            | DrawState::Counted(..)
            | DrawState::Staged(..) => Stage::Drawing,
        };
        if stage == Stage::Drawn {
            // If others store, too, what was last read of an agency may be older than the draw, which waited for all.
            let takes_part = |view: &&mut AgencyView| view.agency.get() <= expected;
            let agencies = agencies.iter_mut().filter(takes_part);
            agencies.for_each(|view| view.finished = true);
        }
        LotteryView {
            stage,
            winner: winner.filter(|_| stage == Stage::Drawn),
            expected,
            agencies,
        }
    }

    /// Returns what is stored of each agency that has sent anything, in the order of their numbers.
    fn accounts(&self) -> impl Iterator<Item = (Agency, &Account)> {
        let all = match self.store.status().others {
            Others::None | Others::Unknown => None,
            Others::Known { agencies, .. } => Some(agencies),
        };
        let ours = self.lottery.accounts().filter(move |_| all.is_none());
        let all = all.into_iter().flatten();
        ours.chain(all.map(|(agency, account)| (*agency, account)))
    }
}

/// Writes a number with a comma after each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_number_is_written_in_groups_of_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_234, "1,234"),
            (100_000, "100,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
