//! What is seen of lottery and store from outside.

use frame::{Agency, trace};

use super::{Results, Service};
use crate::lottery::Draw;
use crate::observe::{AgencyView, Counters, LotteryView, Stage};
use crate::store::{Commit, Others, Standing, Store};

impl<D: Store> Service<D> {
    /// From now on commits are timed.
    pub fn measure(&mut self) {
        self.measured = true;
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The same, to count in them.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Counts a commit that is done.
    pub(super) fn count_commit(&mut self, commit: &Commit) {
        trace::note("bets", commit.bets);
        trace::note("bytes", commit.bytes);
        let took = commit.took.or_else(|| Some(self.began?.elapsed()));
        self.counters.commit(commit.bets, took);
    }

    /// The store can be reached: the first time that is no news.
    pub(super) fn note_up(&mut self) {
        if self.was_up {
            self.counters.store_reconnects += 1;
        }
        self.was_up = true;
    }

    /// Why no bet could be stored now: one sentence.
    pub fn unavailable(&self) -> Option<String> {
        self.store.unavailable()
    }

    /// Tells the store whether somebody watches the agencies.
    pub fn watch_agencies(&mut self, watched: bool) {
        let agencies = self.lottery.agencies();
        self.store.watch_agencies(watched.then_some(agencies));
    }

    /// How many bets are stored; `None` where others store, too, and nobody has looked lately.
    pub fn bets(&self) -> Option<u64> {
        let is_known = match self.store.agencies() {
            Others::None => true,
            Others::Unknown => false,
            Others::Known { current, .. } => current,
        };
        let bets = self.standings().map(|(_, standing)| standing.bets);
        is_known.then(|| bets.sum())
    }

    /// How the lottery stands; nobody is connected.
    pub fn lottery_view(&self) -> LotteryView {
        let expected = self.lottery.agencies();
        let winners = |agency| match &self.results {
            Results::Known(tally) => Some(tally.count(agency)),
            Results::Unknown | Results::Drawing => None,
        };
        let view = |agency, Standing { bets, finished }| AgencyView {
            agency,
            bets,
            finished,
            connected: false,
            winners: winners(agency),
        };
        let nothing = Standing {
            bets: 0,
            finished: false,
        };
        let part = (1..=expected).filter_map(Agency::new);
        let mut agencies: Vec<AgencyView> = part.map(|agency| view(agency, nothing)).collect();
        for (agency, standing) in self.standings() {
            match agencies.binary_search_by_key(&agency, |view| view.agency) {
                Ok(at) => agencies[at] = view(agency, standing),
                // They come in the order of their numbers, so these are the largest so far.
                Err(at) => agencies.insert(at, view(agency, standing)),
            }
        }
        let (drawn, winner) = match self.lottery.draw() {
            Draw::Waiting => (false, None),
            Draw::Due => (true, None),
            Draw::Done { winner, .. } => (true, Some(winner)),
        };
        let stage = match &self.results {
            Results::Known(_) => Stage::Drawn,
            Results::Drawing => Stage::Drawing,
            Results::Unknown if drawn => Stage::Drawing,
            Results::Unknown => Stage::Open,
        };
        if stage == Stage::Drawn {
            // Where others store, too, what was seen of an agency last may be older than the draw, which waited for all.
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

    /// What is stored of each agency that has sent anything, in the order of their numbers.
    fn standings(&self) -> impl Iterator<Item = (Agency, Standing)> {
        let all = match self.store.agencies() {
            Others::None | Others::Unknown => None,
            Others::Known { agencies, .. } => Some(agencies),
        };
        let ours = self.lottery.standings().map(|(agency, bets, finished)| {
            let standing = Standing { bets, finished };
            (agency, standing)
        });
        let ours = ours.filter(move |_| all.is_none());
        let all = all.into_iter().flatten();
        ours.chain(all.map(|(agency, standing)| (*agency, *standing)))
    }
}
