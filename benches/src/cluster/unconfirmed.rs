//! Times in which nobody may be told that anything is stored: no standby is waited for.

use std::time::Duration;

use jiff::Timestamp;

/// After so long every session has read a setting anew, and what was acknowledged before has arrived.
const RELOAD: Duration = Duration::from_secs(1);

/// A time in which no standby is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnconfirmedPeriod {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

/// A period that has not ended: the standbys of a primary are named no more.
#[derive(Debug)]
pub(super) struct Unnamed {
    /// The primary.
    pub(super) node: String,
    /// When the last commit that a standby had can have been confirmed.
    begun: Timestamp,
    /// From when on nobody may be told anything.
    since: Timestamp,
}

impl Unnamed {
    /// The standbys of this node are named no more since `now`.
    pub(super) fn begin(node: String, now: Timestamp) -> Self {
        let begun = now + RELOAD;
        Self {
            node,
            begun,
            since: begun,
        }
    }

    /// A central goes on at `now` that stood still from `from` on. What the database had confirmed to it before that reaches
    /// its clients only now.
    pub(super) fn goes_on(&mut self, from: Timestamp, now: Timestamp) {
        if from < self.begun {
            self.since = self.since.max(now + RELOAD);
        }
    }

    /// The standbys are named again.
    pub(super) fn end(self, until: Timestamp) -> UnconfirmedPeriod {
        UnconfirmedPeriod {
            since: self.since,
            until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_central_that_stood_still_when_the_period_began_may_tell_late_what_was_confirmed_before() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let since = |from, now| {
            let mut unnamed = Unnamed::begin("pg1".to_owned(), at(100));
            unnamed.goes_on(at(from), at(now));
            unnamed.end(at(130)).since
        };
        assert_eq!(since(90, 110), at(111));
        assert_eq!(since(100, 110), at(111));
        // What it was told had no standby: it must not tell that.
        assert_eq!(since(101, 110), at(101));
        assert_eq!(since(105, 110), at(101));
    }
}
