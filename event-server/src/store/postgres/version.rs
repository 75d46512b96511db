//! What is known of one agency: its row of highest version in `commits`, with what was staged here since.

use frame::UploadId;

use crate::fact::{Account, Source};

/// How `commits.upload` says that an agency's batches belong to no upload.
const PLAIN: &str = "plain";

/// How it says that they were taken over from a bets.csv.
const TAKEN_OVER: &str = "taken over";

/// An agency's state, and the version that it was stored with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Its number; 0 where there is no row yet.
    pub number: i64,
    /// The state.
    pub account: Account,
    /// Its uploads that an operator has taken out.
    pub barred: Vec<UploadId>,
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
