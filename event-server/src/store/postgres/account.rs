//! What is known of one agency: its row of highest version in `commits`, with what was staged here since.

use frame::{Agency, UploadId};

use crate::fact::{Fact, Source};

/// How `commits.upload` says that an agency's batches belong to no upload.
const PLAIN: &str = "plain";

/// How it says that they were taken over from a bets.csv.
const TAKEN_OVER: &str = "taken over";

/// The state of an agency after a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// 0 where there is no row yet.
    pub version: i64,
    /// What its batches are parts of; decided by the first of them.
    pub source: Option<Source>,
    /// Bets in batches.
    pub batched: u64,
    /// Bets in all: the `seq` of the next one.
    pub bets: u64,
    /// Whether it has finished.
    pub finished: bool,
    /// Its uploads that an operator has taken out.
    pub barred: Vec<UploadId>,
}

impl Account {
    /// Adds a fact that was staged.
    pub(super) fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::Bet { .. } => self.bets += 1,
            Fact::Batch { source, bets, .. } => {
                self.source.get_or_insert(source);
                self.batched += u64::from(bets);
                self.bets += u64::from(bets);
            }
            Fact::Finished { .. } => self.finished = true,
            // A checkpoint, the number of agencies and the draw belong to no agency's commits.
            Fact::Stored { .. }
            | Fact::Agencies { .. }
            | Fact::Barred { .. }
            | Fact::Drawn { .. } => {}
        }
    }

    /// Its batches, as the lottery counts them.
    pub(super) fn stored(&self) -> Option<(Source, u64)> {
        self.source.map(|source| (source, self.batched))
    }
}

/// The agency of a fact that is staged for one.
pub(super) fn agency_of(fact: &Fact) -> Option<Agency> {
    match *fact {
        Fact::Bet { agency }
        | Fact::Batch { agency, .. }
        | Fact::Finished { agency }
        | Fact::Stored { agency, .. }
        | Fact::Barred { agency, .. } => Some(agency),
        Fact::Agencies { .. } | Fact::Drawn { .. } => None,
    }
}

/// A source as `commits.upload` has it: hexadecimal digits, or a word that no upload has.
pub(super) fn source_text(source: Source) -> String {
    match source {
        Source::Plain => PLAIN.to_owned(),
        Source::Upload(upload) => upload.to_string(),
        Source::TakenOver => TAKEN_OVER.to_owned(),
    }
}

/// The source of such a text.
pub(super) fn parse_source(text: &[u8]) -> Option<Source> {
    if text == PLAIN.as_bytes() {
        return Some(Source::Plain);
    }
    if text == TAKEN_OVER.as_bytes() {
        return Some(Source::TakenOver);
    }
    UploadId::parse(text).ok().map(Source::Upload)
}
