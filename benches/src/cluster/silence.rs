//! Times in which nobody may be told that anything is stored: no standby is waited for.

use jiff::Timestamp;

/// Such a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}
