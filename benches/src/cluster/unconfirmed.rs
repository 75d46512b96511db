//! Times in which nobody may be told that anything is stored: no standby is waited for.

use jiff::Timestamp;

/// A time in which no standby is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnconfirmedPeriod {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}
