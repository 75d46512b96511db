//! What this central knows of the agencies, and how sure it is.
//!
//! ```text
//!                 read                      a later commit is done
//! (nothing) ---> Reading ---> Read, unconfirmed ---> Read, confirmed
//!                  ^                |                    |
//!                  |<- wanted again-+--------------------+
//!                  '------ Stale <--+--- session lost ---'
//! ```
//!
//! What was read is not yet known for certain: a primary that has lost its replicas shows rows that may not survive. It
//! counts once a later commit of the same session was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use frame::{Agency, UploadId};

use crate::facts::Account;

/// Where too many agencies are known, one in so many of them is dropped at once.
const DROPPED: usize = 16;

/// An agency's state, and the version that it was stored with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionedAccount {
    /// The number of the version; 0 where there is no row yet.
    pub version: i64,
    /// The state.
    pub account: Account,
    /// Its uploads that an operator has taken out.
    pub barred: Vec<UploadId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Being read, or to be read.
    Reading,
    /// Read in this session, after this number of commits.
    Read { commits: u64 },
    /// Read in an earlier session: it may be out of date.
    Stale,
}

#[derive(Debug)]
struct Entry {
    versioned: VersionedAccount,
    state: State,
    /// When it was asked for last, counted in uses.
    used: u64,
}

/// The agencies that were asked for last, as this central knows them.
#[derive(Debug)]
pub(super) struct Known {
    /// The most agencies that are kept: where anyone may take part, anyone may ask for any.
    most: usize,
    agencies: BTreeMap<Agency, Entry>,
    /// How often an agency was asked for.
    uses: u64,
    /// To be read.
    wanted: BTreeSet<Agency>,
    /// The last agency that was taken to be read: those with higher numbers come next.
    read_last: Option<Agency>,
    /// Commits that were acknowledged.
    commits: u64,
}

/// What a read of an agency means for connections that rely on what was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is as it was, or nothing was known.
    Unchanged,
    /// Another central has changed it since: its connections here rely on something else.
    Changed,
}

impl Known {
    /// Keeps `most` agencies at most.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            agencies: BTreeMap::new(),
            uses: 0,
            wanted: BTreeSet::new(),
            read_last: None,
            commits: 0,
        }
    }

    /// The agency's state, where it is known in this session; `true`: a later commit was acknowledged.
    pub(super) fn get(&mut self, agency: Agency) -> Option<(&mut VersionedAccount, bool)> {
        let entry = self.agencies.get_mut(&agency)?;
        self.uses += 1;
        entry.used = self.uses;
        match entry.state {
            State::Read { commits } => Some((&mut entry.versioned, commits < self.commits)),
            State::Reading | State::Stale => None,
        }
    }

    /// Queues the agency to be read, also where it is known. Where too many are known, some that were not asked for
    /// lately and are not `needed` are forgotten and returned: their connections do not know any more what is stored.
    pub(super) fn queue_read(
        &mut self,
        agency: Agency,
        needed: impl Fn(Agency) -> bool,
    ) -> Vec<Agency> {
        let mut dropped = Vec::new();
        if self.agencies.len() >= self.most && !self.agencies.contains_key(&agency) {
            let idle = self
                .agencies
                .iter()
                .filter(|(agency, entry)| entry.state != State::Reading && !needed(**agency));
            let mut idle: Vec<(u64, Agency)> =
                idle.map(|(agency, entry)| (entry.used, *agency)).collect();
            idle.sort_unstable();
            idle.truncate((self.most / DROPPED).max(1));
            dropped.extend(idle.into_iter().map(|(_, agency)| agency));
            dropped.iter().for_each(|agency| self.forget(*agency));
        }
        self.queue_read_again(agency);
        dropped
    }

    /// Queues an agency to be read again: it was changed, or its read was interrupted.
    pub(super) fn queue_read_again(&mut self, agency: Agency) {
        self.wanted.insert(agency);
        if let Some(entry) = self.agencies.get_mut(&agency) {
            entry.state = State::Reading;
        }
    }

    /// Takes out of the queue at most `most` agencies that `may` be read now, in turn.
    pub(super) fn take_wanted(
        &mut self,
        most: usize,
        may: impl Fn(Agency) -> bool,
    ) -> BTreeSet<Agency> {
        let last = self.read_last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.wanted.range((last, Bound::Unbounded));
        let before = self
            .wanted
            .iter()
            .take_while(|agency| Some(**agency) <= self.read_last);
        let wanted = behind.chain(before).copied();
        let in_turn: Vec<Agency> = wanted.filter(|agency| may(*agency)).take(most).collect();
        self.read_last = in_turn.last().copied().or(self.read_last);
        let taken = BTreeSet::from_iter(in_turn);
        self.wanted.retain(|agency| !taken.contains(agency));
        taken
    }

    /// Notes what was read of an agency, also for those who asked for it meanwhile: another read would find it changed
    /// by what is staged until then.
    pub(super) fn read(&mut self, agency: Agency, versioned: VersionedAccount) -> Read {
        self.wanted.remove(&agency);
        self.uses += 1;
        let state = State::Read {
            commits: self.commits,
        };
        let before = self.agencies.insert(
            agency,
            Entry {
                versioned: versioned.clone(),
                state,
                used: self.uses,
            },
        );
        match before {
            Some(entry) if entry.versioned != versioned => Read::Changed,
            _ => Read::Unchanged,
        }
    }

    /// Notes that a commit was acknowledged. It confirms all reads so far: queries come one after the other.
    pub(super) fn confirm(&mut self) {
        self.commits += 1;
    }

    /// Forgets what is known of the agency.
    pub(super) fn forget(&mut self, agency: Agency) {
        self.agencies.remove(&agency);
    }

    /// The session was lost: what is known may be out of date, and what was being read is to be read again.
    pub(super) fn session_lost(&mut self) {
        for (agency, entry) in &mut self.agencies {
            match entry.state {
                State::Read { .. } => entry.state = State::Stale,
                State::Reading => _ = self.wanted.insert(*agency),
                State::Stale => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_counts_once_a_later_commit_is_done_in_the_same_session() {
        let agency = Agency::new(1).unwrap();
        let mut known = Known::new(2);
        let mut confirmed = |step: fn(&mut Known, Agency)| {
            step(&mut known, agency);
            known.get(agency).map(|(_, confirmed)| confirmed)
        };
        let read = |known: &mut Known, agency| _ = known.read(agency, VersionedAccount::default());
        assert_eq!(confirmed(|known, _| known.confirm()), None);
        assert_eq!(confirmed(read), Some(false));
        assert_eq!(confirmed(|known, _| known.confirm()), Some(true));
        assert_eq!(confirmed(Known::queue_read_again), None);
        assert_eq!(confirmed(read), Some(false));
        assert_eq!(confirmed(|known, _| known.session_lost()), None);
        assert_eq!(confirmed(|known, _| known.confirm()), None);
    }

    #[test]
    fn where_too_many_are_known_those_not_used_for_longest_are_forgotten_and_returned() {
        let agency = |number| Agency::new(number).unwrap();
        let mut known = Known::new(32);
        for number in 1..=32 {
            assert_eq!(known.queue_read(agency(number), |_| false), []);
            known.read(agency(number), VersionedAccount::default());
        }
        known.get(agency(1));
        // An agency that is known already takes no room.
        assert_eq!(known.queue_read(agency(2), |_| false), []);
        let dropped = known.queue_read(agency(33), |needed| needed == agency(4));
        assert_eq!(
            dropped,
            [agency(3), agency(5)],
            "2 is being read, 4 is needed"
        );
        assert!(known.get(agency(3)).is_none() && known.get(agency(4)).is_some());
        assert_eq!(known.queue_read(agency(34), |_| true), [], "all are needed");

        // To be read is a use, too, and so is each time that it is asked for.
        for asked_for in [&[][..], &[2, 1]] {
            let mut known = Known::new(2);
            for number in [2, 1] {
                known.queue_read(agency(number), |_| false);
                known.read(agency(number), VersionedAccount::default());
            }
            for number in asked_for {
                known.get(agency(*number));
            }
            assert_eq!(known.queue_read(agency(3), |_| false), [agency(2)]);
        }
    }

    #[test]
    fn those_that_are_wanted_without_end_do_not_hold_up_another() {
        let agency = |number| Agency::new(number).unwrap();
        let mut known = Known::new(100);
        known.queue_read(agency(90), |_| false);
        let mut reads = 0;
        loop {
            (1..=20).for_each(|number| _ = known.queue_read(agency(number), |_| false));
            reads += 1;
            if known.take_wanted(5, |_| true).contains(&agency(90)) {
                break;
            }
        }
        assert_eq!(reads, 5, "21 agencies, five at once");
    }

    #[test]
    fn an_agency_that_another_central_has_changed_since_is_told_as_changed() {
        let agency = Agency::new(1).unwrap();
        let mut known = Known::new(2);
        let version = |version| VersionedAccount {
            version,
            ..VersionedAccount::default()
        };
        assert_eq!(
            known.read(agency, version(1)),
            Read::Unchanged,
            "the first time"
        );
        assert_eq!(known.read(agency, version(1)), Read::Unchanged);
        known.session_lost();
        assert_eq!(known.read(agency, version(2)), Read::Changed);
        known.forget(agency);
        assert_eq!(
            known.read(agency, version(3)),
            Read::Unchanged,
            "it was forgotten"
        );
    }
}
