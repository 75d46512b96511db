//! What this central knows of the agencies, and how sure it is.
//!
//! ```text
//!                 read                      a later commit is done
//! (nothing) ---> Reading ---> Read, unconfirmed ---> Read, confirmed
//!                  ^                                      |
//!                  +---- asked for anew, or the session was lost: Stale
//! ```
//!
//! What was read is not yet known for certain: a primary that has lost its replicas shows rows that may not survive. It
//! counts once a later commit of the same session was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use frame::Agency;

use super::account::Account;

/// The most agencies that are kept: where anyone may take part, anyone may ask for any.
const MAX_KNOWN: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Being read, or to be read.
    Reading,
    /// Read in this session, after so many commits.
    Read { commits: u64 },
    /// Of an earlier session: it may be true.
    Stale,
}

#[derive(Debug)]
struct Entry {
    account: Account,
    state: State,
}

/// The agencies that were ever asked for, as this central knows them.
#[derive(Debug, Default)]
pub(super) struct Known {
    agencies: BTreeMap<Agency, Entry>,
    /// To be read.
    wanted: BTreeSet<Agency>,
    /// Commits that were acknowledged.
    commits: u64,
}

/// What an agency's having been read means for those who knew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is as it was, or nothing was known.
    Unchanged,
    /// Another central has changed it since: who speaks for it here knows something else.
    Changed,
}

impl Known {
    /// The agency's state, where it is known in this session; `true`: a later commit was acknowledged.
    pub(super) fn get(&mut self, agency: Agency) -> Option<(&mut Account, bool)> {
        let entry = self.agencies.get_mut(&agency)?;
        match entry.state {
            State::Read { commits } => Some((&mut entry.account, commits < self.commits)),
            State::Reading | State::Stale => None,
        }
    }

    /// Has the agency read, anew where it is known. Where very many are known, those that are not `needed` are
    /// dropped: they are read again when they are asked for.
    pub(super) fn want(&mut self, agency: Agency, needed: impl Fn(Agency) -> bool) {
        if self.agencies.len() >= MAX_KNOWN {
            self.agencies
                .retain(|agency, entry| needed(*agency) || entry.state == State::Reading);
        }
        self.want_again(agency);
    }

    /// Has an agency read that was being read.
    pub(super) fn want_again(&mut self, agency: Agency) {
        self.wanted.insert(agency);
        if let Some(entry) = self.agencies.get_mut(&agency) {
            entry.state = State::Reading;
        }
    }

    /// At most `most` agencies that are to be read now; they are no longer wanted.
    pub(super) fn take_wanted(
        &mut self,
        most: usize,
        may: impl Fn(Agency) -> bool,
    ) -> BTreeSet<Agency> {
        let wanted = self.wanted.iter().copied();
        let taken: BTreeSet<Agency> = wanted.filter(|agency| may(*agency)).take(most).collect();
        self.wanted.retain(|agency| !taken.contains(agency));
        taken
    }

    /// The agency was read: whoever asked for it meanwhile is served, too. A read that followed would find it changed by
    /// what is staged until then.
    pub(super) fn read(&mut self, agency: Agency, account: Account) -> Read {
        self.wanted.remove(&agency);
        let state = State::Read {
            commits: self.commits,
        };
        let before = self.agencies.insert(
            agency,
            Entry {
                account: account.clone(),
                state,
            },
        );
        match before {
            Some(entry) if entry.account != account => Read::Changed,
            _ => Read::Unchanged,
        }
    }

    /// A commit was acknowledged. It followed all reads there were: queries come one after the other.
    pub(super) fn confirm(&mut self) {
        self.commits += 1;
    }

    /// Nothing is known of the agency any more.
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
        let mut known = Known::default();
        let mut confirmed = |step: fn(&mut Known, Agency)| {
            step(&mut known, agency);
            known.get(agency).map(|(_, confirmed)| confirmed)
        };
        let read = |known: &mut Known, agency| _ = known.read(agency, Account::default());
        assert_eq!(confirmed(|known, _| known.confirm()), None);
        assert_eq!(confirmed(read), Some(false));
        assert_eq!(confirmed(|known, _| known.confirm()), Some(true));
        assert_eq!(confirmed(Known::want_again), None);
        assert_eq!(confirmed(read), Some(false));
        assert_eq!(confirmed(|known, _| known.session_lost()), None);
        assert_eq!(confirmed(|known, _| known.confirm()), None);
    }
}
