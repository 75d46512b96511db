//! What a central has to know to use a database.

use std::time::Duration;

use super::url::DatabaseUrl;

/// How commits are to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// As the database is set.
    AsSet,
    /// Without waiting for the database's disk: `synchronous_commit = off`.
    Off,
    /// Not at all without a synchronous standby.
    Replicated,
}

/// What a link has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// Where the database is, and as whom to use it; with the password, wherever it came from.
    pub url: DatabaseUrl,
    /// The schema of the lottery.
    pub lottery: String,
    /// This central's name.
    pub central: String,
    /// How many agencies take part; 0: anyone, no draw.
    pub agencies: u32,
    /// How commits are made durable.
    pub commit: CommitMode,
    /// How long the database may be silent while it owes something.
    pub timeout: Duration,
}
